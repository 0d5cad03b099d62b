"""Which column holds what: names recognised without regard to case, spaces and punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from zoo.errors import DataError, did_you_mean

Synonyms: TypeAlias = tuple[tuple[str, ...], ...]
"""Spellings of a role in tiers: a later tier counts only where no column has one of those before."""

PANEL_ROLES: Mapping[str, Synonyms] = {
    "date": (
        ("date", "dates", "tradedate", "tradingdate", "tradingday", "日期", "交易日期", "交易日"),
        ("datetime", "timestamp"),
        ("time", "day", "dt", "opentime", "时间"),
        ("t",),
        ("index", "level0", "unnamed0", "indexlevel0"),
    ),
    "symbol": (
        (
            *("symbol", "ticker", "instrument", "code", "tickersymbol", "stockcode", "tscode", "permno", "isin"),
            *("股票代码", "证券代码", "代码"),
        ),
        ("name", "stock", "sym", "tic", "secid", "asset", "名称", "股票名称", "证券简称"),
        ("level1", "indexlevel1"),
    ),
    "open": (("open", "openprice", "openingprice", "pxopen", "开盘", "开盘价", "今开"), ("o",)),
    "high": (("high", "highprice", "pxhigh", "最高", "最高价"), ("h",)),
    "low": (("low", "lowprice", "pxlow", "最低", "最低价"), ("l",)),
    "close": (
        ("close", "closeprice", "closingprice", "closelast", "pxlast", "收盘", "收盘价"),
        ("last", "lastprice", "prc", "最新价", "c"),
    ),
    "adj_close": (
        (
            *("adjclose", "adjustedclose", "adjcloseprice", "closeadj", "closeadjusted", "adjustedcloseprice", "adjcp"),
            *("复权收盘价", "后复权收盘价", "前复权收盘价"),
        ),
    ),
    "vwap": (("vwap",), ("avgprice", "averageprice", "vw", "均价", "成交均价")),
    "volume": (("volume", "vol", "tradedvolume", "sharevolume", "pxvolume", "成交量", "成交量手", "成交量股"), ("v",)),
    "factor": (("factor", "复权因子"),),
    "change": (("change",),),
    "sector": (("sector", "gicssector"),),
    "industry": (("industry", "gicsindustry", "gicssubindustry", "行业", "所属行业"),),
}

PRICES = ("open", "high", "low", "close", "adj_close", "vwap")
OPTIONAL = ("vwap", "factor", "change", "sector", "industry")
"""Roles that nobody needs: where their column cannot be read it is left out, and this is told."""

CONCEPT_ROLES: Mapping[str, Synonyms] = {
    "symbol": PANEL_ROLES["symbol"],
    "concept": (("concept", "theme", "group"), ("sector", "industry", "gicssector", "label")),
    "start": (("start", "startdate", "from", "begin", "validfrom"), ("indate",)),
    "end": (("end", "enddate", "to", "until", "validto"), ("outdate",)),
}


_NUMBERED = re.compile(r"^\s*[0-9]{1,2}[.)]\s+")


@lru_cache(maxsize=1 << 16)
def key(name: str) -> str:
    """The letters and digits of a column name, lower case: `Adj. Close` and `5. adj close` -> `adjclose`."""
    return "".join(ch for ch in _NUMBERED.sub("", name, count=1).casefold() if ch.isalnum())


def recognise(columns: Sequence[str], where: str, roles: Mapping[str, Synonyms] = PANEL_ROLES) -> dict[str, str]:
    """Role -> column for every role that a column of `columns` fills; an optional role that two could fill has none.

    Raises:
        DataError: two columns fill one role equally well.
    """
    spelled: dict[str, list[str]] = {}
    for column in columns:
        spelled.setdefault(key(column), []).append(column)
    found: dict[str, str] = {}
    for role, tiers in roles.items():
        for spellings in tiers:
            fits = [column for spelling in spellings for column in spelled.get(spelling, ())]
            if len(fits) > 1 and role not in OPTIONAL:
                both = " and ".join(map(repr, sorted(fits, key=columns.index)))
                raise DataError(f"{where}: columns {both} could both be the {role}; rename or drop one")
            if fits:
                found |= {role: fits[0]} if len(fits) == 1 else {}
                break
    # Beside open, high and low the price is the last one.
    if "close" not in found and "adj_close" not in found and {"open", "high", "low"} <= found.keys():
        found.update([("close", column) for column in spelled.get("price", ())[:1]])
    return found


_OUTRIGHT = {spelling: role for role, tiers in PANEL_ROLES.items() for spelling in tiers[0]}
_ANY = {spelling: role for role, tiers in reversed(PANEL_ROLES.items()) for tier in tiers for spelling in tier}


def role_of(name: str, *, outright: bool = True) -> str | None:
    """The role that a name spells, one of the first tier only where `outright`."""
    return (_OUTRIGHT if outright else _ANY).get(key(name))


def listed(names: Iterable[object], limit: int = 3, width: int = 40) -> str:
    """The first names and, where there are more, an ellipsis: `a, b, c, ...`."""
    texts = [shorten(name, width) for name in names]
    return ", ".join(texts[:limit]) + (", ..." if len(texts) > limit else "")


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
