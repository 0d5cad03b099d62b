"""A figure in the making: places in inches, hover values, small multiples; saved as SVG and PNG."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bench.records.documents import write_atomic
from bench.report.figures.kit import style
from bench.report.figures.kit.svg import finish
from zoo.data.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.lines import Line2D
    from matplotlib.ticker import Locator

WIDTH = 9.0
PNG_DPI = 120
_TITLE, _LINE, _SIDE = 0.34, 0.19, 0.1


@contextmanager
def house_style() -> Iterator[None]:
    """Everything drawn within looks alike, whatever the user's settings."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, style.RC))
        # A font need not know every letter of a stranger's name; SVG leaves it to the reader's fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        yield


class Canvas:
    """A figure of a size in inches with a title; use within `house_style`."""

    def __init__(self, title: str, height: float, width: float = WIDTH, notes: Sequence[str] = ()) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height + _LINE * len(notes)
        self.foot = _LINE * len(notes)
        self.title = title
        self.tips: dict[str, str] = {}
        self.figure = Figure(figsize=(self.width, self.height))
        FigureCanvasAgg(self.figure)
        self.text(_SIDE, self.height - 0.1, title, fontsize=style.TITLE_SIZE, fontweight="bold", va="top")
        for i, note in enumerate(reversed(notes)):
            self.text(_SIDE, 0.07 + _LINE * i, note, fontsize=style.SMALL_SIZE, va="bottom")

    def text(self, x: float, y: float, text: str, **kwargs: Any) -> None:
        """Text at a place in inches from the lower left."""
        self.figure.text(x / self.width, y / self.height, text, **kwargs)

    def axes(self, left: float, bottom: float, width: float, height: float, **kwargs: Any) -> Axes:
        """Axes at a place in inches from the lower left, above the notes."""
        place = (left / self.width, (bottom + self.foot) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place, **kwargs)

    def tip(self, artist: Any, text: str) -> None:
        """What a reader sees on pointing at an artist."""
        gid = f"tip-{len(self.tips)}"
        artist.set_gid(gid)
        self.tips[gid] = style.short(text, 240)

    def legend(self, handles: Sequence[Line2D]) -> None:
        """A line of keys below the title."""
        self.figure.legend(
            handles=list(handles),
            loc="upper left",
            bbox_to_anchor=(_SIDE / self.width, 1 - (_TITLE - 0.03) / self.height),
            ncols=len(handles),
            frameon=False,
            fontsize=style.SMALL_SIZE,
            borderaxespad=0.0,
            borderpad=0.0,
            handlelength=2.2,
            columnspacing=1.4,
        )

    def save(self, folder: Path, name: str) -> None:
        """Write `<name>.svg` and `<name>.png`; the same figure gives the same bytes."""
        drawn = io.StringIO()
        self.figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        write_atomic(folder / f"{name}.svg", finish(drawn.getvalue(), name, self.title, self.tips))
        with whole_file(folder / f"{name}.png") as path:
            self.figure.savefig(path, format="png", dpi=PNG_DPI, metadata={"Software": None}, transparent=True)


