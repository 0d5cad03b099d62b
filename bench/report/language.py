"""The language of a report: English templates are the keys, `zh.yaml` holds the Chinese ones.

A template is the same sentence in every language with the same named values, so the numbers cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import ConfigError, did_you_mean

LANGUAGES = ("en", "zh")
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


@lru_cache
def table(name: str) -> dict[str, str]:
    """English template -> template of a language."""
    path = Path(__file__).with_name(f"{name}.yaml")
    return {str(k): str(v) for k, v in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items()}
