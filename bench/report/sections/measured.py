"""The sections on what was measured beside the scores: speed, growth, interpretability, portfolio."""

from __future__ import annotations

from bench.advice.facts import Facts
from bench.portfolio.frames import portfolio_periods
from bench.report.tables.interpretability import interpretability_table, method_table
from bench.report.tables.portfolio import cost_table, portfolio_setup_table, portfolio_table, score_table
from bench.report.tables.timing import repeat_line, scaling_table, timing_table
from bench.text.document import Figure, Section, prose, section
from bench.text.language import translate
from bench.text.sentences import Sentence, say


def technical(facts: Facts) -> Section | None:
    """Speed and memory on each device, scope and complexity."""
    names = [n for n in facts.frames if n.split("-")[0] == "timing"]
    if not names:
        return None
    blocks = []
    for name in names:
        frame = facts.frame(name)
        first = frame.iloc[0]
        blocks += [
            prose(
                say(
                    "{device}, {mode}: {threads} thread(s), a day of {stocks} stocks, lookback {lookback}, random "
                    "weights and data; samples of two passes, all models in turn.",
                    device=first["device_name"],
                    **{name: first[name] for name in ("mode", "threads", "stocks", "lookback")},
                ),
                Sentence(repeat_line(frame)),
            ),
            timing_table(frame, name),
        ]
    return section("technical", translate("Speed and size"), *blocks)


def growth(facts: Facts) -> Section | None:
    """Exponents of time and memory in lookback and stocks, measured beside theoretical."""
    names = [n for n in facts.frames if n.split("-")[0] == "scaling"]
    if not names:
        return None
    return section(
        "scaling",
        translate("How cost grows"),
        prose(
            say(
                "Exponents of time and memory in the lookback T and the number of stocks N, fitted over all sizes, and "
                "over the three largest, where fixed costs no longer hide them."
            )
        ),
        *(scaling_table(facts.frame(name), name) for name in names),
        Figure("scaling_lookback", translate("Time of a day against the lookback.")),
        Figure("scaling_stocks", translate("Time of a day against the number of stocks.")),
    )


def interpretability(facts: Facts) -> Section | None:
    """What attributions find of the truth."""
    scores = facts.frame("interpretability")
    if scores.empty:
        return None
    return section(
        "interpretability",
        translate("Interpretability, against the planted truth"),
        prose(
            say(
                "Area under the precision-recall curve of a model's attributions against the inputs the planted signal "
                "reads, from 0 at chance to 1; an untrained network must fall to chance. Deletion is the IC lost when "
                "the inputs ranked first are removed, beyond random removal."
            )
        ),
        interpretability_table(scores),
        Figure("lag_importance", translate("Share of the attribution by day of the window.")),
        Figure("field_importance", translate("Share of the attribution by field.")),
        method_table(facts.frame("methods")),
    )


def portfolio(facts: Facts) -> Section | None:
    """What the scores earn after costs."""
    if not facts.has_portfolio:
        return None
    frame = facts.frame("portfolio")
    frame = frame.loc[frame["annual_excess"].notna()]
    best = frame.iloc[0]["model"]
    surely = [m for m in frame["model"] if facts.cell(f"portfolio.{m}.annual_excess").low > 0]
    template = (
        "{best} has the highest excess return after costs, {excess:+.1f~} % a year; it breaks even at {rate:.1f} bp "
        "per trade, and {n} of {models} models earn an excess that can be told from 0."
        if surely
        else "No model earns an excess after costs that can be told from 0; the highest is {best} with {excess:+.1f~} "
        "% a year, which breaks even at {rate:.1f} bp per trade."
    )
    sentence = say(
        template,
        *[facts.cell(f"portfolio.{m}.annual_excess") for m in surely],
        best=best,
        excess=facts.cell(f"portfolio.{best}.annual_excess").percent,
        rate=facts.cell(f"portfolio.{best}.break_even_bp"),
        n=len(surely),
        models=len(frame),
    )
    return section(
        "portfolio",
        translate("Portfolio, after costs"),
        prose(sentence),
        portfolio_table(frame, portfolio_periods(facts.portfolio_settings)),
        cost_table(frame),
        portfolio_setup_table(facts.portfolio_settings),
        Figure("cumulative_excess", translate("Cumulative excess return after costs.")),
        Figure("drawdown", translate("Drawdown of the cumulative excess return.")),
        Figure("monthly_return", translate("Excess return by month.")),
    )


def scores(facts: Facts) -> Section | None:
    """What the scores look like over time."""
    return section(
        "scores",
        translate("Scores over time"),
        Figure("cumulative_rank_ic", translate("Cumulative Rank IC.")),
        Figure("ic_by_month", translate("Rank IC by month.")),
        Figure("ic_by_year", translate("Rank IC by year.")),
        score_table(facts.frame("scores")),
        Figure("score_distribution", translate("Distribution of the standardised scores.")),
        Figure("deciles", translate("Mean raw label by decile of the score.")),
        Figure("calibration", translate("Mean train label against mean score, by decile of the score.")),
        Figure("training", translate("Training curves: train loss and valid IC by epoch.")),
    )
