"""`bench.compare`: a run of the benchmark as one call, on the store, the reader and the runner of the command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from bench.experiment.config import load_config
from bench.experiment.events import Limits
from bench.experiment.executors import Kind
from bench.experiment.presets import DEFAULT_CONFIG
from bench.experiment.workflow import workflow_notes
from bench.interface.display import display_here
from bench.interface.own_data import own_data
from bench.interface.prepare import prepare
from bench.interface.result import Result
from bench.interface.run import Conduct, run_experiment
from bench.interface.settings import command_of, configure, dotted_settings, seed_list
from bench.interface.several import Results, expand
from bench.records.store import RunStore
from zoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from zoo.data.panel import Panel

_TOLD = "compare()"


def compare(
    data: str | Path | pd.DataFrame | Panel | None = None,
    models: str | Iterable[str] | Mapping[str, Any] | None = None,
    *,
    seeds: int | str | Iterable[int] | None = None,
    config: str | Path | None = None,
    name: str | None = None,
    results: str | Path = "results",
    jobs: int | str = "auto",
    executor: Kind = "processes",
    address: str | None = None,
    fresh: bool = False,
    trial_timeout: float | None = None,
    trial_memory: float | None = None,
    plugins: str | Path | Iterable[str | Path] = (),
    accept_data: bool = False,
    figures: bool = True,
    track: str | Iterable[str] = (),
    scores: Mapping[str, Any] | None = None,
    progress: bool = True,
    **settings: Any,
) -> Result | Any:
    """Train, score and compare; what is stored is not trained again.

    The same settings give the same trials as `python -m bench run`, under the same keys and in the same store.

    Args:
        data: a path, `planted:MARKET` or `installed:NAME`, a frame (long or wide) or a panel; default: the
            experiment's. Frames and panels are kept under `<results>/data/`.
        models: names and globs, as a list or `"a*,tcn"`, or a mapping model -> {params, train}; default: the
            experiment's.
        seeds: how many (3), or which ([0, 5, 7]); default: the experiment's, 3 in the built-in one.
        config: an experiment YAML, a workflow file of qlib, or the name of one that comes with the package; default:
            `quick`.
        name: of the run; default: the data's.
        results: folder of runs and reports.
        jobs: trials at once, a number or `auto`: as processors and memory allow, on a GPU 1.
        executor: where trials run, `processes` or `ray`; `address` is that of a Ray cluster.
        fresh: train stored trials again; other data may replace the run's.
        trial_timeout: seconds that one trial may take.
        trial_memory: GB that the process of one trial may hold.
        plugins: Python files that register models, markets or metrics.
        accept_data: go on with data whose returns are wrong.
        figures: draw the figures of the report.
        track: trackers that are told of the run, `mlflow` or `tensorboard`; what they need is an extra of that name.
        scores: rows of scores from elsewhere: name -> path, Series or frame indexed (datetime, instrument), or a list
            of these, one per seed.
        progress: tell notes on the data and what happens; False is silent.
        settings: every other key of an experiment (`train={"lr": 5e-4}`, `size`, `baseline`, `portfolio`, ...) and of
            its data section (`features`, `lookback`, `label`, `split`, `universe`, `concepts`, `start`, ...). Of a
            section only the keys that are named change.

    Returns:
        The result; of several planted markets (`markets=["local", "long"]`) or horizons
        (`label={"horizon": [1, 5, 20]}`) a mapping of results, by market and `h5`, with one table of all.

    Raises:
        ZooError: an unknown setting, model or file, or data that cannot be used; before any work.
    """
    files = [str(plugin) for plugin in ([plugins] if isinstance(plugins, (str, Path)) else plugins)]
    prepare(files)
    chosen = dotted_settings(settings, also=("models", "seeds", "name", "config", "results", "jobs", "plugins"))
    chosen |= {} if name is None else {"name": name}
    chosen |= {} if seeds is None else {"seeds": seed_list(seeds)}
    if scores is not None:
        from bench.experiment.entries.external import kept_scores

        chosen["scores"] = kept_scores(scores, Path(results) / "data")
    if isinstance(models, Mapping):
        chosen["models"] = dict(models)
    patterns = None if models is None or isinstance(models, Mapping) else models
    patterns = patterns if patterns is None or isinstance(patterns, str) else ",".join(patterns)
    notes: tuple[str, ...] = ()
    folder = Path(results)
    if data is not None:
        own = own_data(data, load_config(config or DEFAULT_CONFIG, chosen, _TOLD).data, folder / "data", name)
        chosen |= {"data.source": own.source, **own.settings}
        notes = own.notes
    experiment = configure(config, chosen, _TOLD)
    if executor not in get_args(Kind):
        raise ConfigError(
            f"compare(): executor '{executor}'{did_you_mean(executor, get_args(Kind))}: must be processes or ray"
        )
    tracked = (track,) if isinstance(track, str) else tuple(track)
    limits = Limits(trial_timeout, None if trial_memory is None else int(trial_memory * 1e9))
    conduct = Conduct(str(jobs), executor, address, limits, fresh, accept_data, tuple(files), figures, tracked)
    command = command_of(config, patterns, chosen, files)
    display = display_here(progress)
    for note in workflow_notes(config):
        display.say(f"note: {note}")
    for finished in run_experiment(experiment, patterns, conduct, folder, command, display, notes):
        outcome = finished.outcome
        display.say(
            f"{finished.name}: {outcome.trained} trained, {outcome.stored} stored, {outcome.failed} failed; report: "
            f"{finished.path}"
        )
    runs = {key: Result(RunStore.open(folder, one.name)) for key, one in expand(experiment).items()}
    return Results(runs) if experiment.markets or experiment.horizons else runs[""]
