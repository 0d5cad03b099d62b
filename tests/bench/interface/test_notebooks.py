"""The notebooks of `examples/` run from top to bottom, and are committed as they ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_there_are_two():
    assert [notebook.stem for notebook in NOTEBOOKS] == ["add_a_model", "own_data"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_its_cells_run_in_order(notebook, tmp_path, monkeypatch, plugin, plugin_metric):
    # The registries forget what the cells register.
    plugin("unused", ""), plugin_metric("unused", "np.ones(1)")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    for number, cell in enumerate(code_cells(notebook)):
        exec(compile("".join(cell["source"]), f"{notebook.name}[{number}]", "exec"), namespace)
    assert namespace["result"].table["rank_ic"].notna().all()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_it_is_committed_small_and_as_it_ran(notebook):
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any("has the highest mean Rank IC" in json.dumps(output) for output in outputs)
    assert notebook.stat().st_size < 50_000
