"""Dates as files spell them -> days and times of day; one order of day and month for a whole column."""

from __future__ import annotations

from calendar import month_abbr
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

_DECADES = 4  # times the span of another reading that are too many
_LEAST_SORTED = 3  # steps between dates that tell by their order
NAT = np.datetime64("NaT", "D")
MONTHS = {name.lower(): k for k, name in enumerate(month_abbr) if name}
_TIME = r"(?:[T ]+([0-9]{1,2}):([0-9]{2})[0-9:.,]*\s*(.*)|[T ][0-9]{1,2}:.*|[0-9]{6}|\.0+)?$"
_YEAR_FIRST = r"^([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|([0-9]{2})([0-9]{2}))" + _TIME
_YEAR_LAST = r"^([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})" + _TIME
_SHORT_YEAR = r"^([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{2})" + _TIME
_NAMED = r"^(?:([A-Za-z]{3})[a-z]*\.?[- ]([0-9]{1,2})|([0-9]{1,2})[- ]([A-Za-z]{3})[a-z]*\.?),?[- ]([0-9]{4})$"
_UTC = frozenset({"Z", "UTC", "+00:00", "+0000", "+00"})
# Digits of an epoch -> its unit; ten digits are seconds from 2001 on.
_EPOCHS = {10: "s", 13: "ms", 16: "us", 19: "ns"}


@dataclass(frozen=True)
class Moments:
    """`[K]` days (NaT: no date), what to tell of them, and the time of day where any has one.

    Attributes:
        seconds: since midnight; -1 where there is no time, or one of a zone that is named and not UTC.
        told: of days, how they were read; of none, why they were not.
        ambiguous: of none, whether their order could tell, which `parse_moments` was not given.
    """

    days: np.ndarray
    seconds: np.ndarray | None = None
    told: str = ""
    ambiguous: bool = False


