"""Text from data, plugins and other people's records, made harmless for a terminal or a text file."""

from __future__ import annotations

import unicodedata

# Marks that turn the direction of what follows: a name could look like another.
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """The text with every character replaced that moves a cursor, turns the direction or is no character at all.

    New lines and tabs stay; lone surrogates, as of a file name that is not UTF-8, cannot be written and go too.
    """
    return "".join("\ufffd" if _is_unprintable(c) else c for c in text)


def one_line(text: str, limit: int = 1000) -> str:
    """Printable text without new lines, of at most `limit` characters."""
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= limit else flat[: limit - 3] + "..."


def _is_unprintable(character: str) -> bool:
    if " " <= character <= "~" or character in "\n\t\r":
        return False
    return character in _TURNING or unicodedata.category(character) in ("Cc", "Cs")
