"""What the columns mean, with formulas: printed under every report; and which metrics are not shown, and why."""

from __future__ import annotations

from bench.metrics import list_metrics, metric
from bench.scores.leaderboard import Leaderboard
from bench.text.language import listed, translate
from bench.text.sentences import Sentence

BESIDE_METRICS = {
    "± 95 %": (
        "half-width of a 95 % interval of the mean over days: stationary block bootstrap (Politis & Romano 1994), "
        "2,000 draws shared by all models, block length chosen from the data (Politis & White 2004)."
    ),
    "seed sd": (
        "standard deviation (ddof 1) over seeds of the mean over days; days and seeds are two sources of variance, "
        "shown apart and never pooled."
    ),
    "Rank IC − baseline": (
        "mean over days of the daily difference, with the 2.5 % and 97.5 % points of its paired block bootstrap; an "
        "interval that holds 0 is no evidence of a difference."
    ),
    "Newey-West t": "mean / its standard error with autocovariances up to lag 4 (days / 100)^(2/9), Bartlett weights.",
    "90 % confidence set": (
        "Hansen, Lunde & Nason 2011, range statistic, 10,000 block-bootstrap draws: holds the best model in 90 % of "
        "samples; p is the smallest size at which a model would be left out."
    ),
    "p (Holm)": (
        "two-sided bootstrap p-value of a pair, and after Holm's correction for all pairs; different = at most 5 % "
        "after it."
    ),
    "detectable at 80 % power": (
        "the smallest true difference that the test of this pair alone would find four times in five."
    ),
    "sd over seeds, days, rest": (
        "the variance of one seed's mean Rank IC split into what seeds, days and neither explain, as standard "
        "deviations."
    ),
    "capture": "IC of the model / IC of the oracle on the same days, with the interval of the paired bootstrap.",
    "parameters": "trained numbers; for a model fitted in closed form its coefficients, for trees none.",
    "fit s": "median wall time of a fit, validation included, with the other jobs of the run beside it.",
    "one day ms": (
        "median time from panel to scores of one day's whole cross-section, one thread, measured alone after training, "
        "all models interleaved."
    ),
}


def column_definitions() -> dict[str, str]:
    """What each column means, by its title in English; metrics as they are registered."""
    return {m.title: m.definition for m in list_metrics() if m.in_table} | BESIDE_METRICS


def outdated_sentence(board: Leaderboard) -> Sentence | None:
    """Which metrics are dashes because stored trials lack them or have them by an older formula, and what mends it."""
    if not board.outdated:
        return None
    metrics = listed(
        translate("{metric} of {n} of {all} trials", metric=translate(metric(name).title), n=n, all=len(board.records))
        for name, n in board.outdated.items()
    )
    template = "Not stored, or of an older formula, and so not shown: {metrics}. This computes it: {command}"
    return Sentence(translate(template, metrics=metrics, command=board.run["command"]))
