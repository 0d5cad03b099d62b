from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from page_documents import ASCENDING, FIGURE, HOSTILE, MODELS, figure_folder, hostile, of, thirteen_models

from bench.advice.facts import gather
from bench.report.build import build_document
from bench.report.figures.kit.canvas import Canvas, house_style
from bench.report.html import MAX_BYTES, render_html, write_html
from bench.report.page.inline import inline_svg
from bench.text.cells import Cell
from bench.text.document import Document, Figure, Items, Prose, Section
from bench.text.language import phrase
from bench.text.tables import Column, ModelName, Table, sort_value, word_table
from zoo.errors import DataError

NAMESPACE = "http://www.w3.org/2000/svg"
VOID = {"meta", "link", "input", "br", "img"}


class Page(HTMLParser):
    """A page taken apart; elements that are not closed in order fail.

    Attributes:
        tags: every start tag with its attributes.
        rows: the texts of the cells of every table, header first.
        text: all text, in order.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[list[str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in VOID:
            return
        self.open.append(tag)
        if tag == "table":
            self.rows.append([])
        elif tag == "tr":
            self.rows[-1].append([])
        elif tag in ("td", "th"):
            self.rows[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def flat(text: str) -> str:
    return " ".join(text.split())


# The same document


def test_the_page_of_a_run_holds_every_word_and_number_of_its_document(finished):
    document = build_document(gather(finished, "small"))
    page = Page(render_html(document))
    tables = list(document.all(Table))
    assert len(tables) > 2
    for table, rows in zip(tables, page.rows, strict=True):
        assert [[flat(cell) for cell in row] for row in rows] == [
            [flat(text) for text in row] for row in [table.headers, *table.texts]
        ]
    text = flat(page.text)
    for section in document.sections:
        assert section.title in text
        for block in section.blocks:
            if isinstance(block, Prose):
                assert all(flat(s.text) in text for s in block.sentences)
            elif isinstance(block, Items):
                assert all(flat(part) in text for item in block.items for part in item)


def test_a_sentence_names_the_cells_it_rests_on():
    page = Page(render_html(thirteen_models()))
    marks = [a for a in page.all("button") if a.get("class") == "rests"]
    assert len(marks) == 1
    assert marks[0]["title"] == "rests on: main.gru.rank_ic = 0.13 [0.12, 0.14]; main.gru.n_days = 190"
    assert "main.gru.n_days = 190" in page.text
    assert any(a.get("id") == marks[0]["popovertarget"] and "popover" in a for a in page.all("div"))


def test_every_table_has_a_caption_and_headers_with_a_scope():
    page = Page(render_html(thirteen_models()))
    tables = len(page.all("table"))
    assert tables == len(page.all("caption")) == 4
    assert {a.get("scope") for a in page.all("th")} == {"row", "col"}
    headers = [a for a in page.all("th") if a["scope"] == "col"]
    assert all(a["aria-sort"] == "none" for a in headers)
    assert sum(a["scope"] == "row" for a in page.all("th")) == 13 + 78 + 2 + 2


def test_the_page_is_in_the_language_of_its_document():
    assert Page(render_html(Document("t", "zh", ()))).all("html") == [{"lang": "zh"}]


def test_a_page_is_written_and_the_same_document_gives_the_same_bytes(tmp_path):
    target = tmp_path / "new" / "comparison.html"
    write_html(thirteen_models(), target, figure_folder(tmp_path / "figures"))
    first = target.read_bytes()
    write_html(thirteen_models(), target, figure_folder(tmp_path / "figures"))
    assert target.read_bytes() == first
    assert [path.name for path in target.parent.iterdir()] == ["comparison.html"]


def test_a_section_of_which_nothing_is_left_is_not_shown():
    document = Document("t", "en", (Section("curves", "Curves", (Figure("missing", "gone"),)),))
    assert "Curves" not in render_html(document)


# Sorting and filtering


def test_figures_sort_by_their_values_whatever_their_units():
    numbers = [sort_value(entry) for entry in ASCENDING]
    assert numbers == [-3.25, -0.5, 0.01, 0.0933, 7.3, 9, 12, 44, 999, 1234, 900_000, 4_270_000, None]


@pytest.mark.parametrize("entry", ["4.27 M", "2020-11-30", phrase("other days"), ModelName("4", ("4",))])
def test_words_have_no_sort_value_even_where_they_hold_digits(entry):
    assert sort_value(entry) is None


def test_the_page_sorts_millions_above_thousands():
    column = Column("capacity", "capacity", "money")
    rows = [[of(model), Cell(model, value)] for model, value in (("a", 900_000.0), ("b", 4_270_000.0))]
    html = render_html(
        Document("t", "en", (Section("s", "S", (Table("t", [Column("model", "model"), column], rows),)),))
    )
    page = Page(html)
    assert page.rows[0][1:] == [["a", "900 k"], ["b", "4.27 M"]]
    values = [float(a["data-value"] or "nan") for a in page.all("td")]
    assert values == [900_000, 4_270_000]


def test_rows_carry_the_models_they_are_about():
    page = Page(render_html(thirteen_models()))
    about = [a.get("data-models") for a in page.all("tr")]
    assert about[1:14] == MODELS
    assert about[15] == "lightgbm linear"
    assert about[-6:] == [None, None, None, None, "gru", "tcn"]
    assert [a["value"] for a in page.all("option")] == MODELS


def test_a_model_named_like_a_word_of_a_sentence_is_not_found_in_it():
    rows = [[of("speed"), "Speed is what gru is known for"], ["what gru costs", "nothing"]]
    page = Page(render_html(Document("t", "en", (Section("s", "S", (word_table(["model", "claim"], rows, "main"),)),))))
    assert [a.get("data-models") for a in page.all("tr")] == [None, "speed", None]


def test_pointing_at_a_header_tells_what_the_column_means():
    buttons = Page(render_html(thirteen_models())).all("button")
    assert [a["title"] for a in buttons if "correlation" in (a.get("title") or "")] == ["the correlation of ranks"]


# Safety


def test_the_policy_allows_one_script_and_one_style_sheet_and_no_address():
    html = render_html(thirteen_models())
    policy = next(
        a["content"] or "" for a in Page(html).all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in policy
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_nothing_points_outside_the_file(tmp_path):
    page = Page(render_html(thirteen_models(), figure_folder(tmp_path / "figures")))
    for _, attributes in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
        assert "style" not in attributes


def test_hostile_text_is_text_wherever_it_stands(tmp_path):
    folder = figure_folder(tmp_path / "figures")
    # Where `../../x` would lead.
    (tmp_path.parent / "x.svg").write_text(FIGURE)
    html = render_html(hostile(), folder)
    page = Page(html)
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert not page.all("img")
    assert not page.all("svg")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert all(text in page.text for text in HOSTILE[:5])
    assert not set(html) & set("\u202e\x00\ud800")
    assert len(html.encode()) < MAX_BYTES


def test_ids_are_unique(tmp_path):
    for document in (thirteen_models(), hostile()):
        page = Page(render_html(document, figure_folder(tmp_path / "figures")))
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids))


# Figures


def inlined(body: str) -> str:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{body}</svg>'
    return inline_svg(svg, "f")


@pytest.mark.parametrize(
    "body",
    [
        "<script>alert(1)</script>",
        "<g><style>* { color: red }</style></g>",
        "<foreignObject><b>x</b></foreignObject>",
        "<a href='http://x'><rect/></a>",
        "<animate attributeName='href' to='javascript:1'/>",
        "<set attributeName='onclick' to='alert(1)'/>",
        "<metadata>x</metadata>",
        "<!-- a comment -->",
        "<![CDATA[<script>]]>",
        "<other:rect xmlns:other='http://x' />",
        "<iframe/>",
        "<rect xmlns='http://www.w3.org/1999/xhtml'/>",
    ],
)
def test_a_figure_with_more_than_what_draws_is_left_out(body):
    assert "<rect />" in inlined("<rect/>")
    with pytest.raises(DataError, match="the figure"):
        inlined(body)


@pytest.mark.parametrize(
    "attribute",
    [
        'onclick="alert(1)"',
        'href="http://x/y.svg#z"',
        'xlink:href="javascript:alert(1)"',
        'xlink:href="#g-of_another"',
        'id="contents"',
        'fill="url(http://x)"',
        'fill="url(#g-of_another)"',
        'style="fill: red"',
        'fill="URL( //x )"',
        'fill="u\\72l(http://x)"',
        'class="bar"',
    ],
)
def test_a_figure_that_loads_runs_or_reaches_beyond_itself_is_left_out(attribute):
    assert "<use x" in inlined('<use xlink:href="#f-dot" x="1"/>').replace('xlink:href="#f-dot" ', "")
    with pytest.raises(DataError, match="pages do not show"):
        inlined(f"<use {attribute}/>")


def test_images_are_kept_only_as_data():
    data = "data:image/png;base64,iVBORw0KGgo="
    assert data in inlined(f'<image xlink:href="{data}"/>')
    for address in ("data:image/svg+xml;base64,AAAA", "/etc/passwd"):
        with pytest.raises(DataError, match="pages do not show"):
            inlined(f'<image href="{address}"/>')


def test_a_figure_follows_the_page_and_leaves_its_own_style_sheet_behind():
    svg = inline_svg(FIGURE.replace("NAME", "f"), "f")
    assert "style" not in svg
    assert "gru: Rank IC 0.13" in svg
    with pytest.raises(DataError, match="f-dot"):
        inline_svg(FIGURE.replace("NAME", "f"), "g")


def test_what_the_figures_of_a_report_are_written_as_stays_whole(tmp_path):
    with house_style():
        canvas = Canvas("title", 3.0)
        axes = canvas.axes(0.5, 0.5, 4.0, 2.0)
        canvas.tip(axes.plot([1, 2, 3], [2, 5, 3], "o--")[0], "<b>")
        axes.imshow([[1, 2], [3, 4]])
        axes.bar([1], [2], hatch="//")
        canvas.save(tmp_path, "drawn")
    text = (tmp_path / "drawn.svg").read_text(encoding="utf-8")
    svg = inline_svg(text, "drawn")
    for tag in ("<path", "<use", "<image", "<pattern", "<title"):
        assert svg.count(tag) == text.count(tag) > 0, tag


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no xml", "no XML"),
        ("<html/>", "no SVG"),
        ('<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>', "entities"),
        (f'<svg xmlns="{NAMESPACE}">' + "<g>" * 200 + "</g>" * 200 + "</svg>", "deeper than 100"),
    ],
)
def test_a_damaged_figure_is_left_out_and_the_page_says_why(text, why, tmp_path):
    with pytest.raises(DataError, match=why):
        inline_svg(text, "pareto")
    page = Page(render_html(thirteen_models(), figure_folder(tmp_path / "figures", pareto=text)))
    assert why in page.text
    assert not page.all("svg")


def test_a_figure_without_a_file_is_left_out_without_a_word(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (None, tmp_path / "empty", tmp_path / "missing"):
        html = render_html(thirteen_models(), folder)
        assert "<figure>" not in html
        assert "Rank IC against latency" not in html


def test_figures_are_left_out_largest_first_until_the_page_is_below_two_megabytes(tmp_path):
    def heavy(n_bytes: int) -> str:
        return FIGURE.replace("M 0 0", "M 0 0 " + "L 1 1 " * (n_bytes // 6))

    folder = figure_folder(tmp_path / "figures", a=heavy(700_000), b=heavy(1_500_000), c=heavy(400_000))
    document = thirteen_models(*(Figure(name, f"caption of {name}") for name in "abc"))
    html = render_html(document, folder)
    assert len(html.encode()) < MAX_BYTES
    left_out = re.findall(r"caption of (\w)</bdi> <em>\(left out: the page would be larger than 2 MB\)", html)
    assert left_out == ["b"]
    assert html.count("<svg") == 3


def test_a_page_on_thirteen_models_stays_below_two_megabytes(tmp_path):
    folder = figure_folder(tmp_path / "figures")
    assert len(render_html(thirteen_models(), folder).encode()) < MAX_BYTES
