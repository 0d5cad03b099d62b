"""The portfolio's tables: what each model's scores earned, what that costs, and what its scores look like."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from bench.portfolio.frames import RATE_COLUMNS
from bench.report.tables.main import status_text
from bench.text.language import translate
from bench.text.tables import Column, Row, Table, frame_rows, number

PORTFOLIO_TABLE: list[Column] = [
    Column("model", lambda r: _named(r), lambda r: r["model"]),
    Column(
        "annual excess % [95 %]",
        lambda r: percent_interval(r["annual_excess"], r["annual_excess_low"], r["annual_excess_high"]),
        lambda r: r["annual_excess"],
    ),
    Column("seed sd %", lambda r: percent(r["seed_sd"], sign=False), lambda r: r["seed_sd"]),
    Column(
        "information ratio [95 %]",
        lambda r: interval_text(r["information_ratio"], r["information_ratio_low"], r["information_ratio_high"], 2),
        lambda r: r["information_ratio"],
    ),
    Column("excess drawdown %", lambda r: percent(r["max_drawdown"]), lambda r: r["max_drawdown"]),
    Column(
        "before costs %", lambda r: percent(r["annual_excess_before_costs"]), lambda r: r["annual_excess_before_costs"]
    ),
    Column(
        "compounded return %",
        lambda r: percent(r["compounded_annual_return"]),
        lambda r: r["compounded_annual_return"],
    ),
    Column("Sharpe", lambda r: number(r["sharpe"], 2), lambda r: r["sharpe"]),
    Column("drawdown %", lambda r: percent(r["wealth_drawdown"]), lambda r: r["wealth_drawdown"]),
    Column("win rate %", lambda r: percent(r["win_rate"], sign=False), lambda r: r["win_rate"]),
    Column("turnover % a day", lambda r: percent(r["turnover"], sign=False), lambda r: r["turnover"]),
    Column("held / replaced", lambda r: f"{r['topk']} / {r['n_drop']}" if r["topk"] else "–", lambda r: r["topk"]),
]

COST_TABLE: list[Column] = [
    Column("model", lambda r: _named(r), lambda r: r["model"]),
    *(
        Column(f"excess % at {rate * 1e4:.0f} bp", lambda r, name=name: percent(r[name]), lambda r, name=name: r[name])
        for rate, name in RATE_COLUMNS.items()
    ),
    Column("break-even bp", lambda r: number(r["break_even_bp"], 1), lambda r: r["break_even_bp"]),
    Column("capacity", lambda r: money(r["capacity"]), lambda r: r["capacity"]),
]

SCORE_TABLE: list[Column] = [
    Column("model", lambda r: r["model"], lambda r: r["model"]),
    Column(
        "rank autocorrelation [95 %]",
        lambda r: interval_text(
            r["rank_autocorrelation"], r["rank_autocorrelation_low"], r["rank_autocorrelation_high"], 3
        ),
        lambda r: r["rank_autocorrelation"],
    ),
    Column("score sd", lambda r: number(r["score_sd"], 3), lambda r: r["score_sd"]),
    Column("scores missing %", lambda r: percent(r["missing_score"], sign=False), lambda r: r["missing_score"]),
    Column("labels missing %", lambda r: percent(r["missing_label"], sign=False), lambda r: r["missing_label"]),
]

PORTFOLIO_DEFINITIONS = {
    "portfolio": (
        "TopkDropout: the best-scored names are held in equal parts, a few of the worst are replaced each day at the "
        "next day's close; on the first test day the account is cash."
    ),
    "annual excess": (
        "238 x mean daily return minus benchmark minus costs, returns summed, not compounded (the convention of "
        "published tables); 95 % interval by block bootstrap over days, shared by all models."
    ),
    "seed sd % (portfolio)": "standard deviation (ddof 1) over seeds of the annual excess.",
    "information ratio": "mean / standard deviation (ddof 1) of the daily excess after costs x sqrt(238).",
    "excess drawdown": "largest fall of the running sum of the daily excess from its peak.",
    "compounded return, Sharpe, drawdown, win rate": (
        "of the account itself after costs: wealth compounded, 252 days a year; no risk-free rate; drawdown from the "
        "start at 1; share of days with a gain."
    ),
    "turnover": "value bought and sold a day as a share of the account.",
    "excess at N bp": "annual excess, simulated anew with N basis points on every buy and sale and no minimum.",
    "break-even bp": "one-way cost at which the mean excess of these trades is zero.",
    "capacity": (
        "account in money up to which 95 % of the orders stay within 5 % of the day's traded value of their stock; of "
        "several folds the smallest."
    ),
    "rank autocorrelation": "Spearman's correlation of a day's scores with those of the day before: 1 = no turnover.",
}


def portfolio_table(frame: pd.DataFrame) -> Table | None:
    """What the portfolios earned, from `portfolio_frame`; None where none was measured."""
    return _table(PORTFOLIO_TABLE, frame)


def cost_table(frame: pd.DataFrame) -> Table | None:
    """What costs and size leave of the excess, from `portfolio_frame`; None where none was measured."""
    return _table(COST_TABLE, frame)


def score_table(frame: pd.DataFrame) -> Table | None:
    """What the scores look like, from `score_frame`; None where none was measured."""
    return _table(SCORE_TABLE, frame)


def portfolio_setup_table(settings: dict[str, Any]) -> Table | None:
    """What was simulated, from `portfolio_settings`: a row per setting; None where nothing was."""
    if not settings:
        return None
    limit, lot = settings["limit"], settings["lot"]
    rows = [
        [
            "names held",
            translate("{topk} of {names} (median)", topk=settings["topk"], names=settings["median_names"]),
        ],
        ["names replaced a day", str(settings["n_drop"])],
        ["cost of buying", f"{1e4 * settings['cost_open']:g} bp"],
        ["cost of selling", f"{1e4 * settings['cost_close']:g} bp"],
        ["minimum cost of an order", f"{settings['cost_minimum']:g}"],
        ["daily price limit", "none" if limit is None else f"±{100 * limit:g} %"],
        ["lots", "none" if lot is None else translate("{lot:g} shares", lot=lot)],
        ["initial account", f"{settings['initial']:,.0f}"],
        ["cash invested", f"{100 * settings['risk_degree']:g} %"],
        ["benchmark", str(settings["benchmark"])],
    ]
    return Table(["portfolio", "value"], rows, [False, False])


def percent(value: float, digits: int = 1, sign: bool = True) -> str:
    """A fraction in per cent, without the mark."""
    return number(100 * value, digits, sign)


def interval_text(value: float, low: float, high: float, digits: int) -> str:
    """`1.27 [0.31, 2.22]`; a dash where there is no value."""
    if not math.isfinite(value):
        return "–"
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def percent_interval(value: float, low: float, high: float) -> str:
    """`+6.3 [-1.2, +13.8]`, fractions in per cent; a dash where there is no value."""
    if not math.isfinite(value):
        return "–"
    return f"{percent(value)} [{percent(low)}, {percent(high)}]"


def money(value: float) -> str:
    """Three significant digits with a unit: `4.27 M`."""
    if not math.isfinite(value):
        return "–"
    # Rounded first, so that 999,999 becomes 1.00 M and not 1e+03 k.
    value = float(f"{value:.3g}")
    for size, unit in ((1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:#.3g}".rstrip(".") + unit
    return f"{value:.3g}"


def _named(row: Row) -> str:
    if row["status"] == "ok":
        return row["model"]
    return status_text(row["model"], row["status"], row["n_trials"], row["n_planned"])


def _table(columns: list[Column], frame: pd.DataFrame) -> Table | None:
    rows = frame_rows(frame)
    if not any(row["n_trials"] for row in rows):
        return None
    cells = [[c.text(row) for c in columns] for row in rows]
    return Table([c.header for c in columns], cells, [False] + [True] * (len(columns) - 1))
