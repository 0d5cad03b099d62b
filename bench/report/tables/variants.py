"""What tells variants apart: a row for each model that is not a network of the registry with the shared data."""

from __future__ import annotations

from typing import Any

from bench.experiment.entries.names import is_variant, network_of
from bench.text.language import listed, phrase
from bench.text.tables import Entry, ModelName, Table, word_table


def variant_table(run: dict[str, Any]) -> Table | None:
    """Network and own settings of every variant of a run; None where it has none."""
    models = run["config"].get("models", {})
    rows: list[list[Entry]] = []
    for name in run["models"]:
        entry = models.get(name)
        if is_variant(entry):
            settings = [pair for part in ("params", "data", "train") for pair in entry.get(part, {}).items()]
            own = listed(f"{key} {_text(value)}" for key, value in settings)
            rows.append([ModelName(name, (name,)), network_of(name, models), own or phrase("nothing")])
    return word_table(["model", "network", "what differs"], rows, "variants") if rows else None


def _text(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
