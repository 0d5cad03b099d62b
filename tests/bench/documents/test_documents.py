"""Every command, block of code and sample file of README, CONTRIBUTING and docs/ does what its page says.

The folder of a page holds the reader's own things (`OWN` says which word stands for which), and results with the
runs `quick`, `prices` and `planted-mixed`. Commands are run in this process as they stand, with the options of `SMALL`
behind their own, so that little is trained; what these replace is parsed before.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from cli_runs import run_cli
from document_blocks import PAGES, ROOT, Piece, languages, pieces

import zoo
from bench.cli import app
from bench.interface.settings import configure
from bench.metrics import list_metrics
from bench.metrics import registry as metric_registry
from bench.records.store import RunStore
from zoo import registry
from zoo.data.features import FEATURE_SETS
from zoo.data.sources.planted import list_markets
from zoo.data.sources.planted import registry as market_registry

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OWN = {"CONFIG": "experiment.yaml", "FOLDER": "elsewhere", "FILE": "sectors.csv", "HOST:PORT": "10.0.0.1:6379"}
ANYTHING = re.compile(r"\b(KEY=VALUE|FILE\.py|COLUMN|NAME)\b")
"""Options of which these are a part say only how they are written."""
TRAINED = ("--set", "train.max_epochs=1", "--set", "train.max_steps_per_epoch=2", "--seeds", "1")
SMALL: dict[str, tuple[str, ...]] = {
    "run": (*TRAINED, "--jobs", "1", "--no-figures"),
    "report": ("--no-figures",),
    "time": ("--rounds", "1", "--seconds", "0", "--scenarios", "one_day", "--stocks", "20"),
    "time --scaling": ("--lookbacks", "5,10", "--stock-counts", "10,20"),
    "attribute": ("--days", "1"),
    "rm": ("--yes",),
}
"""What is put behind a command's own options."""
FEW = {"run": "linear,gru", "time": "linear", "attribute": "linear", "leaks": "linear"}
"""The models of a command that names none; of a run the others are checked as `bench check` does."""
MARKET = "planted:mixed?stocks=20&days=240"
"""Takes the place of a simulated market of the experiment's own."""
ANSWERS = {"diff": (0, 1), "recommend": (0, 1), "leaks": (0, 1)}
"""Commands whose exit code 1 is an answer: they differ, no model will do, the data hold survivors only."""
FIRST = {piece.same: page for page, text in reversed(PAGES.items()) for piece in pieces(text)}
"""The page that a command or option stands on first; it is run there."""


def command_of(words: list[str]) -> tuple[Any, list[str], list[str]]:
    """The command of `bench`, its names, and its arguments."""
    command: Any = typer.main.get_command(app)
    names: list[str] = []
    while words and words[0] in getattr(command, "commands", ()):
        command, names, words = command.commands[words[0]], [*names, words[0]], words[1:]
    return command, names, words


def parse(words: list[str]) -> None:
    """Raises where the command, an option or a value is none."""
    command, names, arguments = command_of(words)
    assert names or arguments == ["--help"], f"no command: {words}"
    if "--help" not in arguments:
        command.make_context(" ".join(names), list(arguments))


def own_words(piece: Piece) -> list[str]:
    """The words, with the reader's own things in the place of those in capitals."""
    return [re.sub(rf"(?<!\w)({'|'.join(OWN)})(?![\w.])", lambda found: OWN[found[0]], word) for word in piece.words]


def arguments_of(piece: Piece) -> list[str]:
    """What follows `python -m bench`, or the name of one of the scripts."""
    words = own_words(piece)
    if words[0] == "python":
        return words[3:]
    assert words[0] in PROJECT["project"]["scripts"]
    return words[1:]


def small(words: list[str]) -> list[str]:
    """The arguments with those of `SMALL` behind them."""
    name, more = words[0], [*SMALL.get(words[0], ())]
    if "--models" not in words and "-m" not in words:
        more += ["--models", FEW[name]] if name in FEW else []
    if "--scaling" in words:
        more += SMALL["time --scaling"]
    if name in ("run", "check") and Path("".join(words[1:2])).stem == "planted":
        more += ["--set", "markets=[local, 'null']"]
    if name in ("run", "check") and "--data" not in words and source_of(words[1:2]).startswith("planted:"):
        more += ["--set", f"data.source={MARKET}"]
    return [*words, *more]


