"""Which code decides a trial's key."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.experiment.code_hash import code_of, source_files, source_hash
from zoo import registry

PLUGIN = """
from helper import width
from zoo.models import _tabnet
from zoo.network import Network
from zoo.registry import register_model


@register_model("{name}", title="T", paper="none")
class Plugged(Network):
    def __init__(self, *, n_features: int, lookback: int) -> None:
        super().__init__()
"""


def names(model: str) -> set[str]:
    return {file.name for file in source_files(model)}


@pytest.mark.parametrize(
    ("model", "private"),
    [
        ("tabnet", {"_tabnet.py"}),
        ("hist", {"_cosine.py"}),
        ("gats", {"_attention.py"}),
        ("tra", {"_transport.py"}),
        ("linear", {"_select.py"}),
    ],
)
def test_private_modules_count_for_the_models_that_import_them_and_no_others(model: str, private: set[str]) -> None:
    assert private <= names(model)
    assert not private & names("gru")


def test_trainer_windows_features_and_layers_count_but_registry_and_errors_do_not() -> None:
    found = names("gru")
    assert {"gru.py", "layers.py", "trainer.py", "crosssection.py", "windows.py", "raw.py", "labels.py"} <= found
    assert not {"registry.py", "errors.py", "parameters.py", "config.py"} & found
    assert source_files("gru")[0].name == "gru.py"


def test_a_plugin_counts_with_the_files_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "helper.py").write_text("width = 3\n")
    (tmp_path / "plugged.py").write_text(PLUGIN.format(name="plugged"))
    registry.load_plugin(tmp_path / "plugged.py")
    files = source_files("plugged")
    assert files[0] == (tmp_path / "plugged.py").resolve()
    assert {"helper.py", "_tabnet.py"} <= {file.name for file in files}
    before = source_hash("plugged")
    (tmp_path / "helper.py").write_text("width = 4\n")
    source_hash.cache_clear()
    code_of.cache_clear()
    assert source_hash("plugged") != before


def test_comments_and_docstrings_do_not_count_but_code_does(tmp_path: Path) -> None:
    def code(text: str) -> str:
        file = tmp_path / "model.py"
        file.write_text(text)
        code_of.cache_clear()
        return code_of(file)

    one = code('"""Title."""\ndef f():\n    """Doc."""\n    return 1\n')
    assert one == code('"""Other."""\n\n\ndef f():  # why\n    """Else."""\n    return (1)\n')
    assert one != code('"""Title."""\ndef f():\n    """Doc."""\n    return 2\n')


def test_what_a_model_declares_beside_its_class_does_not_count_but_its_scope_does(tmp_path: Path) -> None:
    def code(declared: str) -> str:
        file = tmp_path / "model.py"
        file.write_text(f"@register_model('m', title='M'{declared})\nclass M:\n    pass\n")
        code_of.cache_clear()
        return code_of(file)

    plain = code("")
    for declared in ("complexity=('T', 'N')", "quick={'hidden_size': 8}", "published={}", "variants=({'a': 1},)"):
        assert code(f", {declared}") == plain
    assert code(", scope='day'") != plain
