"""Trained models on disk: predictions on new panels, and files that are damaged or hostile."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import zoo
from tests.zoo.small import FEATURES, fitted, small_panel, small_params
from zoo import checkpoint, trainer
from zoo.checkpoint import HEADER, WEIGHTS
from zoo.data.panel import Panel, presence
from zoo.errors import DataError, ModelError, UnavailableError


@pytest.fixture(scope="module", params=FEATURES)
def features(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def store(name: str = "gru", features: str = "raw") -> Path:
        folder = tmp_path_factory.mktemp("trial")
        checkpoint.save(folder, fitted(name, features).model, name, small_params(name), fitted(name, features).dataset)
        return folder

    return store


@pytest.fixture
def damaged(stored: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored(), tmp_path / "damaged"))


def tail(panel: Panel, days: int) -> Panel:
    """The last days of a panel, as a user has them who keeps a short history."""
    return replace(panel, days=panel.days[-days:], values=panel.values[-days:], member=panel.member[-days:])


def without_concepts(panel: Panel) -> Panel:
    return replace(panel, concepts=None)


def test_a_prediction_is_a_sorted_series_of_every_member(stored: Callable[..., Path]):
    panel = small_panel()
    scores = zoo.load(stored()).predict(panel)
    warmup = fitted("gru").dataset.feature_set.warmup
    assert scores.index.names == ["datetime", "instrument"]
    assert scores.name == "score"
    assert scores.dtype == np.float32
    assert scores.index.is_monotonic_increasing
    assert scores.index.is_unique
    assert scores.notna().all()
    assert len(scores) == panel.member[warmup:].sum()
    day, stock = np.nonzero(panel.member[warmup:])
    assert (scores.index.get_level_values(0) == pd.DatetimeIndex(panel.days[warmup:][day])).all()
    assert scores.index.get_level_values(1).tolist() == panel.symbols[stock].tolist()


def test_stored_statistics_are_used_and_never_refitted(stored: Callable[..., Path], features: str):
    """Prices and volumes of the last days alone have other medians; the scores of those days stay the same."""
    panel = without_concepts(small_panel())
    forecaster = zoo.load(stored("gru", features))
    np.testing.assert_array_equal(forecaster.stats.center, fitted("gru", features).dataset.stats.center)
    warmup = fitted("gru", features).dataset.feature_set.warmup
    short = tail(panel, warmup + 3)
    on_short = forecaster.predict(short)
    on_long = forecaster.predict(panel, start=str(panel.days[-3]))
    in_the_run = trainer.predict(fitted("gru", features).model, fitted("gru", features).dataset.test, scope="sample")
    np.testing.assert_allclose(on_long.to_numpy(), in_the_run[-3:][panel.member[-3:]], rtol=0, atol=1e-6)
    assert len(on_short) == panel.member[-3:].sum()
    pd.testing.assert_series_equal(on_short, on_long, check_exact=False, atol=1e-6, rtol=0)


def test_start_and_end_are_inclusive(stored: Callable[..., Path]):
    panel = small_panel()
    scores = zoo.load(stored()).predict(panel, start=str(panel.days[60]), end=str(panel.days[62]))
    assert scores.index.get_level_values(0).unique().tolist() == pd.DatetimeIndex(panel.days[60:63]).tolist()


def test_stocks_never_seen_in_training_are_scored(stored: Callable[..., Path]):
    panel = without_concepts(small_panel())
    renamed = replace(panel, symbols=np.array([f"NEW{i}" for i in range(panel.n_stocks)]))
    forecaster = zoo.load(stored())
    np.testing.assert_array_equal(forecaster.predict(renamed).to_numpy(), forecaster.predict(panel).to_numpy())


def test_a_file_is_as_good_as_a_panel(stored: Callable[..., Path], tmp_path: Path):
    values = small_panel().values
    panel = replace(without_concepts(small_panel()), member=presence(small_panel().field("close")))
    day, stock = np.nonzero(np.isfinite(values).any(axis=2))
    frame = pd.DataFrame(values[day, stock], columns=list(panel.fields))
    frame.insert(0, "date", panel.days[day].astype(str))
    frame.insert(1, "symbol", panel.symbols[stock])
    frame.to_csv(tmp_path / "new.csv", index=False)
    forecaster = zoo.load(stored())
    pd.testing.assert_series_equal(forecaster.predict(tmp_path / "new.csv"), forecaster.predict(panel), atol=1e-6)


def test_too_little_history_says_how_many_days_one_score_reads(stored: Callable[..., Path], features: str):
    warmup = fitted("gru", features).dataset.feature_set.warmup
    forecaster, panel = zoo.load(stored("gru", features)), without_concepts(small_panel())
    with pytest.raises(DataError, match=rf"{warmup} days, but one score reads {warmup + 1}; give more history"):
        forecaster.predict(tail(panel, warmup))
    assert len(forecaster.predict(tail(panel, warmup + 1))) == panel.member[-1].sum()


def test_a_range_without_a_day_names_those_that_can_be_scored(stored: Callable[..., Path]):
    panel = small_panel()
    for bounds in ({"start": "2050-01-01"}, {"end": "1990-01-01"}, {"end": str(panel.days[3])}):
        with pytest.raises(DataError, match=rf"days with a full window are .* \.\. {panel.days[-1]}"):
            zoo.load(stored()).predict(panel, **bounds)


def test_a_model_that_needs_concepts_says_so(stored: Callable[..., Path]):
    with pytest.raises(UnavailableError, match="hist needs concepts"):
        zoo.load(stored("hist")).predict(without_concepts(small_panel()))


def without(panel: Panel, field: str, *, emptied: bool) -> Panel:
    keep = [k for k, name in enumerate(panel.fields) if name != field]
    if not emptied:
        return replace(panel, fields=tuple(panel.fields[k] for k in keep), values=panel.values[:, :, keep])
    values = panel.values.copy()
    values[:, :, panel.fields.index(field)] = np.nan
    return replace(panel, values=values)


@pytest.mark.parametrize("emptied", [False, True])
@pytest.mark.parametrize("field", ["volume", "open"])
def test_a_field_that_training_had_and_new_data_lack_is_named(stored: Callable[..., Path], field: str, emptied: bool):
    forecaster = zoo.load(stored())
    assert forecaster.fields == ("open", "high", "low", "close", "volume")
    with pytest.raises(DataError, match=f"no {field} from .*, but the model was trained with open, high, low, close"):
        forecaster.predict(without(small_panel(), field, emptied=emptied))


def test_a_field_that_features_do_not_read_may_be_lacking(stored: Callable[..., Path]):
    panel, forecaster = small_panel(), zoo.load(stored())
    scores = forecaster.predict(without(panel, "vwap", emptied=False))
    np.testing.assert_array_equal(scores.to_numpy(), forecaster.predict(panel).to_numpy())
    with pytest.raises(DataError, match="no vwap"):
        zoo.load(stored("gru", "alpha360")).predict(without(panel, "vwap", emptied=False))


def test_a_field_that_training_lacked_too_is_not_asked_for(stored: Callable[..., Path], damaged: Path):
    header = json.loads((damaged / HEADER).read_text(encoding="utf-8"))
    for fields in (["close"], None):  # None: written before fields were stored
        header["fields"] = fields
        (damaged / HEADER).write_text(json.dumps(header), encoding="utf-8")
        assert len(zoo.load(damaged).predict(without(small_panel(), "volume", emptied=False)))


def unpriced(panel: Panel, days: int, *, listed: bool) -> Panel:
    """The last days have a volume and no price yet; `listed`: the source knows who is a member all the same."""
    values, member = panel.values.copy(), panel.member.copy()
    values[-days:, :, [k for k, name in enumerate(panel.fields) if name != "volume"]] = np.nan
    member[-days:] &= listed
    return replace(panel, values=values, member=member)


@pytest.mark.parametrize("listed", [True, False])
def test_a_day_without_prices_is_refused_when_asked_for_and_told_otherwise(stored: Callable[..., Path], listed: bool):
    panel, forecaster = small_panel(), zoo.load(stored())
    new = unpriced(panel, 2, listed=listed)
    reason = rf"no member has a close from {panel.days[-2]} to {panel.days[-1]}.* with prices is {panel.days[-3]}"
    with pytest.raises(DataError, match=reason):
        forecaster.predict(new, start=str(panel.days[-2]))
    scores = forecaster.predict(new)
    assert scores.index.get_level_values(0).max() == panel.days[-3]
    assert any(f"2 days without any close, such as {panel.days[-1]}" in note for note in scores.attrs["notes"])
    np.testing.assert_array_equal(scores.to_numpy(), forecaster.predict(panel, end=str(panel.days[-3])).to_numpy())


def test_the_notes_on_new_data_come_with_the_scores(stored: Callable[..., Path], tmp_path: Path):
    assert zoo.load(stored()).predict(small_panel().with_notes("as told")).attrs["notes"][-1] == "as told"


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(ModelError, match=r"holds no trained model \(checkpoint\.json is missing\)"):
            checkpoint.load(folder)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("file", [HEADER, WEIGHTS])
def test_a_truncated_file_is_refused_naming_the_folder(damaged: Path, file: str, share: float):
    content = (damaged / file).read_bytes()
    (damaged / file).write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="damaged: cannot be loaded"):
        checkpoint.load(damaged)


@pytest.mark.parametrize("file", [HEADER, WEIGHTS])
def test_garbage_is_refused(damaged: Path, file: str):
    for seed in range(20):
        (damaged / file).write_bytes(np.random.default_rng(seed).bytes(200))
        with pytest.raises(ModelError, match="damaged: cannot be loaded"):
            checkpoint.load(damaged)


def test_missing_weights_are_refused(damaged: Path):
    (damaged / WEIGHTS).unlink()
    with pytest.raises(ModelError, match="damaged: cannot be loaded"):
        checkpoint.load(damaged)


@pytest.mark.parametrize("content", ["[]", "null", "3", '"text"', "{}", '{"format": 1}'])
def test_a_header_that_is_not_one_is_refused(damaged: Path, content: str):
    (damaged / HEADER).write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="damaged"):
        checkpoint.load(damaged)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("format", 2, "written in format 2, this version reads 1"),
        ("model", "gruu", "did you mean 'gru'"),
        ("model", "lstm", "size mismatch|[Mm]issing key"),
        ("model", ["gru"], "damaged"),
        ("params", {"hidden_size": 9}, "size mismatch"),
        ("params", {"hiden_size": 9}, "did you mean 'hidden_size'"),
        ("params", None, "damaged"),
        ("params", [1], "damaged"),
        ("n_features", 99, "size mismatch"),
        ("n_features", "five", "damaged"),
        ("n_features", None, "damaged"),
        ("data", {"feature": "raw"}, "feature"),
        ("data", None, "damaged"),
        ("fields", 3, "damaged"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(damaged: Path, key: str, value: Any, reason: str):
    header = json.loads((damaged / HEADER).read_text(encoding="utf-8"))
    header[key] = value
    (damaged / HEADER).write_text(json.dumps(header), encoding="utf-8")
    with pytest.raises(ModelError, match=reason):
        checkpoint.load(damaged)


class _Trap:
    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (Path(self.target),)

    def __init__(self, target: str) -> None:
        self.target = target


@pytest.mark.parametrize("file", [HEADER, WEIGHTS])
def test_nothing_is_ever_unpickled(damaged: Path, tmp_path: Path, file: str):
    sprung = tmp_path / "sprung"
    for content in (pickle.dumps(_Trap(str(sprung))), _torch_bytes(_Trap(str(sprung)), tmp_path)):
        (damaged / file).write_bytes(content)
        with pytest.raises(ModelError, match="cannot be loaded"):
            checkpoint.load(damaged)
    assert not sprung.exists()


def _torch_bytes(content: object, folder: Path) -> bytes:
    torch.save(content, folder / "weights.pt")
    return (folder / "weights.pt").read_bytes()


def test_a_loaded_model_is_ready_and_knows_what_it_is(stored: Callable[..., Path]):
    forecaster = zoo.load(str(stored("alstm")))
    assert (forecaster.name, forecaster.params) == ("alstm", small_params("alstm"))
    assert not forecaster.model.training
    assert forecaster.data == fitted("alstm").dataset.config


def test_saving_leaves_the_model_as_it_was(stored: Callable[..., Path]):
    done = fitted("gru")
    before = trainer.predict(done.model, done.dataset.test, scope="sample")
    stored("gru")
    np.testing.assert_array_equal(before, trainer.predict(done.model, done.dataset.test, scope="sample"))
