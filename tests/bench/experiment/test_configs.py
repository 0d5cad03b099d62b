"""Every experiment that comes with the package loads, and its trials can be laid out."""

from __future__ import annotations

import pytest

from bench.experiment.config import load_config
from bench.experiment.plan import entry_of, make_plan, models_of
from bench.experiment.presets import CONFIGS, experiments
from bench.experiment.trial import Window, make_trial
from zoo.errors import ConfigError
from zoo.registry import get_spec, list_models

SMALL = {"data.source": "planted:mixed?stocks=10&days=400", "data.concepts": None}


@pytest.mark.parametrize("path", experiments())
def test_it_loads_and_lays_out_a_trial_per_model_and_seed(path: str) -> None:
    config = load_config(path, SMALL)
    if isinstance(getattr(config.data.split, "train", None), tuple):
        config = load_config(path, {**SMALL, "data.split": {}})  # planted days are others than those of its segments
    plan = make_plan(config, None)
    assert len(plan.trials) == len(plan.models) * len(config.seeds) * len(plan.folds)
    assert config.note.endswith("."), "one sentence for the report"


def test_every_model_of_the_reference_has_a_published_configuration_named_after_it() -> None:
    published = {path.stem: load_config(path) for path in (CONFIGS / "published").glob("*.yaml")}
    assert published.keys() >= PUBLISHED.keys(), "those of the reference; a new model may have none"
    assert published.keys() <= set(list_models())
    assert all(list(config.models) == [name] for name, config in published.items())


@pytest.mark.parametrize("name", ["uniform", "full"])
def test_under_the_uniform_treatment_no_model_has_settings_of_its_own(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    assert config.protocol == "uniform"
    assert config.train == load_config(CONFIGS / "uniform.yaml").train
    assert sorted(models_of(config)) == list_models()
    assert not any(entry.train for entry in config.models.values())


QUICK: dict[str, dict[str, Any]] = {
    "alstm": {"hidden_size": 32},
    "gats": {"hidden_size": 32},
    "gru": {"hidden_size": 32},
    "hist": {"hidden_size": 32},
    "lightgbm": {},
    "linear": {},
    "localformer": {"hidden_size": 32},
    "lstm": {"hidden_size": 32},
    "mlp": {"hidden_size": 64},
    "tabnet": {"hidden_size": 32, "n_d": 16, "n_a": 16, "n_steps": 3, "virtual_batch_size": 250},
    "tcn": {"hidden_size": 32, "num_layers": 3},
    "tra": {"hidden_size": 32, "router_hidden": 16},
    "transformer": {"hidden_size": 32},
}
PUBLISHED: dict[str, dict[str, Any]] = {
    "alstm": {"hidden_size": 64, "num_layers": 2},
    "gats": {"hidden_size": 64, "num_layers": 2},
    "gru": {"hidden_size": 64, "num_layers": 2},
    "hist": {"hidden_size": 64, "num_layers": 2},
    "lightgbm": {"num_leaves": 210, "max_depth": 8},
    "linear": {},
    "localformer": {"hidden_size": 64, "num_layers": 2, "num_heads": 2, "ffn_size": 2048},
    "lstm": {"hidden_size": 64, "num_layers": 2},
    "mlp": {"hidden_size": 256},
    "tabnet": {"n_d": 64, "n_a": 64, "n_steps": 5},
    "tcn": {"hidden_size": 128, "num_layers": 5, "kernel_size": 3},
    "tra": {"hidden_size": 64, "num_layers": 2, "num_states": 3},
    "transformer": {"hidden_size": 64, "num_layers": 2, "num_heads": 2, "ffn_size": 2048},
}
"""Parameters that stood in the configurations, model by model, before models declared them."""


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("quick", QUICK),
        ("planted", QUICK | {"gats": {"hidden_size": 32, "graph": "concept", "aggregate": "transformed"}}),
        ("full", PUBLISHED),
        ("uniform", {name: {} for name in QUICK}),
    ],
)
def test_every_model_has_the_parameters_and_so_the_trial_key_that_it_always_had(name: str, params: Any) -> None:
    plan = make_plan(load_config(name, {**SMALL, "seeds": [0], "device": "cpu", "markets": []}), None)
    trials = [t for t in plan.trials if t.model in params]
    assert {t.model: t.params for t in trials} == params
    data, train, fingerprint = plan.config.data, plan.config.train, plan.panel.fingerprint
    for t in trials:
        assert (
            t.key
            == make_trial(
                *(t.model, t.model, params[t.model], train, {}, data, data, Window(0, 0), 0, "cpu", fingerprint)
            ).key
        )


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_settings_are_at_the_published_size(name: str) -> None:
    params, _ = entry_of(name, load_config(f"published/{name}"))
    resolved = {key: p.default for key, p in get_spec(name).parameters.items()} | params
    assert resolved == resolved | PUBLISHED[name]


def test_settings_of_one_model_leave_all_models_in_the_run() -> None:
    config = load_config("quick", {"models.gru.params.num_layers": 1})
    assert models_of(config) == list_models()
    assert entry_of("gru", config)[0] == {"hidden_size": 32, "num_layers": 1}


@pytest.mark.parametrize(
    ("name", "near"), [("ful", "full"), ("published/gruu", "published/gru"), ("plantet", "planted")]
)
def test_a_name_of_no_experiment_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: neither a file nor .* \(did you mean '{near}'\?\); there are "):
        load_config(name)
