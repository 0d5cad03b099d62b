"""The page in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Browser, needs_browser, start_browser
from page_documents import ASCENDING, MODELS, VALUES, figure_folder, hostile, shown, thirteen_models
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from bench.report.html import write_html
from bench.text.document import Document

pytestmark = needs_browser
MAIN = ".grid[data-table=main]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Document], Path]:
    """Writes a document as a page with figures."""

    def write(document: Document) -> Path:
        folder = tmp_path_factory.mktemp("page")
        write_html(document, folder / "page.html", figure_folder(folder / "figures"))
        return folder / "page.html"

    return write


@pytest.fixture(scope="module")
def report(files: Callable[[Document], Path]) -> Path:
    return files(thirteen_models())


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Browser]:
    """The report, open; nothing may have been asked for or complained of when the test ends."""
    browser.open(report)
    yield browser
    assert browser.console() == []
    assert browser.requests() == [report.as_uri()]


def column(page: Browser, number: int, table: str = MAIN) -> list[str]:
    """The visible texts of a column, from the top."""
    code = """return [...document.querySelectorAll(arguments[0])].filter(row => row.checkVisibility())
        .map(row => row.cells[arguments[1]].textContent)"""
    return page.js(code, f"{table} tbody tr", number)


def header(page: Browser, number: int, table: str = MAIN) -> WebElement:
    return page.all(f"{table} thead th")[number]


def sort_by(page: Browser, number: int) -> str | None:
    header(page, number).find_element(By.TAG_NAME, "button").click()
    return header(page, number).get_attribute("aria-sort")


def overflow(page: Browser) -> int:
    """Pixels by which the page is wider than the window."""
    return page.js("return document.documentElement.scrollWidth - innerWidth")


def background(page: Browser) -> int:
    """How bright the page is, 0 .. 255."""
    rgb = page.js("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    return sum(rgb) // 3


# Nothing goes wrong, nothing is asked for


def test_opening_the_page_asks_for_no_other_file(page):
    assert page.js("return performance.getEntriesByType('resource').map(e => e.name)") == []
    assert page.one("h1").text == "Comparison: thirteen"
    # `page` looks at the console and at the network when this ends.


def test_a_script_that_got_into_the_file_does_not_run(browser, report, tmp_path):
    attack = '<script>document.title = "hacked"</script><img src="x" onerror="document.title = \'hacked\'">'
    beacon = '<img src="http://127.0.0.1:9/beacon"><link rel="stylesheet" href="http://127.0.0.1:9/x.css">'
    damaged = tmp_path / "page.html"
    damaged.write_text(report.read_text().replace("<h1>", attack + beacon + "<h1>"))
    browser.open(damaged)
    assert browser.driver.title == "Comparison: thirteen"
    assert sum("Content Security Policy" in line for line in browser.console()) >= 4
    # The page's own script still does.
    assert sort_by(browser, 0) == "ascending"


def test_hostile_names_neither_run_nor_break_the_layout(browser, files):
    path = files(hostile())
    for width in (1280, 390):
        browser.open(path, width=width)
        assert browser.js("return window.hacked") is None
        assert overflow(browser) == 0
        assert browser.console() == []
        assert browser.requests() == [path.as_uri()]
        highest = browser.js("return Math.max(...[...document.querySelectorAll('tbody tr')].map(r => r.offsetHeight))")
        assert highest < 3000
    browser.one("#models").send_keys("<script>")
    assert browser.console() == []


# Sorting


def test_a_header_sorts_its_numbers_both_ways_and_then_back(page):
    assert column(page, 2) == shown(VALUES)
    assert sort_by(page, 2) == "descending"
    assert column(page, 2) == shown([*reversed(ASCENDING[:-1]), ASCENDING[-1]])
    assert sort_by(page, 2) == "ascending"
    assert column(page, 2) == shown(ASCENDING)
    assert sort_by(page, 2) == "none"
    assert column(page, 2) == shown(VALUES)


def test_a_header_of_words_sorts_by_the_alphabet_and_whole_rows_move(page):
    before = dict(zip(column(page, 0), column(page, 2), strict=True))
    assert sort_by(page, 0) == "ascending"
    assert column(page, 0) == sorted(MODELS)
    assert dict(zip(column(page, 0), column(page, 2), strict=True)) == before
    assert sort_by(page, 3) == "ascending"
    assert header(page, 0).get_attribute("aria-sort") == "none"
    # 2 before 10.
    assert column(page, 3) == [f"note-{i}" for i in range(13)]


def test_sorting_is_said_aloud(page):
    sort_by(page, 1)
    assert page.js("return document.getElementById('spoken').textContent").replace("\xa0", " ") == (
        "Sorted by Rank IC ± 95 %"
    )


# Filtering


def test_a_filter_hides_the_rows_of_its_table_only(page):
    page.one(f"{MAIN} .filter").send_keys("FORMER")
    assert column(page, 0) == ["transformer", "localformer"]
    assert page.one(f"{MAIN} .shown").text == "2 of 13 rows"
    assert len(column(page, 0, "[data-table=pairs]")) == 78
    page.one(f"{MAIN} .filter").send_keys(" note tra")
    assert column(page, 0) == ["transformer"]
    page.one(f"{MAIN} .filter").send_keys("x")
    assert column(page, 0) == []
    assert page.one(f"{MAIN} .none").is_displayed()
    page.one(f"{MAIN} .filter").send_keys(Keys.CONTROL + "a", Keys.DELETE)
    assert column(page, 0) == MODELS
    assert not page.one(f"{MAIN} .none").is_displayed()
    assert page.one(f"{MAIN} .shown").text == ""


def test_the_model_filter_hides_rows_in_every_table_about_models(page):
    page.one("#models").send_keys("tcn")
    assert column(page, 0) == ["tcn"]
    assert len(column(page, 0, "[data-table=pairs]")) == 12
    assert column(page, 1, "[data-table=claims]") == ["another"]
    assert column(page, 0, "[data-table=plain]") == ["close", "volume"]
    page.one("#models").send_keys(", gru")
    assert column(page, 0) == ["gru", "tcn"]
    page.one(f"{MAIN} .filter").send_keys("note-4")
    assert column(page, 0) == ["gru"]


def test_the_model_filter_takes_a_whole_name_as_that_model_and_a_part_as_all_that_hold_it(page):
    page.one("#models").send_keys("tra")
    assert column(page, 0) == ["tra"]
    page.one("#models").send_keys(Keys.BACKSPACE)
    assert column(page, 0) == ["transformer", "tra"]


def test_filtered_rows_stay_hidden_when_sorted(page):
    page.one("#models").send_keys("gru tcn mlp")
    sort_by(page, 2)
    assert column(page, 0) == ["tcn", "mlp", "gru"]
    sort_by(page, 2)
    assert column(page, 0) == ["gru", "mlp", "tcn"]


# Theme, print, widths


def test_the_theme_follows_the_system_until_the_reader_chooses(page):
    assert background(page) > 240
    page.media(**{"prefers-color-scheme": "dark"})
    assert background(page) < 40
    assert page.one("#theme").get_attribute("aria-pressed") == "true"
    page.one("#theme").click()
    assert background(page) > 240
    page.media(**{"prefers-color-scheme": "light"})
    page.one("#theme").click()
    assert background(page) < 40
    page.driver.refresh()
    assert background(page) < 40
    page.js("localStorage.clear()")
    # The page was opened twice.
    page.requests()
    page.driver.get(page.driver.current_url)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(page, scheme):
    page.media(**{"prefers-color-scheme": scheme})
    low = page.js(CONTRAST)
    assert low == [], low


CONTRAST = """
const parse = (c) => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
const ground = (e) => {
  const colour = parse(getComputedStyle(e).backgroundColor);
  return colour.length < 4 || colour[3] > 0 ? colour : ground(e.parentElement);
};
const found = [];
for (const e of document.querySelectorAll('body *')) {
  const speaks = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!speaks || !e.checkVisibility() || e.closest('svg')) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) found.push(e.outerHTML.slice(0, 80));
}
return found;
"""


def test_a_phone_scrolls_tables_but_not_the_page(browser, report):
    browser.open(report, width=390, height=844)
    assert overflow(browser) == 0
    code = """const [box, left] = [document.querySelector(arguments[0]), (e) => e.getBoundingClientRect().left];
        box.scrollLeft = 200; return [box.scrollLeft, left(box.querySelector('tbody th')), left(box)]"""
    scrolled, first, edge = browser.js(code, f"{MAIN} .scroll")
    assert scrolled > 0
    assert first == edge
    menu = browser.one(".menu")
    assert menu.is_displayed()
    assert not browser.one("nav").is_displayed()
    menu.click()
    browser.all("nav a")[2].click()
    assert not browser.one("nav").is_displayed()
    assert browser.js("return location.hash") == "#s2-claims"


def test_contents_stand_beside_the_report_on_a_wide_window(page):
    assert page.one("nav").is_displayed()
    assert [link.text for link in page.all("nav a")] == ["Summary", "Which differences are real", "Claims"]


def test_print_shows_every_row_and_no_control(page):
    page.one(f"{MAIN} .filter").send_keys("tcn")
    page.media("print", **{"prefers-color-scheme": "dark"})
    assert column(page, 0) == MODELS
    for selector in (".bar", "nav", ".tools", ".rests", ".hint", "thead button"):
        assert not any(element.is_displayed() for element in page.all(selector)), selector
    ink = page.js("return getComputedStyle(document.body).color.match(/\\d+/g).map(Number)")
    assert max(ink) < 100
    assert page.js("return getComputedStyle(arguments[0], '::before').content", header(page, 0)) == '"model"'


def test_nothing_moves_for_readers_who_want_no_motion(page):
    code = "return getComputedStyle(document.documentElement).scrollBehavior"
    assert page.js(code) == "smooth"
    page.media(**{"prefers-reduced-motion": "reduce"})
    assert page.js(code) == "auto"


# Keyboard


def tab_to(page: Browser, selector: str) -> None:
    """Press Tab until the element has the focus; fails where it never does, or where its focus cannot be seen."""
    for _ in range(60):
        page.press(Keys.TAB)
        if page.js("return document.activeElement.matches(arguments[0])", selector):
            style = page.js("return getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none"
            return
    raise AssertionError(f"{selector} cannot be reached with Tab")


def test_everything_works_by_keyboard_alone(page):
    tab_to(page, ".skip")
    tab_to(page, "#models")
    page.press("gru tcn mlp")
    assert column(page, 0) == ["mlp", "gru", "tcn"]
    tab_to(page, "#theme")
    page.press(Keys.ENTER)
    assert background(page) < 40
    tab_to(page, "nav a")
    tab_to(page, ".rests")
    box = page.one(".cells")
    assert not box.is_displayed()
    page.press(Keys.ENTER)
    assert box.is_displayed()
    assert "main.gru.rank_ic = 0.13 [0.12, 0.14]" in box.text
    page.press(Keys.ESCAPE)
    assert not box.is_displayed()
    tab_to(page, f"{MAIN} .filter")
    page.press("note")
    tab_to(page, f"{MAIN} thead button")
    page.press(Keys.ENTER)
    assert column(page, 0) == ["gru", "mlp", "tcn"]
    page.press(Keys.SPACE)
    assert column(page, 0) == ["tcn", "mlp", "gru"]


def test_hover_values_answer_the_pointer_and_the_arrow_keys(page):
    tip = page.one("#tip")
    assert not tip.is_displayed()
    ActionChains(page.driver).move_to_element(page.one(".drawing rect[width='40']")).perform()
    assert tip.text == "gru: Rank IC 0.13"
    ActionChains(page.driver).move_to_element(page.one("h1")).perform()
    assert not tip.is_displayed()
    tab_to(page, ".drawing svg")
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert tip.text == "tcn: Rank IC 0.14"
    assert page.js("return document.getElementById('spoken').textContent") == "tcn: Rank IC 0.14"
    page.press(Keys.ARROW_LEFT)
    assert tip.text == "gru: Rank IC 0.13"
    page.press(Keys.ESCAPE)
    assert not tip.is_displayed()


def test_what_scrolls_can_be_reached_by_keyboard(browser, report):
    browser.open(report, width=390, height=844)
    tab_to(browser, f"{MAIN} .scroll")
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    # Scrolling is smooth: it takes a few frames.
    code = """const [selector, done] = arguments;
        const look = () => document.querySelector(selector).scrollLeft > 0 ? done(true) : setTimeout(look, 20);
        look();"""
    assert browser.driver.execute_async_script(code, f"{MAIN} .scroll")
