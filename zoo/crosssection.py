"""Per-day cross-sectional ranks and correlations: the one definition of IC and Rank IC.

All functions take `[D, N]` arrays (days x stocks) in which NaN means absent. They work on as many rows at once as the
processor's cache holds; a row's result does not depend on the others, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo.shapes import Float, Num

_BLOCK = 1 << 15  # entries worked on at once
_BUFFER = 8192  # numpy's einsum sums longer rows in parts that depend on the rows beside them


def rank_rows(values: Num[np.ndarray, "D N"]) -> Float[np.ndarray, "D N"]:
    """Average ranks 1 .. n of the finite entries of each row; `[D, N]` -> `[D, N]` float64, NaN where absent."""
    values = np.asarray(values)
    ranks = np.empty(values.shape)
    for rows in _blocks(values):
        present = np.isfinite(values[rows])
        found, before = _ranks(values[rows], present)
        ranks[rows] = np.where(present, found - before, np.nan)
    return ranks


def pearson_rows(a: Num[np.ndarray, "D N"], b: Num[np.ndarray, "D N"]) -> Float[np.ndarray, " D"]:
    """Pearson correlation of each row over the entries finite in both; `[D, N]`, `[D, N]` -> `[D]` float64.

    NaN for a row with fewer than 2 such entries or with a constant side.
    """
    a, b = np.asarray(a), np.asarray(b)
    found = np.empty(len(a))
    for rows in _blocks(a):
        both = np.isfinite(a[rows]) & np.isfinite(b[rows])
        found[rows] = _pearson(a[rows], b[rows], both)
    return found


def spearman_rows(a: Num[np.ndarray, "D N"], b: Num[np.ndarray, "D N"]) -> Float[np.ndarray, " D"]:
    """Spearman correlation (Pearson of average ranks) of each row over the entries finite in both."""
    a, b = np.asarray(a), np.asarray(b)
    found = np.empty(len(a))
    for rows in _blocks(a):
        both = np.isfinite(a[rows]) & np.isfinite(b[rows])
        count = both.sum(axis=1)
        da, db = _rank_deviations(a[rows], both, count), _rank_deviations(b[rows], both, count)
        found[rows] = _correlation(da, db, _squares(da), _squares(db), count >= 2)
    return found


def percentile_rank_rows(values: Num[np.ndarray, "D N"]) -> Float[np.ndarray, "D N"]:
    """Average ranks divided by the number of finite entries of the row, in (0, 1]."""
    ranks = rank_rows(values)
    return ranks / np.maximum(np.isfinite(ranks).sum(axis=1), 1)[:, None]


def _blocks(values: np.ndarray) -> Iterator[slice]:
    """Rows to work on at once, in order."""
    days, stocks = values.shape
    step = _BLOCK // max(stocks, 1) if stocks <= _BUFFER else 1
    return (slice(first, first + step) for first in range(0, days, step))


def _ranks(values: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average ranks of the `present` entries of each row, counted on from row to row; any number where absent.

    All present entries are finite. Second is `[D, 1]`, what to subtract so that each row's ranks begin at 1.
    """
    days, stocks = values.shape
    before = np.arange(days)[:, None] * stocks
    if stocks == 0:
        return np.empty((days, 0)), before
    exact = values.dtype.itemsize <= 4  # single precision: its double form ends in 29 zeros
    flat, first_of_tie = _ascending(np.where(present, values, np.float64(np.inf)), before, exact)
    starts = np.flatnonzero(first_of_tie)
    ends = np.append(starts[1:], first_of_tie.size)
    ranks = np.empty(days * stocks)
    # Positions i .. j-1 share the mean of ranks i+1 .. j.
    ranks[flat] = np.repeat((starts + ends + 1) * 0.5, ends - starts)
    return ranks.reshape(days, stocks), before


