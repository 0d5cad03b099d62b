"""Records of timings on disk, and the frame a report reads; `scaling_frames` the other kind. No torch.

    results/timing/<machine>/<device>.json             samples by model, mode and scenario (`bench time`)
    results/timing/<machine>/<device>-scaling.json     samples by model, axis and size (`bench time --scaling`)

`<machine>` is `machine_id` of the device. A record holds no date: the same figures give the same file.
"""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import create_model

from bench.columns import FrameRow, Real, means
from bench.records.documents import read_json, write_json
from bench.speed.clock import UNSTABLE_SPREAD, Timing

_SCALING = "-scaling"


class _Timing(FrameRow):
    """What was timed of a model on a machine; times in milliseconds, memory in MiB."""

    machine: str = means("of the device")
    device: str = means("cpu or cuda")
    mode: str = means("eager, or how the model was compiled or run")
    model: str = means("registry name")
    title: str = means("printed name")
    device_name: str = means("as the machine calls it")
    threads: int = means("of the CPU")
    stocks: int = means("of a day")
    lookback: int = means("window length in days")
    features: str = means("feature set")
    n_features: int = means("columns of a day")
    rows_per_step: Real = means("rows of an optimiser step")
    n_parameters: Real = means("trained numbers")
    flops_forward: Real = means("operations of a forward pass, of one row of a day")
    flops_step: Real = means("operations of an optimiser step, of one row")
    one_day_p50_ms_half: Real = means("what another measurement may differ by: the larger of spread and repeat")
    train_samples_per_s: Real = means("rows over the median time of an epoch")
    train_samples_per_s_half: Real = means("what another measurement may differ by")
    train_epoch_spread: Real = means("half the interquartile range over the median")
    train_epoch_repeat: Real = means("difference of the two passes' medians over their mean")
    offline_samples_per_s: Real = means("rows over the median time of scoring many days")
    offline_spread: Real = means("half the interquartile range over the median")
    offline_repeat: Real = means("difference of the two passes' medians over their mean")
    train_memory_mib: Real = means("peak of an optimiser step")
    one_day_memory_mib: Real = means("peak of scoring a day")
    peak_memory_mib: Real = means("the larger of the two")
    unstable: bool = means("a spread or a repeat exceeds 0.25")
    reason: str = means("why scenarios are missing")


_MEANINGS = {
    "p50_ms": "median",
    "p90_ms": "90th percentile",
    "p99_ms": "99th percentile",
    "spread": "half the interquartile range over the median",
    "repeat": "difference of the two passes' medians over their mean",
}
_PERCENTILES: dict[str, Any] = {
    f"{scenario}_{name}": (Real, means(f"{meaning}, of the time of {what}"))
    for scenario, what in {
        "train_step": "an optimiser step",
        "one_day": "a day's windows to its scores",
        "one_stock": "one stock's window to its score",
    }.items()
    for name, meaning in _MEANINGS.items()
}
TimingRow = create_model("TimingRow", __base__=_Timing, **_PERCENTILES)


def record_path(results: Path, machine: str, device: str, *, scaling: bool = False) -> Path:
    return results / "timing" / machine / f"{device}{_SCALING if scaling else ''}.json"


