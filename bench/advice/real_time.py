"""Real-time inference: one-day latency among the models that keep most of the attainable capture."""

from __future__ import annotations

from bench.advice.captures import PLANTED, measured_on
from bench.advice.facts import Facts
from bench.advice.use import Answer, Use, unmeasured
from bench.text.cells import Cell
from bench.text.language import listed
from bench.text.sentences import Sentence, say

FLOOR = 0.8
"""Real-time models keep at least this share of the best capture on `mixed`."""


def _answer(facts: Facts) -> Answer:
    matrix = measured_on(facts, ["mixed"])
    if matrix is None:
        return unmeasured(PLANTED)
    capture = {m: facts.cell(f"capture.{m}.mixed") for m in matrix.frame["model"]}
    p99 = {m: facts.cell(f"timing.{m}.one_day_p99_ms") for m in facts.frame("timing")["model"]}
    timed = sorted((m for m, cell in p99.items() if cell.measured), key=lambda m: p99[m].value)
    if not timed:
        return unmeasured("bench time")
    best = max(capture.values(), key=lambda cell: cell.value)
    eligible = [m for m in timed if m in capture and capture[m].value >= FLOOR * best.value]
    left_out = [m for m in timed if m in capture and m not in eligible]
    measure = say(
        "Measured by the 99th percentile of the time from one day's windows to its scores, among models that keep at "
        "least {floor:.0f} % of the best capture on mixed ({best:.0f~} %).",
        floor=100 * FLOOR,
        best=best.percent,
    )
    if not eligible:
        return Answer((), (), (measure, say("No timed model keeps that much.")))
    sentences = [measure, *_first_two(facts, eligible, p99), *_more_capture(eligible, capture, p99, best)]
    if left_out:
        template, cells = "Left out for capturing too little: {models}.", [capture[m] for m in left_out]
        sentences.append(say(template, *cells, models=listed(left_out)))
    return Answer(tuple(eligible), (eligible[0],), tuple(sentences))


def _first_two(facts: Facts, eligible: list[str], p99: dict[str, Cell]) -> list[Sentence]:
    if len(eligible) < 2:
        return []
    first, second = eligible[:2]
    named = {"first": first, "p99": p99[first], "second": second, "other": p99[second]}
    if _are_apart(facts, first, second):
        return [
            say(
                "{first} comes first with {p99:.3g} ms, {second} second with {other:.3g} ms, {ratio:.1f} times as "
                "long.",
                **named,
                ratio=Cell("guide.real_time.ratio", p99[second].value / p99[first].value),
            )
        ]
    return [
        say(
            "{first} comes first with {p99:.3g} ms, {second} second with {other:.3g} ms; their medians differ by "
            "less than their spread, so there is no evidence of a difference.",
            **named,
        )
    ]


def _are_apart(facts: Facts, a: str, b: str) -> bool:
    """Whether two one-day medians differ by more than the sum of their spreads."""
    p50 = [facts.cell(f"timing.{m}.one_day_p50_ms").value for m in (a, b)]
    spread = [facts.cell(f"timing.{m}.one_day_spread").value for m in (a, b)]
    return abs(p50[0] - p50[1]) > p50[0] * spread[0] + p50[1] * spread[1]


def _more_capture(eligible: list[str], capture: dict[str, Cell], p99: dict[str, Cell], best: Cell) -> list[Sentence]:
    """The fastest model that captures more than the first."""
    first = eligible[0]
    better = [m for m in eligible[1:] if capture[m].value > capture[first].value]
    share = Cell(f"guide.real_time.{first}-share", capture[first].value / best.value)
    if not better or share.value >= 1:
        return []
    return [
        say(
            "The advice changes if you need more than {share:.0f} % of the best capture: then take {next} at "
            "{ms:.3g} ms with {capture:.0f~} %.",
            capture[first],
            share=share.percent,
            next=better[0],
            ms=p99[better[0]],
            capture=capture[better[0]].percent,
        )
    ]


REAL_TIME = Use("real_time", "Real-time inference", _answer)
