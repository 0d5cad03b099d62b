"""Translated workflows -> the document of one experiment, which `ExperimentConfig` checks like any other."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bench.experiment.workflow.translate import Workflow
from zoo.errors import ConfigError

PROTOCOL = "qlib workflow"


def experiment_of(workflows: list[Workflow]) -> dict[str, Any]:
    """One experiment of one or more workflows on the same data; windows may differ from model to model.

    Raises:
        ConfigError: files that differ in what a comparison must share; names the key and both values.
    """
    first = workflows[0]
    for other in workflows[1:]:
        for part in ("data", "portfolio"):
            _same(first, other, getattr(first, part), getattr(other, part), part)
    seeds = {w.model.seed for w in workflows}
    files = ", ".join(w.file.name for w in workflows)
    notes = list(dict.fromkeys(note for w in workflows for note in w.notes()))
    if len(seeds) > 1:
        notes.append("seeds are those of the experiment: the files give different ones")
    document: dict[str, Any] = {
        "name": first.name if len(workflows) == 1 else "-".join(dict.fromkeys(w.model.name for w in workflows))[:80],
        "protocol": PROTOCOL,
        "note": f"Translated from {files}. {'; '.join(notes)}.",
        "data": {**first.data, "features": first.features, "lookback": first.lookback},
        "models": _models(workflows),
    }
    if first.portfolio:
        document["portfolio"] = dict(first.portfolio)
    if len(seeds) == 1 and (seed := seeds.pop()) is not None:
        document["seeds"] = [seed]
    return document


def _models(workflows: list[Workflow]) -> dict[str, Any]:
    """Entries by name; a second of one model, and one on other windows than the first file's, is named by its file."""
    counts = Counter(w.model.name for w in workflows)
    shared = (workflows[0].features, workflows[0].lookback)
    entries: dict[str, Any] = {}
    for w in workflows:
        entry: dict[str, Any] = {"params": dict(w.model.params), "train": dict(w.model.train)}
        name = w.model.name
        own = (w.features, w.lookback) != shared
        if own or counts[name] > 1:
            entry = {"model": name, **entry}
            name = w.name
        if own:
            entry["data"] = {"features": w.features, "lookback": w.lookback}
        if name in entries:
            raise ConfigError(f"{w.file}: a second file called {name}; give it another name")
        entries[name] = entry
    return entries


def _same(first: Workflow, other: Workflow, here: Any, there: Any, path: str) -> None:
    if isinstance(here, dict) and isinstance(there, dict):
        for key in dict.fromkeys([*here, *there]):
            _same(first, other, here.get(key), there.get(key), f"{path}.{key}")
    elif here != there:
        raise ConfigError(
            f"{path} differs: {here!r} in {first.file.name}, {there!r} in {other.file.name}; one comparison has one"
        )
