"""What the README shows is what the committed results say."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

import zoo
from bench.cli import app

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


def test_its_sections_on_variants_and_own_predictions_run_as_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel = zoo.load_panel("planted:local?stocks=10&days=400")
    panel.to_frame().reset_index().to_parquet("prices.parquet")
    scores = panel.to_frame()["close"].rename("score").reset_index()
    for seed in (0, 1):
        scores.iloc[7:].to_csv(f"seed{seed}.csv", index=False)
    commands = [c for c in re.findall(r"^python -m bench (run .*)$", README, re.MULTILINE) if "--set models" in c]
    commands += [c for c in re.findall(r"^python -m bench (run .*)$", README, re.MULTILINE) if "--scores" in c]
    assert len(commands) == 2
    for command in commands:
        small = command.replace("planted:local", "planted:local?stocks=10&days=300")
        limits = "--seeds 1 --jobs 1 --no-figures --set train.max_epochs=1 --set size=quick"
        done = CliRunner().invoke(app, shlex.split(f"{small} {limits}"))
        assert done.exit_code == 0, done.output
