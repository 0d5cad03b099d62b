"""Two runs side by side: which trials both have, and whether their numbers are the same. Imports no torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.records.store import RunStore

TOLERANCE = 1e-5
"""Relative difference up to which float32 scores count as those of the same sums in another order."""
SAME = ("bit-identical", "within tolerance")
FREE = ("source", "concepts", "universe")
"""Where data come from: what they hold is in the fingerprint."""
FILES = {"scores": "scores.parquet", "daily series": "daily.parquet"}


@dataclass(frozen=True)
class TrialComparison:
    """One trial of two runs.

    Attributes:
        verdict: of `SAME`, `different`, or why the numbers are not compared.
        compared: the scores, or the daily series where scores are not stored; empty where nothing was.
        difference: the largest absolute difference; NaN where the days or stocks are others.
    """

    model: str
    fold: int
    seed: int
    verdict: str
    compared: str = ""
    difference: float = float("nan")

    @property
    def same(self) -> bool:
        return self.verdict in SAME


def compare_trials(a: RunStore, b: RunStore) -> list[TrialComparison]:
    """The trials of two runs by model, fold and seed, in the order of `a`."""
    left, right = _records(a), _records(b)
    found = []
    for trial in [*left, *(t for t in right if t not in left)]:
        if trial not in right:
            found.append(TrialComparison(*trial, f"only in {a.name}"))
        elif trial not in left:
            found.append(TrialComparison(*trial, f"only in {b.name}"))
        elif left[trial]["fingerprint"] != right[trial]["fingerprint"]:
            found.append(TrialComparison(*trial, "on other data"))
        elif _treatment(left[trial]) != _treatment(right[trial]):
            found.append(TrialComparison(*trial, "with other settings"))
        else:
            found.append(TrialComparison(*trial, *compare_records(a, left[trial], b, right[trial])))
    return found


def compare_settings(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What two runs (`RunStore.run()`) were asked for differently: dotted key, value in `a`, value in `b`."""
    left, right = _flat(_asked(a)), _flat(_asked(b))
    keys = [*left, *(key for key in right if key not in left)]
    both = ((key, left.get(key, "–"), right.get(key, "–")) for key in keys)
    return [entry for entry in both if entry[1] != entry[2]]


def count_line(trials: list[TrialComparison]) -> str:
    """How many trials came to which verdict."""
    counts = Counter(f"{t.verdict}{f' ({t.compared})' if t.compared else ''}" for t in trials)
    return f"{len(trials)} trials: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}"


def _records(store: RunStore) -> dict[tuple[str, int, int], dict[str, Any]]:
    """The stored records of a run's trials by model, fold and seed."""
    found = {}
    for trial in store.run()["trials"]:
        if store.is_recorded(trial["key"]) and (record := store.record(trial["key"])) is not None:
            found[trial["model"], trial["fold"], trial["seed"]] = record
    return found


def _treatment(record: dict[str, Any]) -> tuple[Any, ...]:
    """What decides a trial's numbers, its code apart."""
    data = {key: value for key, value in record["data"].items() if key not in FREE}
    return record.get("network"), record["params"], record["train"], data, record["segments"], record["device"]


def compare_records(a: RunStore, left: dict[str, Any], b: RunStore, right: dict[str, Any]) -> tuple[str, str, float]:
    """Verdict, what was compared, largest absolute difference of two stored trials; see `TrialComparison`."""
    for what, file in FILES.items():
        if left["files"].get(file) == right["files"].get(file) is not None:
            return SAME[0], what, 0.0
        paths = a.trial_folder(left["key"]) / file, b.trial_folder(right["key"]) / file
        if all(path.is_file() for path in paths):
            return compare_frames(_read(paths[0]), _read(paths[1]), what)
    return "different", "", float("nan")


def _read(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    return frame.set_index([name for name in ("datetime", "instrument") if name in frame])


def compare_frames(left: pd.DataFrame, right: pd.DataFrame, what: str) -> tuple[str, str, float]:
    """Verdict, what was compared, largest absolute difference; see `TrialComparison`."""
    # A metric that only one of two versions knows says nothing of their trainings.
    shared = [column for column in left.columns if column in right.columns]
    if not (left.index.equals(right.index) and shared):
        return "different", what, float("nan")
    values = [frame[shared].to_numpy(dtype=np.float64) for frame in (left, right)]
    if np.array_equal(*values, equal_nan=True):
        return SAME[0], what, 0.0
    close = np.allclose(*values, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    gap = np.abs(values[0] - values[1])
    return SAME[1] if close else "different", what, float(np.nanmax(gap)) if np.isfinite(gap).any() else float("nan")


def _asked(run: dict[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in run["config"].items() if key != "name"}
    told = {"models run": ", ".join(run["models"]), "data fingerprint": run["data"]["fingerprint"][:12]}
    return {**told, **config, "versions": run["versions"]}


def _flat(section: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found = {}
    for key, value in section.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": str(value)}
    return found
