from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bench.advice.capability import Ability, assess, load_capability
from bench.advice.claims import Claim, judge, load_claims
from bench.advice.facts import Facts, gather
from bench.advice.guide import advise
from bench.advice.recommend import Constraints, advice_sentence, recommend
from bench.experiment.presets import CONFIGS
from bench.text.cells import Cell
from zoo.errors import ConfigError
from zoo.registry import list_models


@pytest.fixture(scope="module")
def facts(planted_results: Path) -> Facts:
    """A real capture matrix of two models, with timings and interpretability made up."""
    timing = pd.DataFrame(
        [
            {"model": "linear", "one_day_p50_ms": 1.0, "one_day_p99_ms": 2.0, "train_samples_per_s": 1e5},
            {"model": "lightgbm", "one_day_p50_ms": 8.0, "one_day_p99_ms": 9.0, "train_samples_per_s": 1e4},
        ]
    ).assign(one_day_spread=0.05, stocks=100, lookback=20)
    scores = pd.DataFrame(
        [
            {"model": "linear", "interpretability": 0.8, "native": False},
            {"model": "lightgbm", "interpretability": 0.4, "native": True},
        ]
    )
    scores = scores.assign(
        interpretability_low=scores["interpretability"] - 0.05, interpretability_high=scores["interpretability"] + 0.05
    )
    scaling = pd.DataFrame(
        [
            {"model": "linear", "time_exponent_stocks": 1.0, "time_exponent_lookback": 1.0},
            {"model": "lightgbm", "time_exponent_stocks": 1.0, "time_exponent_lookback": 0.5},
        ]
    )
    found = gather(planted_results, "planted-mixed")
    return replace(found, frames={"timing": timing, "interpretability": scores, "scaling": scaling})


@pytest.fixture
def advice(facts):
    return {a.id: a for a in advise(facts)}


# The selection guide


def test_the_guide_answers_its_five_uses(advice):
    assert list(advice) == ["prediction", "real_time", "relations", "long", "interpretability"]
    for answer in advice.values():
        assert answer.sentences[0].text.startswith("Measured by")


def test_a_ranking_is_that_of_its_measurement(facts, advice):
    for use, column in (("prediction", "own_history"), ("relations", "relation"), ("long", "long")):
        values = facts.matrix.frame.set_index("model")[column]
        assert list(advice[use].ranking) == values.sort_values(ascending=False).index.tolist()


def test_a_margin_is_called_real_only_when_its_interval_excludes_zero(advice):
    for answer in advice.values():
        for sentence in answer.sentences:
            margin = next((c for c in sentence.cells if c.id.endswith(".margin")), None)
            if margin is not None:
                assert ("no evidence of a difference" in sentence.text) == (margin.low <= 0)


def test_models_that_cannot_be_told_from_the_first_are_those_whose_margin_holds_zero(advice):
    for use in ("prediction", "long"):
        tied = advice[use].tied
        assert tied[0] == advice[use].ranking[0]
        text = " ".join(s.text for s in advice[use].sentences)
        assert ("no evidence" in text) == (len(tied) > 1)


def test_real_time_ranks_by_latency_among_models_that_keep_enough_capture(facts, advice):
    capture = facts.matrix.frame.set_index("model")["mixed"]
    kept = [m for m in ("linear", "lightgbm") if capture[m] >= 0.8 * capture.max()]
    assert list(advice["real_time"].ranking) == kept
    left_out = {"linear", "lightgbm"} - set(kept)
    text = " ".join(s.text for s in advice["real_time"].sentences)
    assert all(m in text for m in left_out)


def with_interpretability(facts: Facts, **intervals: tuple[float, float, float]) -> Facts:
    """The facts with these scores: model = (low, value, high)."""
    rows = [
        {
            "model": model,
            "interpretability": value,
            "interpretability_low": low,
            "interpretability_high": high,
            "native": False,
        }
        for model, (low, value, high) in intervals.items()
    ]
    return replace(facts, frames={**facts.frames, "interpretability": pd.DataFrame(rows)})


