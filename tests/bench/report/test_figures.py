from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from cli_runs import key_of_trial

from bench.advice.facts import Facts, gather
from bench.records.documents import write_json
from bench.records.store import RunStore
from bench.report.figures import FIGURES, TRIAL_FIGURES, calendar, draw_figures, draw_trial_figures
from bench.report.figures.accuracy import _front
from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import house_style
from bench.report.figures.kit.heat import Heat, draw_heat
from bench.report.figures.kit.svg import finish
from zoo.errors import ConfigError

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
HOSTILE = [
    "<script>alert(1)</script>&\"'",
    "a $x_{1}$ \\frac $",
    "m" * 5000,
    "模型\u202e\x00\x1b\n z",
    "../../x",
]


def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    write_json(path, change(json.loads(path.read_text())))


def renamed(value: Any, old: str, new: str) -> Any:
    """`value` with every string, and every key, equal to `old` replaced."""
    if isinstance(value, dict):
        return {new if k == old else k: renamed(v, old, new) for k, v in value.items()}
    if isinstance(value, list):
        return [renamed(v, old, new) for v in value]
    return new if value == old else value


def scaling_record(models: list[str]) -> dict[str, Any]:
    def sweep(fixed: int, sizes: list[int], factor: float) -> dict[str, Any]:
        points = [{"size": s, "samples": [1e-4 * factor * s, 1.1e-4 * factor * s], "memory_mib": 1.0} for s in sizes]
        return {"fixed": fixed, "points": points}

    entries = {
        m: {
            "what": "time",
            "settings": {"threads": 1},
            "axes": {"lookback": sweep(20, [5, 10, 20], i + 1), "stocks": sweep(5, [10, 20, 40], i + 1)},
        }
        for i, m in enumerate(models)
    }
    return {"format": 1, "machine": "m", "device": "cpu", "device_name": "a CPU", "entries": entries}


