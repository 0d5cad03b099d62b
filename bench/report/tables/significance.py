"""Tables of what the scores can tell apart, and of how often these tests err."""

from __future__ import annotations

import math

import pandas as pd

from bench.text.language import translate
from bench.text.tables import Column, Row, Table, frame_rows, number, with_interval

SIGNIFICANCE_TABLE: list[Column] = [
    Column("model", lambda r: r["model"], lambda r: r["model"]),
    Column("Rank IC", lambda r: number(r["rank_ic"], 4), lambda r: r["rank_ic"]),
    Column("Newey-West t", lambda r: number(r["nw_t"], 2), lambda r: r["nw_t"]),
    Column("in the 90 % confidence set (p)", lambda r: _set(r), lambda r: r["mcs_p"]),
    Column("best − model", lambda r: number(r["best_pair_difference"], 4, True), lambda r: r["best_pair_difference"]),
    Column("p (Holm)", lambda r: number(r["best_pair_holm"], 4), lambda r: r["best_pair_holm"]),
    Column("better than", lambda r: _count(r, "better_than"), lambda r: r["better_than"]),
    Column("worse than", lambda r: _count(r, "worse_than"), lambda r: r["worse_than"]),
    Column("sd over seeds", lambda r: number(r["sd_seeds"], 4), lambda r: r["sd_seeds"]),
    Column("sd over days", lambda r: number(r["sd_days"], 4), lambda r: r["sd_days"]),
    Column("sd of the rest", lambda r: number(r["sd_rest"], 4), lambda r: r["sd_rest"]),
    Column("seeds", lambda r: str(r["n_seeds"]), lambda r: r["n_seeds"]),
    Column("days", lambda r: str(r["n_days"]), lambda r: r["n_days"]),
]

PAIR_TABLE: list[Column] = [
    Column("pair", lambda r: f"{r['a']} − {r['b']}"),
    Column(
        "Rank IC difference [95 %]",
        lambda r: with_interval(r["difference"], r["low"], r["high"]),
        lambda r: r["difference"],
    ),
    Column("p", lambda r: number(r["p"], 4), lambda r: r["p"]),
    Column("p (Holm)", lambda r: number(r["p_holm"], 4), lambda r: r["p_holm"]),
    Column("detectable at 80 % power", lambda r: number(r["detectable"], 4), lambda r: r["detectable"]),
    Column("verdict", lambda r: r["verdict"]),
]

CALIBRATION_TABLE: list[Column] = [
    Column("market", lambda r: r["market"], lambda r: r["market"]),
    Column("truth", lambda r: "no difference" if r["true_null"] else "networks differ by their seeds"),
    Column("model", lambda r: translate("{model}, {n} seed(s) a name", model=r["model"], n=r["n_seeds"])),
    Column("days x stocks", lambda r: f"{r['n_days']} x {r['n_stocks']}"),
    Column(
        "called different",
        lambda r: translate("{n} of {total}", n=r["rejections"], total=r["repeats"]),
        lambda r: r["rejections"],
    ),
    Column("rate % [95 %]", lambda r: _percent(r, "rate"), lambda r: r["rate"]),
    Column("expected of an exact test %", lambda r: _percent(r, "expected")),
    Column("within", lambda r: "yes" if r["within"] else "no", lambda r: r["within"]),
    Column("interval without 0 %", lambda r: _share(r["interval_rate"]), lambda r: r["interval_rate"]),
    Column("interval of IC misses 0 %", lambda r: _share(r["miss_rate"]), lambda r: r["miss_rate"]),
    Column("interval of oracle IC misses %", lambda r: _share(r["oracle_miss_rate"]), lambda r: r["oracle_miss_rate"]),
    Column("sd over seeds", lambda r: number(r["seed_sd"], 4), lambda r: r["seed_sd"]),
]


def significance_table(frame: pd.DataFrame) -> Table | None:
    """One row per model of a `significance_frame`; None for an empty one."""
    return _table(SIGNIFICANCE_TABLE, frame, texts=1)


def pair_significance_table(frame: pd.DataFrame) -> Table | None:
    """One row per pair of a `pair_frame`; None for an empty one."""
    table = _table(PAIR_TABLE, frame, texts=1)
    return None if table is None else Table(table.headers, table.rows, [*table.numeric[:-1], False])


def calibration_table(frame: pd.DataFrame) -> Table | None:
    """One row per market of a `calibration_frame`; None for an empty one."""
    return _table(CALIBRATION_TABLE, frame, texts=3)


def _table(columns: list[Column], frame: pd.DataFrame, texts: int) -> Table | None:
    """A table whose first `texts` columns are left-aligned."""
    if frame.empty:
        return None
    return Table(
        [c.header for c in columns],
        [[c.text(row) for c in columns] for row in frame_rows(frame)],
        [i >= texts for i in range(len(columns))],
    )


def _set(row: Row) -> str:
    if not row["comparable"]:
        return "other days"
    return f"{translate('yes' if row['mcs_included'] else 'no')} ({number(row['mcs_p'], 3)})"


def _count(row: Row, name: str) -> str:
    return str(row[name]) if row["comparable"] else "–"


def _share(value: float) -> str:
    return number(100 * value, 1) if math.isfinite(value) else "–"


def _percent(row: Row, name: str) -> str:
    span = f"{100 * row[f'{name}_low']:.1f}, {100 * row[f'{name}_high']:.1f}"
    return f"{100 * row[name]:.1f} [{span}]" if name in row else f"[{span}]"
