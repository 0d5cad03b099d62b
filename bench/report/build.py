"""The report as a document: which sections there are, in which order."""

from __future__ import annotations

from bench.facts import Facts
from bench.report import evidence_sections, measured_sections
from bench.report.document import Document
from bench.report.language import current, language, translate
from bench.report.run_sections import details, failures, folds, opening
from bench.report.significance_section import differences


def build_document(facts: Facts, lang: str = "en") -> Document:
    """The report on `facts`; numbers and sentences are the same in every language.

    Raises:
        ConfigError: an unknown language.
    """
    with language(lang):
        sections = [
            opening(facts),
            failures(facts),
            *evidence_sections.judgement(facts),
            evidence_sections.capture(facts),
            measured_sections.technical(facts),
            measured_sections.growth(facts),
            measured_sections.interpretability(facts),
            measured_sections.portfolio(facts),
            evidence_sections.claims(facts),
            measured_sections.scores(facts),
            folds(facts),
            differences(facts),
            *details(facts),
        ]
        title = translate("Comparison: {name}", name=facts.run["name"])
        return Document(title, current(), tuple(s for s in sections if s is not None))
