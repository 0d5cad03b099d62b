"""The selection guide: per use a ranking by one stated measurement, its margin, and when the advice changes.

Every sentence is generated from cells; where nothing was measured the guide says what to run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.advice.facts import Facts
from bench.scores.capture import CaptureMatrix, own_history
from bench.stats import inference
from bench.text.cells import Cell
from bench.text.language import listed, translate
from bench.text.sentences import Sentence, say

ENDS = ("low", "high")
FLOOR = 0.8
"""Real-time models keep at least this share of the best capture on `mixed`."""


@dataclass(frozen=True)
class Advice:
    """What the guide says about one use.

    Attributes:
        id: `prediction`, `real_time`, `relations`, `long` or `interpretability`.
        title: of the use, translated.
        ranking: models, best first; empty where nothing was measured.
        tied: models that cannot be told from the first, itself included.
        sentences: measurement, leader and margin, ties, when the advice changes.
    """

    id: str
    title: str
    ranking: tuple[str, ...]
    tied: tuple[str, ...]
    sentences: tuple[Sentence, ...]


def advise(facts: Facts) -> list[Advice]:
    """The five uses in the order of the report."""
    return [prediction(facts), real_time(facts), relations(facts), long_sequences(facts), interpretability(facts)]


def prediction(facts: Facts) -> Advice:
    """Plain time-series prediction: mean capture over the markets of a stock's own recent history."""
    matrix = _with(facts.matrix, tuple(own_history()))
    title = translate("Plain time-series prediction")
    if matrix is None:
        return _unmeasured("prediction", title, "bench run configs/planted.yaml")
    measure = say(
        "Measured by the mean capture over the planted markets local, interaction and regime, which a stock's own "
        "recent history decides."
    )
    by_market = {market: _best(matrix, market) for market in own_history()}
    return _by_capture(
        facts, matrix, "prediction", title, measure, "own_history", own_history(), lambda b: _flips(b, by_market)
    )


def relations(facts: Facts) -> Advice:
    """Multi-asset relations: capture on `relation`."""
    matrix = _with(facts.matrix, ("relation",))
    title = translate("Multi-asset relations")
    if matrix is None:
        return _unmeasured("relations", title, "bench run configs/planted.yaml")
    measure = say(
        "Measured by the capture on the planted market relation, whose signal is yesterday's news of concept peers."
    )
    scopes = {row["model"]: row["scope"] for row in matrix.boards["relation"].frame.to_dict("records")}

    def flips(best: str) -> list[Sentence]:
        alone = [m for m in _order(matrix, "relation") if scopes[m] == "sample"]
        if scopes[best] == "sample" or not alone:
            return []
        return [
            say(
                "Without groups of stocks to look across, none is left but {other} with {capture:.0f~} %.",
                other=alone[0],
                capture=facts.cell(f"capture.{alone[0]}.relation").percent,
            )
        ]

    return _by_capture(facts, matrix, "relations", title, measure, "relation", ["relation"], flips)


def long_sequences(facts: Facts) -> Advice:
    """Long sequences: capture on `long`, with what a longer window costs."""
    matrix = _with(facts.matrix, ("long",))
    title = translate("Long sequences")
    if matrix is None:
        return _unmeasured("long", title, "bench run configs/planted.yaml")
    measure = say(
        "Measured by the capture on the planted market long, whose signal lies 0.8 of the lookback in the past; what "
        "a longer window costs is the exponent of time in the lookback."
    )

    def costs(best: str) -> list[Sentence]:
        found = []
        for model in _order(matrix, "long")[:3]:
            exponent = facts.cell(f"scaling.{model}.time_exponent_lookback")
            if exponent.measured:
                found.append(
                    say("The time of {model} grows as lookback^{exponent:.2f~}.", model=model, exponent=exponent)
                )
        return found

    return _by_capture(facts, matrix, "long", title, measure, "long", ["long"], costs)


