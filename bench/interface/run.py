"""From an experiment to finished runs and their reports: what the command and the Python interface share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.experiment.config import ExperimentConfig
from bench.experiment.events import Limits
from bench.experiment.executors import Kind, make_executor
from bench.interface.several import expand

if TYPE_CHECKING:
    from bench.advice.facts import Facts
    from bench.experiment.events import Event, Executor
    from bench.experiment.plan import Plan
    from bench.interface.display import Display
    from bench.runner import Outcome
    from bench.tracking.session import Session


@dataclass(frozen=True)
class Conduct:
    """How trials are run; it decides no number.

    Attributes:
        jobs: trials at once, a number or `auto`.
        executor: where they run; `address` is that of a Ray cluster.
        limits: what one trial may take.
        fresh: run stored trials again, on other data too.
        accept_data: go on with data whose returns are wrong.
        plugins: files that register models or metrics, for the workers.
        figures: draw those of the report.
        track: trackers that are told of the run.
    """

    jobs: str = "auto"
    executor: Kind = "processes"
    address: str | None = None
    limits: Limits | None = None
    fresh: bool = False
    accept_data: bool = False
    plugins: tuple[str, ...] = ()
    figures: bool = True
    track: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finished:
    """A run with its report at `path`."""

    name: str
    outcome: Outcome
    facts: Facts
    path: Path


def run_experiment(
    experiment: ExperimentConfig,
    patterns: str | None,
    conduct: Conduct,
    results: Path,
    command: list[str],
    display: Display,
    notes: tuple[str, ...] = (),
) -> Iterator[Finished]:
    """Run an experiment, a run per planted market and horizon where it names several, then report one by one.

    Args:
        patterns: models to run, as `make_plan` takes them.
        command: arguments to repeat the run with, for the report.
        notes: of the data, beside those of their reader.

    Raises:
        ZooError: as `find_trackers`, `make_plan`, `checked_plan`, `execute_plan` and `write_report`.
    """
    from bench.experiment.executors.jobs import count_jobs
    from bench.report import write_report
    from bench.tracking import find_trackers
    from bench.tracking.session import Session

    trackers = find_trackers(conduct.track)
    outcomes: dict[str, tuple[Outcome, Session]] = {}
    for one in expand(experiment).values():
        with display.status("reading the data"):
            plan = checked_plan(one, patterns, conduct.accept_data, display.say)
        plan = replace(plan, panel=plan.panel.with_notes(*(n for n in notes if n not in plan.panel.notes)))
        workers = min(count_jobs(conduct.jobs, plan.panel.values.nbytes, plan.device), len(plan.trials))
        _announce(plan, patterns, workers, display.say)
        executor = make_executor(conduct.executor, workers, conduct.limits, conduct.address)
        session = Session(trackers, results, one.name, display.say)
        outcomes[one.name] = _train(plan, conduct, executor, results, command, display, session), session
    # Once all are trained: the report of a market tells of the others, too.
    for name, (outcome, session) in outcomes.items():
        with session:
            finished = Finished(name, outcome, *write_report(results, name, figures=conduct.figures))
            session.finish(finished.facts)
        yield finished


def checked_plan(
    experiment: ExperimentConfig, patterns: str | None, accept_data: bool, say: Callable[[str], None]
) -> Plan:
    """The plan of an experiment, once what `data validate` finds is told; what was accepted becomes a note.

    Raises:
        ConfigError: as `make_plan`.
        DataError: the returns of the panel are wrong, and that is not accepted.
    """
    from bench.data.validate import find_problems, misleading, verdict
    from bench.experiment.plan import make_plan
    from zoo.errors import DataError

    plan = make_plan(experiment, patterns)
    source, panel = plan.config.data.source, plan.panel
    if source.startswith(("planted:", "installed:")):
        return plan
    problems = find_problems(panel)
    if told := verdict(problems, panel):
        say(told)
    if not (wrong := misleading(problems, panel)):
        return plan
    what = "; ".join(f"{p.headline}, first {p.line(panel, 0)}" for p in wrong)
    if not accept_data:
        raise DataError(
            f"{panel.name}: returns would be wrong: {what}. Mend the data (python -m bench data validate {source} "
            f"lists every place), or go on with --accept-data"
        )
    return replace(plan, panel=panel.with_notes(f"accepted with --accept-data: {what}"))


def _train(
    plan: Plan,
    conduct: Conduct,
    executor: Executor,
    results: Path,
    command: list[str],
    display: Display,
    session: Session,
) -> Outcome:
    from bench.runner import execute_plan

    with session, display.trials(plan.rows) as on_event:

        def on_start(pending: int, stored: int) -> None:
            on_event.set_total(pending)
            if stored:
                display.say(f"{stored} trial(s) are stored and not trained again (--fresh would)")
            if not pending:
                display.say("nothing to train: every trial of this run is stored")
            session.begin()

        def tell(event: Event) -> None:
            on_event(event)
            session.on_event(event)

        return execute_plan(
            plan,
            results,
            command,
            executor=executor,
            fresh=conduct.fresh,
            plugins=conduct.plugins,
            on_event=tell,
            on_start=on_start,
            on_damage=display.say,
        )


def _announce(plan: Plan, models: str | None, workers: int, say: Callable[[str], None]) -> None:
    """What a run will do, with which kernel."""
    from bench.records.machine import recurrence

    for note in (*plan.panel.notes, *plan.external_notes, *filter(None, (fold.note for fold in plan.folds))):
        say(f"note: {note}")
    experiment, panel = plan.config, plan.panel
    say(
        f"{experiment.name}: {', '.join(plan.rows)} on {panel.name} "
        f"({panel.n_days} days x {panel.n_stocks} stocks), seeds {','.join(map(str, experiment.seeds))}, "
        f"{len(plan.folds)} fold(s), {plan.device}, {workers} job(s)"
        f"{f'; recurrent nets: {recurrence()}' if plan.device == 'cpu' else ''}"
    )
    if experiment.baseline and models and experiment.baseline == plan.models[-1]:
        say(f"{experiment.baseline} is the baseline that differences are taken to")
