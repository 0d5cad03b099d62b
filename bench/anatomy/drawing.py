"""The figure of a network: its parts from input to score, what feeds what, shapes, and where the parameters are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.anatomy.cost import Layer
from bench.anatomy.dataflow import CONCEPTS, INPUT, SCORE, ranks
from bench.anatomy.describe import Description
from bench.anatomy.tables import shape_text
from zoo.errors import ConfigError

_FORMATS = (".svg", ".png")
_FILL = {INPUT: "#e8eef4", CONCEPTS: "#e8eef4", SCORE: "#e3f1e5"}
_WIDTH, _HEIGHT = 2.6, 0.56
"""Size of a box, in the figure's own units: rows are 1 apart, boxes of a row 3."""


@dataclass(frozen=True)
class Box:
    """One part of the network: where its box stands and the lines in it."""

    name: str
    x: float
    y: float
    lines: tuple[str, ...]


def boxes_of(described: Description) -> list[Box]:
    """The boxes, centred row by row; a part stands below all that feed it."""
    rows: dict[int, list[str]] = {}
    for name, rank in ranks(described.edges).items():
        rows.setdefault(rank, []).append(name)
    return [
        Box(name, 3.0 * (i - (len(names) - 1) / 2), float(rank), _lines(name, described))
        for rank, names in sorted(rows.items())
        for i, name in enumerate(names)
    ]


def _lines(name: str, described: Description) -> tuple[str, ...]:
    if name == INPUT:
        return (name, shape_text(("S", described.lookback, described.n_features)))
    if name in (CONCEPTS, SCORE):
        return (name, shape_text(("S", "C") if name == CONCEPTS else ("S",)))
    layers = described.parts[name]
    kinds = ", ".join(dict.fromkeys(layer.kind.lstrip("_") for layer in layers))
    count = f"{sum(layer.parameters for layer in layers):,}"
    output = _output(name, described.layers)
    return (name, kinds if len(kinds) <= 34 else kinds[:33] + "…", f"{output}  {count}" if output else count)


def _output(name: str, layers: list[Layer]) -> str:
    """Shape of the part's own output, or of its last layer that has one."""
    shapes = [layer.output for layer in layers if layer.name == name or layer.name.startswith(f"{name}.")]
    return next((shape_text(shape) for shape in reversed(shapes) if shape), "")


def draw_architecture(described: Description, path: Path) -> None:
    """Write the figure as .svg or .png; the same description gives the same bytes.

    Raises:
        ConfigError: another format, or a model without layers.
    """
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(f"--figure {path}: must end in .svg or .png")
    if not described.layers:
        raise ConfigError(f"--figure: {described.spec.name} is fitted as a whole and has no layers to draw")
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    boxes = {box.name: box for box in boxes_of(described)}
    reach = max(abs(box.x) for box in boxes.values()) + _WIDTH / 2 + 1.0
    depth = max(box.y for box in boxes.values())
    with matplotlib.rc_context({"svg.hashsalt": described.spec.name, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(max(5.0, 2 * reach), 0.85 * (depth + 2)))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-reach, reach), ylim=(depth + 0.6, -1.1))
        axes.axis("off")
        title = f"{described.spec.title}: {described.n_parameters:,} parameters, lookback {described.lookback}"
        axes.text(0, -0.75, title, ha="center", va="center", fontsize=11, fontweight="bold")
        for source, target in described.edges:
            start, end = boxes[source], boxes[target]
            down = 1 if end.y > start.y else -1
            straight = end.y - start.y == 1 or start.x != end.x
            axes.add_patch(
                FancyArrowPatch(
                    (start.x, start.y + down * _HEIGHT / 2) if straight else (start.x + _WIDTH / 2, start.y),
                    (end.x, end.y - down * _HEIGHT / 2) if straight else (end.x + _WIDTH / 2, end.y),
                    arrowstyle="-|>",
                    mutation_scale=9,
                    color="#777777",
                    linewidth=0.9,
                    connectionstyle="arc3,rad=0" if straight else "arc3,rad=-0.45",
                )
            )
        for box in boxes.values():
            corner = (box.x - _WIDTH / 2, box.y - _HEIGHT / 2)
            style = {"facecolor": _FILL.get(box.name, "#ffffff"), "edgecolor": "#555555", "linewidth": 0.9}
            axes.add_patch(FancyBboxPatch(corner, _WIDTH, _HEIGHT, boxstyle="round,pad=0.02", zorder=2, **style))
            for i, line in enumerate(box.lines):
                y = box.y + 0.19 * (i - (len(box.lines) - 1) / 2)
                weight = "normal" if i else "bold"
                axes.text(box.x, y, line, ha="center", va="center", fontsize=7.5, fontweight=weight, zorder=3)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
