"""What the site takes from the code: `<!-- generated: NAME -->` in a page stands for one of `PARTS`.

Nothing here is written down twice: keys come from the types, definitions from the registry and the report's tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    return _MARK.sub(lambda found: PARTS[found[1]](), markdown)


def settings() -> str:
    from bench.interface import keys

    return keys.markdown(keys.keys())


def models() -> str:
    from zoo import registry

    specs = [registry.get_spec(name) for name in registry.list_models()]
    rows = [(f"`{s.name}`", s.title, s.scope, "concepts" if s.needs_concepts else "", s.paper) for s in specs]
    return _table(("name", "title", "scope", "needs", "paper"), rows)


def markets() -> str:
    from zoo.data.sources.planted import get_market, list_markets

    known = map(get_market, list_markets())
    return _table(("market", "its signal reads", "what it tests"), [(f"`{m.name}`", m.reads, m.tests) for m in known])


def columns() -> str:
    """The roles of columns and the names that are recognised, in the order in which they are tried."""
    from zoo.data.sources.columns import PANEL_ROLES

    return _table(
        ("role", "names, without regard to case, blanks and punctuation"),
        [(role, "; then ".join(", ".join(tier) for tier in tiers)) for role, tiers in PANEL_ROLES.items()],
    )


def metrics() -> str:
    from bench.metrics import list_metrics

    better = {"higher": "larger", "lower": "smaller", "neither": ""}
    rows = [
        (m.title, f"`{m.name}`", better[m.direction], "yes" if m.interval else "no", m.definition)
        for m in list_metrics()
        if m.in_frame
    ]
    return _table(("metric", "column", "better", "interval", "definition"), rows)


def comparison() -> str:
    from bench.report.tables import main

    return _definitions(main)


def portfolio() -> str:
    from bench.report.tables import portfolio as tables

    return _definitions(tables)


def significance() -> str:
    from bench.report.tables import significance as tables

    return _definitions(tables)


def contributing() -> str:
    """CONTRIBUTING.md without its title; its headings stay as they are."""
    return (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n")[2].lstrip()


def _definitions(module: Any) -> str:
    """Those that a module of tables gives its columns, in the order of the file."""
    from bench.text.tables import Definition

    found = dict.fromkeys(value for value in vars(module).values() if isinstance(value, Definition))
    return _table(("name", "definition"), [(one.title, one.text) for one in found])


def _table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace('<', '&lt;') for cell in cells)} |"

    headers = list(headers)
    return "\n".join([line(headers), f"|{'---|' * len(headers)}", *map(line, rows)])


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (settings, models, markets, columns, metrics, comparison, portfolio, significance, contributing)
}
"""What can be generated, by name."""
