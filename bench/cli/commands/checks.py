"""`python -m bench leaks`, `calibrate` and `attribute`: what can be trusted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.console import elapsed, print_table
from bench.cli.options import DataOptions, FreshOption, ModelsOption, PluginOption, ResultsOption, prepare
from bench.interface.console import say, status
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from bench.experiment.config import ExperimentConfig


def leaks(
    options: DataOptions,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the findings to this file.")] = None,
) -> None:
    """Look for look-ahead in data, features, labels, segments and models; exit code 1 if any is found."""
    # On the CPU, where the same numbers give the same bits.
    experiment = options.experiment(device="cpu")
    from bench.interface.several import expand
    from bench.leaks import write_findings

    records = [_check_one(one, options.models) for one in expand(experiment).values()]
    if json_file is not None:
        write_findings(json_file, records)
        say(f"findings: {json_file}")
    raise typer.Exit(0 if all(r["passed"] for r in records) else 1)


def _check_one(experiment: ExperimentConfig, models: str | None) -> dict[str, Any]:
    from bench.experiment.plan import make_plan
    from bench.leaks import findings_record, findings_table, make_subjects, run_all

    began = time.perf_counter()
    with status("reading the data"):
        plan = make_plan(experiment, models)
        subjects = make_subjects(plan)
    with status("checking"):
        findings = run_all(subjects)
    print_table(findings_table(findings))
    say("")
    for name, why in (pair for subject in subjects for pair in subject.skipped.items()):
        say(f"not checked: {name}: {why}")
    for name in experiment.scores:
        say(f"not checked: {name}: external, scores from files: whether they look ahead cannot be checked")
    failed = [f.check for f in findings if not f.passed]
    sample, n_models = subjects[0].sample, sum(len(s.contenders) for s in subjects)
    say(
        f"{experiment.name} on {plan.panel.name}: {len(findings) - len(failed)} of {len(findings)} checks pass"
        f"{', failed: ' + ', '.join(failed) if failed else ''}; {n_models} model(s) on a sample of "
        f"{sample.n_stocks} stocks x {sample.n_days} days, {elapsed(began)}"
    )
    return findings_record(experiment.name, experiment.data.source, plan.config_hash, findings)


def calibrate(
    repeats: Annotated[int, typer.Option("--repeats", "-n", min=1, help="Fresh markets of each kind.")] = 200,
    model: Annotated[str, typer.Option("--model", help="Trained under two names.")] = "mlp",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Networks per name, averaged.")] = 3,
    markets: Annotated[str, typer.Option("--markets", help="Planted markets, comma list.")] = "null,mixed",
    stocks: Annotated[int, typer.Option("--stocks", min=4)] = 60,
    days: Annotated[int, typer.Option("--days", min=100)] = 400,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    results: ResultsOption = Path("results"),
) -> None:
    """Train the same model under two names, many times: how often do they differ? Writes calibration.json."""
    from bench.report.tables.significance import calibration_table
    from bench.scores import self_test

    names = tuple(dict.fromkeys(name.strip() for name in markets.split(",") if name.strip()))
    settings = self_test.CalibrationSettings(
        repeats=repeats, model=model, seeds=seeds, markets=names, stocks=stocks, days=days, seed=seed
    )
    began = time.perf_counter()

    def on_repeat(market: str, done: int) -> None:
        if done % 50 == 0 or done == repeats:
            say(f"{market}: {done} of {repeats} repeats, {elapsed(began)}")

    print_table(calibration_table(self_test.calibrate(results, settings, on_repeat)))
    say(f"{results / self_test.FILE}")


def attribute(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="A finished run.")],
    models: ModelsOption = None,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, help="Test days, evenly spread; default: 12, and 5 against a planted truth."),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", help="first: one trial of each model; all; default: all, first against the truth."),
    ] = None,
    fresh: FreshOption = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Tell what a run's forecasts rest on; on a planted market, score explanations against what it reads."""
    if seeds not in (None, "first", "all"):
        raise ConfigError(f"--seeds {seeds}: must be first or all")
    prepare(plugin)
    from bench.attribution import importance, importance_frames
    from bench.attribution.frames import interpretability_frame, interpretability_scores
    from bench.attribution.run import measure_attributions
    from bench.attribution.trial import Effort
    from bench.attribution.truth import NoTruthError
    from bench.experiment.entries.names import matching
    from bench.records.store import RunStore
    from bench.report.tables.importance import importance_table, input_table
    from bench.report.tables.interpretability import interpretability_table, method_table

    store = RunStore.open(results, run_name)
    for why in store.damages():
        say(why)
    chosen = matching(models, store.run()["models"]) if models else None
    sample = importance.Sample() if days is None else importance.Sample(days=days)
    failures = importance.measure_importance(
        store,
        models=chosen,
        all_seeds=seeds != "first",
        sample=sample,
        fresh=fresh,
        on_trial=lambda model, seed, seconds: say(f"{model} seed {seed}: importance, {seconds:.1f} s"),
    )
    tables = [
        importance_table(importance_frames.importance_frame(store)),
        input_table(importance_frames.input_frame(store, importance_frames.TOP)),
    ]
    try:
        failures |= measure_attributions(
            store,
            models=chosen,
            all_seeds=seeds == "all",
            effort=Effort() if days is None else Effort(days=days),
            fresh=fresh,
            on_trial=lambda model, seed, seconds: say(f"{model} seed {seed}: against the truth, {seconds:.1f} s"),
        )
        tables += [interpretability_table(interpretability_scores(store)), method_table(interpretability_frame(store))]
    except NoTruthError as why:
        say(f"no truth to compare with: {why}")
    for table in tables:
        if table is not None:
            print_table(table)
            say("")
    for name in store.run()["config"].get("scores", {}):
        say(f"not explained: {name}: external, there is no network")
    for model, why in failures.items():
        say(f"failed: {model}: {why}")
    raise typer.Exit(1 if failures else 0)
