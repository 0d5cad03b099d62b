"""Moments -> the day they belong to: instants of local midnights, closing times, a zone that the user names."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import pandas as pd

from zoo.errors import DataError, did_you_mean

NOON, DAY = 43_200, 86_400
_CLEAR = 0.05  # a fifth of all days are at stake where midnights are read as the evening before
_TIMES = 8  # hours of the day beyond which rows are bars within a day


def known_zone(name: str | None) -> str | None:
    """`name` if it is a time zone.

    Raises:
        DataError: it is none; the nearest is named.
    """
    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(name, available_timezones())
        raise DataError(f"data.timezone {name!r} is no time zone{near}; write one such as America/New_York") from None
    return name


def in_zone(days: np.ndarray, seconds: np.ndarray, zone: str) -> np.ndarray:
    """The date in `zone` of UTC moments; of rows without a time (seconds < 0) the day as it is."""
    moments = days.astype("datetime64[s]") + np.maximum(seconds, 0).astype("timedelta64[s]")
    local = pd.DatetimeIndex(moments).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return np.where(seconds < 0, days, local.to_numpy().astype("datetime64[D]"))


def own_days(days: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, str, str]:
    """The days of moments that are UTC or name no zone, what to tell, and why they cannot be told (else "").

    A midnight east of Greenwich is an instant of the evening before, so that Mondays are found on Sundays and no
    Friday is left; a closing time lies on its own day. Each time of day is judged by the weekends that it meets.
    """
    hours = np.where(seconds > 0, seconds // 3600, -1)
    there = np.unique(hours[seconds >= NOON])
    early = np.unique(hours[(seconds > 0) & (seconds < NOON)])
    if not len(there) or len(there) + len(early) > _TIMES:
        return days, "", ""
    result, east, unclear = days.copy(), [], []
    for group in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1):
        rows = np.isin(hours, group)
        as_is, next_day = (float((~np.is_busday(d[~np.isnat(d)])).mean()) for d in (days[rows], days[rows] + 1))
        if as_is - next_day > _CLEAR:
            result[rows] += np.timedelta64(1, "D")
            east.append((group, rows))
        elif next_day - as_is <= _CLEAR:
            unclear.append((group, rows))
    if unclear and (east or len(early) or len(unclear) > 1):
        at = ", ".join(_at(group, rows) for group, rows in (*unclear, *east))
        reason = f"times of day that may be midnights east of Greenwich ({at}) stand beside others"
        return days, "", f"{reason}; set data.timezone to the zone of the exchange farthest east"
    if not east:
        return days, "", ""
    at = ", ".join(_at(group, rows) for group, rows in east)
    beside = f"; {int((~np.isin(hours, there)).sum()):,} rows at other times count as their own day"
    mixed = beside if len(early) or (hours < 0).any() else ""
    return result, f"UTC times of midnights east of Greenwich, {at}, count as the next day{mixed}", ""


def _at(hours: np.ndarray, rows: np.ndarray) -> str:
    span = f"{hours[0]:02d}:00" if len(hours) == 1 else f"{hours[0]:02d}:00 .. {hours[-1]:02d}:59"
    return f"{int(rows.sum()):,} rows at {span}"
