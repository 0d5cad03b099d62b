"""Variants: the same network under several names, with parameters and a view of the data of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_runs import SMALL, Answer, run_cli

import bench
import zoo
from bench.experiment.config import load_config
from bench.experiment.entries.names import find_models, network_of
from bench.experiment.plan import Plan, make_plan
from bench.records.store import RunStore
from zoo.errors import ZooError

BIG = {"model": "gru", "params": {"hidden_size": 6, "num_layers": 1}}
LONG = {"model": "gru", "params": {"hidden_size": 4, "num_layers": 1}, "data": {"lookback": 9}}
FACTORS = {"model": "linear", "data": {"features": "alpha158_20", "lookback": 20}}
MODELS = {"gru_big": BIG, "gru_long": LONG, "gru": {"params": {"hidden_size": 4, "num_layers": 1}}, "lin_158": FACTORS}


def plan_of(models: Any, patterns: str | None = None, **overrides: Any) -> Plan:
    changes = {"models": models, **{k.replace("__", "."): v for k, v in overrides.items()}}
    return make_plan(load_config(SMALL, changes), patterns)


def keys(plan: Plan) -> dict[tuple[str, int], str]:
    return {(t.model, t.seed): t.key for t in plan.trials}


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """Results folder and output of run `small` with variants of gru and linear, one seed. Read only."""
    results = tmp_path_factory.mktemp("varied")
    answer = run_cli(
        *("run", SMALL, "--set", f"models={json.dumps(MODELS)}", "--seeds", "1", "--jobs", "1", "--results", results)
    )
    assert answer.code == 0, answer.err
    return results, answer


def test_a_variant_is_a_row_of_its_own_with_its_network_and_what_differs(varied):
    results, _ = varied
    result = bench.open("small", results)
    assert set(result.table.index) == {*MODELS, "linear"}
    assert result.table["ranked"].all()
    assert result.table.loc["gru_big", "title"] == "GRU (gru_big)"
    assert result.table.loc["gru_big", "n_parameters"] > result.table.loc["gru", "n_parameters"]
    report = (results / "runs" / "small" / "comparison.md").read_text()
    assert "what differs" in report
    row = next(line for line in report.splitlines() if line.startswith("| lin_158") and "alpha158_20" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")][1:] == ["linear", "features alpha158_20, lookback 20"]


def test_reports_without_variants_do_not_speak_of_them(finished):
    assert "what differs" not in (finished / "runs" / "small" / "comparison.md").read_text()


def test_all_rows_are_scored_on_the_days_of_the_longest_warm_up(varied):
    results, _ = varied
    table = bench.open("small", results).table
    assert table["n_days"].nunique() == 1
    run = RunStore.open(results, "small").run()
    assert any("lin_158" in note and "same days" in note for note in run["data"]["notes"])
    store = RunStore.open(results, "small")
    spans = {json.dumps((store.record(t["key"]) or {})["segments"]) for t in run["trials"]}
    assert len(spans) == 1


def test_variants_predict_and_load_as_the_network_that_they_are(varied):
    results, _ = varied
    result = bench.open("small", results)
    panel = zoo.load_panel("planted:local?stocks=20&days=200")
    forecaster = zoo.load("small", model="gru_long", seed=0, results=results)
    assert (forecaster.name, forecaster.data.lookback) == ("gru", 9)
    stored = result.predictions["gru_long"].dropna()
    own = result.models["gru_long"].predict(panel)
    assert own.loc[stored.index].to_numpy() == pytest.approx(stored.to_numpy(), abs=1e-6)
    with pytest.raises(ZooError, match="did you mean 'gru_big'"):
        result.models["gru_bg"]


def test_every_command_on_a_run_knows_its_variants(varied, tmp_path):
    results, _ = varied
    target = tmp_path / "zh"
    shown = run_cli("show", "small", "--results", results)
    assert "gru_big" in shown.out
    key = next(t["key"] for t in RunStore.open(results, "small").run()["trials"] if t["model"] == "gru_long")
    assert "GRU (gru_long), fold 0" in run_cli("show", f"small/{key}", "--results", results).out
    for command in (
        ("verify", "small", "--retrain", "9", "--results", results),
        ("report", "small", "--verify", "--results", results),
        ("report", "small", "--lang", "zh", "-o", target, "--no-figures", "--results", results),
        ("diff", "small", "small", "--results", results),
        ("predict", "small", "--model", "lin_158", "--data", "planted:local?stocks=20&days=200", "-o",
         tmp_path / "s.csv", "--results", results),
        ("attribute", "small", "--models", "gru_*", "--days", "1", "--results", _copied(results, tmp_path)),
    ):  # fmt: skip
        answer = run_cli(*command)
        assert answer.code == 0, (command, answer.out, answer.err)
    assert "不同之处" in (target / "comparison.md").read_text(encoding="utf-8")


def _copied(results: Path, folder: Path) -> Path:
    import shutil

    return Path(shutil.copytree(results, folder / "copy"))


@pytest.mark.parametrize("command", [("leaks",), ("check",), ("describe",)])
def test_what_is_done_before_a_run_knows_its_variants(command, tmp_path):
    config = tmp_path / "small.yaml"
    config.write_text(SMALL.read_text().partition("models:")[0] + f"models: {json.dumps(MODELS)}\nseeds: [0]\n")
    answer = run_cli(*command, config)
    assert answer.code == 0, answer.out + answer.err
    if command != ("leaks",):
        assert "gru_big" in answer.out


def test_variants_are_timed_under_their_names(tmp_path):
    answer = run_cli(
        *("time", SMALL, "--set", f"models={json.dumps({'gru_big': BIG, 'gru_long': LONG})}", "--stocks", "8"),
        *("--models", "gru_*", "--rounds", "1", "--seconds", "0", "--scenarios", "one_day", "--results", tmp_path),
    )
    assert answer.code == 0, answer.err
    assert "gru_big" in answer.out
    (file,) = tmp_path.glob("timing/*/*.json")
    entries = json.loads(file.read_text())["entries"]
    assert {name: e["eager"]["settings"]["lookback"] for name, e in entries.items()} == {"gru_big": 5, "gru_long": 9}


def test_compare_gives_the_trials_of_the_command(varied, tmp_path):
    results, _ = varied
    before = {p.name: p.stat().st_mtime_ns for p in results.glob("runs/small/trials/*")}
    keywords: dict[str, Any] = {"figures": False, "progress": False, "seeds": 1, "jobs": 1}
    bench.compare(config=SMALL, models=MODELS, results=results, **keywords)
    assert {p.name: p.stat().st_mtime_ns for p in results.glob("runs/small/trials/*")} == before


def test_plain_models_keep_their_keys_beside_variants_that_read_no_further_back():
    plain = keys(plan_of({"linear": {}, "gru": {}}))
    beside = keys(plan_of({"linear": {}, "gru": {}, "gru_big": {"model": "gru"}}))
    assert plain.items() <= beside.items()
    assert beside["gru_big", 0] not in plain.values()
    # One that moves the folds makes other trials of all.
    moved = keys(plan_of({"linear": {}, "gru": {}, "gru_long": LONG}))
    assert not set(moved.values()) & set(plain.values())


def test_a_view_of_the_data_that_is_the_shared_one_changes_no_key():
    plain = keys(plan_of({"gru": {}}))
    assert keys(plan_of({"gru": {"data": {"lookback": 5}}})) == plain
    assert keys(plan_of({"gru": {"data": {"lookback": 4}}}))["gru", 0] != plain["gru", 0]
    # As a whole run that sees the data so: the same trial, since no fold is moved.
    alone = keys(plan_of({"gru": {}}, data__lookback=4, baseline=None))
    assert keys(plan_of({"gru": {"data": {"lookback": 4}}}, baseline=None)) == alone


def test_models_that_see_the_data_alike_follow_each_other():
    plan = plan_of({"gru_long": LONG, "gru": {}, "mlp_long": {"model": "mlp", "data": {"lookback": 9}}, "linear": {}})
    order = [(t.data.lookback, t.seed, t.model) for t in plan.trials]
    assert [lookback for lookback, *_ in order] == [9] * 4 + [5] * 4
    assert [seed for _, seed, _ in order] == [0, 0, 1, 1] * 2


def test_patterns_match_variants_and_models():
    config = load_config(SMALL, {"models": MODELS})
    assert find_models("gru_big,gru*", config) == ["gru_big", "gru", "gru_long"]
    assert find_models("GRU_*", config) == ["gru_big", "gru_long"]
    assert network_of("lin_158", config.models) == "linear"
    assert plan_of(MODELS, "gru_big", baseline="gru_long").models == ["gru_big", "gru_long"]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"big": {"model": "gruu"}}, "models.big.model: no model 'gruu' (did you mean 'gru'?)"),
        ({"big": {"modl": "gru"}}, "unknown key 'models.big.modl' (did you mean 'model'?)"),
        ({"gru": {"model": "lstm"}}, "models.gru: 'gru' is a model itself and cannot be 'lstm'"),
        ({"gru_big": {"params": {"hidden_size": 4}}}, "says which network it is, such as gru_big: {model: gru}"),
        ({"b*": {"model": "gru"}}, "the name 'b*' must be"),
        ({"a,b": {"model": "gru"}}, "the name 'a,b' must be"),
        ({"a-b": {"model": "gru"}}, "the name 'a-b' must be"),
        ({"GRU": {"model": "lstm"}}, "the name 'GRU' is taken by 'gru'"),
        ({"all": {"model": "gru"}}, "not 'all'"),
        ({"x": {"model": "gru"}, "y": {"model": "x"}}, "(a variant names a registered model)"),
        ({"x": {"model": "gru", "params": {"hiden_size": 3}}}, "did you mean 'hidden_size'"),
        ({"x": {"model": "gru", "data": {"label": {"horizon": 2}}}}, "'label' is shared by all models"),
        ({"x": {"model": "gru", "data": {"lookbak": 2}}}, "models.x.data: unknown key 'lookbak' (did you mean"),
        ({"x": {"model": "gru", "data": {"lookback": 0}}}, "models.x.data.lookback: input should be greater"),
        ({"x": {"model": "gru", "data": {"features": "alpha36"}}}, "alpha360"),
        ({"x": {"model": "gru", "data": {"lookback": 500}}}, "200 days, but one row reads"),
    ],
)
def test_a_variant_that_cannot_be_is_refused_before_any_work(models, message):
    with pytest.raises(ZooError) as refused:
        plan_of(models)
    assert message in str(refused.value)


def test_set_adds_a_variant_to_those_of_the_file():
    config = load_config(SMALL, {"models.gru_big.model": "gru", "models.gru_big.params.hidden_size": 7})
    plan = make_plan(config, "gru_big")
    trial = plan.trials[0]
    assert (trial.model, trial.network, trial.params["hidden_size"]) == ("gru_big", "gru", 7)
