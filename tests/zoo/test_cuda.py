"""Every model on a GPU: the same scores as on the CPU, training, and checkpoints that travel back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.zoo.small import FEATURES, MODELS, QUICK, fitted, small_dataset, small_params
from zoo import checkpoint, trainer
from zoo.data.windows import Dataset
from zoo.registry import build, get_spec

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU is visible to torch"),
]


@pytest.fixture(autouse=True)
def _full_precision() -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@pytest.fixture(scope="module")
def on_gpu() -> Dataset:
    here = small_dataset()
    return Dataset(here.panel, here.config, here.fold, device="cuda")


@pytest.mark.parametrize("features", FEATURES)
def test_windows_gathered_on_the_gpu_equal_those_of_the_cpu(features: str):
    here = small_dataset(features)
    there = Dataset(here.panel, here.config, here.fold, device="cuda")
    for ours, theirs in zip(here.test.batches(64), there.test.batches(64), strict=True):
        assert theirs.x.is_cuda
        torch.testing.assert_close(theirs.x.cpu(), ours.x, atol=1e-6, rtol=0)
        for name in ("label", "day", "stock", "concepts"):
            torch.testing.assert_close(getattr(theirs, name).cpu(), getattr(ours, name), atol=0, rtol=0, equal_nan=True)


@pytest.mark.parametrize("name", MODELS)
def test_scores_on_the_gpu_equal_those_on_the_cpu(name: str, on_gpu: Dataset, tmp_path: Path):
    done = fitted(name)
    checkpoint.save(tmp_path, done.model, name, small_params(name), done.dataset)
    twin = checkpoint.load(tmp_path).model.to("cuda")
    scope = get_spec(name).scope
    ours = trainer.predict(done.model, done.dataset.test, scope=scope)
    np.testing.assert_allclose(trainer.predict(twin, on_gpu.test, scope=scope), ours, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_trained_on_the_gpu_predicts_on_the_cpu(name: str, on_gpu: Dataset, tmp_path: Path):
    scope = get_spec(name).scope
    trainer.seed_everything(0)
    model = build(name, n_features=on_gpu.n_features, lookback=on_gpu.lookback, **small_params(name))
    result = trainer.fit(model, on_gpu.train, on_gpu.valid, QUICK, scope=scope)
    assert all(np.isfinite(e.train_loss) for e in result.history)
    assert all(p.is_cuda for p in model.parameters())
    on_device = trainer.predict(model, on_gpu.test, scope=scope)
    checkpoint.save(tmp_path, model, name, small_params(name), on_gpu)
    panel = on_gpu.panel
    forecaster = checkpoint.load(tmp_path)
    start = str(panel.days[on_gpu.fold.test.start])
    member = panel.member[on_gpu.fold.test.start :]
    scores = forecaster.predict(panel, start=start)
    np.testing.assert_allclose(scores.to_numpy(), on_device[member], rtol=0, atol=1e-4)
    there = forecaster.predict(panel, start=start, device="cuda")
    np.testing.assert_allclose(there.to_numpy(), on_device[member], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_explanations_stay_on_the_device(name: str, on_gpu: Dataset):
    model = fitted(name).model
    batch = next(on_gpu.test.batches(20, scope=get_spec(name).scope))
    try:
        explained = model.to("cuda").explain(batch)
        assert all(value.is_cuda and value.isfinite().all() for value in explained.values())
    finally:
        model.to("cpu")
