"""Documents for the tests of the page: thirteen models, and one whose every text is an attack."""

from __future__ import annotations

import random
from pathlib import Path

from bench.text.cells import Cell
from bench.text.document import Block, Code, Document, Figure, Grid, Items, Prose, Section
from bench.text.sentences import Sentence
from bench.text.tables import Table

NAMES = "linear lightgbm mlp lstm gru alstm gats tcn transformer localformer tabnet hist tra"
MODELS = NAMES.split()
# As in the report: signs, thousands, intervals, dashes, a true minus.
VALUES = (
    "+1,234 [-5, +9]",
    "–",
    "-0.5000 ± 0.1000",
    "12 %",
    "−3.25",
    "9",
    "100",
    "1e+06",
    "0.0933",
    "< 0.01",
    "7.3",
    "44 [41, 49]",
    "101",
)
ASCENDING = (
    "−3.25",
    "-0.5000 ± 0.1000",
    "< 0.01",
    "0.0933",
    "7.3",
    "9",
    "12 %",
    "44 [41, 49]",
    "100",
    "101",
    "+1,234 [-5, +9]",
    "1e+06",
    "–",
)
"""`VALUES` as a reader would order them; what has no number comes last."""

HOSTILE = (
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 1">',
    "</style></script><script>window.hacked = 1</script>",
    "{{ 7 * 7 }}{% raw %}",
    "../../x",
    "n" * 5000,
    "模型\u202eexe.\u0000\ud800",
    "' onfocus=window.hacked=1 autofocus x='",
)
FIGURE = """<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="648pt" height="200pt"
 viewBox="0 0 648 200"><defs><path id="dot" d="M 0 0 L 9 0 L 9 9 z"/><clipPath id="clip"><rect width="648"
 height="200"/></clipPath></defs><g clip-path="url(#clip)" style="fill: #2b83ba; font: bold 10px 'DejaVu Sans'">
<g><title>gru: Rank IC 0.13</title><rect x="20" y="20" width="40" height="40"/></g>
<g><title>tcn: Rank IC 0.14</title><use xlink:href="#dot" x="200" y="100"/></g>
<text x="9" y="9">words</text></g></svg>"""


def thirteen_models(*more: Block) -> Document:
    """A report on thirteen models with every kind of block."""
    rng = random.Random(0)
    main = Table(
        ["model", "Rank IC ± 95 %", "value", "note"],
        [
            [m, f"{0.10 + i / 1000:.4f} ± 0.0{rng.randint(100, 150)}", VALUES[i], f"note {i}"]
            for i, m in enumerate(MODELS)
        ],
        [False, True, True, False],
    )
    pairs = Table(
        ["pair", "difference"],
        [[f"{a} − {b}", f"{i - j:+d}"] for i, a in enumerate(MODELS) for j, b in enumerate(MODELS[:i])],
        [False, True],
    )
    claims = Table(["model", "claim"], [["GRU", "a claim about TCN"], ["TCN", "another"]], [False, False])
    plain = Table(["field", "days"], [["close", "9"], ["volume", "8"]], [False, True])
    says = Sentence(
        "gru leads with 0.13.", (Cell("main.gru.rank_ic", 0.13, 0.12, 0.14), Cell("main.gru.n_days", 190.0))
    )
    return Document(
        "Comparison: thirteen",
        "en",
        (
            Section(
                "verdict",
                "",
                (
                    Prose((says, Sentence("A sentence without cells."))),
                    Items((("Setup", "a market"),)),
                    Figure("pareto", "Rank IC against latency."),
                    Grid("main", main),
                ),
            ),
            Section("pairs", "Which differences are real", (Grid("pairs", pairs), Grid("plain", plain))),
            Section(
                "claims", "Claims", (Grid("claims", claims), Items((("", "an item"),)), Code("python -m bench run"))
            ),
            *([Section("more", "More", tuple(more))] if more else []),
        ),
    )


def hostile() -> Document:
    """Every text is one of `HOSTILE`, and so are names of models, cells, tables and figures."""
    rows = [[text, text, text] for text in HOSTILE]
    blocks: list[Block] = []
    for text in HOSTILE:
        cells = (Cell(f"main.{text}.rank_ic", 0.1),)
        blocks += [
            Prose((Sentence(text, cells), Sentence(f"It beats {text}.", cells)), label=text),
            Items(((text, text),)),
            Items((("", text), (text, text))),
            Figure(text, text),
            Grid(text, Table([text, text, text], rows, [False, True, False])),
            Code(text),
        ]
    main = Grid("main", Table(["model", "Rank IC", "note"], rows, [False, True, False]))
    opening = Section(HOSTILE[0], "", (Prose((Sentence(HOSTILE[0]),)), main))
    return Document(HOSTILE[0], "en", (opening, *(Section(text, text, tuple(blocks)) for text in HOSTILE[:2])))


def figure_folder(folder: Path, **figures: str) -> Path:
    """A folder of SVG files by name; `pareto` is there by default."""
    folder.mkdir(exist_ok=True)
    for name, text in {"pareto": FIGURE, **figures}.items():
        (folder / f"{name}.svg").write_text(text, encoding="utf-8")
    return folder
