"""Every experiment that comes with the package loads, and its trials can be laid out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.experiment.config import load_config
from bench.experiment.plan import make_plan, models_of
from bench.experiment.presets import CONFIGS, experiments
from zoo.registry import list_models

FILES = experiments()
SMALL = {"data.source": "planted:mixed?stocks=10&days=400", "data.concepts": None}


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(CONFIGS)) for p in FILES])
def test_it_loads_and_lays_out_a_trial_per_model_and_seed(path: Path) -> None:
    config = load_config(path, SMALL)
    plan = make_plan(config, None)
    assert len(plan.trials) == len(plan.models) * len(config.seeds) * len(plan.folds)
    assert config.note.endswith("."), "one sentence for the report"


def test_every_model_has_a_published_configuration_named_after_it() -> None:
    published = {path.stem: load_config(path) for path in (CONFIGS / "published").glob("*.yaml")}
    assert sorted(published) == list_models()
    assert all(list(config.models) == [name] for name, config in published.items())


@pytest.mark.parametrize("name", ["uniform", "full"])
def test_under_the_uniform_treatment_no_model_has_settings_of_its_own(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    assert config.protocol == "uniform"
    assert config.train == load_config(CONFIGS / "uniform.yaml").train
    assert sorted(models_of(config)) == list_models()
    assert not any(entry.train for entry in config.models.values())
