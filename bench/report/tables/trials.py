"""What a stored trial says about itself, for `bench show RUN/TRIAL`. Imports no torch."""

from __future__ import annotations

from typing import Any

from bench.experiment.formulas import read_daily
from bench.metrics import Metric, list_metrics
from bench.metrics.daily import summary
from bench.records.documents import strict
from bench.records.store import RunStore, known
from bench.report.tables.main import trained_text
from bench.stats.bootstrap import block_length, bootstrap_means, interval
from bench.text.cells import cell_of, digits
from bench.text.tables import Column, Table
from zoo.config import DataConfig, feature_text

DRAWS = 2000


def with_intervals(store: RunStore, record: dict[str, Any]) -> dict[str, Any]:
    """The record as strict JSON, its metrics as the code computes them, 95 % intervals over days beside the means."""
    daily = read_daily(store, record)
    metrics = summary(daily)
    least = DataConfig.model_validate({"label": record["data"]["label"]}).label.overlap
    for metric in _means():
        values = daily[metric.name].to_numpy(dtype=float)
        low, high = interval(bootstrap_means(values, draws=DRAWS, seed=0, block=block_length(values, least)))
        metrics |= {f"{metric.name}_low": float(low[0]), f"{metric.name}_high": float(high[0])}
    return strict({**record, "metrics": metrics})


def _means() -> list[Metric]:
    """The metrics that are means over days of a daily series."""
    return [m for m in list_metrics(derived=False) if m.in_frame and m.pooled == "days"]


def lines(trial: dict[str, Any]) -> list[str]:
    """Model, data, treatment and cost of a trial of `with_intervals`, a line each."""
    if "external" in trial:
        return _external_lines(trial)
    data, fit, set_here = trial["data"], trial["fit"], trial["params_set"]
    params = ", ".join(f"{k} {_text(v)}{'' if k in set_here else ' (default)'}" for k, v in trial["params"].items())
    spans = ", ".join(f"{name} {first} .. {last}" for name, (first, last) in trial["segments"].items())
    train = ", ".join(f"{k} {_text(v)}" for k, v in trial["train"].items())
    rows = f"; {fit['steps']} steps of {fit['rows_per_step']} rows" if fit["history"] else ""
    how = trained_text(fit)
    name = trial["title"] if "network" in trial else f"{trial['title']} ({trial['model']})"
    return [
        f"{name}, fold {trial['fold']}, seed {trial['seed']}, trial {trial['key']}",
        f"parameters: {params or 'none'}; {trial['n_parameters']:,} trained numbers, scope {trial['scope']}",
        f"data: {data['source']}, features {feature_text(data['features'])}, lookback {data['lookback']}; "
        f"fingerprint {trial['fingerprint']}",
        f"segments: {spans}",
        f"training: {train}" if fit["history"] else f"training: fitted as a whole, loss {trial['train']['loss']}",
        f"fit: {digits(fit['seconds'], '.1f')} s on {trial['device']}{f'; {how}' if how else ''}{rows}; "
        f"scores of the test days in {digits(trial['predict_seconds'], '.2f')} s",
        f"versions: {', '.join(f'{k} {v}' for k, v in trial['versions'].items())}",
    ]


def _external_lines(trial: dict[str, Any]) -> list[str]:
    spans = ", ".join(f"{name} {first} .. {last}" for name, (first, last) in trial["segments"].items())
    return [
        f"{trial['model']}, fold {trial['fold']}, file {trial['seed']}, trial {trial['key']}",
        f"external: scores of {trial['external']}; whether they look ahead cannot be checked",
        f"data: {trial['data']['source']}; fingerprint {trial['fingerprint']}",
        f"segments: {spans}",
    ]


def metrics_table(trial: dict[str, Any]) -> Table:
    """The metrics on the test days of a trial of `with_intervals`."""
    figures = {name: known(value) for name, value in trial["metrics"].items()}
    means = _means()
    others = [m for m in list_metrics() if m.in_frame and m not in means]
    rows = [[m.title, cell_of(figures, m.name, trial["key"])] for m in (*means, *others)]
    columns = [Column("metric", f"{figures['days']:.0f} test days"), Column("mean", "mean [95 %]", ".4f~")]
    return Table("trial", columns, rows)


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
