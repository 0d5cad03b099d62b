"""Which column holds what: names recognised without regard to case, spaces and punctuation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from zoo.errors import DataError, did_you_mean

Synonyms: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""Spellings that name a role outright, and those that count only where no column has one of the first."""

PANEL_ROLES: Mapping[str, Synonyms] = {
    "date": (
        ("date", "datetime", "timestamp", "tradedate", "tradingdate", "tradingday"),
        ("time", "day", "dt", "index", "level0", "unnamed0", "indexlevel0"),
    ),
    "symbol": (
        ("symbol", "ticker", "instrument", "code", "tickersymbol", "stockcode", "tscode", "permno"),
        ("name", "stock", "sym", "tic", "secid", "asset", "level1", "indexlevel1"),
    ),
    "open": (("open", "openprice", "openingprice"), ("o",)),
    "high": (("high", "highprice"), ("h",)),
    "low": (("low", "lowprice"), ("l",)),
    "close": (("close", "closeprice", "closingprice"), ("c", "last", "lastprice")),
    "adj_close": (("adjclose", "adjustedclose", "adjcloseprice", "closeadj", "closeadjusted"), ()),
    "vwap": (("vwap",), ("avgprice", "averageprice", "vw")),
    "volume": (("volume", "vol", "tradedvolume", "sharevolume"), ("v",)),
    "factor": (("factor",), ()),
    "change": (("change",), ()),
    "sector": (("sector", "gicssector"), ()),
    "industry": (("industry", "gicsindustry", "gicssubindustry"), ()),
}

CONCEPT_ROLES: Mapping[str, Synonyms] = {
    "symbol": PANEL_ROLES["symbol"],
    "concept": (("concept", "theme", "group"), ("sector", "industry", "gicssector", "label")),
    "start": (("start", "startdate", "from", "begin", "validfrom"), ("indate",)),
    "end": (("end", "enddate", "to", "until", "validto"), ("outdate",)),
}


def key(name: object) -> str:
    """The letters and digits of a column name, lower case: `Adj. Close` -> `adjclose`."""
    return "".join(ch for ch in str(name).casefold() if ch.isalnum())


def recognise(columns: Sequence[str], where: str, roles: Mapping[str, Synonyms] = PANEL_ROLES) -> dict[str, str]:
    """Role -> column for every role that a column of `columns` fills.

    Raises:
        DataError: two columns fill one role equally well.
    """
    keys = [key(column) for column in columns]
    found: dict[str, str] = {}
    for role, tiers in roles.items():
        for spellings in tiers:
            fits = [column for column, own in zip(columns, keys, strict=True) if own in spellings]
            if len(fits) > 1:
                both = " and ".join(map(repr, fits))
                raise DataError(f"{where}: columns {both} could both be the {role}; rename or drop one")
            if fits:
                found[role] = fits[0]
                break
    return found


def missing(role: str, columns: Iterable[str], where: str, advice: str = "") -> DataError:
    """The error for a role that no column fills: what there is and which name is nearest."""
    names = [str(column) for column in columns]
    taken = {spelling for tiers in PANEL_ROLES.values() for spellings in tiers for spelling in spellings}
    free = [name for name in names if key(name) not in taken]
    near = next(filter(None, (did_you_mean(word, free) for word in (role, *PANEL_ROLES.get(role, [()])[0]))), "")
    listed = ", ".join(repr(shorten(name)) for name in names[:20]) or "none"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return DataError(f"{where}: no {role} column{near}; its columns are {listed}{more}{advice}")


def shorten(text: object, width: int = 60) -> str:
    """`text` cut to `width` characters, for messages."""
    full = str(text)
    return full if len(full) <= width else f"{full[: width - 1]}…"