def test_a_score_that_untrained_networks_might_reach_is_neither_first_nor_a_strength(facts):
    found = with_interpretability(facts, linear=(0.0, 0.8, 0.9), lightgbm=(0.3, 0.4, 0.5))
    answer = {a.id: a for a in advise(found)}["interpretability"]
    assert answer.ranking == ("lightgbm", "linear")
    assert answer.tied == ("lightgbm",)
    said = " ".join(s.text for s in answer.sentences)
    assert "Only lightgbm is surely above what untrained networks show: 0.40 [0.30, 0.50]." in said
    assert "Not surely above what untrained networks show: linear." in said
    strengths = {c.model: c.strengths for c in assess(found)}
    assert "interpretability" not in strengths["linear"]


def test_where_no_explanation_is_surely_above_untrained_networks_the_guide_says_so(facts):
    found = with_interpretability(facts, linear=(0.0, 0.8, 0.9), lightgbm=(0.0, 0.4, 0.5))
    answer = {a.id: a for a in advise(found)}["interpretability"]
    assert "No model is surely above what untrained networks show; linear has 0.80" in answer.sentences[1].text


def test_interpretability_says_when_a_model_must_explain_itself(advice):
    answer = advice["interpretability"]
    assert answer.ranking == ("linear", "lightgbm")
    assert answer.tied == ("linear",)
    assert "then take lightgbm with 0.40 [0.35, 0.45]" in answer.sentences[-1].text


def test_every_number_of_the_guide_is_a_cell_of_the_evidence(facts, advice):
    for answer in advice.values():
        for sentence in answer.sentences:
            for cell in sentence.cells:
                if not cell.id.startswith("guide."):
                    assert facts.cells[cell.id].value in (cell.value, pytest.approx(cell.value / 100))


def test_what_was_not_measured_is_not_advised_but_the_command_named(finished):
    answers = advise(gather(finished, "small"))
    assert all(a.ranking == () for a in answers)
    assert all("python -m bench" in a.sentences[0].text for a in answers)


# The score


def test_the_score_is_the_weighted_mean_of_its_abilities(facts):
    abilities = load_capability().abilities
    for entry in assess(facts):
        parts = [(a.weight, a.rated(entry.cells[n]).value) for n, a in abilities.items()]
        assert entry.score.value == pytest.approx(10 * sum(w * v for w, v in parts) / sum(w for w, _ in parts))
        assert entry.score.low < entry.score.value < entry.score.high


def test_an_ability_counts_from_zero_to_one_and_no_further():
    speed = Ability(weight=1, cell="x", zero=300, one=0.3, scale="log")
    assert [round(speed.count(v), 6) for v in (300, 30, 3, 0.3, 0.01, 1e6)] == [0, 0.333333, 0.666667, 1, 1, 0]
    share = Ability(weight=1, cell="x")
    assert [share.count(v) for v in (-0.2, 0.25, 1.3)] == [0, 0.25, 1]


def test_a_model_with_an_unmeasured_ability_has_no_score(facts):
    without = replace(facts, frames={k: v for k, v in facts.frames.items() if k != "interpretability"})
    assert not any(entry.score.measured for entry in assess(without))


def test_the_fastest_model_has_speed_as_a_strength_and_the_slowest_has_not(facts):
    found = {entry.model: entry for entry in assess(facts)}
    assert "speed" in found["linear"].strengths
    assert "speed" not in found["lightgbm"].strengths


# Claims


def claim(**test) -> Claim:
    return Claim.model_validate({"id": "x", "model": "a", "claim": "a is good", "tests": [test]})


