"""Hostile names in symbols, concepts, files, run names and plugin models: escaped or refused, nowhere carried out."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli_runs import Answer, key_of_trial, run_cli, write_prices
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from bench.records.documents import write_json
from bench.records.store import RunStore
from bench.report.final import NAME, schema
from bench.text.printable import one_line, printable
from zoo import registry

SCRIPT = "<script>alert(1)</script>"
NAMES = (
    *(
        SCRIPT,
        "../../x",
        "/etc/passwd",
        "=1+1",
        "@SUM(A1)",
        "a|b`c`*d*",
        "[x](javascript:1)",
        "![x](http://evil/x.png)",
    ),
    *(
        "\u202egnp.exe",
        "שלום",
        "مرحبا",
        "股票",
        "two\nlines",
        "\x1b[31mred\x1b[0m\x07",
        "$\\frac{",
        "{0.__class__}",
        "%s",
    ),
    *(
        "<img src=x onerror=alert(1)>",
        "&lt;b&gt;",
        "' or 1=1 --",
        "]]>",
        "x" * 5000,
        "[bold]markup[/bold]",
        "\\",
        "a\u2028b",
    ),
)
TITLE = f"{SCRIPT}|`=1+1`\n# {{0.__class__}} [bold]\u202e\x1b[31m" + "y" * 5000
MODEL = "сеть_مرحبا"
"""A model name may be of any letters, so right-to-left ones, too."""

PLUGIN = f'''
from __future__ import annotations

import torch

from zoo.network import Network
from zoo.registry import register_model


@register_model({MODEL!r}, title={TITLE!r}, paper={TITLE!r})
class Plugin(Network):
    """A network whose names are attacks."""

    def __init__(self, *, n_features: int, lookback: int, mood: str = {SCRIPT!r}) -> None:
        super().__init__()
        self.head = torch.nn.Linear(n_features, 1)

    def forward(self, x, *, day=None, concepts=None):
        return self.head(x[:, -1])[:, 0]
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in a folder: `../../x` of the results folder would still be within."""
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def answer(place: Path) -> Iterator[Answer]:
    """A run of a hostile plugin on hostile data, reported with figures."""
    registry.list_models()
    prices = write_prices(place / "<script>alert(1)<|`=1+1` \u202e.csv", stocks=len(NAMES))
    rows = list(csv.reader(prices.read_text(encoding="utf-8").splitlines()))
    with prices.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*rows[0], "sector", "<b>ignored</b>\x1b[31m"])
        for row in rows[1:]:
            i = int(row[1][1:])
            writer.writerow([row[0], NAMES[i], *row[2:], NAMES[-1 - i // 2], "1"])
    plugin = place / "plugin.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    results = place / "deep" / "deeper" / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_specs", dict(registry._specs))
        found = run_cli(
            *("run", "--models", f"{MODEL},linear", "--plugin", plugin, "--data", prices, "--name", "hostile"),
            *("--set", "data.lookback=5", "--set", "train.max_epochs=1", "--set", f"note={json.dumps(TITLE)}"),
            *("--set", f"protocol={json.dumps(TITLE)}", "--seeds", "1", "--jobs", "1", "--results", results),
        )
        yield found


@pytest.fixture(scope="module")
def results(place: Path, answer: Answer) -> Path:
    assert answer.code == 0, answer.err
    return place / "deep" / "deeper" / "results"


def is_harmless(text: str) -> bool:
    """Whether a terminal only prints it."""
    return all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") for c in text) and "\u202e" not in text


# What a run writes


def test_the_run_finishes_and_prints_only_text(answer, results):
    assert is_harmless(answer.out)
    assert is_harmless(answer.err)
    assert MODEL in answer.out


def test_nothing_is_written_outside_the_results_folder(place, results):
    outside = {p.name for p in place.iterdir()} - {"deep", "plugin.py", "__pycache__"}
    assert len(outside) == 1  # The data file.
    assert next(iter(outside)).endswith(".csv")
    assert [p.name for p in (place / "deep").iterdir()] == ["deeper"]
    assert [p.name for p in (place / "deep" / "deeper").iterdir()] == ["results"]
    for path in results.rglob("*"):
        assert re.fullmatch(r"[\w.-]+", path.name, re.ASCII), path


def test_the_report_holds_no_markup_of_a_name(results):
    text = (results / "runs" / "hostile" / "comparison.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    tokens += [child for token in tokens for child in token.children or []]
    images = [t.attrs["src"] for t in tokens if t.type == "image"]
    assert all(re.fullmatch(r"figures/\w+\.svg", str(src)) for src in images)
    assert not {t.type for t in tokens} & {"html_block", "html_inline", "link_open"}
    assert is_harmless(text)
    headings = [t.content for t in tokens if t.type == "inline" and t.level == 1 and t.content.startswith("{0")]
    assert headings == []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert max(map(len, text.splitlines())) < 30_000


def test_the_reports_in_both_languages_have_the_same_sections(results, tmp_path):
    headings = []
    for lang in ("en", "zh"):
        told = run_cli("report", "hostile", "--lang", lang, "--no-figures", "-o", tmp_path / lang, "--results", results)
        assert told.code == 0, told.err
        text = (tmp_path / lang / "comparison.md").read_text(encoding="utf-8")
        headings.append(sum(line.startswith("## ") for line in text.splitlines()))
        assert is_harmless(text)
    assert headings[0] == headings[1] > 5


def test_the_final_report_is_strict_and_keeps_the_names_as_they_are(results):
    text = (results / "runs" / "hostile" / NAME).read_text(encoding="utf-8")
    assert text.isascii()
    report = json.loads(text)
    Draft202012Validator(schema()).validate(report)
    (model,) = [m for m in report["models"] if m["model"] == MODEL]
    assert model["title"] == TITLE
    assert model["params"]["mood"] == SCRIPT
    assert run_cli("report", "hostile", "--verify", "--results", results).code == 0


class Markup(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_holds_no_element_of_a_name(results, tmp_path):
    html = pytest.importorskip("bench.report.html")
    from bench.advice.facts import gather
    from bench.report.build import build_document

    page = html.render_html(build_document(gather(results, "hostile")), None)
    markup = Markup()
    markup.feed(page)
    assert sum(tag == "script" for tag, _ in markup.found) == 1
    for tag, attributes in markup.found:
        assert tag != "img"
        assert not [name for name in attributes if name.startswith("on")]
        assert not any("javascript:" in (value or "").lower() for name, value in attributes.items() if name == "href")
    assert is_harmless(page)


def test_figures_of_the_run_and_of_a_trial_are_clean_files_of_known_names(results, tmp_path):
    from bench.advice.facts import gather
    from bench.report.figures import FIGURES, TRIAL_FIGURES, draw_figures

    store = RunStore.open(results, "hostile")
    drawn = draw_figures(gather(results, "hostile"), store, tmp_path / "all")
    assert drawn
    key = key_of_trial(results, MODEL, 0, "hostile")
    shown = run_cli("show", f"hostile/{key}", "--figures", "-o", tmp_path / "one", "--results", results)
    assert shown.code == 0, shown.err
    assert is_harmless(shown.out)
    for folder, names in (("all", set(FIGURES)), ("one", set(TRIAL_FIGURES))):
        files = list((tmp_path / folder).iterdir())
        assert files
        for path in files:
            assert path.stem in names
            if path.suffix == ".svg":
                tags = {e.tag.rpartition("}")[2] for e in ElementTree.fromstring(path.read_bytes()).iter()}
                assert not tags & {"script", "foreignObject", "a", "image"}


# Commands on what is stored


@pytest.mark.parametrize("command", [["show"], ["show", "--json"], ["recommend"], ["report", "--no-figures"]])
def test_commands_print_text_that_a_terminal_only_prints(results, command, tmp_path):
    extra = ["-o", tmp_path / "out"] if command[0] == "report" else []
    found = run_cli(command[0], "hostile", *command[1:], *extra, "--results", results)
    assert found.code in (0, 1), found.err
    assert is_harmless(found.out)
    assert "Traceback" not in found.err


def test_a_trial_of_a_hostile_model_is_shown_as_text(results):
    found = run_cli("show", f"hostile/{key_of_trial(results, MODEL, 0, 'hostile')}", "--results", results)
    assert found.code == 0
    assert SCRIPT in found.out
    assert is_harmless(found.out)


def test_the_error_of_a_failed_trial_cannot_move_the_cursor(own_copy):
    store = RunStore.open(own_copy, "small")
    key = key_of_trial(own_copy, "gru", 0)
    for path in store.trial_folder(key).iterdir():
        path.unlink()
    store.write_failure(key, {"model": "gru", "fold": 0, "seed": 0, "error": TITLE, "details": TITLE})
    for command in (["show", "small"], ["show", f"small/{key}"], ["report", "small", "--no-figures"]):
        found = run_cli(*command, "--results", own_copy)
        assert found.code == 0, found.err
        assert is_harmless(found.out)
    assert is_harmless((own_copy / "comparison.md").read_text(encoding="utf-8"))


def test_a_file_whose_name_is_not_unicode_is_read_and_reported(tmp_path):
    prices = write_prices(tmp_path / "a.csv")
    strange = tmp_path / "a\udcff.csv"
    try:
        prices.rename(strange)
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    found = run_cli(
        *("run", "--models", "linear", "--data", strange, "--seeds", "1", "--jobs", "1", "--name", "strange"),
        *("--set", "data.lookback=5", "--results", tmp_path / "results"),
    )
    assert found.code == 0, found.err
    assert "a\ufffd.csv" in (tmp_path / "results" / "comparison.md").read_text(encoding="utf-8")
    assert run_cli("report", "strange", "--verify", "--results", tmp_path / "results").code == 0


# What is refused


def escape_attempts() -> list[str]:
    return [
        "../../x",
        "..",
        ".",
        "/tmp/x",
        "a/b",
        "a\\b",
        SCRIPT,
        "=1+1",
        "x" * 5000,
        "a\nb",
        "-rf",
        "\u202ea",
        "",
        " ",
    ]


@pytest.mark.parametrize("name", escape_attempts())
def test_a_run_name_that_is_no_plain_name_is_refused(tmp_path, name):
    found = run_cli(
        "run", "--models", "linear", "--seeds", "1", "--set", f"name={json.dumps(name)}", "--results", tmp_path
    )
    assert found.code == 2
    assert "Traceback" not in found.err
    assert is_harmless(found.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["show", "report", "recommend"])
@pytest.mark.parametrize("name", ["../../x", "..", SCRIPT, "x" * 5000, "\x1b[31m", "small/../../../x", "small\n"])
def test_a_run_that_is_asked_for_by_a_strange_name_is_refused(finished, command, name):
    before = sorted(p.name for p in finished.rglob("*"))
    found = run_cli(command, name, "--results", finished)
    assert found.code == 2
    assert "Traceback" not in found.err
    assert is_harmless(found.err)
    assert sorted(p.name for p in finished.rglob("*")) == before


@pytest.mark.parametrize(
    "name", [SCRIPT, "../../x", "x" * 5000, "=1+1", "a|b", "a b", "A", "", "a\n", "a.b", "\u202ea"]
)
def test_a_model_name_that_is_no_plain_word_is_refused(tmp_path, plugin: Callable[[str, str], Path], name):
    file = plugin("harmless_name", "pass")
    file.write_text(file.read_text().replace('@register_model("harmless_name"', f"@register_model({name!r}"))
    found = run_cli("list", "--plugin", file)
    assert found.code == 2
    assert "Traceback" not in found.err
    assert is_harmless(found.err)
    assert len(found.err) < 1000


def test_keys_of_a_foreign_run_file_lead_nowhere(own_copy):
    """A results folder that came by mail: its run.json names trials outside."""
    path = own_copy / "runs" / "small" / "run.json"
    run = json.loads(path.read_text())
    for trial in run["trials"][:3]:
        trial["key"] = "../../../../x"
    run["name"] = "../../y"
    write_json(path, run)
    before = {p.name for p in own_copy.parent.iterdir()}
    found = run_cli("report", "small", "--no-figures", "--results", own_copy)
    assert "Traceback" not in found.err
    assert {p.name for p in own_copy.parent.iterdir()} == before
    assert {p.name for p in (own_copy / "runs").iterdir()} == {"small"}


# Text


@pytest.mark.parametrize("text", NAMES)
def test_every_name_becomes_printable_and_stays_one_line(text):
    assert is_harmless(printable(text))
    line = one_line(text, 100)
    assert "\n" not in line
    assert len(line) <= 100
    line.encode("utf-8")


def test_plain_text_of_any_script_stays_as_it_is():
    for text in ("GRU − linear ± 95 % [0, 1]", "股票 شلوم é", "a\tb\nc"):
        assert printable(text) == text
    assert printable("\ud800\x1b\x9b\u202e") == "\ufffd" * 4
