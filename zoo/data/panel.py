"""The panel: dense daily data of a set of stocks, and their point-in-time membership and concepts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from zoo.data.pages import release, room_like, stock_blocks
from zoo.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("open", "high", "low", "close", "vwap", "volume")
"""The fields every panel may have, in this order; `close` is the only one it must have. Further fields follow."""

EXTRA = ("factor", "change")
"""Fields that readers know beside them, for orders rather than for features."""


@dataclass(frozen=True)
class Concepts:
    """Which stock belongs to which concept, and when.

    Attributes:
        names: C concept names.
        start, end: `[K, N, C]` int32, the first and last calendar position of the k-th membership of a stock in
            a concept, both inclusive; start > end where there is none. K is 1 unless a stock re-enters a concept.
        snapshot: True where the source gave no dates, so that today's concepts stand for all of history.
    """

    names: tuple[str, ...]
    start: np.ndarray
    end: np.ndarray
    snapshot: bool

    def at(self, day: np.ndarray, stock: np.ndarray) -> np.ndarray:
        """0/1 membership `[S, C]` float32 of rows (`day [S]`, `stock [S]`)."""
        d = np.asarray(day)[None, :, None]
        inside = (self.start[:, stock] <= d) & (d <= self.end[:, stock])
        return np.asarray(inside.any(axis=0), dtype=np.float32)

    def part(self, stocks: np.ndarray, first_day: int, n_days: int) -> Concepts:
        """The groups of some stocks in the calendar of `n_days` days from position `first_day` on."""
        start, end = (part[:, stocks] - np.int32(first_day) for part in (self.start, self.end))
        return replace(self, start=np.maximum(start, 0), end=np.minimum(end, n_days - 1))


@dataclass(frozen=True)
class Panel:
    """Daily data `[day, stock, field]`.

    Attributes:
        days: `[D]` datetime64[D], sorted, unique.
        symbols: `[N]` str, sorted, unique.
        fields: names of the last axis of `values`.
        values: `[D, N, F]` float32; NaN = no trade or unknown. Prices are adjusted (splits, dividends where the
            source allows). Stored stock-major, so that a stock's window is one contiguous run of memory.
        member: `[D, N]` bool, in the universe that day; separate from whether the stock traded.
        concepts: groups of stocks, or None.
        name: short name for reports, for example `sp500_5yr.parquet`.
        notes: what the reader assumed or found missing, one sentence each, printed once.
    """

    days: np.ndarray
    symbols: np.ndarray
    fields: tuple[str, ...]
    values: np.ndarray
    member: np.ndarray
    concepts: Concepts | None = None
    name: str = "panel"
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        shape = (len(self.days), len(self.symbols), len(self.fields))
        if self.values.shape != shape or self.member.shape != shape[:2]:
            raise DataError(
                f"{self.name}: values {self.values.shape} and member {self.member.shape} do not fit "
                f"{shape[0]} days x {shape[1]} stocks x {shape[2]} fields"
            )
        if shape[0] == 0 or shape[1] == 0:
            raise DataError(f"{self.name}: no rows")
        if "close" not in self.fields:
            raise DataError(f"{self.name}: no close price")
        days = self.days.astype("datetime64[D]")
        if (np.diff(days) <= np.timedelta64(0, "D")).any():
            raise DataError(f"{self.name}: days are not sorted and unique")
        if len(set(self.symbols.tolist())) != shape[1]:
            raise DataError(f"{self.name}: symbols are not unique")
        stock_major = np.ascontiguousarray(self.values.transpose(1, 0, 2), dtype=np.float32)
        object.__setattr__(self, "days", days)
        object.__setattr__(self, "values", stock_major.transpose(1, 0, 2))
        object.__setattr__(self, "member", np.ascontiguousarray(self.member, dtype=bool))

    def __repr__(self) -> str:
        return (
            f"<Panel {self.name}: {self.n_days:,} days {self.days[0]} .. {self.days[-1]}, {self.n_stocks:,} stocks, "
            f"{', '.join(self.fields)}>"
        )

    @property
    def n_days(self) -> int:
        return len(self.days)

    @property
    def n_stocks(self) -> int:
        return len(self.symbols)

    @property
    def own_fields(self) -> tuple[str, ...]:
        """The fields that are columns of the user's own."""
        return tuple(name for name in self.fields if name not in FIELDS and name not in EXTRA)

    def has_row(self, stocks: slice = slice(None)) -> np.ndarray:
        """`[n, D]` bool, the days on which a stock has a value of its market, columns of the user's own aside."""
        market = [k for k, name in enumerate(self.fields) if name in FIELDS or name in EXTRA]
        rows = self.stock_major[stocks]
        return np.asarray(np.isfinite(rows if len(market) == len(self.fields) else rows[:, :, market]).any(axis=2))

    @property
    def stock_major(self) -> np.ndarray:
        """`values` as `[N, D, F]`, C-contiguous, no copy."""
        return self.values.transpose(1, 0, 2)

    def field(self, name: str) -> np.ndarray:
        """`[D, N]` view of one field; all NaN where the panel does not have it."""
        if name in self.fields:
            return self.values[:, :, self.fields.index(name)]
        return np.full((self.n_days, self.n_stocks), np.nan, dtype=np.float32)

    def series(self, name: str, stocks: slice) -> np.ndarray:
        """`[n, D]` view of one field of some stocks; all NaN where the panel does not have it."""
        if name in self.fields:
            return self.stock_major[stocks, :, self.fields.index(name)]
        return np.full((len(range(*stocks.indices(self.n_stocks))), self.n_days), np.nan, dtype=np.float32)

    def position(self, day: str | np.datetime64, side: Literal["left", "right"] = "left") -> int:
        """Calendar position of the first day >= `day` (`left`), or one past the last day <= it (`right`).

        Raises:
            DataError: `day` is not a date.
        """
        try:
            date = np.asarray(day, dtype="datetime64[D]")
        except ValueError:
            raise DataError(f"{day!r} is not a date; write YYYY-MM-DD") from None
        return int(np.searchsorted(self.days, date, side=side))

    @cached_property
    def periods_per_year(self) -> float:
        """Bars a year, from the days on which at least half of the usual number of stocks trades."""
        from zoo.data.calendar import periods_per_year, usual_days

        return periods_per_year(self.days[usual_days(self.field("close"))])

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with any value, day, symbol, membership or concept."""
        digest = hashlib.blake2b(digest_size=8)
        for part in (self.days.astype(np.int64), self.stock_major, np.packbits(self.member)):
            digest.update(np.ascontiguousarray(part).data)
        digest.update("\0".join((*self.symbols.tolist(), *self.fields)).encode())
        if self.concepts is not None:
            digest.update("\0".join(self.concepts.names).encode())
            digest.update(np.ascontiguousarray(self.concepts.start).data)
            digest.update(np.ascontiguousarray(self.concepts.end).data)
        return digest.hexdigest()

    def part(self, stocks: np.ndarray | None = None, days: slice = slice(None)) -> Panel:
        """The panel of some stocks (`[n]` ascending positions, default all) and days only, mapped where this one is.

        Groups keep their names, those without a stock included.
        """
        kept = np.arange(self.n_stocks) if stocks is None else np.asarray(stocks)
        first, stop, _ = days.indices(self.n_days)
        values = room_like(self.values, (len(kept), max(stop - first, 0), len(self.fields)))
        done = 0
        for block in stock_blocks(self.stock_major):
            inside = kept[(block.start <= kept) & (kept < block.stop)]
            values[done : done + len(inside)] = self.stock_major[inside, first:stop]
            done += len(inside)
            release(values)
        return replace(
            self,
            days=self.days[first:stop],
            symbols=self.symbols[kept],
            values=values.transpose(1, 0, 2),
            member=self.member[first:stop, kept],
            concepts=self.concepts and self.concepts.part(kept, first, stop - first),
        )

    def between(self, first: int, stop: int) -> Panel:
        """The panel of the calendar positions `first <= day < stop` and of the stocks that have a close on them."""
        traded = np.isfinite(self.field("close")[first:stop]).any(axis=0)
        if not traded.any():
            raise DataError(f"{self.name}: no close from {self.days[first]} to {self.days[stop - 1]}")
        gone = int((~traded).sum())
        note = f"cut to {self.days[first]} .. {self.days[stop - 1]}, {stop - first:,} of {self.n_days:,} days"
        note += f"; {gone:,} of {self.n_stocks:,} stocks have no close on them and are left out" if gone else ""
        return self.part(np.flatnonzero(traded), slice(first, stop)).with_notes(note)

    def to_frame(self) -> pd.DataFrame:
        """Long rows indexed (datetime, instrument): float32 columns of the fields, `sector` where one can hold it.

        A row per stock and day that has a value or is a member's. `load_panel` reads them back, with the membership
        that it takes for granted: from a stock's first to its last close. Dated concepts, or several to a stock, are
        not among them; `zoo.data.writers.write_panel` keeps all.
        """
        import pandas as pd

        day, stock = np.nonzero(self.member | np.isfinite(self.values).any(axis=2))
        index = pd.MultiIndex.from_arrays(
            [self.days[day].astype("datetime64[ns]"), self.symbols[stock].astype(object)],
            names=["datetime", "instrument"],
        )
        frame = pd.DataFrame(self.values[day, stock], index=index, columns=list(self.fields))
        sector = single_concept(self)
        return frame if sector is None else frame.assign(sector=sector[stock])

    def with_notes(self, *notes: str) -> Panel:
        """The same panel with further notes."""
        return replace(self, notes=(*self.notes, *notes))


def single_concept(panel: Panel) -> np.ndarray | None:
    """`[N]` concept names (None = no concept) where a column can hold them: undated, at most one per stock."""
    concepts = panel.concepts
    if concepts is None or not concepts.snapshot:
        return None
    belongs = (concepts.start <= concepts.end).any(axis=0)
    count = belongs.sum(axis=1)
    if count.max() != 1:
        return None
    names = np.array([*concepts.names, None], dtype=object)
    return names[np.where(count == 1, belongs.argmax(axis=1), -1)]


def presence(close: np.ndarray) -> np.ndarray:
    """Membership for sources that state none: from a stock's first to its last close; `[D, N]` -> `[D, N]` bool."""
    traded = np.isfinite(close)
    begun = np.maximum.accumulate(traded, axis=0)
    unfinished = np.maximum.accumulate(traded[::-1], axis=0)[::-1]
    return begun & unfinished
