"""What a large comparison costs on this machine: measured steps, extrapolated to all trials.

    python -m tests.benchmarks.bench_cost [--models '*'] [--stocks 300] [--days 3000] [--seeds 20] [--epochs 30]

Settings are those of `configs/full.yaml` (alpha360, published sizes). Measured is CPU time of one thread: two fits of
few steps, on a short market of as many stocks, give the seconds of a step and of a validated row; a model that is
fitted as a whole is fitted once. Computed is the rest: steps of an epoch and rows of the valid segment at the length
asked for, times epochs and seeds; whole fits grow with their rows. Epochs are an assumption: training ends by patience.
"""

from __future__ import annotations

import argparse
import time

from bench.experiment.config import load_config
from bench.experiment.plan import make_plan
from bench.experiment.trial import dataset_of
from bench.records.machine import cpu_name, torch_threads
from zoo import trainer
from zoo.data.windows import Dataset
from zoo.kernels import recurrent_backend
from zoo.registry import build, get_spec

SHORT_DAYS, FEW, MORE = 400, 2, 8
TRAIN_SHARE, VALID_SHARE = 0.6, 0.2


def fit_seconds(dataset: Dataset, model: str, params: dict, config: object, steps: int) -> float:
    """CPU seconds of one epoch of so many steps, validation included."""
    trainer.seed_everything(0)
    network = build(model, n_features=dataset.n_features, lookback=dataset.lookback, **params)
    short = config.model_copy(update={"max_epochs": 1, "max_steps_per_epoch": steps})
    began = time.process_time()
    trainer.fit(network, dataset.train, dataset.valid, short, scope=get_spec(model).scope)
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="*")
    for name, default in (("stocks", 300), ("days", 3000), ("seeds", 20), ("epochs", 30)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    source = f"planted:mixed?stocks={asked.stocks}&days={SHORT_DAYS}"
    plan = make_plan(load_config("full", {"data.source": source, "seeds": [0]}), asked.models)
    rows = asked.stocks * (TRAIN_SHARE * asked.days - plan.config.data.lookback)
    valid_rows = asked.stocks * VALID_SHARE * asked.days
    print(f"{cpu_name()}, one thread, recurrent networks by {recurrent_backend()}; {plan.config.data.features}")
    print(f"{'model':12} {'step ms':>9} {'epoch min':>10} {'fit h':>8} {f'{asked.seeds} seeds h':>12}")
    total = 0.0
    with torch_threads(1):
        dataset = dataset_of(plan.panel, plan.config.data, 0, "cpu")
        for trial in plan.trials:
            fit_seconds(dataset, trial.model, trial.params, trial.train, 1)
            few, more = (fit_seconds(dataset, trial.model, trial.params, trial.train, n) for n in (FEW, MORE))
            if get_spec(trial.model).gradient_trained:
                step = (more - few) / (MORE - FEW)
                judged = max(few - FEW * step, 0.0) * valid_rows / dataset.valid.n_rows
                epoch = step * rows / dataset.train.rows_per_step(trial.train.batch_size) + judged
                hours = epoch * asked.epochs / 3600
                shown = f"{1000 * step:9.1f} {epoch / 60:10.2f}"
            else:
                hours, shown = few * rows / dataset.train.n_rows / 3600, f"{'-':>9} {'-':>10}"
            total += hours * asked.seeds
            print(f"{trial.model:12} {shown} {hours:8.2f} {hours * asked.seeds:12.1f}", flush=True)
    print(f"all: {total:.0f} core hours at {asked.epochs} epochs a fit, {asked.stocks} stocks x {asked.days} days")


if __name__ == "__main__":
    main()
