"""Kinds of values that several sections have: dates, spans, segments, embargoes."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator


@dataclass(frozen=True)
class Allowed:
    """What a value that is checked by a function of its own may be, in words: part of its type."""

    words: str


_DATE = Allowed("a date, YYYY-MM-DD")
_SPAN = Allowed("a number and d, m or y, such as 250d, 6m or 3y")
_SEGMENT = Allowed("a fraction such as 0.6, or two dates: [2015-01-01, 2016-12-31]")
_EMBARGO = Allowed("auto, or a number of days from 0 on")


def _date_text(value: object) -> str:
    """A date in the form in which sections hold it; YAML reads it as a date, JSON as a text."""
    text = str(value)
    try:
        date.fromisoformat(text if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else "")
    except ValueError:
        raise ValueError(f"must be {_DATE.words}") from None
    return text


def _span_text(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{0,5}[dmy]", value, re.ASCII):
        raise ValueError(f"must be {_SPAN.words}")
    return value


def _segment(value: object) -> object:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return tuple(_date_text(day) for day in value)
    with suppress(TypeError, ValueError):
        if not isinstance(value, bool):
            return float(value)  # type: ignore[arg-type]
    raise ValueError(f"must be {_SEGMENT.words}")


def _embargo_days(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"must be {_EMBARGO.words}")


Day = Annotated[str, BeforeValidator(_date_text), _DATE]
Span = Annotated[str, BeforeValidator(_span_text), _SPAN]
Segment = Annotated[float | tuple[str, str], BeforeValidator(_segment), _SEGMENT]
Embargo = Annotated[Literal["auto"] | int, BeforeValidator(_embargo_days), _EMBARGO]
