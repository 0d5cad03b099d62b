"""The report in Chinese: complete, with the numbers of the English one; nothing in `zh.yaml` that no report says."""

from __future__ import annotations

import ast
import re
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import run_cli, write_prices

import bench
from bench.advice.claims import load_claims
from bench.advice.facts import Facts, gather
from bench.advice.recommend import Constraints, advice_sentence, recommend
from bench.attribution.frames import InterpretabilityRow, MethodRow
from bench.attribution.importance_frames import ImportanceRow, InputRow
from bench.columns import FrameRow
from bench.metrics import list_metrics
from bench.portfolio.frames import PortfolioRow
from bench.report.build import build_document
from bench.report.markdown import render_markdown
from bench.report.tables.interpretability import method_table
from bench.report.tables.main import main_table
from bench.report.tables.portfolio import portfolio_table
from bench.report.tables.timing import scaling_table, timing_table
from bench.scores.capture import CaptureMatrix
from bench.scores.frames import ScoreRow
from bench.scores.leaderboard import Leaderboard
from bench.scores.self_test import calibration_frame
from bench.speed.frames import TimingRow
from bench.speed.scaling_frames import ScalingRow
from bench.text import language as languages
from bench.text.document import Block, Document, Figure, Items, Prose, Section
from bench.text.language import language, listed, phrase, retold, table, translate
from bench.text.tables import ModelName, Table, word_table
from zoo.data.sources.planted import list_markets
from zoo.registry import get_spec, list_models

