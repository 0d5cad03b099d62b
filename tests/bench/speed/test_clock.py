from __future__ import annotations

import gc
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import SMALL

from bench.experiment.config import ExperimentConfig, load_config
from bench.speed.clock import ClockCheck, Timing, check_clock, time_calls
from bench.speed.memory import check_memory, memory_process, peak_mib
from bench.speed.modes import check_agreement, executed
from bench.speed.workloads import STEPS, TimedModel, build_for_timing, make_dataset
from zoo import trainer
from zoo.errors import ConfigError, UnavailableError

linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the kernel does not tell")


def experiment(**overrides: object) -> ExperimentConfig:
    return load_config(SMALL, {"train.batch_size": 30, **overrides})


def test_every_round_runs_all_calls_and_a_block_has_a_leading_one_that_does_not_count():
    order: list[str] = []
    calls = {name: (lambda name=name: order.append(name)) for name in ("a", "b")}
    timings = time_calls(calls, rounds=2, warmup=1, block={"b": 3})
    assert order == ["a", *"bbbb"] * 3
    assert [len(timings[name].samples) for name in "ab"] == [2, 6]


def test_nothing_is_collected_while_the_clock_runs():
    seen = []
    time_calls({"a": lambda: seen.append(gc.isenabled())}, rounds=1, warmup=0)
    assert seen == [False]
    assert gc.isenabled()


def test_the_collector_comes_back_after_a_call_that_fails():
    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        time_calls({"a": fail})
    assert gc.isenabled()


def test_known_durations_are_measured():
    checks = {check.operation: check for check in check_clock(rounds=5)}
    assert set(checks) == {"sleep 5 ms", "sleep 20 ms", "spin 5 ms", "spin 20 ms"}
    # A busy machine makes an operation longer, never shorter; a wrong unit or clock would be far off.
    for check in checks.values():
        assert -0.01 < check.relative_error < 50
    assert checks["spin 20 ms"].measured > checks["spin 5 ms"].measured


def test_a_duration_that_is_off_fails_the_check():
    assert ClockCheck("x", 0.02, 0.0209).passed
    assert not ClockCheck("x", 0.02, 0.0211).passed
    assert not ClockCheck("x", 0.02, 0.0189).passed


def test_a_call_twice_as_long_measures_twice_as_long():
    calls = {"one": lambda: time.sleep(0.01), "two": lambda: time.sleep(0.02)}
    timings = time_calls(calls, rounds=7, warmup=1)
    assert min(timings["two"].samples) / min(timings["one"].samples) == pytest.approx(2, rel=0.2)


def test_unstable_is_half_the_quartile_distance_above_a_quarter_of_the_median():
    assert not Timing((0.8, 1.0, 1.2)).unstable
    assert Timing((0.4, 1.0, 1.6)).unstable


def one_after_the_other() -> float | None:
    return peak_mib(lambda: [float(torch.ones(2**21)[0]) for _ in range(3)], "cpu")


def together() -> float | None:
    return peak_mib(lambda: [torch.ones(2**21) for _ in range(3)], "cpu")


@linux
def test_peak_memory_is_what_lives_at_the_same_time_and_the_check_finds_it():
    with memory_process("cpu", 1) as remote:
        assert remote(one_after_the_other) == pytest.approx(8, rel=0.1)
        assert remote(together) == pytest.approx(24, rel=0.1)
        assert remote(check_memory, "cpu")["relative_error"] == pytest.approx(0, abs=0.05)


def test_a_training_step_holds_weights_gradients_and_both_averages():
    config = experiment(**{"models.mlp": {"params": {"hidden_size": 512}}})
    dataset = make_dataset(config, 10, "cpu")
    built = build_for_timing("mlp", config, dataset, "cpu")
    timed = TimedModel(built, "eager", dataset)
    timed.work("train_step").call()
    weights = 4 * built.record["n_parameters"]
    assert timed.state_bytes(False) == weights
    # Adam's step counters are a few bytes.
    assert timed.state_bytes(True) == pytest.approx(3 * weights, rel=0.01)


