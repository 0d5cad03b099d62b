"""A description as tables and sentences of finished text."""

from __future__ import annotations

from typing import Any

from bench.anatomy import cost
from bench.anatomy.describe import STOCKS, Description
from bench.experiment.config import ExperimentConfig, load_config
from bench.experiment.deviations import deviation_sentence, uniform_settings
from bench.experiment.presets import experiments
from bench.text.cells import DASH, Cell, digits
from bench.text.language import phrase
from bench.text.tables import Column, Table, table_of, word_table
from zoo.data.features import make_feature_set


def layer_table(described: Description) -> Table:
    """Every layer with the shape of its output and its parameters."""
    words = [Column(word, word) for word in ("layer", "kind", "output")]
    rows = [
        [layer.name, layer.kind, shape_text(layer.output), Cell(f"layers.{layer.name}", layer.parameters)]
        for layer in described.layers
    ]
    return Table("layers", [*words, Column("parameters", "parameters", ",")], rows)


def shape_text(shape: tuple[int | str, ...]) -> str:
    """`[S, 60, 64]`, or a dash where the layer is not called itself."""
    return f"[{', '.join(map(str, shape))}]" if shape else DASH


def cost_lines(described: Description) -> list[str]:
    """Cost, memory and reach, a sentence each."""
    d, spec = described, described.spec
    lines = [
        f"{spec.name}: {spec.title}. {spec.paper}. Scope {spec.scope}.",
        f"Input: [S, {d.lookback}, {d.n_features}], S rows of {d.lookback} days and {d.n_features} features "
        f"({d.features})" + (f"; concepts [S, {cost.CONCEPTS}]." if spec.needs_concepts else "."),
    ]
    if any(spec.complexity):
        lines.append(
            f"Cost of a day in theory: {spec.complexity[0]} in the lookback T, {spec.complexity[1]} in N stocks."
        )
    if d.flops is None or d.step_flops is None:
        size = f"{d.n_parameters:,} fitted numbers" if d.n_parameters else "its size is decided by the fit"
        return [*lines, f"Fitted as a whole, not by gradient steps: {size}. Reads all {d.lookback} days."]
    alone = f" (a day of {STOCKS} stocks)" if spec.scope == "day" else ""
    lines += [
        f"Parameters: {d.n_parameters:,}.",
        f"FLOPs a row{alone}: {digits(d.flops, 'count')} to score, {digits(d.step_flops, 'count')} to train. "
        f"A multiply-add is 2; element-wise work is not counted.",
        f"Memory of a training step: {digits(d.training_bytes, 'bytes')} = {digits(16 * d.n_parameters, 'bytes')} for "
        f"weights, gradients and Adam's two averages, and {digits(d.activation_bytes * d.step_rows, 'bytes')} that "
        f"autograd keeps for the backward pass of {d.step_rows} rows, measured on a few and scaled; float32, CPU.",
        _reach_sentence(d),
    ]
    return lines


def _reach_sentence(d: Description) -> str:
    limit = f"; its architecture ends at {d.built_reach}" if d.built_reach is not None else ""
    return (
        f"Receptive field: {d.reach} of {d.lookback} days have a non-zero gradient{limit}. "
        f"Before training, half of the gradient's weight lies on the last {d.half_reach}."
    )


def settings_table(described: Description) -> Table:
    """Each training setting as used, uniform and published; then the parameters, as used and published."""
    spec, used = described.spec, described.train.model_dump(mode="json")
    uniform, published = uniform_settings(), published_config(spec.name)
    theirs = None if published is None else published.train.model_dump(mode="json")
    rows = []
    if spec.gradient_trained:
        rows = [
            [key, _text(used[key]), _text(uniform[key]), DASH if theirs is None else _text(theirs[key])] for key in used
        ]
    set_there = {} if published is None else published.models[spec.name].params
    for key, p in spec.parameters.items():
        there = DASH if published is None else _text(set_there.get(key, p.default))
        rows.append([f"params.{key}", _text(described.params[key]), _text(p.default), there])
    return word_table(["setting", "here", "uniform", "published"], rows)


def published_config(name: str) -> ExperimentConfig | None:
    """The published settings of a model; None where there are none."""
    path = experiments().get(f"published/{name}")
    return None if path is None else load_config(path)


SUMMARY_TABLE = (
    Column("model", "model"),
    Column("scope", "scope"),
    Column("n_parameters", "parameters", ","),
    Column("flops", "score FLOPs", "count"),
    Column("step_flops", "train FLOPs", "count"),
    Column("training_bytes", "step memory", "bytes"),
    Column("seen", "days seen", ".0f"),
    Column("params", "parameters set"),
)


def summary_table(described: list[Description]) -> Table | None:
    """One row a model of an experiment."""
    rows = []
    for d in described:
        set_here = {k: v for k, v in d.params.items() if v != d.spec.parameters[k].default}
        rows.append(
            {
                "model": d.spec.name,
                "scope": d.spec.scope,
                "n_parameters": d.n_parameters or None,
                "flops": d.flops,
                "step_flops": d.step_flops,
                "training_bytes": None if d.flops is None else d.training_bytes,
                "seen": None if d.reach is None else phrase("{n} of {total}", n=d.reach, total=d.lookback),
                "params": ", ".join(f"{k} {v}" for k, v in set_here.items()) or "defaults",
            }
        )
    return table_of("summary", SUMMARY_TABLE, rows)


def deviation_line(described: list[Description]) -> str:
    """How the networks' training settings differ from the uniform treatment."""
    trained = {d.spec.name: d.train.model_dump(mode="json") for d in described if d.spec.gradient_trained}
    return deviation_sentence(trained, uniform_settings())


def data_lines(config: ExperimentConfig) -> list[str]:
    """The data settings, without reading the data."""
    data = config.data
    columns = make_feature_set(data.features, data.lookback).columns
    shown = ", ".join(columns[:12]) + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")
    split = ", ".join(f"{k} {v}" for k, v in data.split.model_dump(mode="json").items() if k != "force")
    return [
        f"Data: {data.source}; features {', '.join(data.entries)} ({shown}), lookback {data.lookback}.",
        f"Label: {data.label.definition}. Split: {split}. Concepts: {data.concepts or 'those of the source, if any'}.",
    ]


def _text(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
