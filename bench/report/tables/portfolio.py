"""The portfolio's tables: what each model's scores earned, what that costs, and what its scores look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.portfolio.benchmark import UNIVERSE
from bench.portfolio.frames import RATE_COLUMNS, portfolio_periods
from bench.portfolio.risk import YEAR_DAYS
from bench.report.tables.main import named
from bench.text.language import phrase
from bench.text.tables import Column, Definition, Table, frame_rows, table_of, word_table

PORTFOLIO = Definition(
    "portfolio",
    "TopkDropout: the best-scored names are held in equal parts, a few of the worst are replaced each day at the "
    "next day's close; on the first test day the account is cash.",
)
EXCESS = Definition(
    "annual excess",
    "238 x mean daily return minus benchmark minus costs, returns summed, not compounded (the convention of "
    "published tables); 95 % interval by block bootstrap over days, shared by all models.",
)
SEED_SD = Definition("seed sd % (portfolio)", "standard deviation (ddof 1) over seeds of the annual excess.")
RATIO = Definition(
    "information ratio", "mean / standard deviation (ddof 1) of the daily excess after costs x sqrt(238)."
)
FALL = Definition("excess drawdown", "largest fall of the running sum of the daily excess from its peak.")
ACCOUNT = Definition(
    "compounded return, Sharpe, drawdown, win rate",
    "of the account itself after costs: wealth compounded, 252 days a year; no risk-free rate; drawdown from the "
    "start at 1; share of days with a gain.",
)
_OF_OTHER_BARS: dict[Definition | None, Definition] = {
    EXCESS: Definition(
        "annual excess",
        "mean return of a bar minus benchmark minus costs, times 238 / 252 of the bars a year that these data have "
        "(published tables count 238 of 252 trading days); returns summed, not compounded; 95 % interval by block "
        "bootstrap over bars, shared by all models.",
    ),
    RATIO: Definition(
        "information ratio",
        "mean / standard deviation (ddof 1) of the excess of a bar after costs x square root of 238 / 252 of the bars "
        "a year that these data have.",
    ),
    ACCOUNT: Definition(
        "compounded return, Sharpe, drawdown, win rate",
        "of the account itself after costs: wealth compounded, as many bars a year as these data have; no risk-free "
        "rate; drawdown from the start at 1; share of bars with a gain.",
    ),
}
"""What stands in the place of the definitions for daily data, by these."""
TURNOVER = Definition("turnover", "value bought and sold a day as a share of the account.")
AT_RATE = Definition(
    "excess at N bp",
    "annual excess, simulated anew with N basis points on every buy and sale and no minimum.",
)
BREAK_EVEN = Definition("break-even bp", "one-way cost at which the mean excess of these trades is zero.")
CAPACITY = Definition(
    "capacity",
    "account in money up to which 95 % of the orders stay within 5 % of the day's traded value of their stock; of "
    "several folds the smallest.",
)
AUTOCORRELATION = Definition(
    "rank autocorrelation", "Spearman's correlation of a day's scores with those of the day before: 1 = no turnover."
)

PORTFOLIO_TABLE = (
    Column("model", "model"),
    Column("annual_excess", "annual excess % [95 %]", "+.1f~", 100, EXCESS),
    Column("seed_sd", "seed sd %", ".1f", 100, SEED_SD),
    Column("information_ratio", "information ratio [95 %]", ".2f~", definition=RATIO),
    Column("max_drawdown", "excess drawdown %", "+.1f", 100, FALL),
    Column("annual_excess_before_costs", "before costs %", "+.1f", 100),
    Column("compounded_annual_return", "compounded return %", "+.1f", 100, ACCOUNT),
    Column("sharpe", "Sharpe", ".2f", definition=ACCOUNT),
    Column("wealth_drawdown", "drawdown %", "+.1f", 100, ACCOUNT),
    Column("win_rate", "win rate %", ".1f", 100, ACCOUNT),
    Column("turnover", "turnover % a day", ".1f", 100, TURNOVER),
    Column("held", "held / replaced", ".0f", definition=PORTFOLIO),
)
COST_TABLE = (
    Column("model", "model"),
    *(Column(name, f"excess % at {rate * 1e4:.0f} bp", "+.1f", 100, AT_RATE) for rate, name in RATE_COLUMNS.items()),
    Column("break_even_bp", "break-even bp", ".1f", definition=BREAK_EVEN),
    Column("capacity", "capacity", "money", definition=CAPACITY),
)
SCORE_TABLE = (
    Column("model", "model"),
    Column("rank_autocorrelation", "rank autocorrelation [95 %]", ".3f~", definition=AUTOCORRELATION),
    Column("score_sd", "score sd", ".3f"),
    Column("missing_score", "scores missing %", ".1f", 100),
    Column("missing_label", "labels missing %", ".1f", 100),
)


def portfolio_table(frame: pd.DataFrame, periods: float = YEAR_DAYS) -> Table | None:
    """What the portfolios earned in data of so many `periods` a year, from `portfolio_frame`; None: not measured."""
    columns: Sequence[Column] = PORTFOLIO_TABLE
    if periods != YEAR_DAYS:
        columns = [replace(c, definition=_OF_OTHER_BARS.get(c.definition, c.definition)) for c in columns]
    return _table("portfolio", columns, frame)


def cost_table(frame: pd.DataFrame) -> Table | None:
    """What costs and size leave of the excess, from `portfolio_frame`; None where none was measured."""
    return _table("costs", COST_TABLE, frame)


def score_table(frame: pd.DataFrame) -> Table | None:
    """What the scores look like, from `score_frame`; None where none was measured."""
    return _table("scores", SCORE_TABLE, frame)


def portfolio_setup_table(settings: dict[str, Any]) -> Table | None:
    """What was simulated, from `portfolio_settings`: a row per setting; None where nothing was."""
    if not settings:
        return None
    limit, lot, benchmark = settings["limit"], settings["lot"], str(settings["benchmark"])
    rows = [
        ("names held", phrase("{topk} of {names} (median)", topk=settings["topk"], names=settings["median_names"])),
        ("names replaced a day", str(settings["n_drop"])),
        ("cost of buying", f"{1e4 * settings['cost_open']:g} bp"),
        ("cost of selling", f"{1e4 * settings['cost_close']:g} bp"),
        ("minimum cost of an order", f"{settings['cost_minimum']:g}"),
        ("daily price limit", phrase("none") if limit is None else f"±{100 * limit:g} %"),
        ("lots", phrase("none") if lot is None else phrase("{lot:g} shares", lot=lot)),
        ("initial account", f"{settings['initial']:,.0f}"),
        ("cash invested", f"{100 * settings['risk_degree']:g} %"),
        ("benchmark", phrase(benchmark) if benchmark == UNIVERSE else benchmark),
    ]
    if portfolio_periods(settings) != YEAR_DAYS:
        rows.append(("bars a year", f"{portfolio_periods(settings):g}"))
    return word_table(["portfolio", "value"], [[phrase(name), value] for name, value in rows], "portfolio_setup")


def _table(name: str, columns: Sequence[Column], frame: pd.DataFrame) -> Table | None:
    rows = frame_rows(frame)
    if not any(row["n_trials"] for row in rows):
        return None
    for row in rows:
        if row.get("topk"):
            row["held"] = phrase("{held} / {replaced}", held=row["topk"], replaced=row["n_drop"])
        row["model"] = named(row)
    return table_of(name, columns, rows)
