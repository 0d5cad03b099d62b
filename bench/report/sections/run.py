"""The sections about one run: main table, failures, folds, pairs, data, settings, definitions."""

from __future__ import annotations

from collections.abc import Iterable

from bench.advice.facts import Facts
from bench.advice.verdict import setup_line, verdict
from bench.report.tables import main
from bench.report.tables.published import published_sentence, published_table
from bench.report.tables.variants import variant_table
from bench.text.cells import Cell
from bench.text.document import Code, Figure, Items, Prose, Section, prose, section
from bench.text.language import listed, retold, translate
from bench.text.sentences import Sentence, say
from bench.text.tables import Table
from zoo.config import DataConfig


def opening(facts: Facts) -> Section | None:
    """Verdict, setup, main table: the first screen."""
    note = facts.run["note"]
    return section(
        "verdict",
        "",
        prose(*verdict(facts)),
        Items(((translate("Setup"), setup_line(facts)),)),
        prose(Sentence(retold(note)) if note else None),
        Figure("pareto", translate("Rank IC against the latency of one day; lines are 95 % intervals.")),
        main.main_table(facts.board),
        variant_table(facts.run),
        _external(facts),
        prose(main.outdated_sentence(facts.board)),
        prose(published_sentence(facts.board)),
        published_table(facts.board),
        _oracle(facts),
    )


def _external(facts: Facts) -> Items | None:
    """What is to be known of rows of scores from elsewhere."""
    files = facts.run["config"].get("scores", {})
    if not files:
        return None
    first = translate(
        "external: scores from files, not trained here. Whether they look ahead cannot be checked, and there is no "
        "cost of a fit or a prediction: {names}.",
        names=listed(files),
    )
    return Items(tuple(("", text) for text in (first, *(retold(note) for note in facts.run.get("external", [])))))


def _oracle(facts: Facts) -> Prose | None:
    if facts.board.oracle is None:
        return None
    template = (
        "The true signal itself (oracle) has IC {ic:.4f} and Rank IC {rank_ic:.4f} on these test days (designed: "
        "IC {designed_ic:.4f}); capture is a model's IC as a share of the oracle's."
    )
    return prose(say(template, **{k: Cell(f"oracle.test.{k}", value) for k, value in facts.board.oracle.items()}))


def failures(facts: Facts) -> Section | None:
    """What failed, and why."""
    return section("failures", translate("Failures"), main.failure_table(facts.board))


def folds(facts: Facts) -> Section | None:
    """Results by fold, where there are several."""
    return section("folds", translate("Rank IC by fold"), main.fold_table(facts.board))


def details(facts: Facts, tables: Iterable[Table]) -> list[Section | None]:
    """The data, the settings, the definitions of the columns of `tables`, the command."""
    board = facts.board
    return [
        section("data", translate("Data"), _data(facts)),
        section(
            "settings",
            translate("Settings"),
            prose(say("Shared by all: {settings}.", settings=main.shared_settings(board))),
            prose(Sentence(main.deviation_line(board))),
            main.settings_table(board),
        ),
        section(
            "definitions",
            translate("Definitions"),
            Items(tuple((translate(title), translate(text)) for title, text in main.definitions_of(tables))),
        ),
        section("reproduce", translate("Reproduce"), Code(facts.run["command"])),
    ]


def _data(facts: Facts) -> Items | Prose | None:
    run = facts.run
    notes = [retold(note) for note in (*run["data"]["notes"], *(f["note"] for f in run["folds"] if "note" in f))]
    reach = DataConfig.model_validate({"label": run["config"]["data"]["label"]}).label.reach
    embargo = min(fold["embargo"] for fold in run["folds"])
    if embargo < reach:
        notes.append(
            translate(
                "Look-ahead: the embargo of {embargo} days is shorter than the label's reach of {reach} days, as "
                "split.force allows: labels at the end of train and valid read prices of the segment after them.",
                embargo=embargo,
                reach=reach,
            )
        )
    if run["data"]["snapshot_concepts"]:
        notes.append(translate("Look-ahead: the concepts carry no dates, so today's groups stand for all of history."))
    if not notes:
        return prose(say("Nothing was assumed or missing."))
    return Items(tuple(("", note) for note in notes))
