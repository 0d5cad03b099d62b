"""Arrays mapped from files: read without becoming resident, let go of, and copied as what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.data import pages
from zoo.data.panel import Panel


@pytest.fixture
def mapped(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Values, and the same from a file behind ten bytes."""
    values = np.random.default_rng(0).standard_normal((4, 30, 3)).astype(np.float32)
    file = tmp_path / "values"
    file.write_bytes(b"x" * 12 + values.tobytes())
    with file.open("rb") as stream:
        return values, pages.map_file(stream, 12, values.shape)


@pytest.mark.parametrize("length", [1, 7])
def test_runs_of_rows_are_those_of_the_array(mapped, length):
    values, far = mapped
    assert pages.is_mapped(far)
    first = np.array([0, 113, 5, 5, 31])
    expected = np.stack([values.reshape(-1, 3)[at : at + length] for at in first])
    np.testing.assert_array_equal(pages.read_runs(far, first, length), expected)
    np.testing.assert_array_equal(pages.read_runs(values, first, length), expected)


def test_runs_can_be_read_where_the_system_reads_no_file_at_a_position(mapped, monkeypatch):
    values, far = mapped
    monkeypatch.setattr(pages, "_files", {})
    np.testing.assert_array_equal(pages.read_runs(far, np.array([3]), 2)[0], values.reshape(-1, 3)[3:5])


def test_what_was_let_go_of_is_read_again(mapped, monkeypatch):
    values, far = mapped
    monkeypatch.setattr(pages, "_BLOCK", 1)
    for _ in range(2):
        for block in pages.stock_blocks(far):
            assert block.stop == block.start + 1
            np.testing.assert_array_equal(far[block], values[block])


@pytest.mark.parametrize("cache", ["on", "off"])
def test_a_part_of_a_mapped_panel_is_mapped_where_it_can_be(mapped, monkeypatch, tmp_path, cache):
    values, far = mapped
    monkeypatch.setattr(pages, "IN_MEMORY", 0)
    monkeypatch.setattr(pages, "_BLOCK", 1)
    monkeypatch.setenv("ALPHA_ZOO_CACHE", str(tmp_path) if cache == "on" else "off")
    days = np.datetime64("2020-01-01") + np.arange(30)
    names, member = np.array(list("ABCD")), np.ones((30, 4), bool)
    panel = Panel(days, names, ("open", "close", "volume"), far.transpose(1, 0, 2), member)
    part = panel.part(np.array([1, 3]), slice(4, 20))
    np.testing.assert_array_equal(part.stock_major, values[[1, 3], 4:20])
    assert part.symbols.tolist() == ["B", "D"]
    assert pages.is_mapped(part.values) == (cache == "on")
    assert not pages.is_mapped(Panel(days, names, panel.fields, values.transpose(1, 0, 2), member).part().values)