class Panels:
    """Small multiples on shared scales, one panel a name.

    Iterating gives every name with its axes.

    Args:
        wanted: names of which those without a panel are told in a note.
        longest: characters of a name that are shown.

    Attributes:
        canvas: the figure.
        axes: in the order of the names.
    """

    def __init__(
        self,
        title: str,
        names: Sequence[str],
        *,
        x: str = "",
        y: str = "",
        legend: Sequence[Any] = (),
        notes: Sequence[str] = (),
        wanted: Sequence[str] = (),
        longest: int = 16,
        right: float = 0.0,
        height: float = 0.95,
        most: int = 5,
        left: float = 0.62,
        gap: float = 0.16,
        widest: float = 2.6,
        share_x: bool = True,
        share_y: bool = True,
    ) -> None:
        count = len(names)
        self.rows = math.ceil(count / most)
        self.columns = math.ceil(count / self.rows)
        bottom, gap_y = 0.52 if x else 0.32, 0.36
        top = _TITLE + (0.2 if legend else 0.0) + 0.16
        width = min((WIDTH - left - right - _SIDE - gap * (self.columns - 1)) / self.columns, widest)
        total = left + self.columns * width + gap * (self.columns - 1) + right + _SIDE
        tall = top + self.rows * height + (self.rows - 1) * gap_y + bottom
        self.canvas = Canvas(title, tall, max(total, 5.4), [*not_drawn(names, wanted), *notes])
        self.names = names
        self.axes: list[Axes] = []
        for i, name in enumerate(names):
            row, column = divmod(i, self.columns)
            lowest = i + self.columns >= count
            first = self.axes[0] if self.axes else None
            place = (left + column * (width + gap), bottom + (self.rows - 1 - row) * (height + gap_y))
            axes = self.canvas.axes(
                *place, width, height, sharex=first if share_x else None, sharey=first if share_y else None
            )
            # Ticks are half the time of drawing; inner panels share those at the edges.
            axes.xaxis.set_visible(lowest or not share_x)
            axes.yaxis.set_visible(column == 0 or not share_y)
            axes.set_title(
                style.short(name, longest),
                loc="left",
                fontsize=style.TEXT_SIZE,
                pad=4,
                fontweight="bold",
                color=style.INK,
            )
            self.axes.append(axes)
        middle = (left + (self.columns * (width + gap) - gap) / 2) / self.canvas.width
        if x:
            self.canvas.text(middle * self.canvas.width, self.canvas.foot + 0.08, x, ha="center", va="bottom")
        if y:
            centre = self.canvas.foot + (tall - top + bottom) / 2
            self.canvas.text(0.1, centre, y, rotation=90, va="center", ha="left")
        if legend:
            self.canvas.legend(legend)

    def __iter__(self) -> Iterator[tuple[str, Axes]]:
        yield from zip(self.names, self.axes, strict=True)

    def value(self, axes: Axes, text: str) -> None:
        """A figure at the right end of a panel's title line."""
        axes.set_title(text, loc="right", fontsize=style.SMALL_SIZE, pad=4, color=style.INK)


def key(label: str, **kwargs: Any) -> Line2D:
    """A line or marker for a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **kwargs)


def dot(axes: Axes, x: float, y: float, marker: str = "o", **kwargs: Any) -> Line2D:
    """One point, to be given a hover value; never cut off at the edge."""
    look = {"color": style.OWN, "linestyle": "none", "clip_on": False} | kwargs
    return axes.plot(x, y, marker=marker, **look)[0]


def zero_line(axes: Axes) -> None:
    """A thin reference across a panel."""
    axes.axhline(0.0, color=style.INK, linewidth=0.6, alpha=0.6, zorder=0)


def few_ticks(axes: Axes, *, x: int | None = None, y: int | None = 4) -> None:
    """Round tick values, at most so many spaces between them."""
    from matplotlib.ticker import MaxNLocator

    for axis, count in ((axes.xaxis, x), (axes.yaxis, y)):
        if count is not None:
            axis.set_major_locator(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]))


def log_ticks(axis: Axis, widest: float, subs: tuple[float, ...]) -> None:
    """Ticks at `subs` of every power of ten; at the powers alone on axes that span more than `widest` fold."""
    from matplotlib.ticker import LogLocator

    low, high = axis.get_view_interval()
    plain_ticks(axis, LogLocator(subs=(1.0,) if high / low > widest else subs))


def plain_ticks(axis: Axis, locator: Locator) -> None:
    """The ticks of `locator` in plain digits, none between them."""
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}" if v >= 1000 else f"{v:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def thinned(count: int, most: int = 100) -> np.ndarray:
    """Positions of at most `most` of `count` points, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def not_drawn(drawn: Sequence[str], wanted: Sequence[str], why: str = "not measured") -> list[str]:
    """The note on models that a figure lacks; none where it lacks none."""
    gone = [name for name in wanted if name not in set(drawn)]
    return [f"Not drawn, {why}: {style.listed(gone)}."] if gone else []