BENCH = Path(bench.__file__).parent
NUMBER = re.compile(r"(?:(?<![\w.)])[+-])?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
COMMAND = re.compile(r"python -m bench [ \w./-]+|failed/\S+")
CELL = re.compile(r"[\w*-]+(?:\[[^\]\s]*\])?(?:\.[\w*\[\]=-]+)+")
SAME_IN_BOTH = {
    *("IC", "Rank", "MSE", "ICIR", "AUPRC", "oracle", "lookback", "ddof", "sqrt", "min", "log", "kFLOPs", "MiB"),
    *(
        "TopkDropout",
        "Politis",
        "Romano",
        "White",
        "Newey",
        "West",
        "Bartlett",
        "Hansen",
        "Lunde",
        "Nason",
        "Holm",
        "split",
        "force",
    ),
}
"""Names that Chinese quantitative researchers use, too."""

PORTFOLIO = {
    **{"topk": 4, "n_drop": 1, "median_names": 20, "cost_open": 0.0005, "cost_close": 0.0015, "cost_minimum": 5.0},
    **{"limit": 0.095, "lot": 100.0, "initial": 1e8, "risk_degree": 0.95, "benchmark": "equal-weight"},
}


def made_up(kind_of_row: type[FrameRow], models: list[str], seed: int, **fixed: Any) -> pd.DataFrame:
    """A frame with the columns of a producer: numbers with intervals around them, `fixed` as given."""
    rng, columns = np.random.default_rng(seed), kind_of_row.dtypes()
    rows = []
    for i, model in enumerate(models):
        row: dict[str, Any] = {}
        for name, kind in columns.items():
            plain = {"str": name, "bool": False, "int64": int(rng.integers(2, 99)), "float64": rng.uniform(0.1, 9)}
            row[name] = plain[kind]
        for name in columns:
            for end, sign in (("_low", -1), ("_high", 1)):
                if name.endswith(end) and name.removesuffix(end) in row:
                    row[name] = row[name.removesuffix(end)] + sign * 0.05
        row |= {"model": model} | {k: v[i % len(v)] if isinstance(v, list) else v for k, v in fixed.items()}
        rows.append(row)
    return kind_of_row.frame(rows)


def matrix_of(board: Leaderboard) -> CaptureMatrix:
    """A capture matrix with the boards of one run on every market, its captures made up."""
    rng = np.random.default_rng(0)
    models = board.frame["model"].tolist()
    frame = pd.DataFrame({"model": models})
    boards = {}
    for market in list_markets():
        frame[market] = np.linspace(0.9, 0.3, len(models)) if market in ("relation", "mixed") else rng.uniform(0, 1, 3)
        frame[f"{market}_low"], frame[f"{market}_high"] = frame[market] - 0.1, frame[market] + 0.1
        draws = frame[market].to_numpy() + rng.normal(0, 0.05, (200, len(models)))
        boards[market] = replace(board, capture_draws=pd.DataFrame(draws, columns=models))
    frame["fit_s"] = rng.uniform(1, 100, len(models))
    frame["own_history"] = frame[["local", "interaction", "regime"]].mean(axis=1)
    frame["own_history_low"], frame["own_history_high"] = frame["own_history"] - 0.1, frame["own_history"] + 0.1
    return CaptureMatrix("planted", boards, frame, {"lstm": ["long", "null"]})


@pytest.fixture(scope="module")
def planted(finished: Path) -> Facts:
    """A real run with all other evidence made up."""
    found = gather(finished, "small")
    models = found.models
    timing = made_up(TimingRow, models, 0, device="cpu", mode="eager", unstable=[True, False], device_name="A CPU")
    labels = [*models, "localformer", "lightgbm", "localformer.attention", "gats.attention", "gats.attention[dense]"]
    what = [
        *["whole model"] * 5,
        "one attention layer alone, every day to 16 days on either side",
        "the attention across stocks alone, by sorting where the network sorts (from 400 stocks)",
        "the same attention by a matrix of all pairs, for comparison; the network does not do this on large days",
    ]
    names = ["native", "gradient_x_input", "integrated_gradients", "occlusion"]
    by_method = [made_up(MethodRow, models, i, method=name) for i, name in enumerate(names)]
    frames = {
        "timing": timing,
        "timing-cuda": timing.assign(device="cuda", unstable=False),
        "scaling": made_up(ScalingRow, labels, 1, what=what, device="cpu"),
        "interpretability": made_up(
            InterpretabilityRow, models, 2, method=names, native_axis=["cells", "", "lags"], native=[False, True]
        ),
        "methods": pd.concat(by_method, ignore_index=True),
        "importance": made_up(ImportanceRow, models, 5, field=["close"]),
        "inputs": made_up(InputRow, models, 6, axis=["field"], name=["close"]),
        "portfolio": made_up(PortfolioRow, models, 3, status=["ok", "incomplete"], ranked=True),
        "scores": made_up(ScoreRow, models, 4),
        "significance": found.board.significance,
        "calibration": calibration_frame(BENCH.parent / "results"),
    }
    return replace(found, matrix=matrix_of(found.board), frames=frames, portfolio_settings=PORTFOLIO)


@pytest.fixture(scope="module")
def real_file(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """A finished run in folds on a file with gaps, sectors and strange columns."""
    folder = tmp_path_factory.mktemp("file")
    prices = write_prices(folder / "prices.csv", sector="one", adj_close=lambda f: f["close"] / 2, remark="x")
    lines = prices.read_text().splitlines()
    for i, column in ((50, 3), (60, 6), (61, 6)):
        cells = lines[i].split(",")
        lines[i] = ",".join("" if k == column else cell for k, cell in enumerate(cells))
    prices.write_text("\n".join(lines))
    split = "data.split={mode: walk_forward, train: 60d, valid: 15d, test: 15d, step: 15d, embargo: 0, force: true}"
    answer = run_cli(
        *("run", "--models", "linear,mlp", "--data", prices, "--name", "file", "--seeds", "1", "--jobs", "1"),
        *("--set", split, "--set", "data.lookback=5", "--set", "train.max_epochs=1", "--results", folder / "results"),
    )
    assert answer.code == 0, answer.err
    return gather(folder / "results", "file")


@pytest.fixture(scope="module")
def documents(finished: Path, planted: Facts, real_file: Facts) -> list[tuple[Facts, Document, Document]]:
    """Reports in English and Chinese, of runs with and without evidence."""
    small = gather(finished, "small")
    board = replace(
        small.board,
        failures={"0" * 16: {"model": "tcn", "fold": 0, "seed": 1, "error": "diverged"}},
        frame=small.board.frame.assign(status=["ok", "incomplete", "failed"]),
    )
    poor = planted.frames["portfolio"].assign(annual_excess_low=-1.0)
    others = [replace(small, board=board), replace(planted, frames={**planted.frames, "portfolio": poor})]
    every = (small, planted, real_file, *others)
    return [(f, build_document(f), build_document(f, "zh")) for f in every]


@pytest.fixture(scope="module")
def said(documents: list[tuple[Facts, Document, Document]], planted: Facts) -> set[str]:
    """Everything that is looked up in the table while the documents are made."""
    asked: set[str] = set()

    class Listening(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.add(key)
            return super().get(key, default)

    listening = Listening(table("zh"))
    original = languages.table
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            languages,
            "table",
            lambda name, part="templates": listening if part == "templates" else original(name, part),
        )
        for facts, _, _ in documents:
            render_markdown(build_document(facts, "zh"))
    return asked


# Everything is there


def constants(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may come to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from constants(node.body)
        yield from constants(node.orelse)
    elif isinstance(node, (ast.List, ast.Tuple)):
        for element in node.elts:
            yield from constants(element)


def written() -> set[str]:
    """Templates and headers as they stand in the code of the report, found by how they are used."""
    found: set[str] = set()
    rooms = (
        "report/*.py",
        "report/sections/*.py",
        "report/tables/*.py",
        "advice/**/*.py",
        "experiment/deviations.py",
        "text/*.py",
    )
    # What `bench show RUN/TRIAL` prints speaks English.
    for path in (path for room in rooms for path in BENCH.glob(room) if path.name != "trials.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                if node.func.id in ("say", "translate", "phrase", "word_table"):
                    found |= set(constants(node.args[0]))
                if node.func.id in ("Column", "Use"):
                    found |= set(constants(node.args[1]))
                if node.func.id == "Definition":
                    found |= {text for argument in node.args for text in constants(argument)}
                if node.func.id == "listed" and len(node.args) == 2:
                    found |= set(constants(node.args[1]))
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id in ("template", "headers")
            ):
                found |= set(constants(node.value))
    page = (BENCH / "report" / "page" / "template.html.j2").read_text(encoding="utf-8")
    found |= {match[1] for match in re.findall(r"\bt\((['\"])(.+?)\1", page)}
    for metric in list_metrics():
        found |= {metric.title, metric.definition} if metric.in_table else set()
    return found | {claim.claim for claim in load_claims().claims}


def needs_translation(template: str) -> bool:
    """Whether it holds, beside its values, a word that Chinese readers do not use."""
    return not set(re.findall("[A-Za-z]{2,}", re.sub(r"{.*?}", "", template))) <= SAME_IN_BOTH


def test_every_template_of_the_code_has_its_chinese_one():
    assert not {t for t in written() - set(table("zh")) if needs_translation(t)}


def test_every_template_that_a_report_uses_is_in_the_table(said, documents):
    names = {text for f, _, _ in documents for text in data_texts(f)}
    unknown = {t for t in said - set(table("zh")) if "{" in t and needs_translation(t)}
    assert not unknown - names


def test_nothing_in_the_table_is_dead(said):
    reachable = said | written() | {word for name in list_models() for word in get_spec(name).complexity}
    source = {
        node.value
        for path in BENCH.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not {t for t in table("zh") if t not in reachable and t not in source}


def test_every_recorded_text_is_one_that_the_code_or_a_configuration_can_say():
    root = BENCH.parent
    files = [*root.glob("zoo/**/*.py"), *BENCH.glob("**/*.py"), *root.glob("configs/**/*.yaml")]
    words = set(re.findall(r"[A-Za-z_-]+", " ".join(path.read_text(encoding="utf-8") for path in files)))
    for english in table("zh", "recorded"):
        pieces = [literal for literal, *_ in string.Formatter().parse(english)]
        assert set(re.findall(r"[A-Za-z_-]+", " ".join(pieces))) <= words, english


def test_no_english_is_left_in_the_chinese_report(documents):
    for facts, _, chinese in documents:
        known = set(re.findall(r"[A-Za-z]+", " ".join(data_texts(facts)))) | SAME_IN_BOTH
        for text in texts(chinese):
            plain = CELL.sub("", COMMAND.sub("", text))
            assert not set(re.findall(r"[A-Za-z]{2,}", plain)) - known, text


def test_translations_are_chinese():
    same = {k for k, v in table("zh").items() if not re.search("[\u4e00-\u9fff（）：，。、；]", v)}
    names = {"IC", "Rank IC", "ICIR", "Rank ICIR", "MSE", "AUPRC", "p", "p90", "p99", " ", " + "}
    assert same <= names | {
        "{n} of {total}",
        "± 95 %",
        "{title} ± 95 %",
        "AUPRC [95 %]",
        "Rank IC [95 %]",
        "Rank IC − {baseline} [95 %]",
    }


# The same values


def fields(template: str) -> Counter[tuple[str, str, str]]:
    return Counter(
        (name, spec or "", conversion or "")
        for _, name, spec, conversion in string.Formatter().parse(template)
        if name is not None
    )


def digits(template: str) -> Counter[str]:
    """Numbers that the template itself holds."""
    return Counter(re.findall(r"\d+(?:[.,]\d+)*", " ".join(text for text, *_ in string.Formatter().parse(template))))


@pytest.mark.parametrize("part", ["templates", "recorded"])
def test_both_languages_have_the_same_values_and_digits(part):
    for english, chinese in table("zh", part).items():
        assert fields(english) == fields(chinese), english
        assert digits(english) == digits(chinese), english


def test_both_reports_have_the_same_numbers_section_by_section(documents):
    for _, english, chinese in documents:
        assert [s.id for s in english.sections] == [s.id for s in chinese.sections]
        for mine, other in zip(english.sections, chinese.sections, strict=True):
            ours = Counter(n for t in section_texts(mine) for n in NUMBER.findall(t))
            with language("zh"):
                theirs = Counter(n for t in section_texts(other) for n in NUMBER.findall(t))
            assert ours == theirs, mine.id
            assert sum(ours.values()) or mine.id in ("failures", "scores", "data", "reproduce"), mine.id


def test_both_reports_have_the_same_numbers_cell_by_cell(documents):
    for _, english, chinese in documents:
        for mine, other in zip(english.all(Table), chinese.all(Table), strict=True):
            assert mine.name == other.name
            with language("zh"):
                translated = other.texts
            for ours, theirs in zip(mine.texts, translated, strict=True):
                assert [NUMBER.findall(c) for c in ours] == [NUMBER.findall(c) for c in theirs]


def test_both_reports_rest_on_the_same_cells(documents):
    for _, english, chinese in documents:
        pairs = zip(english.sentences(), chinese.sentences(), strict=True)
        assert all([c.id for c in a.cells] == [c.id for c in b.cells] for (_, a), (_, b) in pairs)


# Recorded texts


def test_notes_of_a_file_are_told_in_chinese(real_file):
    notes = real_file.run["data"]["notes"]
    assert len(notes) >= 5
    with language("zh"):
        told = [retold(note) for note in notes]
    for note, chinese in zip(notes, told, strict=True):
        assert re.search("[\u4e00-\u9fff]", chinese), note
        assert Counter(NUMBER.findall(note)) == Counter(NUMBER.findall(chinese))


def test_a_list_within_a_recorded_text_is_listed_in_chinese():
    with language("zh"):
        assert retold("11 open, 8 high and 8 low values are missing") == "缺失的数值：11 open、8 high、8 low"
        assert retold("columns read: date, symbol; ignored: {x}") == "读取的列：date、symbol；忽略：{x}"


@pytest.mark.parametrize("text", ["", "what nobody foresaw", "{0.__class__}", "columns read: " + "a" * 5000, "a\nb"])
def test_an_unknown_text_stays_as_it_is(text):
    with language("zh"):
        assert retold(text) == text
        assert translate(text) == text


def test_in_english_nothing_is_retold():
    assert retold("no vwap: what reads it is empty") == "no vwap: what reads it is empty"
    assert listed(["a", "b"]) == "a, b"


def test_a_model_with_the_name_of_a_word_keeps_its_name():
    row = [ModelName("different", ("different",)), phrase("different"), "different"]
    with language("zh"):
        assert word_table(["model", "verdict", "file"], [row]).texts == [["different", "有差异", "different"]]


def test_a_plugin_model_called_speed_is_called_so_in_the_chinese_report(planted):
    def renamed(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.replace({column: {"gru": "speed", "GRU": "speed"} for column in frame.columns})

    run = {**planted.run, "models": ["linear", "speed", "tcn"]}
    board = replace(planted.board, run=run, frame=renamed(planted.board.frame), folds=renamed(planted.board.folds))
    assert "speed" in table("zh")
    facts = replace(planted, board=board, frames={n: renamed(f) for n, f in planted.frames.items()})
    with language("zh"):
        tables = {
            "main": main_table(board),
            "portfolio": portfolio_table(facts.frame("portfolio")),
            "timing": timing_table(facts.frame("timing")),
            "scaling": scaling_table(facts.frame("scaling")),
            "methods": method_table(facts.frame("methods")),
        }
        for name, found in tables.items():
            assert found is not None, name
            assert any(row[0].startswith("speed") for row in found.texts), name
            assert not any(row[0].startswith(translate("speed")) for row in found.texts), name


# The command line


def test_the_report_command_writes_chinese_and_verifies_it(own_copy):
    answer = run_cli("report", "small", "--lang", "zh", "--no-figures", "--results", own_copy)
    assert answer.code == 0, answer.err
    assert (own_copy / "comparison.md").read_text(encoding="utf-8").startswith("# 模型对比：small\n")
    assert run_cli("report", "small", "--verify", "--lang", "zh", "--results", own_copy).code == 0
    assert run_cli("report", "small", "--verify", "--results", own_copy).code == 1


def test_an_unknown_language_is_refused(own_copy):
    answer = run_cli("report", "small", "--lang", "zg", "--results", own_copy)
    assert answer.code == 2
    assert "no such language" in answer.err


def test_a_recommendation_reads_the_same_in_chinese(planted):
    for constraints in (Constraints(), Constraints(max_latency_ms=1e-6), Constraints(needs=("relations",))):
        english = advice_sentence(recommend(planted, constraints))
        with language("zh"):
            chinese = advice_sentence(recommend(planted, constraints))
        assert re.search("[\u4e00-\u9fff]", chinese.text)
        assert NUMBER.findall(english.text) == NUMBER.findall(chinese.text)
        assert [c.id for c in english.cells] == [c.id for c in chinese.cells]


def test_the_recommend_command_answers_in_chinese(finished):
    answer = run_cli("recommend", "small", "--lang", "zh", "--results", finished)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("请选 ")
    assert "可用" in answer.out


def test_after_a_report_the_language_is_english_again(planted):
    build_document(planted, "zh")
    assert translate("Setup") == "Setup"


# What a document says


def section_texts(section: Section) -> list[str]:
    return [section.title, *(text for block in section.blocks for text in block_texts(block))]


def block_texts(block: Block) -> list[str]:
    if isinstance(block, Prose):
        return [block.label, *(s.text for s in block.sentences)]
    if isinstance(block, Items):
        return [text for item in block.items for text in item]
    if isinstance(block, Table):
        return [*block.headers, *(text for row in block.texts for text in row)]
    if isinstance(block, Figure):
        return [block.caption]
    return []


def texts(document: Document) -> list[str]:
    with language(document.language):
        return [document.title, *(text for section in document.sections for text in section_texts(section))]


def data_texts(facts: Facts) -> set[str]:
    """Words that are the user's own or the record's: names, settings, versions, columns, errors."""
    run = facts.run
    parts: list[Any] = [run[k] for k in ("name", "config", "versions", "device", "models", "protocol", "config_hash")]
    parts += [{k: v for k, v in run["data"].items() if k != "notes"}, list(facts.board.failures.values())]
    parts += [{k: r[k] for k in ("params", "train", "title", "fit", "device")} for r in facts.board.records.values()]
    parts += [[c.model, c.claim.split(" ")[0], *c.needs] for c in load_claims().claims]
    parts += [facts.portfolio_settings, facts.matrix.markets if facts.matrix else [], ["lstm", "ALSTM", "GATs"]]
    for name, frame in facts.frames.items():
        parts += [name, list(frame.columns), list(frame["model"])]
        parts += [list(frame[c]) for c in ("device_name", "mode", "market") if c in frame]
    parts += [list(facts.board.frame["latency_device"])]
    # Of a note the names of columns and files are the data's own.
    own = r"\w+\.csv|adj_close|remark|date|symbol|close|open|high|low|volume|vwap|sector"
    return set(leaves(parts)) | {word for note in run["data"]["notes"] for word in re.findall(own, note)}


def leaves(value: Any) -> Iterator[str]:
    """Everything in nested lists and dictionaries as text, keys too."""
    if isinstance(value, dict):
        yield from map(str, value)
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from leaves(inner)
    else:
        yield str(value)
