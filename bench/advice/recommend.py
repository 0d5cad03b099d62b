"""Which model for given constraints: filters and a ranking over measured cells. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.advice.facts import Facts
from bench.text.cells import Cell
from bench.text.language import listed, phrase, translate
from bench.text.sentences import Sentence, join, say
from bench.text.tables import Column, Table, table_of
from zoo.errors import ConfigError, did_you_mean

NEEDS = {
    "explain": "attributions that find the inputs of a planted signal better than those of untrained networks",
    "relations": "more than half of the best capture on the planted market relation",
    "long": "more than half of the best capture on the planted market long",
}
"""What `--need` may ask for, and what a model must have measured for it."""


@dataclass(frozen=True)
class Constraints:
    """What the user can afford.

    Attributes:
        max_latency_ms: 99th percentile of the time of one day; None = any.
        stocks, lookback: size of a day; None = as it was timed.
        device: `cpu` or `cuda`.
        needs: keys of `NEEDS`.
    """

    max_latency_ms: float | None = None
    stocks: int | None = None
    lookback: int | None = None
    device: str = "cpu"
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """A model under the constraints.

    Attributes:
        accuracy: the cell it is ranked by.
        latency_ms: 99th percentile of one day at the asked size; NaN = not known.
        extrapolated: the size was not timed; the latency follows the measured exponents.
        reasons: why it is ruled out; empty = it may be used.
    """

    model: str
    accuracy: Cell
    latency_ms: float
    extrapolated: bool
    reasons: tuple[str, ...]


def recommend(facts: Facts, constraints: Constraints) -> list[Option]:
    """Every model, usable ones first, best accuracy first.

    Accuracy is the capture on the planted market mixed where that was measured, else the run's Rank IC.

    Raises:
        ConfigError: an unknown need, or a device that was not timed.
    """
    for need in constraints.needs:
        if need not in NEEDS:
            raise ConfigError(f"--need {need}: unknown{did_you_mean(need, list(NEEDS))}; there are {', '.join(NEEDS)}")
    table = "timing" if constraints.device == "cpu" else f"timing-{constraints.device}"
    asks_time = constraints.max_latency_ms is not None or constraints.device != "cpu"
    if asks_time and facts.frame(table).empty:
        raise ConfigError(
            f"--device {constraints.device}: no timing of it under the results folder; run: "
            f"python -m bench time --device {constraints.device}"
        )
    matrix = facts.matrix
    on_matrix = matrix is not None and "mixed" in matrix.markets
    models = matrix.frame["model"].tolist() if matrix is not None and on_matrix else facts.models
    options = []
    for model in models:
        accuracy = facts.cell(f"capture.{model}.mixed" if on_matrix else f"main.{model}.rank_ic")
        latency, extrapolated = latency_at(facts, table, model, constraints.stocks, constraints.lookback)
        reasons = [r for need in constraints.needs if (r := _lacks(facts, model, need))]
        limit = constraints.max_latency_ms
        if limit is not None and not latency <= limit:
            known = math.isfinite(latency)
            reasons.append(
                translate("takes {latency:.3g} ms, over {limit:g} ms", latency=latency, limit=limit)
                if known
                else translate("latency at that size not measured")
            )
        if not accuracy.measured:
            reasons.append(translate("accuracy not measured"))
        options.append(Option(model, accuracy, latency, extrapolated, tuple(reasons)))
    return sorted(options, key=lambda c: (bool(c.reasons), -c.accuracy.value if c.accuracy.measured else math.inf))


def latency_at(facts: Facts, table: str, model: str, stocks: int | None, lookback: int | None) -> tuple[float, bool]:
    """99th percentile of a day's latency in ms at a size, and whether it is extrapolated; NaN where unknown."""
    timed = facts.cell(f"{table}.{model}.one_day_p99_ms")
    value, extrapolated = timed.value, False
    for asked, axis in ((stocks, "stocks"), (lookback, "lookback")):
        measured = facts.cell(f"{table}.{model}.{axis}").value
        if asked is None or asked == measured or math.isnan(value):
            continue
        exponent = facts.cell(f"{table.replace('timing', 'scaling')}.{model}.time_exponent_{axis}").value
        value, extrapolated = value * (asked / measured) ** exponent, True
    return value, extrapolated


def _lacks(facts: Facts, model: str, need: str) -> str:
    """Why a model does not meet a need; empty where it does."""
    if need == "explain":
        score = facts.cell(f"interpretability.{model}.interpretability")
        if not score.measured:
            return translate("interpretability not measured")
        return "" if score.least > 0 else translate("its attributions are not surely above those of untrained networks")
    column = "relation" if need == "relations" else need
    capture = facts.cell(f"capture.{model}.{column}")
    if not capture.measured:
        return translate("capture on {market} not measured", market=column)
    assert facts.matrix is not None
    best = float(facts.matrix.frame[column].to_numpy().max())
    if capture.low > best / 2:
        return ""
    return translate(
        "captures {capture:.0f~} % on {market}, half of the best is {half:.0f}",
        capture=capture.percent,
        market=column,
        half=50 * best,
    )


def advice_sentence(options: list[Option]) -> Sentence:
    """The recommendation with its grounds."""
    usable = [c for c in options if not c.reasons]
    if not usable:
        return say("No model meets these constraints; the table says what each lacks.")
    first, tied = usable[0], [c for c in usable[1:] if c.accuracy.high >= usable[0].accuracy.low]
    if first.accuracy.id.startswith("capture."):
        head = say(
            "Take {model}: it captures {accuracy:.0f~} % of the attainable IC on mixed.",
            model=first.model,
            accuracy=first.accuracy.percent,
        )
    else:
        head = say("Take {model}: its Rank IC is {accuracy:.4f~}.", model=first.model, accuracy=first.accuracy)
    if not tied:
        return join([head, say("No other usable model's interval reaches it.")], " ")
    grounds = say(
        "The intervals of {others} overlap with it, so there is no evidence that it is better than these.",
        *[c.accuracy for c in tied],
        others=listed(c.model for c in tied),
    )
    return join([head, grounds], " ")


def option_table(options: list[Option]) -> Table:
    """Every model with its accuracy, its latency at the asked size, and what it lacks."""
    on_matrix = options[0].accuracy.id.startswith("capture.")
    columns = [
        Column("model", "model"),
        Column("accuracy", "capture on mixed % [95 %]", ".0f~", 100)
        if on_matrix
        else Column("accuracy", "Rank IC [95 %]", ".4f~"),
        Column("latency", "one day p99 ms", ".3g"),
        Column("usable", "usable"),
    ]
    rows = []
    for c in options:
        latency = Cell(f"latency.{c.model}", c.latency_ms)
        by_exponents = c.extrapolated and latency.measured
        rows.append(
            {
                "model": c.model,
                "accuracy": c.accuracy,
                "latency": phrase("{latency:.3g} (by exponents)", latency=latency) if by_exponents else latency,
                "usable": listed(c.reasons, "; ") or phrase("yes"),
            }
        )
    return table_of("candidates", columns, rows) or Table("candidates", columns, [])