CELLS = {
    "capture.a.long": Cell("capture.a.long", 0.8, 0.7, 0.9),
    "capture.b.long": Cell("capture.b.long", 0.3, 0.2, 0.4),
    "capture.c.long": Cell("capture.c.long", 0.5, 0.3, 0.75),
}


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ({"cell": "capture.a.long", "above": "capture.b.long"}, "confirmed"),
        ({"cell": "capture.b.long", "above": "capture.a.long"}, "refuted"),
        ({"cell": "capture.a.long", "above": "capture.c.long"}, "not decided"),
        ({"cell": "capture.a.long", "above": "median"}, "confirmed"),
        ({"cell": "capture.b.long", "above": "median"}, "refuted"),
        ({"cell": "capture.a.long", "below": 0.95}, "confirmed"),
        ({"cell": "capture.a.long", "below": 0.6}, "refuted"),
        ({"cell": "capture.a.long", "above": 0.85}, "not decided"),
        ({"cell": "capture.d.long", "above": 0.1}, "not decided"),
    ],
)
def test_a_claim_is_decided_only_where_intervals_do_not_overlap(test, verdict):
    assert judge(claim(**test), CELLS, "prices").verdict == verdict


def test_one_failed_test_refutes_a_claim_and_one_open_test_leaves_it_open():
    tests = [{"cell": "capture.a.long", "above": 0.5}, {"cell": "capture.a.long", "above": "capture.c.long"}]
    both = Claim.model_validate({"id": "x", "model": "a", "claim": "good", "tests": tests})
    assert judge(both, CELLS, "prices").verdict == "not decided"
    refuted = both.model_copy(update={"tests": [*both.tests, claim(cell="capture.b.long", above=0.5).tests[0]]})
    assert judge(refuted, CELLS, "prices").verdict == "refuted"


def test_a_claim_about_other_data_is_not_decided():
    about = claim(cell="capture.a.long", above=0.1).model_copy(update={"needs": ["csi300"]})
    assert judge(about, CELLS, "sp500_5yr.parquet").verdict == "not decided"
    assert judge(about, CELLS, "CSI300 2017").verdict == "confirmed"


def test_every_claim_names_a_model_of_the_zoo_and_cells_that_a_report_can_have():
    tables = ("capture", "timing", "scaling", "interpretability", "score", "portfolio")
    for entry in load_claims().claims:
        assert entry.model in list_models()
        assert all(t.cell.split(".")[0] in tables for t in entry.tests)
        assert any(t.cell.split(".")[1].partition("[")[0] == entry.model for t in entry.tests)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: [{id: a, model: gru, claim: c, tests: [{cell: x}]}]", "either above or below"),
        ("claims: [{id: a, model: gru, claim: c, tests: []}]", "at least 1"),
        ("claims: [{id: a, model: gru, claim: c, test: []}]", "test"),
    ],
)
def test_a_claims_file_with_a_mistake_is_refused(tmp_path, text, message):
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_claims(path)


def test_the_weights_of_the_score_come_with_the_package():
    assert (CONFIGS / "capability.yaml").is_file()


# Recommendations


def test_a_recommendation_takes_the_best_of_those_that_meet_the_constraints(facts):
    free = recommend(facts, Constraints())
    assert [c.model for c in free] == facts.matrix.frame["model"].tolist()
    fast = recommend(facts, Constraints(max_latency_ms=3))
    assert fast[0].model == "linear"
    assert [c.reasons for c in fast if c.model == "lightgbm"] == [("takes 9 ms, over 3 ms",)]
    assert "Take linear" in advice_sentence(fast).text


def test_another_size_is_extrapolated_by_the_measured_exponents(facts):
    found = {c.model: c for c in recommend(facts, Constraints(max_latency_ms=50, stocks=300, lookback=80))}
    assert found["linear"].latency_ms == pytest.approx(2.0 * 3 * 4)
    assert found["lightgbm"].latency_ms == pytest.approx(9.0 * 3 * 2)
    assert all(c.extrapolated for c in found.values())


def test_what_no_model_can_do_is_said(facts):
    found = recommend(facts, Constraints(max_latency_ms=0.001))
    assert all(c.reasons for c in found)
    assert "No model meets these constraints" in advice_sentence(found).text


def test_an_unknown_need_and_an_untimed_device_are_errors(facts):
    with pytest.raises(ConfigError, match="did you mean 'explain'"):
        recommend(facts, Constraints(needs=("explan",)))
    with pytest.raises(ConfigError, match="bench time --device cuda"):
        recommend(facts, Constraints(device="cuda"))
