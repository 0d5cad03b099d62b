"""Names as spreadsheets and input methods leave them -> names."""

from __future__ import annotations

import re
import unicodedata

# Not '=1+1, as which names are written that a spreadsheet would execute.
_FORMULA = re.compile(r"=?\"([^\"]+)\"|'(\w[^']*)")
_WHOLE = re.compile(r"[0-9]+\.0+")


def bare_names(raw: list[str]) -> list[str]:
    """Names without blanks around them and without what is none of theirs.

    That is `="000001"` and `'000001` of spreadsheets, full-width letters, invisible characters, and `.0` where all are
    numbers that a program took for decimals.
    """
    names = [_bare(text) for text in raw]
    if names and all(map(_WHOLE.fullmatch, names)):
        return [name.partition(".")[0] for name in names]
    return names


def _bare(text: str) -> str:
    if not text.isascii():
        text = "".join(ch for ch in unicodedata.normalize("NFKC", text) if unicodedata.category(ch) != "Cf")
    text = text.strip()
    return match[1] or match[2] if (match := _FORMULA.fullmatch(text)) else text