def _by_capture(
    facts: Facts,
    matrix: CaptureMatrix,
    name: str,
    title: str,
    measure: Sentence,
    column: str,
    markets: list[str],
    more: Callable[[str], list[Sentence]],
) -> Advice:
    ranking = _order(matrix, column)
    draws = matrix.mean_draws(markets)
    best = ranking[0]
    tied = [best]
    for other in ranking[1:]:
        low, _ = inference.interval((draws[best] - draws[other]).to_numpy()[:, None])
        if low[0] <= 0:
            tied.append(other)
    first = facts.cell(f"capture.{best}.{column}").percent
    sentences = [measure]
    if not first.low > 0:
        sentences.append(
            say("No model captures anything that can be told from 0: {first:.0f~} % at best.", first=first)
        )
        return Advice(name, title, tuple(ranking), tuple(tied), tuple(sentences))
    if len(ranking) > 1:
        second = ranking[1]
        low, high = inference.interval((draws[best] - draws[second]).to_numpy()[:, None])
        value = dict(zip(matrix.frame["model"], matrix.frame[column], strict=True))
        margin = Cell(f"guide.{name}.margin", float(value[best] - value[second]), float(low[0]), float(high[0])).percent
        template = (
            "{best} comes first with {first:.0f~} % of the attainable IC, {second} second with {runner:.0f~} %; the "
            "margin is {margin:+.1f~} points."
            if low[0] > 0
            else "{best} comes first with {first:.0f~} % of the attainable IC, {second} second with {runner:.0f~} %; "
            "there is no evidence of a difference: {margin:+.1f~} points."
        )
        runner = facts.cell(f"capture.{second}.{column}").percent
        sentences.append(say(template, best=best, first=first, second=second, runner=runner, margin=margin))
    if len(tied) > 2:
        sentences.append(
            say(
                "Neither can the first be told from {others}.",
                *[facts.cell(f"capture.{m}.{column}") for m in tied[2:]],
                others=listed(tied[2:]),
            )
        )
    sentences += more(best) + _faster(facts, best, tied)
    return Advice(name, title, tuple(ranking), tuple(tied), tuple(sentences))


def _flips(best: str, by_market: dict[str, tuple[str, Cell]]) -> list[Sentence]:
    """Markets on which another model leads."""
    return [
        say(
            "If your signal is like {market}, take {model}: {capture:.0f~} %.", market=m, model=model, capture=c.percent
        )
        for m, (model, c) in by_market.items()
        if model != best
    ]


def _faster(facts: Facts, best: str, tied: list[str]) -> list[Sentence]:
    """The fastest of the models that cannot be told from the best."""
    times = {m: facts.cell(f"timing.{m}.one_day_p50_ms") for m in tied}
    known = {m: c for m, c in times.items() if c.measured}
    if best not in known or len(known) < 2:
        return []
    fastest = min(known, key=lambda m: known[m].value)
    if fastest == best or known[best].value < 1.25 * known[fastest].value:
        return []
    return [
        say(
            "The advice changes where speed counts: {fastest} cannot be told from it and takes {fast:.2g} ms a day "
            "instead of {slow:.2g} ms.",
            fastest=fastest,
            fast=known[fastest],
            slow=known[best],
        )
    ]


def real_time(facts: Facts) -> Advice:
    """Real-time inference: one-day latency among the models that keep most of the attainable capture."""
    title = translate("Real-time inference")
    matrix = _with(facts.matrix, ("mixed",))
    timed = {m: facts.cell(f"timing.{m}.one_day_p99_ms") for m in facts.frame("timing")["model"]}
    timed = {m: c for m, c in timed.items() if c.measured}
    if matrix is None or not timed:
        missing = "bench time" if matrix is not None else "bench run configs/planted.yaml"
        return _unmeasured("real_time", title, missing)
    capture = {m: facts.cell(f"capture.{m}.mixed") for m in matrix.frame["model"]}
    best = max(capture.values(), key=lambda c: c.value)
    eligible = sorted((m for m in timed if m in capture and capture[m].value >= FLOOR * best.value), key=_of(timed))
    measure = say(
        "Measured by the 99th percentile of the time from one day's windows to its scores, among models that keep at "
        "least {floor:.0f} % of the best capture on mixed ({best:.0f~} %).",
        floor=100 * FLOOR,
        best=best.percent,
    )
    if not eligible:
        return Advice("real_time", title, (), (), (measure, say("No timed model keeps that much.")))
    first = eligible[0]
    share = Cell(f"guide.real_time.{first}-share", capture[first].value / best.value)
    sentences = [measure]
    if len(eligible) > 1:
        second = eligible[1]
        ratio = Cell("guide.real_time.ratio", timed[second].value / timed[first].value)
        sentences += [
            say(
                "{first} comes first with {p99:.3g} ms, {second} second with {other:.3g} ms, {ratio:.1f} times as "
                "long.",
                first=first,
                p99=timed[first],
                second=second,
                other=timed[second],
                ratio=ratio,
            )
            if _apart(facts, first, second)
            else say(
                "{first} comes first with {p99:.3g} ms, {second} second with {other:.3g} ms; their medians differ by "
                "less than their spread, so there is no evidence of a difference.",
                first=first,
                p99=timed[first],
                second=second,
                other=timed[second],
            )
        ]
        higher = [m for m in eligible[1:] if capture[m].value > capture[first].value]
        if higher and share.value < 1:
            sentences.append(
                say(
                    "The advice changes if you need more than {share:.0f} % of the best capture: then take {next} at "
                    "{ms:.3g} ms with {capture:.0f~} %.",
                    capture[first],
                    share=share.percent,
                    next=higher[0],
                    ms=timed[higher[0]],
                    capture=capture[higher[0]].percent,
                )
            )
    dropped = sorted((m for m in timed if m in capture and m not in eligible), key=_of(timed))
    if dropped:
        sentences.append(
            say(
                "Left out for capturing too little: {models}.",
                *[capture[m] for m in dropped],
                models=listed(dropped),
            )
        )
    return Advice("real_time", title, tuple(eligible), (first,), tuple(sentences))