@pytest.mark.parametrize("name", ["gru", "gats", "tabnet"])
def test_the_timed_epoch_is_the_one_the_trainer_makes(name: str):
    config = experiment(**{"train.max_steps_per_epoch": STEPS})
    dataset = make_dataset(config, 10, "cpu")
    weights = []
    for by_trainer in (False, True):
        built = build_for_timing(name, config, dataset, "cpu")
        torch.manual_seed(1)
        if by_trainer:
            valid_once = built.train.model_copy(update={"max_epochs": 1})
            trainer.fit(built.model, dataset.train, dataset.valid, valid_once, scope=built.spec.scope, seed=5)
        else:
            timed = TimedModel(built, "eager", dataset)
            built.model.train()
            timed.epoch(torch.Generator().manual_seed(5))
        weights.append(torch.cat([p.detach().flatten() for p in built.model.parameters()]))
    assert torch.equal(*weights)


def test_an_epoch_has_as_many_rows_as_it_says():
    config = experiment()
    dataset = make_dataset(config, 10, "cpu")
    timed = TimedModel(build_for_timing("tcn", config, dataset, "cpu"), "eager", dataset)
    seen: list[int] = []
    loss = timed.model.training_loss

    def seen_loss(batch, fn):
        # Parts are measured in scoring, steps are taken through the loss.
        seen.append(len(batch))
        return loss(batch, fn)

    timed.model.training_loss = seen_loss
    work = timed.work("train_epoch")
    work.call()
    assert sum(seen) == work.rows == STEPS * 30


def test_a_day_has_all_stocks_and_its_scores_are_those_of_the_trainer():
    config = experiment()
    dataset = make_dataset(config, 12, "cpu")
    built = build_for_timing("gru", config, dataset, "cpu")
    timed = TimedModel(built, "eager", dataset)
    work = timed.work("one_day")
    scores = trainer.predict(built.model, dataset.test, scope="sample")
    assert work.rows == 12
    np.testing.assert_allclose(work.call().numpy(), scores[-1], rtol=1e-5, atol=1e-6)
    assert timed.work("one_stock").call().shape == (1,)


def test_trees_are_grown_before_they_are_timed():
    config = experiment()
    dataset = make_dataset(config, 30, "cpu")
    built = build_for_timing("lightgbm", config, dataset, "cpu")
    timed = TimedModel(built, "eager", dataset)
    assert built.record["fit"]["rounds"] > 0
    assert timed.work("one_day").call().std() > 0
    with pytest.raises(UnavailableError, match="no optimiser steps"):
        timed.work("train_step")
    with pytest.raises(UnavailableError, match="no network to compile"):
        TimedModel(built, "compile", dataset)


def test_tra_is_timed_with_its_memory_of_past_days():
    config = experiment()
    dataset = make_dataset(config, 10, "cpu")
    memory = build_for_timing("tra", config, dataset, "cpu").model.memory
    assert isinstance(memory, torch.Tensor)
    assert memory[dataset.train.days.start : dataset.test.days.stop].abs().sum(2).gt(0).any(dim=1).all()


def test_a_mode_that_computes_something_else_is_refused():
    config = experiment()
    dataset = make_dataset(config, 10, "cpu")
    model = build_for_timing("gru", config, dataset, "cpu").model.eval()
    batch = dataset.batch(torch.from_numpy(dataset.test.rows[:10]))
    check_agreement(model, lambda b: model.score(b) * (1 + 1e-6), batch)
    with pytest.raises(UnavailableError, match="differ"):
        check_agreement(model, lambda b: model.score(b) + 0.1, batch)
    with pytest.raises(UnavailableError, match="differ"):
        check_agreement(model, lambda b: model.score(b) * torch.nan, batch)


def test_graphs_need_cuda():
    config = experiment()
    dataset = make_dataset(config, 10, "cpu")
    with pytest.raises(UnavailableError, match="CUDA device"):
        executed(build_for_timing("gru", config, dataset, "cpu").model, "graphs", "cpu")


def test_a_feature_set_without_the_lookback_is_refused():
    with pytest.raises(ConfigError, match="alpha360"):
        make_dataset(experiment(**{"data.features": "alpha360", "data.lookback": 17}), 10, "cpu")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_graph_gives_the_eager_scores_and_gats_says_why_it_has_none():
    config = experiment()
    dataset = make_dataset(config, 50, "cuda")
    timed = TimedModel(build_for_timing("tcn", config, dataset, "cuda"), "graphs", dataset)
    for scenario in ("one_day", "one_stock", "offline"):
        timed.work(scenario).call()
    with pytest.raises(UnavailableError, match="cannot be captured"):
        TimedModel(build_for_timing("gats", config, dataset, "cuda"), "graphs", dataset)
