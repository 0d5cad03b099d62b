"""Run a plan: refuse what cannot go well, skip what is stored, execute the rest, measure latency."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.experiment.entries.names import network_of
from bench.experiment.entries.trials import ExternalTrial, store_external
from bench.experiment.events import Done, Event, Executor, Failed
from bench.experiment.executors.inline import run_inline
from bench.experiment.formulas import compute_outdated
from bench.experiment.plan import Plan
from bench.experiment.trial import panel_at_hand
from bench.metrics import Scored, metric
from bench.metrics.daily import check_metrics
from bench.portfolio.backtest import check_benchmark, measure_backtests
from bench.records.documents import read_json
from bench.records.runs import locked
from bench.records.store import ORACLE, RunStore, digest
from bench.scores.diagnostics import measure_diagnostics
from bench.scores.rows import frame_columns
from bench.speed.after_run import measure_latency
from zoo import trainer
from zoo.data.files import whole_file
from zoo.data.labels import raw_label, train_label
from zoo.errors import ConfigError, UnavailableError


@dataclass(frozen=True)
class Outcome:
    """How many trials were trained, found stored, and failed; of how many stored ones metrics were computed anew."""

    trained: int
    stored: int
    failed: int
    recomputed: int


def check_run(plan: Plan, store: RunStore, *, fresh: bool = False) -> dict[str, str]:
    """Find out before the work what `make_plan` cannot know; reads only.

    Returns:
        The models whose trials will fail, and why; the others can be compared without them.

    Raises:
        ConfigError: the run is there and holds other data, or its description is damaged (`fresh` allows to replace
            it), or a metric fails or has the name of another column.
        DataError: the portfolio's benchmark cannot be used.
    """
    check_benchmark(plan)
    frame_columns()
    check_metrics()
    stored = read_json(store.folder / "run.json")
    run = stored.content if fresh else stored.unless_damaged()
    mine = plan.panel.fingerprint
    if not fresh and run is not None and run["data"]["fingerprint"] != mine:
        raise ConfigError(
            f"run '{store.name}' under {store.results / 'runs'} holds other data: {run['data']['source']} (fingerprint "
            f"{run['data']['fingerprint'][:12]}), not {plan.config.data.source} (fingerprint {mine[:12]}); give this "
            f"run another --name, or replace that one with --fresh"
        )
    return {model: why for model in plan.models if (why := _unmet(model, plan))}


def _unmet(model: str, plan: Plan) -> str:
    try:
        trainer.check_requirements(network_of(model, plan.config.models), plan.panel.concepts is not None)
    except UnavailableError as error:
        return str(error)
    return ""


def execute_plan(
    plan: Plan,
    results: Path,
    command: list[str],
    *,
    executor: Executor = run_inline,
    fresh: bool = False,
    plugins: Sequence[str] = (),
    on_event: Callable[[Event], None] = lambda event: None,
    on_start: Callable[[int, int], None] = lambda pending, stored: None,
    on_damage: Callable[[str], None] = lambda why: None,
) -> Outcome:
    """Run the trials of a plan that are not stored yet (`fresh`: all of them).

    Args:
        plan: what to run.
        results: the results folder.
        command: arguments to repeat the run with, for the report.
        executor: where trials run.
        fresh: run stored trials again too.
        plugins: files that register models, for the workers.
        on_event, on_start: progress; `on_start(pending, stored)` comes first.
        on_damage: told of each stored file that is damaged, before it is made again.

    Raises:
        ConfigError: another process is running the same run, or as `check_run`.
        DataError: as `check_run`.
    """
    store = RunStore(results, plan.config.name)
    check_run(plan, store, fresh=fresh)
    store.trials.mkdir(parents=True, exist_ok=True)
    with locked(store):
        store.sweep()
        for why in store.damages():
            on_damage(why)
        store.write_run({**plan.describe(command), "oracle": _write_oracle(plan, store)})
        pending = [t for t in plan.trials if fresh or not store.is_done(t.key)]
        stored = [t.key for t in plan.trials if t not in pending]
        if fresh:
            shutil.rmtree(store.unfinished, ignore_errors=True)
        on_start(len(pending), len(stored))
        recomputed = compute_outdated(plan, store, stored)
        failures: list[Failed] = []

        def emit(event: Event) -> None:
            if isinstance(event, Failed):
                failures.append(event)
                store.write_failure(
                    event.trial.key,
                    {
                        "model": event.trial.model,
                        "fold": event.trial.fold,
                        "seed": event.trial.seed,
                        "error": event.error,
                        "details": event.details,
                    },
                )
            on_event(event)

        for trial in (t for t in pending if isinstance(t, ExternalTrial)):
            on_event(Done(trial, store_external(trial, plan, store)))
        trained = [t for t in pending if not isinstance(t, ExternalTrial)]
        if trained:
            with panel_at_hand(trained[0].reading, plan.panel):
                executor(trained, store, list(plugins), emit)
        done = [t.key for t in plan.trials if store.is_done(t.key)]
        measure_latency(plan, store, done)
        measure_backtests(plan, store, done)
        measure_diagnostics(plan, store, done)
    return Outcome(len(pending) - len(failures), len(stored), len(failures), recomputed)


def _write_oracle(plan: Plan, store: RunStore) -> str | None:
    """Daily IC of the true signal over the test days, where the market is planted; gives the checksum of the file."""
    path = store.folder / ORACLE
    if not plan.config.data.source.startswith("planted:"):
        path.unlink(missing_ok=True)
        return None
    from zoo.data.sources.planted import planted_market_from_spec

    market = planted_market_from_spec(plan.config.data.source)
    label = raw_label(plan.panel, plan.config.data.label)
    days = np.concatenate([np.arange(f.test.start, f.test.stop) for f in plan.folds])
    # The ceiling is that of the rows that models are scored on.
    restricted = {t.fold: t.restrict for t in plan.trials}
    signal = np.concatenate([restricted[f.index](market.signal[f.test.start : f.test.stop]) for f in plan.folds])
    scored = Scored(signal, label[days], train_label(label[days]))
    frame = pd.DataFrame(
        {
            "datetime": plan.panel.days[days].astype("datetime64[ns]"),
            "ic": metric("ic").series(scored),
            "rank_ic": metric("rank_ic").series(scored),
            "designed_ic": market.oracle_ic,
        }
    )
    with whole_file(path) as temporary:
        frame.to_parquet(temporary, index=False)
    return digest(path)
