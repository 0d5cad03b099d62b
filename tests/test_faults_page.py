"""docs/pages/faults.md says nothing that no test does and no message says."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "pages" / "faults.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| fault ")
]


@cache
def constants() -> str:
    """Every text of the product's code; pieces of one message as they follow each other."""
    texts = []
    for folder in ("zoo", "bench"):
        for file in (ROOT / folder).rglob("*.py"):
            nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            texts += [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join(texts)


def test_there_are_forty_faults_and_more():
    assert len(ROWS) >= 40
    assert all(len(row) == 4 for row in ROWS), [row for row in ROWS if len(row) != 4]


def test_every_fault_has_a_test_that_exists():
    tests = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    missing = [row[3] for row in ROWS if f"def {row[3].strip('`')}(" not in tests]
    assert not missing


@pytest.mark.parametrize("row", [row for row in ROWS if "`" in row[2]], ids=lambda row: row[0][:40])
def test_the_words_that_are_shown_are_words_of_the_product(row):
    texts = constants()
    assert all(words in texts for words in row[2].split("`")[1::2]), row[2]
