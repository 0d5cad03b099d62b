"""Documents for the tests of the page: thirteen models, and one whose every text is an attack."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from pathlib import Path

from bench.text.cells import Cell
from bench.text.document import Block, Code, Document, Figure, Items, Prose, Section
from bench.text.language import phrase
from bench.text.sentences import Sentence
from bench.text.tables import Column, Definition, Entry, ModelName, Table, word_table

NAMES = "linear lightgbm mlp lstm gru alstm gats tcn transformer localformer tabnet hist tra"
MODELS = NAMES.split()


def figure_of(value: float, low: float = math.nan, high: float = math.nan) -> Cell:
    return Cell(f"main.a model.{value}", value, low, high)


# As in the report: thousands, intervals, units, words with a figure, and none.
ASCENDING: tuple[Entry, ...] = (
    figure_of(-3.25),
    figure_of(-0.5, -0.6, -0.4),
    figure_of(0.01),
    figure_of(0.0933),
    phrase("no ({p:.3f})", p=7.3),
    figure_of(9),
    phrase("{n} of {total}", n=12, total=13),
    figure_of(44, 41, 49),
    figure_of(999),
    figure_of(1234, -5, 2345),
    figure_of(900_000),
    figure_of(4_270_000),
    figure_of(math.nan),
)
"""As a reader would order them; what has no figure comes last."""
VALUES = tuple(ASCENDING[i] for i in (9, 12, 1, 6, 0, 5, 10, 11, 3, 2, 4, 7, 8))
VALUE = Column("value", "value", "money~")


def shown(entries: Iterable[Entry]) -> list[str]:
    """Entries as the page prints them."""
    return ["".join(VALUE.parts(entry)) for entry in entries]


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
FIGURE = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="648pt"
 height="200pt" viewBox="0 0 648 200" role="img" aria-label="Rank IC"><style>svg:root{color:#59636e}</style><defs>
 <path id="NAME-dot" d="M 0 0 L 9 0 L 9 9 z"/><clipPath id="NAME-clip"><rect width="648" height="200"/></clipPath>
</defs><g clip-path="url(#NAME-clip)" fill="#2b83ba" font-size="10" font-weight="bold">
<g pointer-events="all"><title>gru: Rank IC 0.13</title><rect x="20" y="20" width="40" height="40"/></g>
<g pointer-events="all"><title>tcn: Rank IC 0.14</title><use xlink:href="#NAME-dot" x="200" y="100"/></g>
<text x="9" y="9">words</text></g></svg>"""
"""As the figures of a report are written, of one called NAME."""


def of(model: str, text: str = "") -> ModelName:
    return ModelName(text or model, (model,))


def thirteen_models(*more: Block) -> Document:
    """A report on thirteen models with every kind of block."""
    rng = random.Random(0)
    definition = Definition("Rank IC", "the correlation of ranks")
    main = Table(
        "main",
        [
            Column("model", "model"),
            Column("rank_ic", "Rank IC ± 95 %", ".4f±", definition=definition),
            VALUE,
            Column("note", "note"),
        ],
        [
            [of(m), figure_of(0.1 + i / 1000, 0.09, 0.11 + rng.random() / 100), VALUES[i], f"note-{i}"]
            for i, m in enumerate(MODELS)
        ],
    )
    pairs = Table(
        "pairs",
        [Column("pair", "pair"), Column("difference", "difference", "+.0f")],
        [
            [ModelName(f"{a} − {b}", (a, b)), figure_of(i - j)]
            for i, a in enumerate(MODELS)
            for j, b in enumerate(MODELS[:i])
        ],
    )
    claims = word_table(
        ["model", "claim"],
        [[of("gru", "GRU"), "a claim about TCN"], [of("tcn", "TCN"), "another"]],
        "claims",
    )
    plain = Table(
        "plain",
        [Column("field", "field"), Column("days", "days", ",")],
        [["close", figure_of(9)], ["volume", figure_of(8)]],
    )
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
                    main,
                ),
            ),
            Section("pairs", "Which differences are real", (pairs, plain)),
            Section("claims", "Claims", (claims, Items((("", "an item"),)), Code("python -m bench run"))),
            *([Section("more", "More", tuple(more))] if more else []),
        ),
    )


def hostile() -> Document:
    """Every text is one of `HOSTILE`, and so are names of models, cells, tables and figures."""
    rows = [[of(text), phrase(text), text] for text in HOSTILE]
    blocks: list[Block] = []
    for text in HOSTILE:
        cells = (Cell(f"main.{text}.rank_ic", 0.1),)
        blocks += [
            Prose((Sentence(text, cells), Sentence(f"It beats {text}.", cells)), label=text),
            Items(((text, text),)),
            Items((("", text), (text, text))),
            Figure(text, text),
            Table(text, [Column("a", text), Column("b", text, ".4f"), Column("c", text)], rows),
            Code(text),
        ]
    main = Table("main", [Column("model", "model"), Column("rank_ic", "Rank IC", ".4f"), Column("note", "note")], rows)
    opening = Section(HOSTILE[0], "", (Prose((Sentence(HOSTILE[0]),)), main))
    return Document(HOSTILE[0], "en", (opening, *(Section(text, text, tuple(blocks)) for text in HOSTILE[:2])))


def figure_folder(folder: Path, **figures: str) -> Path:
    """A folder of SVG files by name; `pareto` is there by default."""
    folder.mkdir(exist_ok=True)
    for name, text in {"pareto": FIGURE, **figures}.items():
        (folder / f"{name}.svg").write_text(text.replace("NAME", name), encoding="utf-8")
    return folder
