"""What the README shows is what the committed results say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_table_is_the_top_of_the_committed_comparison():
    # As committed: a run of one's own may write another report in its place.
    git = ["git", "-C", str(ROOT), "show", "HEAD:results/runs/quick/comparison.md"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if found.returncode:
        pytest.skip("not a git checkout")
    shown, lines = first_table(README), first_table(found.stdout)
    assert len(shown) >= 6
    assert shown == lines[: len(shown)]


def first_table(text: str) -> list[str]:
    found = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert found is not None
    return found.group().splitlines()


def test_it_shows_the_figure_of_the_committed_run():
    assert "(results/runs/quick/figures/pareto.svg)" in README
