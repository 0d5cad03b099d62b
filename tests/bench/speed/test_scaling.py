from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from cli_runs import SMALL

from bench.experiment.config import load_config
from bench.speed import scaling
from bench.speed.memory import memory_process
from bench.speed.scaling import Case, Sweep, cases, explore_case, time_points
from bench.stats.exponents import fitted, fitted_end

SIZES = [30, 60, 120, 240, 480, 960]


def test_a_power_gives_its_exponent_and_a_narrow_interval():
    slope, low, high = fitted(SIZES, [3e-5 * size**1.7 for size in SIZES])
    assert slope == pytest.approx(1.7)
    assert high - low < 1e-6


def test_the_interval_is_that_of_least_squares_with_student_t():
    from scipy.stats import linregress, t

    generator = np.random.default_rng(0)
    costs = [1e-4 * size * float(np.exp(generator.normal(0, 0.2))) for size in SIZES]
    wanted = linregress(np.log(SIZES), np.log(costs))
    half = t.ppf(0.975, len(SIZES) - 2) * wanted.stderr
    assert fitted(SIZES, costs) == pytest.approx((wanted.slope, wanted.slope - half, wanted.slope + half))


def test_overhead_hides_growth_that_the_end_shows():
    costs = [1e-3 + 1e-8 * size**2 for size in SIZES]
    whole, low, high = fitted(SIZES, costs)
    end, _, _ = fitted_end(SIZES, [np.full(5, cost) for cost in costs])
    assert end > whole + 0.3
    assert high - low > 0.3


def test_the_interval_at_the_end_covers_the_truth_as_often_as_it_says():
    generator, covered = np.random.default_rng(1), 0
    for seed in range(200):
        samples = [1e-5 * size * np.exp(generator.normal(0, 0.1, 25)) for size in SIZES]
        _, low, high = fitted_end(SIZES, samples, seed=seed)
        covered += low <= 1 <= high
    assert covered / 200 >= 0.88


def test_too_few_sizes_have_no_exponent_and_no_interval():
    assert np.isnan(fitted([30], [1.0])).all()
    slope, low, high = fitted([10, 100], [1.0, 10.0])
    assert slope == pytest.approx(1)
    assert np.isnan([low, high]).all()
    assert np.isnan(fitted_end([10, 100], [np.ones(3)] * 2)).all()


def sweep(make, **limits: float) -> list[dict]:
    case = Case("x", "a test", ("lookback",), make)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            patch.setattr(scaling, name, value)
        plan = Sweep(lookbacks=(10, 20, 40, 80), rounds=2, seconds=0)
        points = explore_case(case, "lookback", 5, "cpu", plan)
    return time_points(case, "lookback", 5, points, plan)


def test_sizes_after_one_that_is_too_slow_are_skipped_and_said():
    points = sweep(lambda stocks, lookback: lambda: time.sleep(lookback / 200), MOST_SECONDS=0.15)
    assert ["samples" in point for point in points] == [True, True, False, False]
    assert "a call at 40 takes 0.2 s" in points[2]["reason"]
    assert points[3]["reason"] == points[2]["reason"]


def test_a_size_that_might_not_fit_is_not_tried():
    tried = []

    def make(stocks: int, lookback: int):
        tried.append(lookback)
        return lambda: torch.ones(lookback * 2**15)  # lookback / 8 MiB

    points = sweep(make, MOST_MIB=12.0)
    if points[0]["memory_mib"] is None:
        pytest.skip("the kernel does not tell peak memory")
    assert tried == [10, 20, 40] * 2
    assert points[3]["reason"] == "took 5 MiB at 40, might exceed 12 MiB at 80"


def quarter_mib_a_day(stocks: int, lookback: int):
    return lambda: torch.ones(lookback * 2**16)


def test_memory_of_a_sweep_is_that_of_the_call():
    case = Case("x", "a test", ("lookback",), quarter_mib_a_day)
    with memory_process("cpu", threads=1) as remote:
        points = remote(explore_case, case, "lookback", 5, "cpu", Sweep(lookbacks=(10, 20, 40, 80)))
    if points[0]["memory_mib"] is None:
        pytest.skip("the kernel does not tell peak memory")
    # Some pages of the process itself come and go meanwhile.
    assert [p["memory_mib"] for p in points] == pytest.approx([2.5, 5, 10, 20], rel=0.1, abs=0.5)


def test_attention_alone_is_that_of_the_network():
    config = load_config(SMALL)
    found = {case.label: case for case in cases("localformer", config, "cpu")}
    assert "16 days" in found["localformer[attention=window].attention"].what
    assert "all days" in found["localformer.attention"].what
    assert found["localformer"].make(7, 9)().shape == (7,)
    assert found["localformer.attention"].axes == ("lookback",)


def test_both_forms_of_attention_across_stocks_agree():
    config = load_config(SMALL)
    found = {case.label: case for case in cases("gats", config, "cpu")}
    with torch.no_grad():
        torch.manual_seed(3)
        by_sorting = found["gats.attention"].make(500, 5)()
        torch.manual_seed(3)
        states = torch.randn(1, 500, by_sorting.shape[2])
        torch.manual_seed(3)
        dense = found["gats.attention[dense]"].make(500, 5)()
    # The network adds the state to the mean of the states.
    torch.testing.assert_close(by_sorting, dense + states, rtol=1e-4, atol=1e-5)


def test_a_model_with_windowed_attention_has_no_second_row_for_it():
    config = load_config(SMALL, {"models.localformer": {"params": {"attention": "window"}}})
    assert [c.label for c in cases("localformer", config, "cpu")] == ["localformer", "localformer.attention"]


def test_tcn_is_measured_once_more_with_a_reach_of_all_lookbacks():
    config = load_config(SMALL, {"models.tcn.params": {"channels": [4, 4], "num_layers": 3}})
    assert "tcn[num_layers=8]" in [case.label for case in cases("tcn", config, "cpu")]
    found = {case.label: case.what for case in cases("tcn", load_config(SMALL), "cpu")}
    assert set(found) == {"tcn", "tcn[num_layers=8]"}
    reach = int(found["tcn[num_layers=8]"].split()[-4])
    assert reach >= max(scaling.LOOKBACKS)
