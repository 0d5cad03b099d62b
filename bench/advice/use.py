"""What a model may be wanted for; the uses themselves are listed in `bench.advice.guide`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.advice.facts import Facts
from bench.text.cells import Cell
from bench.text.language import listed, translate
from bench.text.sentences import Sentence, say


@dataclass(frozen=True)
class Answer:
    """What the facts say about a use.

    Attributes:
        ranking: models, best first; empty where nothing was measured.
        tied: models that cannot be told from the first, itself included.
        sentences: measurement, leader and margin, ties, when the advice changes.
    """

    ranking: tuple[str, ...]
    tied: tuple[str, ...]
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Advice(Answer):
    """An answer with the id of its use and its title, translated."""

    id: str
    title: str


@dataclass(frozen=True)
class Use:
    """Something a model is wanted for; `title` is English, `answer` ranks the models for it."""

    id: str
    title: str
    answer: Callable[[Facts], Answer]

    def advice(self, facts: Facts) -> Advice:
        """What the guide says about it."""
        answer = self.answer(facts)
        return Advice(answer.ranking, answer.tied, answer.sentences, self.id, translate(self.title))


def unmeasured(command: str) -> Answer:
    """Nothing was measured that would answer it; `command` measures it."""
    return Answer((), (), (say("Not measured under this results folder; run: python -m {command}", command=command),))


def also_tied(cells: dict[str, Cell], tied: list[str]) -> list[Sentence]:
    """Which models besides the second cannot be told from the first."""
    if len(tied) <= 2:
        return []
    others = tied[2:]
    return [say("Neither can the first be told from {others}.", *[cells[m] for m in others], others=listed(others))]