def _apart(facts: Facts, a: str, b: str) -> bool:
    """Whether two one-day medians differ by more than the sum of their spreads."""
    p50 = [facts.cell(f"timing.{m}.one_day_p50_ms").value for m in (a, b)]
    spread = [facts.cell(f"timing.{m}.one_day_spread").value for m in (a, b)]
    return abs(p50[0] - p50[1]) > p50[0] * spread[0] + p50[1] * spread[1]


def interpretability(facts: Facts) -> Advice:
    """Interpretability: how well attributions find what a planted signal reads."""
    title = translate("Interpretability")
    score = {m: facts.cell(f"interpretability.{m}.interpretability") for m in facts.frame("interpretability")["model"]}
    score = {m: c for m, c in score.items() if c.measured}
    if not score:
        return _unmeasured("interpretability", title, "bench attribute RUN")
    # A cell without interval is exact: linear's weights are its explanation.
    least, most = ({m: getattr(c, end) if c.has_interval else c.value for m, c in score.items()} for end in ENDS)
    # What untrained networks might show as well is no explanation, however high the score.
    ranking = sorted(score, key=lambda m: (least[m] <= 0, -score[m].value))
    sure = [m for m in ranking if least[m] > 0]
    best = ranking[0]
    tied = [m for m in sure or ranking if m == best or most[m] >= least[best]]
    measure = say(
        "Measured by how precisely a model's attributions find the inputs that a planted signal really reads: area "
        "under the precision-recall curve, 0 at chance and 1 when perfect."
    )
    sentences = [measure]
    if not sure:
        sentences.append(
            say(
                "No model is surely above what untrained networks show; {best} has {first:.2f~}.",
                best=best,
                first=score[best],
            )
        )
    elif len(sure) > 1:
        second = sure[1]
        apart = most[second] < least[best]
        template = (
            "{best} comes first with {first:.2f~}, {second} second with {runner:.2f~}."
            if apart
            else "{best} comes first with {first:.2f~}, {second} second with {runner:.2f~}; their intervals overlap, "
            "so there is no evidence of a difference."
        )
        sentences.append(say(template, best=best, first=score[best], second=second, runner=score[second]))
    else:
        sentences.append(
            say("Only {best} is surely above what untrained networks show: {first:.2f~}.", best=best, first=score[best])
        )
    if len(tied) > 2 and sure:
        others = listed(tied[2:])
        sentences.append(
            say("Neither can the first be told from {others}.", *[score[m] for m in tied[2:]], others=others)
        )
    unsure = [m for m in ranking if m not in sure]
    if sure and unsure:
        sentences.append(
            say(
                "Not surely above what untrained networks show: {models}.",
                *[score[m] for m in unsure],
                models=listed(unsure),
            )
        )
    native = [m for m in sure if facts.cell(f"interpretability.{m}.native").value == 1]
    if native and native[0] != best:
        sentences.append(
            say(
                "The advice changes if the model must explain itself without a separate method: then take {model} "
                "with {score:.2f~}.",
                facts.cell(f"interpretability.{native[0]}.native"),
                model=native[0],
                score=score[native[0]],
            )
        )
    return Advice("interpretability", title, tuple(ranking), tuple(tied), tuple(sentences))


def _with(matrix: CaptureMatrix | None, markets: tuple[str, ...]) -> CaptureMatrix | None:
    if matrix is None or not set(markets) <= set(matrix.markets) or matrix.frame.empty:
        return None
    return matrix


def _order(matrix: CaptureMatrix, column: str) -> list[str]:
    return matrix.frame.sort_values(column, ascending=False, kind="stable")["model"].tolist()


def _best(matrix: CaptureMatrix, market: str) -> tuple[str, Cell]:
    model = _order(matrix, market)[0]
    row = matrix.frame.set_index("model").loc[model]
    cell = Cell(f"capture.{model}.{market}", row[market], row[f"{market}_low"], row[f"{market}_high"])
    return model, cell


def _of(cells: dict[str, Cell]) -> Callable[[str], float]:
    return lambda model: cells[model].value if np.isfinite(cells[model].value) else math.inf


def _unmeasured(name: str, title: str, command: str) -> Advice:
    sentence = say("Not measured under this results folder; run: python -m {command}", command=command)
    return Advice(name, title, (), (), (sentence,))
