from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, key_of_trial, run_cli, write_prices
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bench.advice.facts import gather
from bench.advice.verdict import verdict
from bench.records.documents import write_json
from bench.records.store import RunStore
from bench.report import write_report
from bench.report.markdown import escape
from zoo.data.sources import load_panel

HOSTILE = "<script>alert(1)</script>|\n# heading\n\n[link](javascript:1) ![i](http://x) **b** `code` &lt; \\| <!-- $"


def parse(text: str) -> list[Token]:
    """The tokens of GitHub's markdown, inline ones included."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return tokens + [child for token in tokens for child in token.children or []]


def headings(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]


def table_under(text: str, heading: str | None = None, column: str = "") -> list[dict[str, str]]:
    """The first table after a heading that has such a column, as rows of header -> cell."""
    part = text if heading is None else text.partition(f"\n## {heading}\n")[2]
    tables = [t for t in re.findall(r"(?:^\|.*\n)+", part, re.MULTILINE) if column in t.partition("\n")[0]]
    assert tables
    cells = [
        [c.strip().replace("\\", "") for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in tables[0].splitlines()
    ]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


@pytest.fixture(scope="module")
def report(finished: Path) -> str:
    return (finished / "runs" / "small" / "comparison.md").read_text()


@pytest.fixture
def rewritten(own_copy: Path) -> Callable[[Callable[[dict[str, Any]], None]], str]:
    """The report after an edit of `run.json`."""

    def rewrite(edit: Callable[[dict[str, Any]], None]) -> str:
        path = own_copy / "runs" / "small" / "run.json"
        run = json.loads(path.read_text())
        edit(run)
        write_json(path, run)
        return write_report(own_copy, "small", figures=False)[1].read_text()

    return rewrite


# The numbers


@pytest.fixture(scope="module")
def recomputed(finished: Path) -> dict[str, dict[str, float]]:
    """Every mean of the main table, from the stored scores with pandas alone."""
    panel = load_panel("planted:local?stocks=20&days=200")
    days = pd.to_datetime(panel.days)
    close = pd.DataFrame(panel.field("close").astype(float), index=days, columns=panel.symbols)
    label = (close.shift(-2) / close.shift(-1) - 1).rename_axis(index="datetime", columns="instrument")
    target = (label.rank(axis=1, pct=True) - 0.5) * 3.46
    store = RunStore.open(finished, "small")
    found: dict[str, dict[str, float]] = {}
    for model in ("linear", "gru", "tcn"):
        ic, rank_ic, mse = {}, {}, []
        for seed in (0, 1):
            folder = store.trial_folder(key_of_trial(finished, model, seed))
            score = pd.read_parquet(folder / "scores.parquet").pivot(
                index="datetime", columns="instrument", values="score"
            )
            raw = label.reindex(index=score.index, columns=score.columns)
            ic[seed] = score.corrwith(raw, axis=1)
            rank_ic[seed] = score.corrwith(raw, axis=1, method="spearman")
            error = (score - target.reindex(index=score.index, columns=score.columns)) ** 2
            mse.append(np.nanmean(error.to_numpy()))
        found[model] = {"MSE": float(np.mean(mse))}
        for name, series in (("IC", pd.DataFrame(ic)), ("Rank IC", pd.DataFrame(rank_ic))):
            found[model] |= {
                name: float(series.mean(axis=1).mean()),
                f"{name} seed": float(series.mean().std()),
                f"{name}R": float((series.mean() / series.std()).mean()),
                f"{name} days": float(series.mean(axis=1).count()),
            }
    return found


def test_every_mean_of_the_table_is_that_of_the_stored_scores(report, recomputed):
    rows = {row["model"]: row for row in table_under(report)}
    assert set(rows) == set(recomputed)
    for model, mine in recomputed.items():
        row = rows[model]
        assert row["Rank IC ± 95 %"].split(" ±")[0] == f"{mine['Rank IC']:.4f}"
        assert row["IC ± 95 %"].split(" ±")[0] == f"{mine['IC']:.4f}"
        assert row["seed sd"] == f"{mine['Rank IC seed']:.4f}"
        assert row["seed sd (IC)"] == f"{mine['IC seed']:.4f}"
        assert row["Rank ICIR"] == f"{mine['Rank ICR']:.3f}"
        assert row["ICIR"] == f"{mine['ICR']:.3f}"
        assert row["MSE"] == f"{mine['MSE']:.4f}"


def test_the_difference_to_the_baseline_is_that_of_the_means(report, recomputed):
    for row in table_under(report):
        cell = row["Rank IC − linear [95 %]"]
        if row["model"] == "linear":
            assert cell == "–"
        else:
            expected = recomputed[row["model"]]["Rank IC"] - recomputed["linear"]["Rank IC"]
            assert cell.split(" [")[0] == f"{expected:+.4f}"
            low, high = map(float, re.findall(r"[+-]\d\.\d+", cell)[1:])
            assert low < expected < high


def test_the_table_is_sorted_by_rank_ic(report):
    values = [float(row["Rank IC ± 95 %"].split(" ±")[0]) for row in table_under(report)]
    assert values == sorted(values, reverse=True)


def test_cost_and_size_cells_are_those_of_the_records(report, finished):
    store = RunStore.open(finished, "small")
    latency = next(iter(json.loads((store.folder / "latency.json").read_text())["machines"].values()))
    for row in table_under(report):
        keys = [key_of_trial(finished, row["model"], seed) for seed in (0, 1)]
        records = [json.loads((store.trial_folder(k) / "record.json").read_text()) for k in keys]
        assert row["fit s"] == f"{np.median([r['fit']['seconds'] for r in records]):.3g}"
        assert row["parameters"] == f"{records[0]['n_parameters']:,}"
        assert row["one day ms"] == f"{1000 * np.median(latency[keys[0]]['seconds']):.3g}"


def test_the_verdict_names_the_leader_its_interval_and_the_days(report, recomputed):
    best = max(recomputed, key=lambda model: recomputed[model]["Rank IC"])
    title = {"linear": "Linear", "gru": "GRU", "tcn": "TCN"}[best]
    days = int(recomputed[best]["Rank IC days"])
    assert (
        f"{title} has the highest mean Rank IC on the {days} test days: {recomputed[best]['Rank IC']:.4f} ±" in report
    )


def test_every_cell_a_sentence_rests_on_exists(finished):
    facts = gather(finished, "small")
    cells = [cell for sentence in verdict(facts) for cell in sentence.cells]
    assert len(cells) >= 4
    for cell in cells:
        assert facts.cells[cell.id] == cell


def test_a_difference_is_called_real_only_when_it_survives_the_number_of_pairs(report):
    rows = table_under(report, "Which differences are real", "verdict")
    assert len(rows) == 3
    for row in rows:
        assert row["verdict"] == ("different" if float(row["p (Holm)"]) <= 0.05 else "no evidence of a difference")
        assert float(row["p (Holm)"]) >= float(row["p"])
    told = sum(row["verdict"] == "different" for row in rows)
    assert f"Of 3 pairs {told} differ after Holm's correction" in report


def test_the_difference_to_the_baseline_is_the_same_in_both_tables(report):
    main = {r["model"]: r["Rank IC − linear [95 %]"] for r in table_under(report)}
    pairs = {
        r["pair"]: r["Rank IC difference [95 %]"] for r in table_under(report, "Which differences are real", "pair")
    }
    for model, found in main.items():
        direct, reverse = pairs.get(f"{model} − linear"), pairs.get(f"linear − {model}")
        assert found == "–" or direct == found or sorted(numbers(reverse)) == sorted(-x for x in numbers(found))


def test_the_confidence_set_is_named_with_its_models(report):
    inside = [
        r["model"]
        for r in table_under(report, "Which differences are real", "Newey-West t")
        if r["in the 90 % confidence set (p)"].startswith("yes")
    ]
    assert f"{len(inside)} of 3 models are in the 90 % model confidence set" in report
    assert f": {', '.join(inside)}." in report


def numbers(text: str | None) -> list[float]:
    return [float(x) for x in re.findall(r"[+-]\d\.\d+", text or "")]


# The rest of the page


def test_the_first_screen_is_verdict_setup_and_table(report):
    lines = [line for line in report.splitlines() if line]
    assert lines[0] == "# Comparison: small"
    for part in ("200 days 2010-01-04", "20 stocks a day", "train 2010-", "embargo 2 days", "2 seeds", "cpu", "torch"):
        assert part in lines[2]
    assert re.search(r"protocol uniform, config [0-9a-f]{8}", lines[2])
    assert lines[3] == "Small settings."
    assert lines[4].startswith("| model")


def test_the_command_of_the_report_repeats_the_run(report, finished):
    command = report.partition("## Reproduce")[2].strip("`\n ")
    assert command == f"python -m bench run {SMALL} --models gru,tcn --jobs 1 --results {finished} --no-figures"


def test_training_overrides_stand_beside_their_model(report):
    rows = {row["model"]: row for row in table_under(report, "Settings")}
    assert rows["tcn"]["training overrides"] == "lr 0.001"
    assert rows["gru"]["training overrides"] == "none"
    assert "hidden_size 4" in rows["gru"]["parameters"]
    assert "lr 0.002, batch_size 1000" in report


def test_all_columns_of_the_table_are_defined(report):
    definitions = report.partition("## Definitions")[2]
    for column in ("IC", "Rank IC", "± 95 %", "seed sd", "MSE", "capture", "parameters", "fit s", "one day ms"):
        assert f"- **{column}**" in definitions


def test_folds_are_told_apart(tmp_path):
    split = "data.split={mode: walk_forward, train: 80d, valid: 20d, test: 20d, step: 40d}"
    answer = run_cli("run", SMALL, "--models", "linear", "--set", split, "--jobs", "1", "--results", tmp_path)
    assert answer.code == 0, answer.err
    assert "linear fold 0 seed 0: test Rank IC" in answer.out
    *rows, pooled = table_under((tmp_path / "comparison.md").read_text(), "Rank IC by fold")
    folds = RunStore.open(tmp_path, "small").run()["folds"]
    assert len(rows) == len(folds) >= 2
    for i, (row, fold) in enumerate(zip(rows, folds, strict=True)):
        assert row["fold"] == str(i)
        for name in ("train", "valid", "test"):
            assert row[name] == f"{fold[name][0]} .. {fold[name][1]}"
    assert pooled["fold"] == "pooled"
    assert int(pooled["days"]) == sum(int(row["days"]) for row in rows)
    assert all(re.fullmatch(r"-?\d\.\d{4} ± \d\.\d{4}", row["linear"]) for row in [*rows, pooled])


def test_a_run_in_which_everything_failed_still_has_a_report(own_copy):
    store = RunStore.open(own_copy, "small")
    for trial in store.run()["trials"]:
        shutil.rmtree(store.trial_folder(trial["key"]))
        store.write_failure(trial["key"], {**trial, "error": "no luck", "details": ""})
    text = write_report(own_copy, "small", figures=False)[1].read_text()
    assert "No model finished, so there is nothing to rank." in text
    assert [row["why"] for row in table_under(text, "Failures")] == ["no luck"] * 6
    assert "nan" not in text


def test_a_report_is_rebuilt_and_shown_without_torch(own_copy, report):
    written = own_copy / "runs" / "small" / "comparison.md"
    written.unlink()
    code = f"""
