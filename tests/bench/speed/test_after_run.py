from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_runs import SMALL

from bench.experiment.config import load_config
from bench.experiment.evidence import read_scores
from bench.experiment.plan import Plan, make_plan
from bench.records.store import RunStore
from bench.runner import execute_plan
from bench.speed.after_run import last_day
from zoo import checkpoint, registry, trainer

MODELS = "linear,lightgbm,gats,hist,tra"


@pytest.fixture(scope="module", params=["raw", "alpha158_20"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, RunStore]:
    data = {"data.features": request.param, "data.lookback": 20 if request.param == "alpha158_20" else 5}
    market = {"data.source": "planted:relation?stocks=20&days=320"}
    sizes = {f"models.{name}.params.hidden_size": 4 for name in ("gats", "hist", "tra")}
    plan = make_plan(load_config(SMALL, {**data, **market, **sizes, "seeds": [0], "train.max_epochs": 1}), MODELS)
    results = tmp_path_factory.mktemp("finished")
    assert execute_plan(plan, results, []).failed == 0
    return plan, RunStore.open(results, plan.config.name)


@pytest.mark.parametrize("name", MODELS.split(","))
def test_the_few_days_that_are_timed_give_the_scores_of_the_run(finished: tuple[Plan, RunStore], name: str):
    plan, store = finished
    trial = next(t for t in plan.trials if t.model == name)
    forecaster = checkpoint.load(store.trial_folder(trial.key))
    day = last_day(plan, plan.config.data, 0, "cpu", forecaster.stats)
    assert day.dataset.panel.n_days < plan.panel.n_days / 2
    scores = trainer.predict(forecaster.model, day, scope=registry.get_spec(name).scope)
    stored = read_scores(store, trial.key, plan.panel, plan.folds[0].test)
    np.testing.assert_allclose(scores[0], stored[-1], rtol=1e-4, atol=1e-5)


def test_every_model_of_a_run_is_timed(finished: tuple[Plan, RunStore]):
    plan, store = finished
    (machine,) = json.loads((Path(store.folder) / "latency.json").read_text())["machines"].values()
    assert {key: len(timed["seconds"]) for key, timed in machine.items()} == {t.key: 30 for t in plan.trials}
    assert {timed["stocks"] for timed in machine.values()} == {20}
