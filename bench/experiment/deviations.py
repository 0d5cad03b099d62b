"""How training settings differ from the uniform treatment, as sentences of the report. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bench.experiment.config import load_config
from bench.text.language import listed, translate


@dataclass(frozen=True)
class Deviation:
    """One setting that is not the uniform one."""

    key: str
    value: Any
    uniform: Any

    def __str__(self) -> str:
        value, uniform = _text(self.value), _text(self.uniform)
        return translate("{key} {value} instead of {uniform}", key=self.key, value=value, uniform=uniform)


@lru_cache
def uniform_settings() -> dict[str, Any]:
    """The training settings of `configs/uniform.yaml`, every key resolved."""
    return load_config("uniform").train.model_dump(mode="json")


def deviations(train: Mapping[str, Any], uniform: Mapping[str, Any]) -> list[Deviation]:
    """Settings of `train` that differ from `uniform`, in the order of `uniform`."""
    return [Deviation(key, train[key], value) for key, value in uniform.items() if key in train and train[key] != value]


def deviation_sentence(by_model: Mapping[str, Mapping[str, Any]], uniform: Mapping[str, Any]) -> str:
    """What deviates for all models, then for some of them alone.

    Args:
        by_model: resolved training settings of each gradient-trained model.
        uniform: those of the uniform treatment.
    """
    found = {model: deviations(train, uniform) for model, train in by_model.items()}
    shared = [d for d in next(iter(found.values()), []) if all(d in others for others in found.values())]
    parts = [_part(translate("all networks"), shared)] if shared and len(found) > 1 else []
    for model, own in found.items():
        rest = own if len(found) == 1 else [d for d in own if d not in shared]
        if rest:
            parts.append(_part(model, rest))
    what = listed(parts, "; ") or translate("none")
    return translate("Deviations from the uniform treatment: {what}.", what=what)


def _part(who: str, found: list[Deviation]) -> str:
    return translate("{who}: {what}", who=who, what=listed(map(str, found)))


def _text(value: Any) -> str:
    return translate("none") if value is None else f"{value:g}" if isinstance(value, float) else str(value)
