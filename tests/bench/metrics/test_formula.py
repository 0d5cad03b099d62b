"""Which code makes a metric's formula."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.metrics import list_metrics, metric, registry
from bench.metrics.formula import formula_hash
from zoo.registry import load_plugin

FILE = '''
import numpy as np
from formula_helper import scale
from bench.metrics import Scored, register_metric

FACTOR = 2.0


@register_metric("own", title="T", definition="d.")
def own(day_scores: Scored) -> np.ndarray:
    """Doc."""
    return _inner(day_scores) * scale  # why


def _inner(day_scores: Scored) -> np.ndarray:
    return day_scores.names * FACTOR


def other() -> int:
    return 1
'''


@pytest.fixture
def hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The hash of the metric `own` of a file of the given text, beside a `formula_helper.py`."""
    list_metrics()
    monkeypatch.setattr(registry, "_metrics", dict(registry._metrics))
    monkeypatch.syspath_prepend(str(tmp_path))

    def of(text: str, helper: str = "scale = 1\nunused = 2\n") -> str:
        (tmp_path / "formula_helper.py").write_text(helper)
        (tmp_path / "formula_metric.py").write_text(text)
        load_plugin(tmp_path / "formula_metric.py")
        return formula_hash(metric("own"))

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # why", ""),
        ('    """Doc."""\n', ""),
        ('title="T", definition="d."', 'title="Other", definition="more.", format=".1f", direction="lower"'),
        ("return 1", "return 3"),
        ("def other", "def more() -> int:\n    return 5\n\n\ndef other"),
        ("FACTOR\n", "(FACTOR)\n"),
        ("_inner(day_scores: Scored) -> np.ndarray", "_inner(day_scores)"),
    ],
    ids=["comment", "docstring", "title", "another function", "a new function", "layout", "types"],
)
def test_what_changes_no_number_does_not_count(hashed, old: str, new: str):
    assert old in FILE
    assert hashed(FILE.replace(old, new)) == hashed(FILE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (") * scale", ") / scale"),
        ("names * FACTOR", "names + FACTOR"),
        ("FACTOR = 2.0", "FACTOR = 3.0"),
        ("FACTOR = 2.0", "FACTOR = 2.0\nnp.seterr(all='ignore')"),
        ("FACTOR = 2.0", "FACTOR = 2.0\nfor _ in range(3):\n    FACTOR *= 2"),
    ],
    ids=["formula", "a function it calls", "a constant of that", "a call at import", "a constant changed in a loop"],
)
def test_what_may_change_a_number_counts(hashed, old: str, new: str):
    assert old in FILE
    assert hashed(FILE.replace(old, new)) != hashed(FILE)


def test_a_name_imported_from_a_file_beside_the_plugin_counts_and_its_neighbours_do_not(hashed):
    before = hashed(FILE)
    assert hashed(FILE, "scale = 1\nunused = 7\n") == before
    assert hashed(FILE, "scale = 9\nunused = 2\n") != before
    whole = FILE.replace("from formula_helper import scale", "import formula_helper as h").replace(
        "* scale", "* h.scale"
    )
    assert hashed(whole) != hashed(whole, "scale = 9\nunused = 2\n")


def test_each_metric_of_a_file_has_a_formula_of_its_own():
    hashes = [formula_hash(m) for m in list_metrics(derived=False)]
    assert len(set(hashes)) == len(hashes)
