"""Where a run tells what it does: terminal, pipe, notebook, nowhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

from cli_runs import SMALL

import bench
from bench.interface.display import Notebook, Silent, Terminal, display_here
from bench.interface.run import Conduct, run_experiment
from bench.interface.settings import configure


def test_a_process_without_a_notebook_prints_lines_and_a_silent_one_nothing(capsys, own_copy):
    keywords: dict[str, Any] = {"config": SMALL, "models": "linear", "jobs": 1, "figures": False, "results": own_copy}
    bench.compare(**keywords, progress=False, seeds=[5])
    assert capsys.readouterr() == ("", "")
    bench.compare(**keywords, seeds=[6])
    told = capsys.readouterr().out
    assert "[1/1] linear seed 6: test Rank IC" in told
    assert "1 trained, 0 stored, 0 failed" in told
    assert "\x1b[" not in told


def test_the_place_decides_on_the_display(monkeypatch):
    assert isinstance(display_here(progress=False), Silent)
    assert isinstance(display_here(), Terminal)
    shell: Any = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert isinstance(display_here(), Notebook)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert isinstance(display_here(), Terminal)


def test_a_notebook_is_shown_one_bar_that_is_redrawn_as_trials_end(tmp_path, plugin):
    file = plugin("breaking", 'def training_loss(self, *given):\n    raise RuntimeError("<b>no luck</b>")')
    pages: list[list[str]] = []

    def show(html: str) -> Any:
        pages.append([html])
        return pages[-1].append

    from bench.interface.prepare import prepare

    prepare([file])
    experiment = configure(SMALL, {"seeds": [0]})
    list(run_experiment(experiment, "breaking", Conduct(jobs="1", figures=False), tmp_path, [], Notebook(show)))
    (drawn,) = pages
    assert "<progress value='2' max='2'></progress> 2 of 2 trials" in drawn[-1]
    assert "<td>linear</td><td>1</td>" in drawn[-1]
    assert "&lt;b&gt;no luck&lt;/b&gt;" in drawn[-1]
    assert "<b>" not in drawn[-1]
