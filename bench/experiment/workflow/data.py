"""qlib_init, the handler and the dataset of a workflow -> the `data` section of an experiment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bench.experiment.workflow.keys import Keys, class_of
from zoo.config import LabelConfig
from zoo.errors import did_you_mean

REGIONS = ("cn", "us", "tw")
HANDLERS = ("Alpha360", "Alpha158")
DATASETS = ("DatasetH", "TSDatasetH", "MTSDatasetH")
_HARMLESS = (
    "default_conf", "exp_manager", "kernels", "logging_level", "logging_config", "mount_path", "auto_mount",
    "expression_cache", "dataset_cache", "calendar_cache", "local_cache_path", "joblib_backend", "maxtasksperchild",
    "redis_host", "redis_port", "redis_task_db", "clear_mem_cache", "skip_if_reg", "nfs_mount", "flask_server",
)  # fmt: skip
_PRICE = r"(?:Ref\(\$(\w+),-(\d+)\)|\$(\w+))"
_LABEL = re.compile(rf"{_PRICE}/{_PRICE}-1")


@dataclass(frozen=True)
class Data:
    """What a workflow says of its data.

    Attributes:
        section: the `data` section, but for features and lookback.
        features, lookback: of the model's windows.
        n_features: columns of one day.
        dataset: qlib's class.
        region: decides what is traded how.
        test: first and last day.
    """

    section: dict[str, Any]
    features: str
    lookback: int
    n_features: int
    dataset: str
    region: str
    test: tuple[str, str]


def read_data(init: Keys, dataset: Keys) -> Data:
    """The data of a workflow.

    Raises:
        ConfigError: a key or value that is not understood, or not done here.
    """
    provider, region = _provider(init), str(init.take("region", "cn"))
    if region not in REGIONS:
        raise init.refuse("region", f"no region {region!r}{did_you_mean(region, REGIONS)}")
    init.ignore(*_HARMLESS)
    init.done()
    kind, _ = class_of(dataset)
    if kind not in DATASETS:
        near = did_you_mean(kind, DATASETS)
        raise dataset.refuse("class", f"no dataset {kind!r} here{near}; there are {', '.join(DATASETS)}")
    kwargs = dataset.section("kwargs")
    dataset.done()
    handler = kwargs.section("handler")
    name, _ = class_of(handler)
    if name not in HANDLERS:
        near = did_you_mean(name, HANDLERS)
        raise handler.refuse("class", f"no handler {name!r} here{near}; there are {', '.join(HANDLERS)}")
    chosen = handler.section("kwargs")
    handler.done()
    segments = _segments(kwargs.section("segments"), chosen)
    market = chosen.take("instruments", "csi500")
    if not isinstance(market, str):
        raise chosen.refuse("instruments", "must be the name of a market; a list of stocks is a file for data.universe")
    label = _label(chosen)
    features = _features(name, chosen)
    chosen.only("freq", "day", what="data are daily")
    for key in ("filter_pipe", "inst_processors", "shared_processors"):
        chosen.only(key, None, [], what="a universe is data.universe, processors are those of the features")
    chosen.only("process_type", "append", "independent", what="features and labels are processed apart")
    chosen.ignore("drop_raw")
    chosen.done()
    lookback = _lookback(kind, features, kwargs, label)
    kwargs.done()
    reach = label["lag"] + label["horizon"]
    init.reading.tell(f"the last {reach} days of train and valid are left out: their labels read the next segment")
    section = {"source": f"{provider}#{market}", "label": label, "split": {"mode": "fixed", **segments}}
    # Imported at use: reports are written without torch.
    from zoo.data.features import FEATURE_SETS

    columns = len(FEATURE_SETS[features].columns)
    return Data(section, features, lookback, columns, kind, region, segments["test"])


def _provider(init: Keys) -> str:
    value = init.take("provider_uri", "~/.qlib/qlib_data/cn_data")
    if isinstance(value, dict):
        if "day" not in value:
            raise init.refuse("provider_uri", f"no folder of daily data ('day') among {', '.join(map(str, value))}")
        init.reading.ignored += [f"qlib_init.provider_uri.{freq}" for freq in value if freq != "day"]
        value = value["day"]
    if not isinstance(value, str) or not value:
        raise init.refuse("provider_uri", f"must be a folder, got {value!r}")
    return value.rstrip("/") or "/"


def _segments(segments: Keys, handler: Keys) -> dict[str, tuple[str, str]]:
    """Train, valid and test, cut to the days that the handler loads."""
    spans = {}
    for name in ("train", "valid", "test"):
        spans[name] = _span(segments, name)
    for name, same in (("pretrain", "train"), ("pretrain_validation", "valid")):
        if name in segments and _span(segments, name) != spans[same]:
            raise segments.refuse(name, f"every stage is trained on the same days, those of {same}")
    segments.done()
    start, end = (str(handler.take(f"{edge}_time") or "") for edge in ("start", "end"))
    for name, (first, last) in spans.items():
        inside = (max(first, start) if start else first, min(last, end) if end else last)
        if inside != (first, last):
            handler.reading.tell(f"{name} is {inside[0]} .. {inside[1]}, the days between start_time and end_time")
        spans[name] = inside
    fitted = tuple(str(handler.take(f"fit_{edge}_time") or "") for edge in ("start", "end"))
    if any(fitted) and (max(fitted[0], start), fitted[1]) != spans["train"]:
        raise handler.refuse(
            "fit_end_time" if fitted[1] != spans["train"][1] else "fit_start_time",
            f"features are normalised by their values in train, {' .. '.join(spans['train'])}, "
            f"not in {' .. '.join(fitted)}",
        )
    return spans


def _span(segments: Keys, name: str) -> tuple[str, str]:
    value = segments.take(name)
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise segments.refuse(name, f"must be two dates, got {value!r}" if name in segments else "is missing")
    return str(value[0]), str(value[1])


def _label(handler: Keys) -> dict[str, Any]:
    value = handler.take("label", ["Ref($close, -2) / Ref($close, -1) - 1"])
    expressions = value[0] if isinstance(value, (list, tuple)) and value and isinstance(value[0], list) else value
    expressions = [expressions] if isinstance(expressions, str) else expressions
    if not isinstance(expressions, (list, tuple)) or len(expressions) != 1:
        raise handler.refuse("label", f"one label is trained on, got {value!r}")
    match = _LABEL.fullmatch(re.sub(r"\s", "", str(expressions[0])))
    if match:
        late, late_days, late_now, early, early_days, early_now = match.groups()
        lag, reach = int(early_days or 0), int(late_days or 0)
        prices = {late or late_now, early or early_now}
        if len(prices) == 1 and prices <= {"close", "open"} and reach > lag:
            label = {"horizon": reach - lag, "lag": lag} | ({"price": "open"} if prices == {"open"} else {})
            return LabelConfig.model_validate(label).model_dump(include={"horizon", "lag", *label})
    raise handler.refuse(
        "label",
        f"{str(expressions[0])!r} is no label here; those are Ref($close, -b) / Ref($close, -a) - 1 with b > a >= 0, "
        f"of $close or $open",
    )


def _features(handler: str, keys: Keys) -> str:
    """The feature set, once the processors are seen to make what it makes, or the difference is told."""
    features, tell = handler.lower(), keys.reading.tell
    # Without a list of its own, Alpha360 has another normalisation than files that give one.
    if "infer_processors" not in keys and handler == "Alpha360":
        tell("infer_processors: features are robust z-scores of train, clipped at 3, instead of qlib's ZScoreNorm")
    steps = keys.sections("infer_processors")
    for step in steps:
        name, _ = class_of(step)
        kwargs = step.section("kwargs")
        step.done()
        if name == "FilterCol":
            kwargs.only("fields_group", "feature", what="columns are chosen among the features")
            features = _chosen(features, kwargs)
        elif name == "RobustZScoreNorm":
            kwargs.only("fields_group", None, "feature", what="labels are ranked")
            if not kwargs.take("clip_outlier", True):
                tell("RobustZScoreNorm: features are clipped at 3 all the same")
        elif name == "Fillna":
            kwargs.only("fields_group", None, "feature", what="labels are never filled")
            kwargs.only("fill_value", 0, what="missing features are 0, the median")
        elif name in ("ZScoreNorm", "ProcessInf"):
            kwargs.take("fields_group")
            tell(f"{name}: features are robust z-scores of train, clipped at 3, instead")
        else:
            raise step.refuse("class", f"no processor {name!r} of features here{did_you_mean(name, _FEATURE_STEPS)}")
        kwargs.done()
    if ("infer_processors" in keys and not steps) or (handler == "Alpha158" and not steps):
        tell("infer_processors: features are robust z-scores of train, clipped at 3, missing ones 0; raw there")
    _label_steps(keys)
    return features


_FEATURE_STEPS = ("FilterCol", "RobustZScoreNorm", "Fillna", "ZScoreNorm", "ProcessInf")


def _chosen(features: str, kwargs: Keys) -> str:
    from zoo.data.features.alpha158 import ALPHA158_20_NAMES

    columns = list(kwargs.take("col_list", []))
    if features == "alpha158" and sorted(columns) == sorted(ALPHA158_20_NAMES):
        return "alpha158_20"
    strange = [str(c) for c in columns if c not in ALPHA158_20_NAMES]
    why = f"{strange[0]!r} is not among them" if strange else f"{len(columns)} columns are given"
    raise kwargs.refuse("col_list", f"of Alpha158, the 20 columns of alpha158_20 can be chosen; {why}")


def _label_steps(keys: Keys) -> None:
    given = "learn_processors" in keys
    steps = keys.sections("learn_processors")
    ranked = False
    for step in steps:
        name, _ = class_of(step)
        kwargs = step.section("kwargs")
        step.done()
        if name not in ("DropnaLabel", "CSRankNorm", "CSZScoreNorm"):
            known = ("DropnaLabel", "CSRankNorm", "CSZScoreNorm")
            raise step.refuse("class", f"no processor {name!r} of labels here{did_you_mean(name, known)}")
        kwargs.only("fields_group", "label", ["label"], what="features are normalised by infer_processors")
        if name == "CSZScoreNorm":
            kwargs.take("method")
            keys.reading.tell("CSZScoreNorm: the label trained on is its rank within the day instead")
        ranked |= name != "DropnaLabel"
        kwargs.done()
    if not given or not ranked:
        there = "left as it is" if given else "qlib's CSZScoreNorm"
        keys.reading.tell(f"learn_processors: the label trained on is its rank within the day, {there} there")


def _lookback(kind: str, features: str, kwargs: Keys, label: dict[str, Any]) -> int:
    if kind == "DatasetH":
        return 60 if features == "alpha360" else 1
    if kind == "TSDatasetH":
        if features == "alpha360":
            raise kwargs.refuse("step_len", "Alpha360 has its 60 days as columns; DatasetH reads them")
        kwargs.only("flt_col", None, what="rows are those of the market's members")
        return _days(kwargs, "step_len", 30)
    reach = label["lag"] + label["horizon"]
    kwargs.only("horizon", 0, reach, what=f"a memory lags by the label's reach, {reach} days")
    kwargs.only("memory_mode", "sample", what="a memory is kept for each stock and day")
    kwargs.only("shuffle", True, what="rows are drawn at random")
    kwargs.ignore("drop_last", "n_samples", "num_states")
    length = _days(kwargs, "seq_len", 60)
    kwargs.take("batch_size")
    kwargs.only("input_size", None, 6 if features == "alpha360" else None, what="columns of one day")
    if features == "alpha360" and length != 60:
        raise kwargs.refuse("seq_len", f"Alpha360 has 60 days, got {length}")
    if features != "alpha360":
        kwargs.reading.tell("windows are of calendar days, filled forward; MTSDatasetH takes a stock's own last rows")
    return length


def _days(kwargs: Keys, name: str, default: int) -> int:
    value = kwargs.take(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise kwargs.refuse(name, f"must be a number of days, got {value!r}")
    return value