def civil(year: Any, month: Any, day: Any) -> np.ndarray:
    """Calendar dates of integer arrays, NaT where there is no such date."""
    year, month, day = (np.asarray(part, dtype=np.int64) for part in (year, month, day))
    plausible = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = np.where(plausible, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + np.where(plausible, day - 1, 0)
    return np.where(plausible & (days.astype("datetime64[M]") == months), days, NAT)


def parse_dates(texts: pd.Series) -> np.ndarray:
    """As `parse_moments`, days alone."""
    return parse_moments(texts.to_numpy(dtype=object).astype(np.str_)).days


def parse_moments(texts: np.ndarray, *, in_order: bool = False) -> Moments:
    """Texts of one column, each once -> their days.

    `YYYY-MM-DD`, also with `/`, `.`, `年月日` or nothing between and a time after it. The date is the one
    that is written, whatever the zone; of times that are UTC or name no zone the seconds are given too. Where no text
    is of this kind: `MM/DD/YYYY` or `DD.MM.YYYY`, also with two digits of the year (the texts must tell which),
    `Jan 02, 2019`, `02-Jan-2019`, `YYMMDD`, and seconds, milli-, micro- or nanoseconds since 1970.

    Args:
        in_order: the texts stand as in the file, so that the only reading in which they are sorted is the right one.
    """
    plain = iso_dates(texts)
    if plain is not None:
        return Moments(plain)
    series = pd.Series(texts, dtype=object).str.strip()
    if series.str.contains("年", regex=False).any():
        series = series.str.replace(r"[年月]", "-", regex=True).str.replace("日", "", regex=False)
    parts = series.str.extract(_YEAR_FIRST)
    if not parts[0].notna().any():
        return _other_kinds(series, in_order)
    month, day = (parts[k].where(parts[k].notna(), parts[k + 2]) for k in (2, 3))
    return Moments(civil(_number(parts[0]), _number(month), _number(day)), _seconds(parts, 6))


def iso_dates(texts: np.ndarray) -> np.ndarray | None:
    """As `parse_moments` for texts that are all plain `YYYY-MM-DD`, twenty times faster; else None."""
    if texts.dtype.itemsize != 40 or not len(texts):
        return None
    codes = np.ascontiguousarray(texts).view(np.uint32).reshape(-1, 10)
    digits = codes[:, [0, 1, 2, 3, 5, 6, 8, 9]].astype(np.int64) - ord("0")
    if (codes[:, [4, 7]] != ord("-")).any() or (digits < 0).any() or (digits > 9).any():
        return None
    return civil(digits[:, :4] @ [1000, 100, 10, 1], digits[:, 4:6] @ [10, 1], digits[:, 6:] @ [10, 1])


def _number(part: Any) -> np.ndarray:
    return part.where(part.notna(), "0").astype(np.int64).to_numpy()


def _seconds(parts: pd.DataFrame, at: int) -> np.ndarray | None:
    """Seconds since midnight of times that are UTC or name no zone, else -1."""
    timed = parts[at].notna().to_numpy()
    if not timed.any():
        return None
    zone = parts[at + 2].fillna("").str.strip().str.upper()
    free = timed & ((zone == "") | zone.isin(_UTC)).to_numpy(dtype=bool)
    return np.where(free, _number(parts[at]) * 3600 + _number(parts[at + 1]) * 60, -1)


def _other_kinds(series: pd.Series, in_order: bool) -> Moments:
    """Columns of which no text is `YYYY-MM-DD`: each kind only if every text is of it."""
    nothing = Moments(np.full(len(series), NAT))
    for pattern, year in ((_YEAR_LAST, "YYYY"), (_SHORT_YEAR, "YY")):
        parts = series.str.extract(pattern)
        if len(series) and parts[0].notna().all():
            return _of_three_numbers(parts, str(series.iloc[0]), year, in_order)
    named = series.str.extract(_NAMED)
    if len(series) and named[4].notna().all():
        month = named[0].where(named[0].notna(), named[3]).str.lower().map(MONTHS).fillna(0)
        day = named[1].where(named[1].notna(), named[2])
        return Moments(civil(_number(named[4]), month.to_numpy(), _number(day)))
    digits = series.str.replace(r"\.0+$", "", regex=True)
    if not len(series) or not digits.str.fullmatch("[0-9]{3,19}").all():
        return nothing
    sizes = digits.str.len()
    if (sizes <= 6).all():
        return _short_years(digits.str.zfill(6))
    if sizes.nunique() == 1 and (unit := _EPOCHS.get(int(sizes.iloc[0]))):
        moments = digits.astype(np.int64).to_numpy().astype(f"datetime64[{unit}]").astype("datetime64[s]")
        days = moments.astype("datetime64[D]")
        return Moments(days, (moments - days).astype(np.int64), f"dates such as {digits.iloc[0]} are {unit} since 1970")
    return nothing


def _of_three_numbers(parts: pd.DataFrame, first: str, year: str, in_order: bool) -> Moments:
    """Numbers between marks, read the one way in which all are dates, or in which alone they are sorted."""
    numbers, mark = [_number(parts[k]) for k in (0, 2, 3)], str(parts.loc[0, 1])
    orders = {"MM/DD/YY": (2, 0, 1), "DD/MM/YY": (2, 1, 0), "YY/MM/DD": (0, 1, 2)}
    if year == "YYYY":
        del orders["YY/MM/DD"]
    readings: dict[str, np.ndarray] = {}
    for order, (y, m, d) in orders.items():
        days = civil(_long_years(numbers[y]) if year == "YY" else numbers[y], numbers[m], numbers[d])
        # Two readings that are the same days are one.
        if not np.isnat(days).any() and not any((days == other).all() for other in readings.values()):
            readings[order] = days
    readings = _short_spans(readings)
    unclear = len(readings) > 1
    if unclear and bool(np.all(parts[1] == ".")) and "DD/MM/YY" in readings:
        readings = {"DD/MM/YY": readings["DD/MM/YY"]}
    elif unclear and in_order:
        readings = _sorted_readings(readings)
    if len(readings) != 1:
        reason = "could be day or month first; write YYYY-MM-DD" if unclear else ""
        return Moments(np.full(len(parts), NAT), told=reason, ambiguous=unclear)
    ((order, days),) = readings.items()
    shown = order.replace("YY", year).replace("/", mark)
    why = ", as they are sorted in no other reading" if unclear and in_order and mark != "." else ""
    return Moments(days, _seconds(parts, 4), f"dates such as {first} are {shown}{why}")


def _short_spans(readings: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without those in which the days of a month are taken for years, which makes weeks decades."""
    spans = {order: int(np.ptp(days.astype(np.int64))) for order, days in readings.items()}
    first = spans.pop("YY/MM/DD", None)
    if first is None or not spans:
        return readings
    if first > _DECADES * max(spans.values()):
        return {order: readings[order] for order in spans}
    return {"YY/MM/DD": readings["YY/MM/DD"]} if min(spans.values()) > _DECADES * first else readings


def _sorted_readings(readings: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The one in which days rise or fall throughout, unless it has more weekends than another; else all.

    A file sorted as text is sorted in the reading that its first number suggests, whatever its days are.
    """
    steps = {order: np.diff(days).astype(np.int64) for order, days in readings.items()}
    weekends = {order: int((~np.is_busday(days)).sum()) for order, days in readings.items()}
    fit = [
        order for order, step in steps.items() if len(step) >= _LEAST_SORTED and abs(np.sign(step).sum()) == len(step)
    ]
    if len(fit) != 1 or weekends[fit[0]] > min(weekends.values()):
        return readings
    return {fit[0]: readings[fit[0]]}


def _long_years(year: np.ndarray) -> np.ndarray:
    """Of two digits; a year after the next one is of the 20th century."""
    return np.where(year + 2000 > datetime.now().year + 1, year + 1900, year + 2000)


def _short_years(digits: pd.Series) -> Moments:
    """`YYMMDD` where `DDMMYY` and `MMDDYY` are ruled out."""
    one, two, three = (_number(digits.str[k : k + 2]) for k in (0, 2, 4))

    def dates(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
        return civil(_long_years(year), month, day)

    days = dates(one, two, three)
    if np.isnat(days).any():
        return Moments(np.full(len(digits), NAT))
    # Taken the other way round, the days of a month would be years, and most of them not long ago.
    others = [dates(three, two, one), dates(three, one, two)]
    spans = [np.ptp(other.astype(np.int64)) for other in others if not np.isnat(other).any()]
    if spans and min(spans) <= np.ptp(days.astype(np.int64)) * 2:
        reason = "could be YYMMDD, DDMMYY or MMDDYY; write YYYY-MM-DD"
        return Moments(np.full(len(digits), NAT), told=reason)
    return Moments(days, told=f"dates such as {digits.iloc[0]} are YYMMDD: {days[0]}")