@pytest.fixture(scope="module")
def results(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run with all kinds of evidence: growth, attributions and a capture matrix. Read only."""
    from bench.attribution.importance import Sample, measure_importance
    from bench.attribution.run import measure_attributions
    from bench.attribution.trial import Effort

    results = Path(shutil.copytree(finished, tmp_path_factory.mktemp("figures") / "results"))
    store = RunStore.open(results, "small")
    effort = Effort(days=2, control_draws=1, deletion_days=4, random_orders=1)
    assert measure_attributions(store, models=["linear", "gru"], effort=effort) == {}
    assert measure_importance(store, sample=Sample(days=2, control_draws=2, control_days=1)) == {}
    for market in ("local", "null"):
        folder = Path(shutil.copytree(store.folder, results / "runs" / f"planted-{market}"))
        name = {"name": folder.name}
        rewrite(folder / "run.json", lambda run, n=name: run | n | {"config": run["config"] | {"matrix": "planted"}})
    record = results / "timing" / "m" / "cpu-scaling.json"
    record.parent.mkdir(parents=True)
    write_json(record, scaling_record(["linear", "gru", "tcn"]))
    return results


@pytest.fixture(scope="module")
def facts(results: Path) -> Facts:
    return gather(results, "small")


@pytest.fixture(scope="module")
def store(results: Path) -> RunStore:
    return RunStore.open(results, "small")


@pytest.fixture(scope="module")
def drawn(facts: Facts, store: RunStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    assert draw_figures(facts, store, folder) == list(FIGURES)
    return folder


def root_of(folder: Path, name: str) -> ElementTree.Element:
    return ElementTree.fromstring((folder / f"{name}.svg").read_text(encoding="utf-8"))


def tips(folder: Path, name: str) -> list[str]:
    return [str(e.text) for e in root_of(folder, name).iter(f"{SVG}title")]


def texts(folder: Path, name: str) -> list[str]:
    return ["".join(e.itertext()) for e in root_of(folder, name).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_fits_into_any_page(drawn: Path, name: str) -> None:
    text = (drawn / f"{name}.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert len(text) < 120_000
    assert style.INK not in text
    assert "currentColor" in text
    assert "<!DOCTYPE" not in text
    assert not list(root.iter(f"{SVG}metadata"))
    # A style sheet inside a page rules the page: only rules for a file that stands alone are allowed.
    rules = [str(e.text) for e in root.iter(f"{SVG}style")]
    assert len(rules) == 1
    assert re.fullmatch(r"(?:(?:@media\([^)]*\)\{)?svg:root\{[^}]*\}\}?)+", rules[0])
    assert root.get("aria-label")
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert all(str(i).startswith(f"{name}-") for i in ids)
    used = {e.get(HREF, "")[1:] for e in root.iter(f"{SVG}use")} | set(re.findall(r"url\(#([^)]+)\)", text))
    assert used <= set(ids)
    assert tips(drawn, name)


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_transparent_and_not_empty(drawn: Path, name: str) -> None:
    from matplotlib.image import imread

    pixels = imread(drawn / f"{name}.png")
    assert pixels.shape[2] == 4
    assert pixels[0, 0, 3] == 0
    assert (pixels[:, :, 3] > 0.5).mean() > 0.005


def test_drawing_again_changes_no_byte_whatever_the_user_has_set(
    facts: Facts, store: RunStore, drawn: Path, tmp_path: Path
) -> None:
    import matplotlib

    names = ["pareto", "ic_by_month", "training"]
    with matplotlib.rc_context({"lines.linewidth": 9.0, "font.size": 30.0, "text.parse_math": True}):
        draw_figures(facts, store, tmp_path, names)
        assert matplotlib.rcParams["font.size"] == 30.0
    for name in names:
        for ending in ("svg", "png"):
            file = f"{name}.{ending}"
            assert (tmp_path / file).read_bytes() == (drawn / file).read_bytes(), file
    assert sorted(p.stem for p in tmp_path.glob("*.svg")) == sorted(names)


def test_figures_need_neither_torch_nor_pyplot_and_importing_them_no_matplotlib(results: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from bench.advice.facts import gather
from bench.report.figures import draw_figures
from bench.records.store import RunStore
assert "matplotlib" not in sys.modules
results = Path({str(results)!r})
draw_figures(gather(results, "small"), RunStore.open(results, "small"), Path({str(tmp_path)!r}), ["pareto", "deciles"])
assert "matplotlib" in sys.modules
print([name for name in ("torch", "matplotlib.pyplot") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
    assert (tmp_path / "pareto.svg").is_file()


def test_pointing_at_a_model_tells_its_figures(facts: Facts, drawn: Path) -> None:
    found = tips(drawn, "pareto")
    assert len(found) == len(facts.models)
    for row in facts.board.frame.to_dict("records"):
        figures = (
            f"{row['model']}: Rank IC {row['rank_ic']:.4f} ± {row['rank_ic_half']:.4f}, {row['latency_ms']:.3g} ms"
        )
        assert any(tip.startswith(figures) for tip in found)


def test_months_hold_the_mean_of_their_days(facts: Facts, drawn: Path) -> None:
    daily = facts.board.daily["gru"].dropna()
    month = pd.DatetimeIndex(daily.index).to_period("M")
    means, days = daily.groupby(month).mean(), daily.groupby(month).count()
    expected = [f"gru, {m}: Rank IC {means[m]:.4f}, {days[m]} days" for m in means.index]
    assert [tip for tip in tips(drawn, "ic_by_month") if tip.startswith("gru,")] == expected


def test_the_capture_matrix_prints_the_cells_of_the_report(facts: Facts, drawn: Path) -> None:
    for model in ("linear", "gru", "tcn"):
        cell = facts.cell(f"capture.{model}.local").percent
        assert f"{model} on local: capture {cell:.1f} % [{cell.low:.1f}, {cell.high:.1f}]" in tips(drawn, "capture")
        null = facts.cell(f"capture.{model}.null")
        assert f"{model} on null: IC {null:+.4f} [{null.low:+.4f}, {null.high:+.4f}]" in tips(drawn, "capture")


def test_only_models_with_evidence_are_drawn_and_the_others_named(drawn: Path) -> None:
    shown = texts(drawn, "lag_importance")
    assert "gru" in shown
    assert "tcn" not in shown
    assert "Not drawn, not measured: tcn." in shown
    assert "Fitted as a whole, without epochs: linear." in texts(drawn, "training")


def test_a_failed_model_is_named_and_a_figure_without_data_goes(own_copy: Path, tmp_path: Path) -> None:
    store = RunStore.open(own_copy, "small")
    for trial in store.run()["trials"]:
        if trial["model"] == "tcn":
            shutil.rmtree(store.trial_folder(trial["key"]))
            store.write_failure(trial["key"], {"model": "tcn", "fold": 0, "seed": trial["seed"], "error": "why"})
    for kind in ("portfolio", "diagnostics"):
        (store.folder / f"{kind}.json").unlink()
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "drawdown.svg").write_text("of an earlier report")
    found = draw_figures(gather(own_copy, "small"), store, folder)
    assert found == ["pareto", "cumulative_rank_ic", "ic_by_month", "ic_by_year", "training"]
    assert {p.name for p in folder.iterdir()} == {f"{n}.{e}" for n in found for e in ("svg", "png")}
    assert any("without latency: tcn" in text for text in texts(folder, "pareto"))
    assert "Not drawn, not measured: tcn." in texts(folder, "cumulative_rank_ic")
    assert "Not trained: tcn." in texts(folder, "training")


@pytest.mark.parametrize("hostile", HOSTILE, ids=["markup", "formula", "long", "control", "path"])
def test_a_hostile_name_is_only_text(results: Path, tmp_path: Path, hostile: str) -> None:
    copy = Path(shutil.copytree(results, tmp_path / "results"))
    for path in [*copy.glob("runs/*/*.json"), *copy.glob("runs/*/trials/*/record.json"), *copy.glob("timing/*/*")]:
        rewrite(path, lambda value: renamed(value, "gru", hostile))
    facts = gather(copy, "small")
    assert hostile in facts.models
    folder = tmp_path / "deep" / "down" / "out"
    names = ["pareto", "ic_by_month", "training", "scaling_stocks", "capture", "lag_importance", "field_importance"]
    assert set(draw_figures(facts, RunStore.open(copy, "small"), folder, names)) == set(names)
    label = style.short(hostile)
    assert len(label) <= 16
    for name in names:
        root = root_of(folder, name)
        assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
            *("svg", "style", "title", "g", "path", "use", "text", "defs", "clipPath", "rect", "pattern")
        }
        assert not any(key.lower().startswith("on") for e in root.iter() for key in e.attrib)
        assert any(style.short(hostile, 12)[:10] in text for text in texts(folder, name)), name
        assert max(map(len, tips(folder, name))) <= 240
    assert {p.name for p in tmp_path.iterdir()} == {"results", "deep"}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("tcn", "tcn"),
        ("a\n\tb  c", "a b c"),
        ("\x00\u202e\ud800", "?"),
        ("", "?"),
        ("x" * 17, "x" * 15 + "…"),
    ],
)
def test_a_label_is_one_short_line_of_printed_characters(name: str, label: str) -> None:
    assert style.short(name) == label


def test_an_unknown_figure_is_refused_with_the_nearest_name(facts: Facts, store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no figure 'paretto'.*pareto"):
        draw_figures(facts, store, tmp_path / "out", ["paretto"])
    assert not (tmp_path / "out").exists()


def test_the_front_holds_those_that_no_other_beats_in_both() -> None:
    frame = pd.DataFrame({"latency": [1.0, 2.0, 2.0, 3.0, 0.5], "rank_ic": [0.1, 0.2, 0.15, 0.2, 0.05]})
    assert _front(frame).tolist() == [True, True, False, False, True]
    equal = pd.DataFrame({"latency": [1.0, 1.0], "rank_ic": [0.1, 0.1]})
    assert _front(equal).tolist() == [True, True]


def heat_of(columns: int) -> tuple[np.ndarray, Heat]:
    values = np.where(np.arange(3 * columns).reshape(3, columns) % 4 == 0, -0.5, 0.5)
    values[1, 1] = np.nan
    names = [["cell"] * columns] * 3
    printed = [[f"{v:.1f}" for v in row] for row in values]
    return values, Heat(["a", "b", "c"], [str(i) for i in range(columns)], values, 1.0, printed, names)


def svg_of(heat: Heat, tmp_path: Path) -> ElementTree.Element:
    with house_style():
        draw_heat("title", heat).save(tmp_path, "heat")
    return root_of(tmp_path, "heat")


def hatched(root: ElementTree.Element) -> int:
    """Cells filled with a pattern."""
    cells = [g for g in root.iter(f"{SVG}g") if g.find(f"{SVG}title") is not None]
    return sum(any(e.get("fill", "").startswith("url(") for e in g.iter()) for g in cells)


def test_cells_tell_their_sign_without_colour(tmp_path: Path) -> None:
    values, heat = heat_of(32)
    narrow = svg_of(heat, tmp_path)
    assert hatched(narrow) == int((values < 0).sum())
    values, heat = heat_of(6)
    wide = svg_of(heat, tmp_path)
    assert hatched(wide) == 0
    written = [e.text for e in wide.iter(f"{SVG}text")]
    assert written.count("-0.5") == int((values < 0).sum())
    assert written.count("–") == 1


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("value", "text"), [(-0.4, "0"), (0.4, "0"), (-1.6, "−2"), (1.6, "+2"), (float("nan"), "–")])
def test_nothing_has_no_sign(value: float, text: str) -> None:
    assert style.signed(value, 0) == text


@pytest.mark.parametrize("ground", ["#ffffff", "#0d1117"])
def test_text_and_marks_read_on_light_and_dark(ground: str) -> None:
    assert contrast(style.INK, ground) > 4.0
    assert contrast(style.OWN, ground) > 3.0
    assert contrast(style.OTHER, ground) > 3.0


@pytest.mark.parametrize("share", np.linspace(-1.2, 1.2, 13))
def test_numbers_read_on_every_shade(share: float) -> None:
    colour = style.shade(float(share))
    assert contrast(style.text_on(colour), colour) > 4.4


def test_shades_are_the_darker_the_further_from_zero() -> None:
    for sign in (1, -1):
        steps = [luminance(style.shade(sign * s)) for s in (0.0, 0.3, 0.6, 1.0)]
        assert steps == sorted(steps, reverse=True)
        assert steps[0] - steps[-1] > 0.5


@pytest.mark.parametrize(
    ("months", "word", "count"), [(36, "month", 36), (37, "quarter", 13), (108, "quarter", 36), (109, "year", 10)]
)
def test_many_months_become_quarters_and_years(months: int, word: str, count: int) -> None:
    days = pd.date_range("2001-01-01", periods=months, freq="MS")
    found, told = calendar.periods(days)
    assert (told, found.nunique()) == (word, count)


def test_the_year_is_told_where_it_begins() -> None:
    found = list(pd.period_range("2012-11", "2013-02", freq="M"))
    assert calendar.period_labels(found) == (["11", "12", "01", "02"], ["2012", "", "2013", ""])


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        ("2013-02-07", "2013-11-01", ["2013-04", "2013-07", "2013-10"]),
        ("2010-05-03", "2013-04-30", ["2011", "2012", "2013"]),
        ("2013-02-07", "2013-02-20", ["2013-02-07"]),
        ("1989-12-29", "2020-12-31", ["1990", "2000", "2010", "2020"]),
    ],
)
def test_days_are_labelled_at_months_or_years(first: str, last: str, labels: list[str]) -> None:
    numbers = calendar.day_numbers(pd.DatetimeIndex([first, last]))
    positions, found = calendar._ticks(numbers, len(labels))
    assert found == labels
    assert all(numbers[0] <= p <= numbers[1] for p in positions)


def test_drawdowns_are_taken_from_the_highest_point_so_far_or_the_start(facts: Facts, store: RunStore) -> None:
    from bench.portfolio.frames import portfolio_daily
    from bench.report.figures.material import Material
    from bench.report.figures.portfolios import drawdown

    daily = portfolio_daily(store, facts.run)
    with house_style():
        canvas = drawdown(Material(facts, store))
    assert canvas is not None
    for model in facts.models:
        total = [0.0, *daily.loc[daily["model"] == model, "excess"].cumsum()]
        deepest = 100 * min(total[i] - max(total[: i + 1]) for i in range(len(total)))
        assert any(tip.startswith(f"{model}: deepest {deepest:.2f} % on ") for tip in canvas.tips.values())


def test_names_of_points_hide_neither_each_other_nor_points() -> None:
    from bench.report.figures.kit.canvas import Canvas
    from bench.report.figures.kit.labels import place_labels

    rng = np.random.default_rng(0)
    x, y = rng.random((2, 13))
    with house_style():
        canvas = Canvas("title", 5.0)
        axes = canvas.axes(0.6, 0.6, 8.0, 4.0, xlim=(-0.1, 1.1), ylim=(-0.1, 1.1))
        place_labels(axes, x, y, [f"model {i}" for i in range(13)], [])
        canvas.figure.canvas.draw()
        boxes = [text.get_window_extent() for text in axes.texts]
        points = axes.transData.transform(np.column_stack([x, y]))
    assert len(boxes) == 13
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        assert not any(box.contains(px, py) for px, py in points)


def test_hover_values_are_escaped_and_ids_carry_the_name_of_the_figure() -> None:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1">'
        '<metadata>x</metadata><defs><style type="text/css">*{stroke-linejoin: round}</style></defs>'
        f'<g id="tip-0"><path d="M 1.23456 2.0 L -0.001 7" style="fill: none; stroke: {style.INK}"/></g>'
        '<g id="nobody"><text style="font: 700 8px \'DejaVu Sans\'; text-anchor: middle" transform="rotate(-0 1 2)">'
        'a &lt; b</text></g><defs><path id="m1"/></defs><use xlink:href="#m1"/></svg>'
    )
    text = finish(drawn, "fig", "A <title>", {"tip-0": '<b>"1" & 2'})
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == "A <title>"
    assert "&lt;b&gt;" in text
    hover = root.find(f".//{SVG}title")
    assert hover is not None
    assert hover.text == '<b>"1" & 2'
    path = root.find(f".//{SVG}path")
    assert path is not None
    assert path.attrib == {"d": "M 1.23 2 L 0 7", "fill": "none", "stroke": "currentColor"}
    label = root.find(f".//{SVG}text")
    assert label is not None
    assert label.attrib == {"font-size": "8", "font-weight": "700", "text-anchor": "middle"}
    assert 'id="fig-m1"' in text
    assert 'href="#fig-m1"' in text
    assert "nobody" not in text


def test_a_trial_has_figures_of_its_own(store: RunStore, tmp_path: Path) -> None:
    explained = json.loads((store.folder / "attribution.json").read_text())["trials"]
    key = next(k for k, entry in explained.items() if entry["model"] == "gru")
    assert draw_trial_figures(store, key, tmp_path) == list(TRIAL_FIGURES)
    scores = pd.read_parquet(store.trial_folder(key) / "scores.parquet")
    stock = str(scores["instrument"].min())
    mine = scores.loc[scores["instrument"] == stock, "score"]
    assert f"{stock}: mean score {mine.mean():+.4f} on {len(mine)} days" in tips(tmp_path, "predictions")
    assert any(f"{len(scores):,} scores" in tip for tip in tips(tmp_path, "distribution"))


def test_a_trial_without_epochs_scores_or_explanation_has_fewer_figures(own_copy: Path, tmp_path: Path) -> None:
    store = RunStore.open(own_copy, "small")
    key = key_of_trial(own_copy, "linear")
    assert draw_trial_figures(store, key, tmp_path) == ["predictions", "distribution"]
    (store.trial_folder(key) / "scores.parquet").unlink()
    assert draw_trial_figures(store, key, tmp_path) == []
    assert list(tmp_path.glob("*.svg")) == []
    with pytest.raises(ConfigError, match="no finished trial"):
        draw_trial_figures(store, "0" * 16, tmp_path)


def test_one_model_alone_and_thirty_are_drawn(facts: Facts, store: RunStore, tmp_path: Path) -> None:
    names = ["pareto", "ic_by_month", "ic_by_year"]
    board = facts.board
    row = board.frame[board.frame["model"] == "gru"]
    alone = replace(facts, board=replace(board, frame=row))
    assert draw_figures(alone, store, tmp_path, names) == names
    many = [f"gru {i}" for i in range(30)]
    frame = pd.concat([row.assign(model=m, latency_ms=1.0 + i) for i, m in enumerate(many)], ignore_index=True)
    crowd = replace(board, frame=frame, daily=pd.DataFrame(dict.fromkeys(many, board.daily["gru"])))
    assert draw_figures(replace(facts, board=crowd), store, tmp_path, names) == names
    assert len(tips(tmp_path, "pareto")) == 30
    assert all((tmp_path / f"{name}.svg").stat().st_size < 200_000 for name in names)
