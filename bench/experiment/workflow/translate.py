"""One workflow file, key by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.experiment.workflow.data import read_data
from bench.experiment.workflow.keys import Keys, Reading
from bench.experiment.workflow.models import Model, read_model
from bench.experiment.workflow.portfolio import read_records
from bench.records.strict_yaml import read_lines

_OWN = ("experiment_name", "sys", "BASE_CONFIG_PATH", "qlib_init", "task")
"""The keys at the top that qlib reads; others hold what is used elsewhere."""


@dataclass(frozen=True)
class Workflow:
    """A file in terms of an experiment.

    Attributes:
        file: its path.
        model, features, lookback: what is trained on which windows.
        data, portfolio: sections, data but for features and lookback.
        told, ignored: as in `Reading`.
    """

    file: Path
    model: Model
    features: str
    lookback: int
    data: dict[str, Any]
    portfolio: dict[str, Any]
    told: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's name as that of a run."""
        stem = re.sub(r"^workflow_config_", "", self.file.stem)
        return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:80] or self.model.name

    def notes(self) -> list[str]:
        """What is to be said of the translation, a sentence each."""
        ignored = [f"ignored: {', '.join(self.ignored)}"] if self.ignored else []
        return [*self.told, *ignored]


def is_workflow(document: Mapping[str, Any]) -> bool:
    """Whether a document is a workflow of qlib, not an experiment."""
    return "qlib_init" in document or ("task" in document and isinstance(document["task"], Mapping))


def read_workflow(file: Path) -> Workflow:
    """Translate one file.

    Raises:
        ConfigError: what is not understood or not done here; names file, line and key.
    """
    document, lines = read_lines(file)
    reading = Reading(file, lines)
    root = Keys(document, (), reading)
    for key in ("sys", "BASE_CONFIG_PATH"):
        root.only(key, None, what="a file stands for itself; give one with everything in it")
    root.ignore("experiment_name")
    for key in ("task", "qlib_init"):
        if not isinstance(document.get(key), Mapping):
            raise root.refuse(key, "is missing" if key not in document else "must be a mapping")
    task = root.section("task")
    model, dataset = task.section("model"), task.section("dataset")
    data = read_data(root.section("qlib_init"), dataset)
    found = read_model(model, dataset, data)
    portfolio = read_records(task, data)
    task.done()
    used = {id(value) for value in _values(document["task"])}
    texts = [value for value in _values(document["task"]) if isinstance(value, (str, int, float))]
    for key in root.left:
        value = document[key]
        if id(value) not in used and value not in texts and key not in _OWN and not _is_part(value, used):
            reading.ignored.append(key)
    return Workflow(
        file,
        found,
        data.features,
        data.lookback,
        data.section,
        portfolio,
        tuple(reading.told),
        tuple(dict.fromkeys(reading.ignored)),
    )


def _values(value: Any) -> list[Any]:
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [value, *(inner for part in parts for inner in _values(part))]


def _is_part(value: Any, used: set[int]) -> bool:
    """Whether a mapping or list holds something that the task uses."""
    return any(id(inner) in used for inner in _values(value)[1:] if isinstance(inner, (dict, list)))