def source_of(config: list[str]) -> str:
    """The data of the configuration that a command names, or else of the built-in one."""
    return configure(config[0] if config and not config[0].startswith("-") else None, {}).data.source


def check_first(words: list[str]) -> None:
    """Where few of a run's models are run, the others are checked."""
    if words[0] != "run" or "--models" in words:
        return
    known = options_of(command_of(["check"])[0])
    kept, k = ["check"], 1
    while k < len(words):
        both = k + 1 < len(words) and words[k].startswith("-") and not words[k + 1].startswith("-")
        kept += words[k : k + 1 + both] if words[k] in known or not words[k].startswith("-") else []
        k += 1 + both
    answer = run_cli(*small(kept))
    assert answer.code == 0, f"{kept}: {answer.out}{answer.err}"


def run_command(piece: Piece) -> None:
    if piece.text.startswith(("make ", "pip ", "python -m pytest", "ruff ")):
        check_tool(piece.words)
        return
    words = arguments_of(piece)
    if "KEY" in piece.text:
        words = [word.replace("KEY", RunStore.open(Path("results"), "quick").keys()[0]) for word in words]
    parse(words)
    if piece.needs:
        return
    check_first(words)
    answer = run_cli(*(words if "--help" in words else small(words)))
    if piece.name:
        assert answer.code == 2, f"{piece.text}: {answer.out}{answer.err}"
        assert piece.name in answer.err, f"{piece.text}: {answer.err}"
    else:
        assert answer.code in ANSWERS.get(words[0], (0,)), f"{piece.text}: {answer.code} {answer.out}{answer.err}"


def check_tool(words: list[str]) -> None:
    """A line of make, pip, pytest or ruff: its targets, extras, paths and tools are there."""
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(words[1:]) <= set(targets), words
    elif words[0] == "pip":
        extras = re.findall(r"\[(\w+)\]", " ".join(words))
        assert set(extras) <= set(PROJECT["project"]["optional-dependencies"]), words
        assert all(re.fullmatch(r"-e|(alpha-zoo|\.)(\[\w+\])?", word) for word in words[2:]), words
    elif words[0] == "python":
        assert all((ROOT / word).exists() for word in words if word.startswith("tests/")), words
    else:
        assert any(words[0] in need for need in PROJECT["project"]["optional-dependencies"]["dev"]), words


def check_options(piece: Piece) -> None:
    """Options in a sentence: known to the command of the line, if it has one; those of a run are checked with it."""
    words = own_words(piece)
    named = " " in piece.name
    commands = [command_of(arguments_of(Piece("command", piece.name)))[0]] if named else every_command()
    options = {word for word in words if re.match(r"--?[a-z]", word)}
    known = {name for command in commands for name in options_of(command)}
    assert options <= known, f"{piece.text}: {options - known} of {piece.name if named else 'any command'}"
    if ANYTHING.search(piece.text):
        return
    if not named and options <= options_of(command_of(["check"])[0]) and len(words) > 1 and not piece.needs:
        data = [] if "--data" in words else ["--data", "years.parquet"]
        answer = run_cli("check", *data, "--models", "linear", "--name", "of_its_own", *words)
        assert answer.code == 0, f"{piece.text}: {answer.err}"


def options_of(command: Any) -> set[str]:
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts)}


def every_command() -> list[Any]:
    top: Any = typer.main.get_command(app)
    found = list(top.commands.values())
    return [inner for c in found for inner in (c, *getattr(c, "commands", {}).values())]


