"""The report as a document: which sections there are, in which order."""

from __future__ import annotations

from bench.advice.facts import Facts
from bench.report.sections import judgement, measured
from bench.report.sections.importance import importance
from bench.report.sections.run import details, failures, folds, opening
from bench.report.sections.significance import differences
from bench.text.document import Document
from bench.text.language import current, language, translate
from bench.text.tables import Table


def build_document(facts: Facts, lang: str = "en") -> Document:
    """The report on `facts`; numbers and sentences are the same in every language.

    Raises:
        ConfigError: an unknown language.
    """
    with language(lang):
        sections = [
            opening(facts),
            failures(facts),
            *judgement.judgement(facts),
            judgement.capture(facts),
            measured.technical(facts),
            measured.growth(facts),
            importance(facts),
            measured.interpretability(facts),
            measured.portfolio(facts),
            judgement.claims(facts),
            measured.scores(facts),
            folds(facts),
            differences(facts),
        ]
        tables = [table for s in sections if s is not None for table in s.of(Table)]
        sections += details(facts, tables)
        title = translate("Comparison: {name}", name=facts.run["name"])
        return Document(title, current(), tuple(s for s in sections if s is not None))