import sys
from bench.cli import main
for command in (["report", "--no-figures"], ["show"]):
    sys.argv = ["bench", *command, "small", "--results", {str(own_copy)!r}]
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
assert "torch" not in sys.modules
"""
    root = Path(__file__).parents[3]
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert written.read_text() == report


# Hostile text


def assert_harmless(text: str, expected_headings: list[str]) -> None:
    tokens = parse(text)
    kinds = {token.type for token in tokens}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline"}
    assert [h for h in headings(text) if not h.startswith("Comparison")] == expected_headings
    assert "<script" not in text.partition("## Reproduce")[0]
    widths = {len(re.split(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| ")}
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, widths


@pytest.mark.parametrize(
    "text", [HOSTILE, "x" * 5000, "# boom", "- a", "> a", "1. a", "[IC]: http://x", "===", "``` a"]
)
def test_notes_and_names_are_text_and_nothing_else(rewritten, report, text):
    def edit(run: dict[str, Any]) -> None:
        run["note"] = text
        run["protocol"] = text
        run["data"]["name"] = text
        run["data"]["notes"] = [text, "harmless"]

    found = rewritten(edit)
    assert_harmless(found, [h for h in headings(report) if not h.startswith("Comparison")])
    assert max(map(len, found.splitlines())) < 4000
    bullets = [
        t for t in parse(found.partition("## Data")[2].partition("## Settings")[0]) if t.type == "list_item_open"
    ]
    assert len(bullets) == 2
    shown = " ".join(t.content for t in parse(found) if t.type == "text")
    assert " ".join(text.split())[:40].replace("&lt;", "").split(" ")[0][:10] in shown


def test_the_error_of_a_failure_is_text_and_nothing_else(own_copy, report):
    store = RunStore.open(own_copy, "small")
    key = key_of_trial(own_copy, "tcn", 0)
    shutil.rmtree(store.trial_folder(key))
    store.write_failure(key, {"model": "tcn", "fold": 0, "seed": 0, "error": HOSTILE * 50, "details": ""})
    text = write_report(own_copy, "small", figures=False)[1].read_text()
    expected = [h for h in headings(report) if not h.startswith("Comparison")]
    assert_harmless(text, ["Failures", *expected])


def test_a_command_cannot_leave_its_code_block(rewritten, report):
    def edit(run: dict[str, Any]) -> None:
        run["command"] = "python -m bench run --data 'a\n```\n<script>alert(1)</script>\n````\n# boom'"

    text = rewritten(edit)
    assert "html_block" not in {token.type for token in parse(text)}
    assert headings(text) == headings(report)
    fence = next(token for token in parse(text) if token.type == "fence")
    assert "# boom" in fence.content


def test_a_data_file_of_a_hostile_name_and_symbols_is_reported_as_text(tmp_path):
    prices = write_prices(tmp_path / "<script>alert(1)<|`# x.csv")
    text = prices.read_text()
    prices.write_text(text.replace(",S0,", ",<img src=x>|,").replace(",S1,", f",{'y' * 5000},"))
    answer = run_cli(
        *("run", SMALL, "--models", "linear", "--data", prices, "--seeds", "1", "--jobs", "1", "--name", "x"),
        *("--results", tmp_path / "results"),
    )
    assert answer.code == 0, answer.err
    found = (tmp_path / "results" / "runs" / "x" / "comparison.md").read_text()
    kinds = {token.type for token in parse(found)}
    assert not kinds & {"html_block", "html_inline", "link_open", "image"}
    assert "&lt;script&gt;alert(1)&lt;" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", "a\\|b"),
        ("a\nb\r\n\tc", "a b c"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("\\|", "\\\\\\|"),
        ("`*", "\\`\\*"),
        ("plain_name 0.1 [0.0, 0.2]", "plain_name 0.1 [0.0, 0.2]"),
    ],
)
def test_escaping_by_hand(text, expected):
    assert escape(text) == expected


@pytest.mark.parametrize("mark", ["|", "<", "&", "\\", "`", "](", "a|", "<script>"])
@pytest.mark.parametrize("length", range(990, 1010, 3))
def test_cutting_a_long_text_cuts_no_escape_in_half(mark, length):
    whole = "x" * length + mark * 500
    text = escape(whole)
    cell = f"| head | b |\n|---|---|\n| {text} | last |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(cell)
    inline = [t for t in tokens if t.type == "inline"]
    assert inline[3].content == "last"
    assert "".join(c.content for c in inline[2].children or []) == whole[:997] + "..."
