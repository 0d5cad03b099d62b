"""Interpretability: how well attributions find what a planted signal reads."""

from __future__ import annotations

from bench.advice.facts import Facts
from bench.advice.use import Answer, Use, also_tied, unmeasured
from bench.text.cells import Cell
from bench.text.language import listed
from bench.text.sentences import Sentence, say


def _answer(facts: Facts) -> Answer:
    cells = {m: facts.cell(f"interpretability.{m}.interpretability") for m in facts.frame("interpretability")["model"]}
    score = {m: cell for m, cell in cells.items() if cell.measured}
    if not score:
        return unmeasured("bench attribute RUN")
    # What untrained networks might show as well is no explanation, however high the score.
    ranking = sorted(score, key=lambda m: (score[m].least <= 0, -score[m].value))
    sure = [m for m in ranking if score[m].least > 0]
    best = ranking[0]
    tied = [m for m in sure or ranking if m == best or score[m].most >= score[best].least]
    measure = say(
        "Measured by how precisely a model's attributions find the inputs that a planted signal really reads: area "
        "under the precision-recall curve, 0 at chance and 1 when perfect."
    )
    sentences = [measure, _leader(score, sure, best), *(also_tied(score, tied) if sure else [])]
    unsure = [m for m in ranking if m not in sure]
    if sure and unsure:
        template = "Not surely above what untrained networks show: {models}."
        sentences.append(say(template, *[score[m] for m in unsure], models=listed(unsure)))
    sentences += _native(facts, score, sure)
    return Answer(tuple(ranking), tuple(tied), tuple(sentences))


def _leader(score: dict[str, Cell], sure: list[str], best: str) -> Sentence:
    if not sure:
        template = "No model is surely above what untrained networks show; {best} has {first:.2f~}."
        return say(template, best=best, first=score[best])
    if len(sure) == 1:
        template = "Only {best} is surely above what untrained networks show: {first:.2f~}."
        return say(template, best=best, first=score[best])
    second = sure[1]
    template = (
        "{best} comes first with {first:.2f~}, {second} second with {runner:.2f~}."
        if score[second].most < score[best].least
        else "{best} comes first with {first:.2f~}, {second} second with {runner:.2f~}; their intervals overlap, "
        "so there is no evidence of a difference."
    )
    return say(template, best=best, first=score[best], second=second, runner=score[second])


def _native(facts: Facts, score: dict[str, Cell], sure: list[str]) -> list[Sentence]:
    """The best model that explains itself, if it is not the best of all."""
    cells = {m: facts.cell(f"interpretability.{m}.native") for m in sure}
    native = [m for m in sure if cells[m].value == 1]
    if not native or native[0] == sure[0]:
        return []
    return [
        say(
            "The advice changes if the model must explain itself without a separate method: then take {model} "
            "with {score:.2f~}.",
            cells[native[0]],
            model=native[0],
            score=score[native[0]],
        )
    ]


INTERPRETABILITY = Use("interpretability", "Interpretability", _answer)
