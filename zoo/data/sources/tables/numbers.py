"""Numbers as files spell them -> floats: thousands separators, decimal commas, currencies, per cent, K and M."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

BLANK = frozenset(
    {"", "nan", "none", "null", "na", "n/a", "nat", "<na>", "-", "--", "n.a.", "#n/a", "#n/a n/a", "#n/an/a", "nil"}
)
_UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "bn": 1e9, "mn": 1e6, "t": 1e12, "万": 1e4, "亿": 1e8}
_CURRENCY = r"(?:[$€£¥￥₹₩]|(?:USD|EUR|GBP|GBX|CNY|RMB|HKD|JPY|INR|CHF|US\$|HK\$|Rs\.?)(?=[\s0-9.(-])|(?:USD|EUR|CNY)$)"
_PLAIN = re.compile(r"\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*")
_PLAIN_LINES = re.compile(r"(?:-?[0-9]+(?:\.[0-9]+)?\n)*")
_EXPONENT = "(?:[eE][-+]?[0-9]+)?"
_LAKHS = "[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}"  # Indian: 12,34,567
_GROUPED = {
    ".": re.compile(rf"[-+]?(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+|{_LAKHS}|[0-9]+)?(?:\.[0-9]*)?{_EXPONENT}"),
    ",": re.compile(rf"[-+]?(?:[0-9]{{1,3}}(?:\.[0-9]{{3}})+|[0-9]+)?(?:,[0-9]*)?{_EXPONENT}"),
}
_DOTTED = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_SMALL = re.compile(r"[0-9]{1,3}")


def are_plain(texts: Sequence[str]) -> bool:
    """Whether all texts are numbers as programs write them, or empty."""
    if _PLAIN_LINES.fullmatch("".join(f"{text}\n" for text in texts)):
        return True
    return all(_PLAIN.fullmatch(text) or text.strip().casefold() in BLANK for text in texts)


def decimal_mark(texts: Iterable[str]) -> str | None:
    """The decimal mark that numbers prove: "." or ","; None where they prove none.

    `1,5`, `1.234,5` and `1.234.567` prove a comma, `1.5`, `1,234.5` and `1,234,567` a point. `1,234` and `1.234` prove
    nothing. Where both are proven the more frequent one counts.
    """
    proofs = {".": 0, ",": 0}
    for text in texts:
        mark = _proven(text)
        if mark:
            proofs[mark] += 1
    return max(proofs, key=lambda mark: proofs[mark]) if any(proofs.values()) else None


def mark_beside(volumes: Iterable[str], others: Iterable[str]) -> str | None:
    """The decimal mark where no number alone proves one; None where the columns together prove none either.

    Volumes are whole: `1.100` beside prices such as `12,345` has a point between thousands, so the comma is the mark.
    """
    cells = [text.strip() for text in volumes if text.strip().casefold() not in BLANK]
    used = [mark for mark in ".," if any(mark in cell for cell in cells)]
    whole = re.compile(r"[1-9][0-9]{0,2}(?:[.,][0-9]{3})+|[0-9]{1,3}")
    if len(used) != 1 or not all(whole.fullmatch(cell) for cell in cells):
        return None
    mark = "," if used == ["."] else "."
    return mark if any(mark in text for text in others) and not any(used[0] in text for text in others) else None


def _proven(text: str) -> str | None:
    digits = re.sub(r"[^0-9.,]", "", text)
    dots, commas = digits.count("."), digits.count(",")
    if dots and commas:
        return max(".,", key=digits.rfind)
    if dots > 1 or commas > 1:
        return "," if dots else "."
    if not dots and not commas:
        return None
    mark = "." if dots else ","
    before, _, after = digits.partition(mark)
    if len(after) == 3 and 1 <= len(before) <= 3 and before != "0":
        return None
    return mark


def dotted_thousands(texts: Iterable[str]) -> bool:
    """Whether every number has groups of three digits behind points (`694.383`), or fewer than four digits."""
    cells = [text.strip() for text in texts if text.strip().casefold() not in BLANK]
    grouped = [_DOTTED.fullmatch(cell) is not None for cell in cells]
    return any(grouped) and all(g or _SMALL.fullmatch(cell) for g, cell in zip(grouped, cells, strict=True))


def parse_numbers(texts: pd.Series, mark: str | None) -> tuple[np.ndarray, np.ndarray, set[str]]:
    """Texts -> float64, NaN where empty.

    Args:
        texts: one column.
        mark: the decimal mark, where the column itself proves none.

    Returns:
        values; whether a text is no number, `[rows]` bool; what was taken out of the texts, in words.
    """
    cleaned = texts.astype(str).str.replace(r"[\s\u00a0\u202f'’_]", "", regex=True)
    cleaned = cleaned.str.replace("\u2212", "-", regex=False)
    blank = cleaned.str.casefold().isin(BLANK).to_numpy(dtype=bool)
    told: set[str] = set()
    bare = cleaned.str.replace(_CURRENCY, "", regex=True)
    if (bare != cleaned).any():
        signs = cleaned[bare != cleaned].str.extract(f"({_CURRENCY})")[0].unique()
        several = f" (of several currencies: {', '.join(sorted(map(str, signs)))})" if len(signs) > 1 else ""
        told.add(f"currency signs are taken off{several}")
    scale = np.ones(len(texts))
    percent = bare.str.endswith("%").to_numpy(dtype=bool)
    if percent.any():
        told.add("per cent are divided by 100")
        scale[percent] = 0.01
        bare = bare.str.removesuffix("%")
    unit = bare.str.extract(r"(?i)[0-9.](k|mn?|bn?|t|万|亿)$")[0].str.lower()
    if unit.notna().any():
        told.add("K, M, B are multiplied out")
        scale *= unit.map(_UNITS).fillna(1.0).to_numpy(dtype=np.float64)
        bare = bare.str.replace(r"(?i)(?<=[0-9.])(?:k|mn?|bn?|t|万|亿)$", "", regex=True)
    bare = bare.str.replace(r"^\((.*)\)$", r"-\1", regex=True)
    filled = bare[~blank]
    own = decimal_mark(filled) or mark
    if own is None and filled.str.contains(",", regex=False).any():
        return np.full(len(texts), np.nan), ~blank & bare.str.contains(",", regex=False).to_numpy(bool), {"?"}
    own = own or "."
    fits = bare.str.fullmatch(_GROUPED[own]).to_numpy(dtype=bool)
    thousands = "." if own == "," else ","
    if filled.str.contains(thousands, regex=False).any():
        told.add(f"thousands are separated by {thousands!r}")
    if own == "," and filled.str.contains(",", regex=False).any():
        told.add("the decimal mark is ','")
    plain = bare.str.replace(thousands, "", regex=False).str.replace(own, ".", regex=False)
    parsed = pd.Series(pd.to_numeric(plain.where(fits & ~blank), errors="coerce"))
    values = parsed.to_numpy(dtype=np.float64, na_value=np.nan)
    return values * scale, ~blank & np.isnan(values), told
