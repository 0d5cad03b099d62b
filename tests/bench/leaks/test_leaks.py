"""Every planted leak is caught by the check that is meant for it, and nothing is reported where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import leaky
import numpy as np
import pytest
import torch
from leaky import subject_of

from bench.leaks import CHECKS, Finding, Pieces, Subject, run_checks
from zoo import registry, trainer
from zoo.data.features import FEATURE_SETS
from zoo.data.split import DayRange
from zoo.registry import register_model

RULE = {"top_liquidity": 8, "window": 20}
TINY = {
    "mlp": {"hidden_size": 8},
    "lstm": {"hidden_size": 4, "num_layers": 1},
    "gru": {"hidden_size": 4, "num_layers": 1},
    "alstm": {"hidden_size": 4, "num_layers": 1},
    "tcn": {"hidden_size": 4, "num_layers": 1},
    "transformer": {"hidden_size": 8, "num_heads": 2, "num_layers": 1},
    "localformer": {"hidden_size": 8, "num_heads": 2, "num_layers": 1},
    "gats": {"hidden_size": 4, "num_layers": 1},
    "hist": {"hidden_size": 4, "num_layers": 1},
    "tra": {"hidden_size": 4, "num_layers": 1, "router_hidden": 4},
    "tabnet": {"hidden_size": 4, "n_d": 4, "n_a": 4, "n_steps": 2, "virtual_batch_size": 100},
    "lightgbm": {"num_rounds": 5},
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _leaky_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """What plugins would register, forgotten after the test."""
    for cls in leaky.LEAKY_FEATURES:
        monkeypatch.setitem(FEATURE_SETS, cls.name, cls)
    registry.list_models()
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    for name, cls, scope in (
        ("reads_labels", leaky.ReadsLabels, "sample"),
        ("reads_batch", leaky.ReadsBatch, "sample"),
        ("reads_next_day", leaky.ReadsNextDay, "day"),
        ("remembers_too_much", leaky.RemembersTooMuch, "sample"),
        ("learns_everything", leaky.LearnsEverything, "sample"),
    ):
        register_model(name, title=name, paper="a test", scope=scope)(cls)


def failures(subject: Subject) -> dict[str, Finding]:
    return {finding.check: finding for finding in run_checks(subject) if not finding.passed}


def with_folds(change: Callable[[Subject], Subject]) -> Callable[[], Subject]:
    return lambda: change(subject_of())


def overlapping(subject: Subject) -> Subject:
    (fold,) = subject.folds
    valid = DayRange(fold.valid.start, fold.test.start + 5)
    return replace(subject, folds=[replace(fold, valid=valid)])


def copied_day(subject: Subject) -> Subject:
    values = subject.panel.values.copy()
    values[200] = values[100]
    return replace(subject, panel=replace(subject.panel, values=values))


def undated_concepts() -> Subject:
    subject = subject_of("hist,linear", params=TINY)
    assert subject.sample.concepts is not None
    return replace(subject, sample=replace(subject.sample, concepts=replace(subject.sample.concepts, snapshot=True)))


STRONG = "planted:local?stocks=30&days=300&rho=0.5"
LONG = "planted:long?stocks=30&days=300&rho=0.5"
LATER = {"normalisation", "future_scores", "fit_reads_test", "fit_on_valid"}
"""What else sees that a feature reads the future: its statistics, its scores, and weights fitted to them."""


PLANTED: dict[str, tuple[Callable[[], Subject], dict[str, str], set[str]]] = {
    # leak: (subject, check that must catch it -> what it must name, checks that see its consequences)
    "a centred rolling mean": (
        lambda: subject_of(features="centred"),
        {"future_features": "column 'close'"},
        LATER,
    ),
    "missing values filled from the future": (
        lambda: subject_of(features="backfilled"),
        {"future_features": "column 'open'"},
        LATER,
    ),
    "scaling by a statistic of all days": (
        lambda: subject_of(features="scaled_on_all"),
        {"future_features": "column 'volume'"},
        LATER,
    ),
    "features fitted on all days": (
        lambda: subject_of(features="fitted_on_all"),
        {"normalisation": "column 'volume'"},
        set(),
    ),
    "the label among the features": (
        lambda: subject_of(features="with_label"),
        {"label_in_features": "column 'target', lag 0", "future_features": "column 'target'"},
        LATER,
    ),
    "a vendor's column made with hindsight": (
        lambda: leaky.rated_with_hindsight(subject_of()),
        {"label_in_features": "column 'rating', lag 0"},
        set(),
    ),
    "windows that end a day late": (
        leaky.on_dataset(leaky.OneDayAhead),
        {"future_features": "column 'open'"},
        {"future_scores"},
    ),
    "concepts of the last day": (
        leaky.on_dataset(leaky.LastConcepts),
        {"future_concepts": "concept 'concept_0"},
        set(),
    ),
    "concepts without dates": (undated_concepts, {"snapshot_concepts": "hist reads 2 concepts"}, set()),
    "labels ranked over all days": (
        leaky.on_dataset(leaky.RankedOverAllDays),
        {"label_ranking": "the train label of"},
        {"fit_reads_test"},
    ),
    "a label that reaches further than declared": (
        leaky.on_dataset(leaky.LongerLabel),
        {"label_days": "6 days ahead"},
        {"fit_reads_test"},
    ),
    "training on the label of a later day": (
        lambda: subject_of(source=LONG, lookback=20, pieces=Pieces(dataset=leaky.LateLabel)),
        {"shifted_label": "3 days later", "label_ranking": "the train label of"},
        set(),
    ),
    "labels handed to other rows": (
        leaky.on_dataset(leaky.MisplacedLabel),
        {"label_alignment": "rows have another label than theirs"},
        set(),
    ),
    "an embargo forced shorter than the label": (
        lambda: subject_of("gru", params=TINY, split={"embargo": 0, "force": True}),
        {"label_reach": "split.force"},
        {"fit_on_valid"},
    ),
    "segments that overlap": (with_folds(overlapping), {"segment_overlap": "valid and test share 5 days"}, set()),
    "a day copied into the test segment": (with_folds(copied_day), {"repeated_days": "repeats every value"}, set()),
    "a universe chosen by liquidity over all days": (
        lambda: subject_of(universe=RULE, pieces=Pieces(universe=leaky.universe_of_all_time)),
        {"future_members": "membership of P"},
        set(),
    ),
    "a universe without later delistings": (
        lambda: subject_of(universe=RULE, pieces=Pieces(universe=leaky.universe_of_survivors)),
        {"future_members": "membership of P"},
        set(),
    ),
    "a model that reads labels": (
        lambda: subject_of("reads_labels"),
        {"labels_in_scores": "reads_labels (untrained)", "shuffled_label": "reads_labels: IC +"},
        {"future_scores"},
    ),
    "a model that remembers labels too early": (
        lambda: subject_of("remembers_too_much"),
        {"future_scores": "remembers_too_much (untrained)"},
        set(),
    ),
    "a model that reads the rest of its batch": (
        lambda: subject_of("reads_batch"),
        {"other_days": "reads_batch (untrained, scope sample)"},
        {"future_scores"},
    ),
    "a day-scope model that reads the next day": (
        lambda: subject_of("reads_next_day"),
        {"other_days": "reads_next_day (untrained, scope day)"},
        {"future_scores"},
    ),
    "a model fitted on all segments": (
        lambda: subject_of("learns_everything"),
        {"fit_reads_test": "learns_everything: its fit reads rows of"},
        {"shuffled_label"},
    ),
    "a trainer that stops early on test": (
        lambda: subject_of("gru", params=TINY, pieces=Pieces(fit=leaky.fit_until_best_on_test)),
        {"fit_reads_test": "gru: its fit reads rows of"},
        set(),
    ),
    "a trainer that learns from valid": (
        lambda: subject_of("gru", params=TINY, pieces=Pieces(fit=leaky.fit_on_train_and_valid)),
        {"fit_on_valid": "gru: '"},
        set(),
    ),
    "scores dated a day early": (
        lambda: subject_of(source=STRONG, pieces=Pieces(predict=leaky.predict_one_day_late)),
        {"shifted_label": "1 days later", "future_scores": "linear (fitted)"},
        set(),
    ),
    "metrics that pool days": (
        lambda: subject_of(pieces=Pieces(metrics=leaky.pooled_metrics)),
        {"daily_metrics": "'mse'"},
        set(),
    ),
}


@pytest.mark.parametrize("leak", PLANTED)
def test_a_planted_leak_is_caught_by_its_check_which_names_it(leak: str) -> None:
    make, meant, consequences = PLANTED[leak]
    found = failures(make())
    assert meant.keys() <= found.keys() <= meant.keys() | consequences, found
    for check, piece in meant.items():
        assert any(piece in text for text in found[check].offences), found[check]


# Data that no other piece can mend


def write_market(path: Path, *, stocks: int, ends: int) -> Path:
    """Four years of a random market as Parquet; the first `ends` stocks are delisted, evenly over time."""
    import pandas as pd

    rng = np.random.default_rng(0)
    days = np.busday_offset("2015-01-01", np.arange(1000), roll="forward")
    close = np.exp(np.cumsum(rng.normal(0, 0.02, (1000, stocks)), axis=0))
    frame = pd.DataFrame(
        {
            "date": np.repeat(days, stocks),
            "symbol": np.tile([f"S{i:03d}" for i in range(stocks)], 1000),
            **{name: close.ravel() * factor for name, factor in (("open", 1), ("high", 1.01), ("low", 0.99))},
            "close": close.ravel(),
            "volume": rng.integers(1, 10**6, close.size),
        }
    )
    position = np.repeat(np.arange(1000), stocks)
    last = np.tile([100 + 800 * i // max(ends, 1) if i < ends else 1000 for i in range(stocks)], 1000)
    frame[position < last].to_parquet(path)
    return path


def offences(check: str, subject: Subject) -> tuple[str, ...]:
    return tuple(CHECKS[check](subject))


def test_data_of_survivors_are_told_from_data_that_stocks_leave(tmp_path: Path) -> None:
    healthy = subject_of(source=str(write_market(tmp_path / "healthy.parquet", stocks=300, ends=8)))
    assert offences("survivorship", healthy) == ()
    chosen = subject_of(source=str(write_market(tmp_path / "chosen.parquet", stocks=300, ends=0)))
    (text,) = offences("survivorship", chosen)
    assert "0 of 300 stocks (0.0 %) end before the last days" in text


def test_leaving_an_index_is_no_exit(tmp_path: Path) -> None:
    from zoo.data.sources import load_panel
    from zoo.data.writers import write_panel

    whole = load_panel(write_market(tmp_path / "chosen.parquet", stocks=300, ends=0))
    member = whole.member.copy()
    member[500:, :30] = False
    write_panel(replace(whole, member=member), f"{tmp_path / 'index'}/")
    subject = subject_of(source=str(tmp_path / "index"))
    assert not subject.base.member[-1, :30].any()
    (text,) = offences("survivorship", subject)
    assert "0 of 300 stocks (0.0 %) end before the last days" in text


def test_a_list_of_members_without_dates_is_told_from_one_with_dates(tmp_path: Path) -> None:
    names = [f"P{i:02d}" for i in range(10)]
    undated, dated = tmp_path / "undated.txt", tmp_path / "dated.txt"
    undated.write_text("".join(f"{n}\t2000-01-01\t2030-01-01\n" for n in names))
    dated.write_text("".join(f"{n}\t2000-01-01\t2030-01-01\n" for n in names[1:]) + "P00\t2000-01-01\t2010-09-01\n")
    source = "planted:local?stocks=16&days=300"
    assert offences("undated_universe", subject_of(source=source, universe={"file": str(dated)})) == ()
    (text,) = offences("undated_universe", subject_of(source=source, universe={"file": str(undated)}))
    assert "the same 10 members on all 300 days" in text


# Where there is no leak


def test_nothing_is_reported_of_any_of_the_models() -> None:
    subject = subject_of(",".join({*TINY, "linear"}), params=TINY)
    assert len(subject.contenders) == 13
    assert failures(subject) == {}


@pytest.mark.parametrize(
    ("features", "lookback"), [("raw", 20), ("alpha360", 60), ("alpha158", 1), ("alpha158", 3), ("alpha158_20", 5)]
)
def test_nothing_is_reported_of_any_feature_set(features: str, lookback: int) -> None:
    subject = subject_of("linear", source="planted:mixed?stocks=16&days=320", features=features, lookback=lookback)
    assert failures(subject) == {}


@pytest.mark.parametrize(
    "data",
    [
        {"universe": RULE},
        {"universe": {**RULE, "rebalance": "day"}},
        {"label": {"horizon": 5}},
        {"label": {"lag": 0}},
        {"label": {"price": "open", "horizon": 3}},
        {"split": {"mode": "walk_forward", "train": "100d", "valid": "40d", "test": "40d", "step": "40d"}},
        {"source": "planted:null?stocks=12&days=220"},
        {"source": "planted:local?stocks=16&days=220&rho=0.95"},
    ],
    ids=str,
)
def test_nothing_is_reported_of_honest_settings(data: dict[str, Any]) -> None:
    assert failures(subject_of(**data)) == {}


def test_shuffled_labels_raise_no_alarm_more_often_than_chance() -> None:
    """z of the shuffled-label check over independent markets: mean 0, variance 1, however predictable the market."""
    from bench.leaks.scores import shuffled_z

    values = []
    for seed in range(12):
        subject = subject_of(source=f"planted:local?stocks=16&days=220&rho=0.9&seed={seed}")
        values.append(shuffled_z(subject, subject.contenders[0])[0])
    assert abs(np.mean(values)) < 4 / np.sqrt(len(values))
    assert np.std(values) < 2


def test_a_model_that_cannot_be_fitted_is_a_failure_and_the_others_are_checked() -> None:
    def fit(model: Any, *args: Any, **kwargs: Any) -> Any:
        if type(model).__name__ == "MLP":
            raise ZeroDivisionError("no rows")
        return trainer.fit(model, *args, **kwargs)

    found = failures(subject_of("mlp,reads_labels", params=TINY, pieces=Pieces(fit=fit)))
    assert found["models_run"].offences == ("mlp cannot be fitted: ZeroDivisionError: no rows",)
    assert "reads_labels" in found["labels_in_scores"].offences[0]


def test_every_check_has_a_planted_leak() -> None:
    elsewhere = {"survivorship", "undated_universe", "models_run", "own_columns_early"}
    assert {check for _, meant, _ in PLANTED.values() for check in meant} | elsewhere == set(CHECKS)