def _ascending(values: np.ndarray, before: np.ndarray, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    """Flat positions `[D * N]` that put each row of float64 `values [D, N]` in order, and where they begin a new value.

    Sorting numbers is faster than sorting positions: the bits of each value, read as an integer, carry its position in
    the trailing ones. `exact`: these are zero in all values, as in single precision. Otherwise, where the leading bits
    of neighbours are equal, the values are looked up; if they are out of order, positions are sorted after all.
    """
    days, stocks = values.shape
    trailing = (1 << (stocks - 1).bit_length()) - 1
    values += 0.0  # the two zeros become one
    bits = values.view(np.int64)
    tagged = bits >> 63
    tagged &= np.iinfo(np.int64).max
    tagged ^= bits  # of two negative numbers the larger has the smaller bits
    tagged &= ~trailing
    tagged |= np.arange(stocks)
    tagged.sort(axis=1)
    flat = tagged & trailing
    flat += before
    flat = flat.ravel()
    tagged &= ~trailing
    differs = np.ones((days, stocks), dtype=bool)
    np.not_equal(tagged[:, 1:], tagged[:, :-1], out=differs[:, 1:])
    if exact or differs.all():
        return flat, differs
    ordered = values.ravel().take(flat, mode="clip").reshape(days, stocks)
    if (ordered[:, 1:] < ordered[:, :-1]).any():
        flat = (np.argsort(values, axis=1) + before).ravel()
        ordered = values.ravel()[flat].reshape(days, stocks)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=differs[:, 1:])
    return flat, differs


def _centred(values: np.ndarray, both: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Deviations of the entries in `both` from their row's mean, float64; 0 elsewhere."""
    filled = np.where(both, values, np.float64(0.0))
    filled -= (filled.sum(axis=1) / np.maximum(count, 1))[:, None]
    filled *= both
    return filled


def _rank_deviations(values: np.ndarray, both: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Average ranks of the entries in `both` less their mean (multiples of 1/2: their sums are exact); 0 elsewhere."""
    ranks, before = _ranks(values, both)
    ranks -= ((count + 1) / 2)[:, None] + before
    ranks *= both
    return ranks


def _varies(values: np.ndarray, both: np.ndarray) -> np.ndarray:
    """`[D]` bool: the entries in `both` are not all equal."""
    if values.shape[1] == 0:
        return np.zeros(len(values), dtype=bool)
    one_of_them = np.take_along_axis(values, both.argmax(axis=1)[:, None], axis=1)
    return ((values != one_of_them) & both).any(axis=1)


def _pearson(a: np.ndarray, b: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Pearson correlation `[D]` over the entries in `both`."""
    count = both.sum(axis=1)
    defined = (count >= 2) & _varies(a, both) & _varies(b, both)
    with np.errstate(over="ignore", invalid="ignore"):
        sides = [_centred(a, both, count), _centred(b, both, count)]
        squares = [_squares(deviations) for deviations in sides]
        extreme = defined & ~(_fit(squares[0]) & _fit(squares[1]))
        for i, values in enumerate((a, b)) if extreme.any() else ():
            near_one = _near_one(values[extreme], both[extreme])
            sides[i][extreme] = _centred(near_one, both[extreme], count[extreme])
            squares[i][extreme] = _squares(sides[i][extreme])
        return _correlation(sides[0], sides[1], squares[0], squares[1], defined)


def _squares(deviations: np.ndarray) -> np.ndarray:
    """Sum of squares of each row."""
    return np.einsum("dn,dn->d", deviations, deviations)


def _fit(squares: np.ndarray) -> np.ndarray:
    """`[D]` bool: times those of another such row they are neither infinite nor close to 0."""
    return (squares > 1e-140) & (squares < 1e140)


def _near_one(values: np.ndarray, both: np.ndarray) -> np.ndarray:
    """`values` times the power of two, row by row, that brings the largest entry in `both` to 0.5 .. 1."""
    filled = np.where(both, values, np.float64(0.0))
    _, exponent = np.frexp(np.abs(filled).max(axis=1, keepdims=True))
    return np.ldexp(filled, -exponent)


def _correlation(
    da: np.ndarray, db: np.ndarray, da_squares: np.ndarray, db_squares: np.ndarray, defined: np.ndarray
) -> np.ndarray:
    """Correlation `[D]` of deviations `da`, `db [D, N]`; NaN where it is not `defined` or a side does not vary."""
    scale = np.sqrt(da_squares * db_squares)
    product = np.einsum("dn,dn->d", da, db)
    return np.divide(product, scale, out=np.full(len(scale), np.nan), where=defined & (scale > 0))