@pytest.fixture(scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's own data and runs. Read only."""
    folder = tmp_path_factory.mktemp("own")
    # Several years for what is looked at only, little for what is trained on.
    panel = zoo.load_panel("planted:local?stocks=6&days=1300")
    panel.to_frame().reset_index().to_parquet(folder / "years.parquet")
    frame = zoo.load_panel("planted:local?stocks=6&days=400").to_frame().reset_index()
    frame.to_parquet(folder / "prices.parquet")
    frame.to_parquet(folder / "new.parquet")
    scores = frame.set_axis([*frame.columns[:2], "score", *frame.columns[3:]], axis=1).iloc[7:, :3]
    for seed in (0, 1):
        scores.to_csv(folder / f"seed{seed}.csv", index=False)
    symbols = panel.symbols.tolist()
    days = f"{panel.days[0]},{panel.days[-1]}"
    (folder / "members.csv").write_text("symbol,start,end\n" + "".join(f"{s},{days}\n" for s in symbols[:5]))
    (folder / "sectors.csv").write_text(
        "symbol,concept\n" + "".join(f"{s},{'AB'[k % 2]}\n" for k, s in enumerate(symbols))
    )
    (folder / "experiment.yaml").write_text("data: {source: prices.parquet, lookback: 5}\nmodels: 'linear,gru'\n")
    told = run_cli("data", "convert", folder / "years.parquet", folder / "cn_data")
    assert told.code == 0, told.err
    instruments = folder / "cn_data" / "instruments"
    shutil.copy(instruments / "all.txt", instruments / "csi300.txt")
    for name, data, models in (
        ("quick", MARKET, "linear,gru,alstm"),
        ("prices", folder / "prices.parquet", "linear,gru"),
        ("planted-mixed", MARKET, "linear"),
    ):
        arguments = (*TRAINED, "--jobs", "1", "--results", folder / "results", "--set", "data.lookback=5")
        ran = run_cli("run", "--data", data, "--name", name, "--models", models, *arguments)
        assert ran.code == 0, ran.err
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_processor() -> Iterator[None]:
    """Trials run in this process: starting others takes longer than what is trained here."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture
def here(own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the reader's folder to work in; what a page registers is forgotten."""
    registry.list_models(), list_markets(), list_metrics()
    for room, table in ((registry, "_specs"), (market_registry, "_markets"), (metric_registry, "_metrics")):
        monkeypatch.setattr(room, table, dict(getattr(room, table)))
    shutil.copytree(own_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    sets = dict(FEATURE_SETS)
    yield tmp_path
    FEATURE_SETS.clear()
    FEATURE_SETS.update(sets)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_from_top_to_bottom(page: str, here: Path):
    namespace: dict[str, Any] = {"__name__": "page"}
    for piece in dict.fromkeys(pieces(PAGES[page])):
        if piece.kind in ("command", "options") and FIRST[piece.same] != page:
            continue
        if piece.kind == "python":
            exec(compile(piece.text, page, "exec"), namespace)
        elif piece.kind == "file":
            (here / piece.name).parent.mkdir(parents=True, exist_ok=True)
            (here / piece.name).write_text(piece.text, encoding="utf-8")
        elif piece.kind == "command":
            run_command(piece)
        else:
            check_options(piece)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_blocks_that_nobody_runs(page: str):
    assert languages(PAGES[page]) <= {"python", "console", "csv", "yaml", "text", "json"}
    untitled = re.findall(r"^ *```(?:csv|yaml) *$", PAGES[page], re.MULTILINE)
    assert untitled == [], "give them a title: the file that is read"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_points_to_exists(page: str):
    here = (ROOT / page).parent
    targets = [t for t in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGES[page]) if "://" not in t]
    assert [t for t in targets if not (here / t).exists()] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("`bench shwo quick`", "no command"),
        ("`bench run --modles gru`", "No such option.*--modles"),
        ("`--set train.lrr=1`", "unknown key 'train.lrr'"),
        ("`--sed 3`", "--sed.* of any command"),
        ("`bench rm prices`, `--fresh`", "--fresh.* of bench rm"),
        ("`make tset`", "tset"),
        ("`pip install 'alpha-zoo[gpu]'`", "gpu"),
        ("`bench run --executor rai` needs a cluster", "rai"),
        ("```console\npython -m bench run --models gruu\n```", "did you mean 'gru'"),
        ("```console\npython -m bench show quick  # refused: no such thing\n```", "show quick"),
    ],
)
def test_a_mistake_in_a_page_is_found(text: str, why: str, here: Path):
    *before, wrong = pieces(text)
    for piece in before:
        parse(arguments_of(piece))
    # Of typer's errors the text may stand in an attribute alone.
    with pytest.raises(Exception) as error:
        run_command(wrong) if wrong.kind == "command" else check_options(wrong)
    assert re.search(why, getattr(error.value, "message", str(error.value)))
