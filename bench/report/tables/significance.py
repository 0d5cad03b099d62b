"""Tables of what the scores can tell apart, and of how often these tests err."""

from __future__ import annotations

import pandas as pd

from bench.text.cells import Cell
from bench.text.language import phrase
from bench.text.tables import Column, Definition, ModelName, Row, Table, frame_rows, table_of

NEWEY_WEST = Definition(
    "Newey-West t", "mean / its standard error with autocovariances up to lag 4 (days / 100)^(2/9), Bartlett weights."
)
CONFIDENCE_SET = Definition(
    "90 % confidence set",
    "Hansen, Lunde & Nason 2011, range statistic, 10,000 block-bootstrap draws: holds the best model in 90 % of "
    "samples; p is the smallest size at which a model would be left out.",
)
HOLM = Definition(
    "p (Holm)",
    "two-sided bootstrap p-value of a pair, and after Holm's correction for all pairs; different = at most 5 % "
    "after it.",
)
DETECTABLE = Definition(
    "detectable at 80 % power",
    "the smallest true difference that the test of this pair alone would find four times in five.",
)
DEVIATIONS = Definition(
    "sd over seeds, days, rest",
    "the variance of one seed's mean Rank IC split into what seeds, days and neither explain, as standard deviations.",
)

SIGNIFICANCE_TABLE = (
    Column("model", "model"),
    Column("rank_ic", "Rank IC", ".4f"),
    Column("nw_t", "Newey-West t", ".2f", definition=NEWEY_WEST),
    Column("mcs", "in the 90 % confidence set (p)", ".3f", definition=CONFIDENCE_SET),
    Column("best_pair_difference", "best − model", "+.4f"),
    Column("best_pair_holm", "p (Holm)", ".4f", definition=HOLM),
    Column("better_than", "better than", ".0f"),
    Column("worse_than", "worse than", ".0f"),
    Column("sd_seeds", "sd over seeds", ".4f", definition=DEVIATIONS),
    Column("sd_days", "sd over days", ".4f", definition=DEVIATIONS),
    Column("sd_rest", "sd of the rest", ".4f", definition=DEVIATIONS),
    Column("n_seeds", "seeds", ".0f"),
    Column("n_days", "days", ".0f"),
)
PAIR_TABLE = (
    Column("model", "pair"),
    Column("difference", "Rank IC difference [95 %]", "+.4f~"),
    Column("p", "p", ".4f"),
    Column("p_holm", "p (Holm)", ".4f", definition=HOLM),
    Column("detectable", "detectable at 80 % power", ".4f", definition=DETECTABLE),
    Column("verdict", "verdict"),
)
CALIBRATION_TABLE = (
    Column("market", "market"),
    Column("truth", "truth"),
    Column("model", "model"),
    Column("size", "days x stocks", ",.0f"),
    Column("called", "called different", ",.0f"),
    Column("rate", "rate % [95 %]", ".1f~", 100),
    Column("expected", "expected of an exact test %", ".1f", 100),
    Column("holds", "within", ".0f"),
    Column("interval_rate", "interval without 0 %", ".1f", 100),
    Column("miss_rate", "interval of IC misses 0 %", ".1f", 100),
    Column("oracle_miss_rate", "interval of oracle IC misses %", ".1f", 100),
    Column("seed_sd", "sd over seeds", ".4f"),
)


def significance_table(frame: pd.DataFrame) -> Table | None:
    """One row per model of a `significance_frame`; None for an empty one."""
    return table_of("significance", SIGNIFICANCE_TABLE, [row | _compared(row) for row in frame_rows(frame)])


def _compared(row: Row) -> Row:
    """What is told only of models that were tested on the same days."""
    if not row["comparable"]:
        return {"mcs": phrase("other days"), "better_than": None, "worse_than": None}
    inside = phrase("yes" if row["mcs_included"] else "no")
    return {"mcs": phrase("{inside} ({p:.3f})", inside=inside, p=Cell("p", row["mcs_p"]))}


def pair_significance_table(frame: pd.DataFrame) -> Table | None:
    """One row per pair of a `pair_frame`; None for an empty one."""
    rows = frame_rows(frame.rename(columns={"low": "difference_low", "high": "difference_high"}))
    for row in rows:
        row["model"] = ModelName(f"{row['a']} − {row['b']}", (row["a"], row["b"]))
        row["verdict"] = phrase(row["verdict"])
    return table_of("pairs", PAIR_TABLE, rows, ["a", "b"])


def calibration_table(frame: pd.DataFrame) -> Table | None:
    """One row per market of a `calibration_frame`; None for an empty one."""
    return table_of("calibration", CALIBRATION_TABLE, [row | _test(row) for row in frame_rows(frame)], "market")


def _test(row: Row) -> Row:
    model, (low, high) = row["model"], (100 * row[f"expected_{end}"] for end in ("low", "high"))
    return {
        "truth": phrase("no difference" if row["true_null"] else "networks differ by their seeds"),
        "model": ModelName(phrase("{model}, {n} seed(s) a name", model=model, n=row["n_seeds"]), (model,)),
        "size": phrase("{days} x {stocks}", days=row["n_days"], stocks=row["n_stocks"]),
        "called": phrase("{n} of {total}", n=row["rejections"], total=row["repeats"]),
        "expected": phrase("[{low:.1f}, {high:.1f}]", low=low, high=high),
        "holds": phrase("yes" if row["within"] else "no"),
    }
