"""The command line; each command imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.commands import attribute as attribute_command
from bench.cli.commands import calibrate as calibrate_command
from bench.cli.commands import describe as describe_command
from bench.cli.commands import leaks as leaks_command
from bench.cli.commands import recommend as recommend_command
from bench.cli.commands import report as report_command
from bench.cli.commands import run as run_command
from bench.cli.commands import show as show_command
from bench.cli.commands import time as time_command
from bench.cli.commands.data import app as data_app
from bench.cli.options import (
    ConceptsOption,
    ConfigArgument,
    DataOption,
    DeviceOption,
    ModelsOption,
    NoCacheOption,
    PluginOption,
    ResultsOption,
    SeedsOption,
    SetOption,
    experiment_of,
    load_plugins,
    prepare,
)
from bench.text.printable import printable
from zoo.errors import ZooError

app = typer.Typer(
    name="bench",
    help="Which network should forecast the returns of your stocks, and how sure can you be?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app)
for command in (
    run_command,
    time_command,
    attribute_command,
    leaks_command,
    calibrate_command,
    report_command,
    recommend_command,
    show_command,
    describe_command,
):
    command.register(app)


@app.command("list")
def list_command(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Name or glob; one name prints its parameters.")
    ] = None,
    plugin: PluginOption = None,
) -> None:
    """List the models, or the parameters of one."""
    load_plugins(plugin)
    from bench.cli import console
    from bench.text.tables import word_table
    from zoo import registry

    names = registry.find_models(model or "*")
    if len(names) == 1:
        spec = registry.get_spec(names[0])
        console.say(f"{spec.name}: {spec.title}. {spec.paper}. Scope {spec.scope}.")
        rows = [[p.name, p.type_name, str(p.default), p.meaning] for p in spec.parameters.values()]
        console.print_table(word_table(["parameter", "type", "default", "meaning"], rows))
        return
    rows = []
    for spec in map(registry.get_spec, names):
        needs = ["concepts"] if spec.needs_concepts else []
        needs += [f"{p} (not installed)" for p in spec.missing_packages()]
        rows.append([spec.name, spec.title, spec.scope, ", ".join(needs), spec.paper])
    console.print_table(word_table(["model", "title", "scope", "needs", "paper"], rows))


@app.command()
def check(
    config: ConfigArgument = None,
    models: ModelsOption = None,
    seeds: SeedsOption = None,
    data: DataOption = None,
    concepts: ConceptsOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    no_cache: NoCacheOption = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Check configuration and data and print what a run would do; trains nothing."""
    prepare(plugin, no_cache)
    experiment = experiment_of(config, seeds, data, concepts, device, overrides, None)
    from bench.cli import console
    from bench.experiment.plan import make_plan
    from bench.records.store import RunStore

    plan = make_plan(experiment, models)
    store = RunStore(results, experiment.name)
    for note in plan.panel.notes:
        console.say(f"note: {note}")
    for fold in plan.folds:
        dates = fold.dates(plan.panel.days)
        spans = ", ".join(f"{name} {a} .. {b}" for name, (a, b) in dates.items())
        console.say(f"fold {fold.index}: {spans}, embargo {fold.embargo} days")
    stored = sum(store.is_done(t.key) for t in plan.trials)
    console.say(
        f"{experiment.name}: {len(plan.trials)} trials ({', '.join(plan.models)}) on {plan.device}, "
        f"{stored} of them stored; config {plan.config_hash}"
    )


@app.command()
def predict(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="A finished run.")],
    model: Annotated[str, typer.Option("--model", help="Which of its models.")],
    data: Annotated[str, typer.Option("--data", "-d", help="New data, with the history each window needs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help=".parquet or .csv")],
    seed: Annotated[int | None, typer.Option("--seed", help="One seed; default: the mean over seeds.")] = None,
    fold: Annotated[int | None, typer.Option("--fold", help="Default: the last fold.")] = None,
    start: Annotated[str | None, typer.Option("--start", help="First day to score, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last day to score.")] = None,
    no_cache: NoCacheOption = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Score new data with a trained model of a run, using the normalisation stored with it."""
    prepare(plugin, no_cache)
    from bench.cli import console
    from bench.experiment.predict import check_output, predict_run, write_scores

    check_output(output)
    scores = predict_run(results, run_name, model, data, seed=seed, fold=fold, start=start, end=end)
    write_scores(scores, output)
    days = scores.index.get_level_values("datetime")
    console.say(
        f"{len(scores)} scores of {days.nunique()} days {days.min():%Y-%m-%d} .. {days.max():%Y-%m-%d}: {output}"
    )


def main() -> None:
    """Entry point: user errors become one message and exit code 2."""
    try:
        app()
    except ZooError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        # A full disk, a folder that may not be written: the user's to mend, no traceback needed.
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