@contextmanager
def alone(results: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of `results/timing`, waiting for another measurement to end."""
    folder = results / "timing"
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another measurement is running; waiting for it to end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def merge_timings(path: Path, header: dict[str, Any], entries: dict[str, dict[str, Any]]) -> None:
    """Put entries of `measure_models` into a record: a scenario replaces its older self, others alike stay.

    Raises:
        ConfigError: the record is damaged: what it holds of other models would be lost.
    """
    stored = (read_json(path).unless_damaged() or {}).get("entries", {})
    for model, modes in entries.items():
        for mode, entry in modes.items():
            old = stored.setdefault(model, {}).get(mode, {})
            if _measured_alike(old, entry):
                entry = {**entry, **{key: {**old[key], **entry[key]} for key in ("scenarios", "memory")}}
            stored[model][mode] = entry
    write_json(path, {**header, "entries": stored})


def _measured_alike(old: dict[str, Any], new: dict[str, Any]) -> bool:
    same_params = old.get("model", {}).get("params") == new["model"].get("params")
    return same_params and old.get("settings") == new["settings"]


def merge_scaling(path: Path, header: dict[str, Any], entries: dict[str, dict[str, Any]]) -> None:
    """Put new rows `label -> {settings, what, axes}` into a record; a row replaces its older self.

    Raises:
        ConfigError: as `merge_timings`.
    """
    stored = (read_json(path).unless_damaged() or {}).get("entries", {})
    write_json(path, {**header, "entries": {**stored, **entries}})


def read_records(results: Path, *, scaling: bool = False) -> list[dict[str, Any]]:
    """All records, by machine and device.

    Raises:
        ConfigError: a file is damaged.
    """
    paths = [p for p in sorted((results / "timing").glob("*/*.json")) if p.stem.endswith(_SCALING) == scaling]
    return [record for path in paths if (record := read_json(path).unless_damaged()) is not None]


def timing_frame(results: Path) -> pd.DataFrame:
    """A `TimingRow` per (machine, device, mode, model)."""
    return frame_of(read_records(results))


def frame_of(records: list[dict[str, Any]]) -> pd.DataFrame:
    rows = [
        _timing_row(record, model, mode, entry)
        for record in records
        for model, modes in record["entries"].items()
        for mode, entry in modes.items()
    ]
    frame = TimingRow.frame(rows).sort_values(["machine", "device", "mode", "model"], kind="stable")
    return frame.reset_index(drop=True)


def _timing_row(record: dict[str, Any], model: str, mode: str, entry: dict[str, Any]) -> dict[str, Any]:
    settings, built, results = entry["settings"], entry["model"], entry["scenarios"]
    memory = {key: mib for key, mib in entry["memory"].items() if mib is not None}
    row: dict[str, Any] = {
        **{key: record[key] for key in ("machine", "device", "device_name")},
        "mode": mode,
        "model": model,
        "title": built.get("title", model),
        **{key: settings[key] for key in ("threads", "stocks", "lookback", "features", "n_features")},
        **{key: built.get(key) for key in ("n_parameters", "flops_forward", "flops_step")},
        "rows_per_step": results.get("train_step", {}).get("rows"),
        "train_memory_mib": memory.get("train_step"),
        "one_day_memory_mib": memory.get("one_day"),
        "peak_memory_mib": max(memory.values(), default=None),
        "unstable": False,
    }
    reasons: dict[str, list[str]] = {}
    for scenario, result in results.items():
        if "samples" not in result:
            reasons.setdefault(result["reason"], []).append(scenario)
            continue
        timing = summary(result["samples"])
        row["unstable"] |= timing.pop("unstable")
        row |= {f"{scenario}_{key}": value for key, value in timing.items()}
        half = min(np.nanmax([timing["spread"], timing["repeat"]]), 0.99)
        if scenario == "one_day":
            row["one_day_p50_ms_half"] = timing["p50_ms"] * half
        elif scenario == "offline":
            row["offline_samples_per_s"] = 1000 * result["rows"] / timing["p50_ms"]
        elif scenario == "train_epoch":
            row["train_samples_per_s"] = 1000 * result["rows"] / timing["p50_ms"]
            row["train_samples_per_s_half"] = row["train_samples_per_s"] * half
    row["reason"] = "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
    return row


def summary(passes: list[list[float]]) -> dict[str, Any]:
    """Percentiles in ms, spread, repeat and stability of the samples (seconds) of passes."""
    timing = Timing(tuple(sample for samples in passes for sample in samples))
    medians = [float(np.median(samples)) for samples in passes]
    repeat = (max(medians) - min(medians)) / float(np.mean(medians)) if len(medians) > 1 else math.nan
    return {
        **{f"p{q}_ms": 1000 * timing.percentile(q) for q in (50, 90, 99)},
        "spread": timing.spread,
        "repeat": repeat,
        "unstable": timing.unstable or repeat > UNSTABLE_SPREAD,
    }
