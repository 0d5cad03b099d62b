"""The look of all figures: colours, sizes and short names, readable on light and dark grounds and without colour.

Identity is told by position, labels, markers, dashes and hatching; colour only repeats it. Imports no matplotlib.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any

INK = "#767c84"
"""Text and axes: a mid-tone with a contrast above 4 on white and near-black; `svg` makes it the page's own colour."""

OWN, OTHER = "#2b83ba", "#d1651f"
"""Told apart by all kinds of colour vision (after Okabe & Ito), with a contrast above 3 on both grounds."""

POSITIVE, NEGATIVE, MIDDLE = (0x1F, 0x6F, 0xB4), (0xBF, 0x54, 0x0E), (0xF1, 0xF1, 0xEE)
DARK_TEXT, LIGHT_TEXT = "#16191d", "#ffffff"

TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 10.0, 8.0, 7.0
SALT = "alpha-zoo"

RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT_SIZE,
    # A name with two dollar signs would be read as a formula.
    "text.parse_math": False,
    "text.usetex": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    # A place of its own: looking for one takes a fifth of the drawing.
    "axes.titley": 1.0,
    "axes.xmargin": 0.03,
    "axes.ymargin": 0.06,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALL_SIZE,
    "ytick.labelsize": SMALL_SIZE,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.edgecolor": "none",
    "savefig.bbox": None,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.0,
    "hatch.linewidth": 0.7,
    "hatch.color": "#5c3310",
    "svg.fonttype": "none",
    "svg.hashsalt": SALT,
    "svg.image_inline": True,
}
"""Settings of matplotlib while a figure is drawn; those a user has set do not count."""


def short(text: str, limit: int = 16) -> str:
    """A name as a label: one line without control characters, cut to `limit` characters."""
    # A lone surrogate or a control character makes an SVG that no reader accepts.
    printed = "".join(" " if c.isspace() else c for c in text[: 20 * limit] if c.isspace() or _is_printed(c))
    flat = " ".join(printed.split()) or "?"
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _is_printed(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Cn", "Co")


def listed(names: list[str], room: int = 150) -> str:
    """Names after each other as far as there is room, then how many are left."""
    fitting: list[str] = []
    for name in names:
        if len(", ".join([*fitting, short(name)])) > room:
            return f"{', '.join(fitting)} and {len(names) - len(fitting)} more"
        fitting.append(short(name))
    return ", ".join(fitting)


def signed(value: float, digits: int) -> str:
    """A number with its sign, a true minus, and no sign on zero; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text[1:] if float(f"{value:.{digits}f}") == 0 else text


def shade(share: float) -> str:
    """The colour of -1 .. 1: orange over a light grey to blue; the further from 0, the darker, on either side."""
    held = min(max(share, -1.0), 1.0)
    end = POSITIVE if held >= 0 else NEGATIVE
    mixed = (round(m + (e - m) * abs(held)) for m, e in zip(MIDDLE, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def text_on(colour: str) -> str:
    """Black or white, whichever reads better on `#rrggbb` (WCAG 2 relative luminance)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    luminance = sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return DARK_TEXT if (luminance + 0.05) ** 2 > 1.05 * 0.058 else LIGHT_TEXT
