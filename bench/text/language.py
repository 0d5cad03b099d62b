"""The language of a report: English templates are the keys, `zh.yaml` holds the Chinese ones.

A template is the same sentence in every language with the same named values, so the numbers cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, did_you_mean

LANGUAGES = ("en", "zh")
LONGEST = 1000
"""Characters of a recorded text that is still looked up."""
_language: ContextVar[str] = ContextVar("language", default="en")


def current() -> str:
    """The language that `translate` answers in."""
    return _language.get()


@contextmanager
def language(name: str) -> Iterator[None]:
    """Write in another language within the block.

    Raises:
        ConfigError: an unknown language.
    """
    if name not in LANGUAGES:
        near = did_you_mean(name, list(LANGUAGES))
        raise ConfigError(f"--lang {name}: no such language{near}; there are {', '.join(LANGUAGES)}")
    token = _language.set(name)
    try:
        yield
    finally:
        _language.reset(token)


def translate(template: str, **values: Any) -> str:
    """The template in the current language, filled in; a template without translation stays English."""
    chosen = template if current() == "en" else table(current()).get(template, template)
    return chosen.format(**values) if values else chosen


@dataclass(frozen=True)
class Phrase:
    """A template with its values, which becomes text where it is printed, in the language of that moment.

    Values may be phrases and cells; a name among them stays as it is.
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return translate(self.template, **self.values)


def phrase(template: str, **values: Any) -> Phrase:
    """`translate`, put off until it is printed."""
    return Phrase(template, values)


def listed(parts: Iterable[str], separator: str = ", ") -> str:
    """Parts behind each other, parted as the current language does: `", "` or `"; "`."""
    return translate(separator).join(parts)


def retold(text: str) -> str:
    """A text that a record holds in English, in the current language where that knows it; else the text itself."""
    if current() == "en" or len(text) > LONGEST:
        return text
    for pattern, chosen in _patterns(current()):
        if match := pattern.fullmatch(text):
            values = match.groupdict()
            if "items" in values:
                values["items"] = listed(re.split(", | and ", values["items"]))
            return chosen.format(**values)
    return text


@lru_cache
def table(name: str, part: str = "templates") -> dict[str, str]:
    """English -> a language.

    Args:
        part: `templates`, which `translate` fills in, or `recorded`, which `retold` recognises.

    Raises:
        ConfigError: a template is given twice.
    """
    from bench.records.strict_yaml import read_yaml

    templates = read_yaml(Path(__file__).with_name(f"{name}.yaml"))
    return {str(k): str(v) for k, v in templates[part].items()}


@lru_cache
def _patterns(name: str) -> list[tuple[re.Pattern[str], str]]:
    """Each recorded text as an expression with its values as groups, the most specific first."""
    templates = table(name, "recorded")
    return [
        (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(english))), chosen)
        for english, chosen in sorted(templates.items(), key=lambda pair: -len(pair[0]))
    ]
