"""`bench data ...`: look at data files, check, convert, fetch and plant them, and export factors."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import progress
from bench.cli.options import NoCacheOption, PluginOption, SafeCsvOption, SkipOption, prepare, say_formulas
from bench.interface.console import say, status
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from bench.data.inspect import Overview
    from bench.data.validate import Problem
    from zoo.data.panel import Panel

app = typer.Typer(
    name="data",
    help="Look at data files, check, convert, fetch and plant them; export factors.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="CSV, Parquet, a folder of them, qlib folder or folder#MARKET, installed:NAME, planted:MARKET.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=0, help="Cells printed per check.")]


class Form(StrEnum):
    """How a planted market is written."""

    parquet = "parquet"
    qlib = "qlib"


@app.command()
def inspect(
    source: SourceArgument,
    figure: Annotated[Path | None, typer.Option("--figure", help="Coverage as a picture: FILE.png, .svg, .pdf")] = None,
    limit: LimitOption = 3,
    no_cache: NoCacheOption = False,
    skip_bad_files: SkipOption = False,
) -> None:
    """Show size, coverage, gaps, jumps, suspected splits, stale quotes and whatever else is strange."""
    from bench.data.inspect import coverage_figure, heatmap

    overview = _overview(source, no_cache, skip_bad_files)
    say(overview.headline)
    for note in overview.panel.notes:
        say(f"note: {note}")
    say("")
    for line in heatmap(overview, plain=not _prints(sys.stdout.encoding, "█▓▒░·")):
        say(line)
    say("")
    _say_problems(overview.problems, overview.panel, limit)
    say("")
    say(overview.survivorship)
    if figure is not None:
        coverage_figure(overview.panel, figure)
        say(f"figure: {figure}")


@app.command()
def validate(
    source: SourceArgument,
    limit: LimitOption = 20,
    no_cache: NoCacheOption = False,
    skip_bad_files: SkipOption = False,
) -> None:
    """Check values that cannot be true; exit code 2 if there are any."""
    overview = _overview(source, no_cache, skip_bad_files)
    errors = [p for p in overview.problems if p.error]
    odd = [p for p in overview.problems if not p.error and p.count]
    _say_problems(errors, overview.panel, limit)
    for problem in odd:
        say(f"warning: {problem.headline}")
    total = sum(p.count for p in errors)
    say(f"{overview.panel.name}: {total:,} error(s), {sum(p.count for p in odd):,} warning(s)")
    raise typer.Exit(2 if total else 0)


@app.command()
def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", help="What to read, as for --data.")],
    target: Annotated[str, typer.Argument(metavar="DST", help=".parquet, .csv, .csv.gz, or a folder: qlib's format.")],
    safe_csv: SafeCsvOption = False,
    force: ForceOption = False,
    no_cache: NoCacheOption = False,
    skip_bad_files: SkipOption = False,
) -> None:
    """Write data in another format, exact in float32, membership and concepts kept."""
    from zoo.data.writers import ending_of, read_exact, write_panel

    ending = ending_of(target)
    prepare(no_cache=no_cache)
    with status("reading the data"):
        panel = read_exact(source, skip_bad_files=skip_bad_files)
    formulas = _formulas(panel) if ending.startswith(".csv") else []
    if formulas and safe_csv:
        panel = _prefixed(panel, formulas)
    with progress("writing, then reading back") as step:
        written = write_panel(panel, target, force=force, on_step=step)
    say_formulas(formulas, safe_csv)
    say(f"{panel.n_stocks:,} stocks x {panel.n_days:,} days written, read back and found equal: {written[0]}")
    for companion in written[1:]:
        use = "--set data.universe.file=" if companion.name.endswith(".members.txt") else "--concepts "
        say(f"beside it: {companion} (for runs: {use}{companion})")
    if not ending and panel.concepts is not None:
        say(f"inside it: concepts.csv (for runs: --concepts {written[0] / 'concepts.csv'})")


@app.command()
def fetch(
    source: Annotated[str | None, typer.Argument(metavar="NAME|URL", help="Without it the names are listed.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to put it in.")] = Path("data"),
    sha256: Annotated[str | None, typer.Option("--sha256", help="Checksum the download must have.")] = None,
    max_gb: Annotated[float, typer.Option("--max-gb", min=0, help="Largest download, packed and unpacked.")] = 20.0,
    force: ForceOption = False,
) -> None:
    """Download data and unpack archives; the same command resumes an interrupted download."""
    from bench.data.fetch import NAMED
    from bench.data.fetch import fetch as fetch_data

    if source is None:
        for name, known in NAMED.items():
            say(f"{name}: {known.about}\n  {known.url}")
        return
    most = int(max_gb * 2**30)
    with progress("connecting", in_bytes=True) as step:
        got = fetch_data(
            source,
            output,
            sha256=sha256,
            force=force,
            most_bytes=most,
            on_bytes=lambda what, done, total: step(done, total, what),
        )
    say(f"{got.path}: {got.files:,} file(s) from {got.url}")
    say(f"sha256 {got.sha256} (--sha256 asks for this very release)")
    hint = NAMED[source].hint if source in NAMED else ""
    say(f"next: python -m bench data inspect {got.path}{hint}")


@app.command()
def plant(
    market: Annotated[str | None, typer.Argument(help="Without it the markets are listed.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder to make; needed with MARKET.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE: stocks, days, rho, ...")] = None,
    form: Annotated[Form, typer.Option("--format", help="How the prices are written.")] = Form.parquet,
    force: ForceOption = False,
    plugin: PluginOption = None,
) -> None:
    """Write a simulated market whose predictable part is known, with the truth beside it."""
    prepare(plugin)
    from bench.data.plant import TRUTH
    from bench.data.plant import plant as plant_market

    if market is None:
        from zoo.data.sources.planted import get_market, list_markets

        for known in map(get_market, list_markets()):
            say(f"{known.name}: reads {known.reads}; tests {known.tests}")
        return
    if output is None:
        raise ConfigError(f"data plant {market}: name the folder to make with --output")
    with status("simulating"):
        planted, told = plant_market(market, output, settings or [], form=form.value, force=force)
    files = told["files"]
    say(
        f"{planted.panel.name}: {planted.params.stocks:,} stocks x {planted.params.days:,} days in {output}; "
        f"designed IC {told['oracle_ic']:.4f}, the oracle's on these days {told['oracle_ic_of_these_days']:.4f} "
        f"({output / TRUTH})"
    )
    say(
        f"next: python -m bench run --data {output / files['data']} --concepts {output / files['concepts']} "
        f"--set data.lookback={planted.params.lookback}"
    )


@app.command()
def features(
    name: Annotated[str, typer.Argument(metavar="SET", help="alpha158, alpha158_20, alpha360 or raw.")],
    source: Annotated[str, typer.Argument(metavar="SRC", help="What to read, as for --data.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="FILE.parquet")],
    normalize: Annotated[bool, typer.Option("--normalize", help="Robust z-score; needs --fit-end.")] = False,
    fit_end: Annotated[str | None, typer.Option("--fit-end", help="Last day of the train segment.")] = None,
    fit_start: Annotated[str | None, typer.Option("--fit-start", help="Its first day; default: the data's.")] = None,
    force: ForceOption = False,
    no_cache: NoCacheOption = False,
    skip_bad_files: SkipOption = False,
) -> None:
    """Write factors as a frame indexed (datetime, instrument), streamed so that memory stays bounded."""
    from zoo.data.export import check_options, write_features
    from zoo.errors import DataError

    if output.suffix.lower() != ".parquet":
        raise DataError(f"{output}: factors are written as Parquet; give a name that ends in .parquet")
    if output.exists() and not force:
        raise DataError(f"{output}: exists already; --force replaces it")
    check_options(name, normalize, fit_end, fit_start)
    panel = _load(source, no_cache, skip_bad_files)
    with progress(f"computing {name}") as step:
        rows, columns = write_features(
            panel, name, output, normalize=normalize, fit_end=fit_end, fit_start=fit_start, on_step=step
        )
    say(f"{rows:,} rows x {columns} factors of {panel.name}: {output}")


def _formulas(panel: Panel) -> list[str]:
    """The names of stocks and concepts that a spreadsheet would execute."""
    from bench.experiment.predict import executable_names

    return executable_names([*panel.symbols.tolist(), *(panel.concepts.names if panel.concepts else ())])


def _prefixed(panel: Panel, names: list[str]) -> Panel:
    """The panel with a ' before these names, its stocks in the order of the new ones."""
    import numpy as np

    safe = {name: f"'{name}" for name in names}
    symbols = np.array([safe.get(symbol, symbol) for symbol in panel.symbols.tolist()])
    order, concepts = np.argsort(symbols), panel.concepts
    if concepts is not None:
        spans = {"start": concepts.start[:, order], "end": concepts.end[:, order]}
        concepts = replace(concepts, names=tuple(safe.get(name, name) for name in concepts.names), **spans)
    values = panel.stock_major[order].transpose(1, 0, 2)
    return replace(panel, symbols=symbols[order], values=values, member=panel.member[:, order], concepts=concepts)


def _load(source: str, no_cache: bool, skip_bad_files: bool) -> Panel:
    from zoo.data.sources import load_panel

    prepare(no_cache=no_cache)
    with status("reading the data"):
        return load_panel(source, skip_bad_files=skip_bad_files)


def _overview(source: str, no_cache: bool, skip_bad_files: bool) -> Overview:
    from bench.data.inspect import inspect_panel

    panel = _load(source, no_cache, skip_bad_files)
    with progress("checking") as step:
        return inspect_panel(panel, source, step)


def _say_problems(problems: list[Problem], panel: Panel, limit: int) -> None:
    for problem in problems:
        if not problem.count:
            continue
        say(f"{'ERROR ' if problem.error else ''}{problem.headline}")
        for k in range(min(limit, problem.count)):
            say(f"    {problem.line(panel, k)}")
        if limit and problem.count > limit:
            say(f"    and {problem.count - limit:,} more (--limit shows more)")
    clean = [problem.title for problem in problems if not problem.count]
    if clean:
        say(f"none: {'; '.join(clean)}")


def _prints(encoding: str | None, text: str) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
