"""The only training loop: every gradient-trained network goes through `fit`, with no knowledge of test data.

Identical treatment means: same Adam, same loss, same rows per step, same order of rows for the same seed, same early
stop on the mean daily IC of the valid segment (a stage without scores: on its own loss there), same elementwise clip.
What a network does differently it does through the hooks of `zoo.network`.
"""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from zoo.config import TrainConfig
from zoo.crosssection import pearson_rows
from zoo.data.split import DayRange
from zoo.data.windows import Segment
from zoo.errors import ModelError, UnavailableError
from zoo.kernels.stash import release
from zoo.network import Batch, EpochContext, Network, WholeModel
from zoo.registry import Scope, get_spec
from zoo.training.losses import LOSSES
from zoo.training.parts import rows_per_part, score_parts
from zoo.training.snapshot import Progress, Snapshots, restore
from zoo.training.step import Step, make_optimizer

EVALUATION_ROWS = 2048
"""Rows scored at once in evaluation; bounds activation memory, does not change scores of sample-scope networks."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed; `train_loss` is the mean over steps, times are seconds.

    Of `valid_ic` and `valid_loss` the one that the stage is judged by is given, the other is None.
    """

    stage: str
    epoch: int
    train_loss: float
    valid_ic: float | None
    seconds: float
    valid_loss: float | None = None


@dataclass(frozen=True)
class FitResult:
    """How a fit went.

    Attributes:
        history: one entry per epoch; empty for models fitted as a whole.
        best_epoch: epoch (from 1, in the last stage) whose weights were kept; 0 for models fitted as a whole.
        steps: optimiser steps taken in all stages.
        rows_per_step: rows of one step.
        seconds: wall time of the whole fit.
        facts: what a model fitted as a whole reports of itself.
    """

    history: tuple[Epoch, ...]
    best_epoch: int
    steps: int
    rows_per_step: int
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)


def seed_everything(seed: int) -> None:
    """Seed every generator a model may draw from; call before building it."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - third-party models may draw from the global generator
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def fit(
    model: Network,
    train: Segment,
    valid: Segment,
    config: TrainConfig,
    *,
    scope: Scope,
    seed: int = 0,
    on_epoch: Callable[[Epoch], None] | None = None,
    snapshots: Snapshots | None = None,
) -> FitResult:
    """Train `model` in place and leave it with the weights of its best valid epoch, in eval mode.

    Args:
        snapshots: where the state is kept from time to time; what is stored there already is gone on from, with the
            bits of a fit that was never interrupted.

    Raises:
        ModelError: the train segment has no labelled row, no valid day an IC, or the loss stopped being finite.
    """
    began = time.perf_counter()
    if len(train.labelled_rows) == 0:
        raise ModelError("the train segment has no row with a label")
    label = valid.dataset.raw_label[valid.days.start : valid.days.stop]
    if not np.isfinite(pearson_rows(label, label)).any():
        raise ModelError(
            "no valid day has two names with different labels, so no epoch can be told from another; check data.split"
        )
    model.to(train.dataset.device)
    rows = train.rows_per_step(config.batch_size)
    if isinstance(model, WholeModel):
        facts = model.fit(train, valid, config)
        model.eval()
        return FitResult((), 0, 0, rows, time.perf_counter() - began, facts)

    order = torch.Generator().manual_seed(seed)
    stored = snapshots.stored() if snapshots is not None else None
    done = stored[0] if stored is not None else Progress()
    for index, stage in list(enumerate(model.stages))[done.stage :]:
        model.on_stage(stage)
        optimizer = make_optimizer(model, config)
        by_loss = model.stage_objective(stage) == "training_loss"
        if stored is not None:
            restore(model, optimizer, order, *stored[1:])
            stored = None
        else:
            done.stage, done.epoch, done.best_epoch, done.best = index, 0, 0, -math.inf
            done.best_state = copy.deepcopy(model.state_dict())
        while done.epoch < config.max_epochs and not (done.epoch and done.epoch - done.best_epoch >= config.patience):
            start = time.perf_counter()
            model.on_epoch(_context(train, stage, done.epoch, "train"))
            loss, taken = _train_epoch(model, train, rows, scope, order, optimizer, config)
            done.steps, done.epoch = done.steps + taken, done.epoch + 1
            ic = valid_loss = None
            if by_loss:
                valid_loss = mean_training_loss(model, valid, rows, config, scope=scope, stage=stage, epoch=done.epoch)
                reached = -valid_loss
            else:
                reached = ic = mean_daily_ic(model, valid, scope=scope, stage=stage, epoch=done.epoch)
            epoch = Epoch(stage, done.epoch, loss, ic, time.perf_counter() - start, valid_loss)
            done.history.append(asdict(epoch))
            if on_epoch is not None:
                on_epoch(epoch)
            if reached > done.best:
                done.best, done.best_epoch = reached, done.epoch
                done.best_state = copy.deepcopy(model.state_dict())
            if snapshots is not None:
                before = done.seconds
                done.seconds += time.perf_counter() - began
                snapshots.save(model, optimizer, order, done)
                done.seconds = before
        model.load_state_dict(done.best_state)
    release()
    seconds = done.seconds + time.perf_counter() - began
    model.eval()
    return FitResult(tuple(Epoch(**e) for e in done.history), done.best_epoch, done.steps, rows, seconds)


def _train_epoch(
    model: Network,
    train: Segment,
    rows: int,
    scope: Scope,
    order: torch.Generator,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
) -> tuple[float, int]:
    """One pass over the labelled train rows; returns (mean loss over steps, steps)."""
    model.train()
    step = Step(model, optimizer, config, scope)
    losses: list[torch.Tensor] = []
    for batch in train.batches(rows, scope=scope, generator=order, labelled=True):
        losses.append(step(batch))
        if len(losses) == config.max_steps_per_epoch:
            break
    # The only host-device synchronisation of the epoch.
    mean = float(torch.stack(losses).mean())
    if not math.isfinite(mean):
        raise ModelError(
            f"the training loss became {mean} within {len(losses)} steps at train.lr {config.lr}; lower train.lr"
        )
    return mean, len(losses)


@torch.no_grad()
def predict(
    model: Network,
    segment: Segment,
    *,
    scope: Scope,
    stage: str | None = None,
    epoch: int = 0,
    purpose: Literal["evaluate", "predict"] = "predict",
) -> np.ndarray:
    """Scores of every member row of a segment, `[days of the segment, N]` float32, NaN for non-members.

    The last partial batch counts; day-scope networks see whole days.
    """
    model.eval()
    model.on_epoch(_context(segment, stage or model.stages[-1], epoch, purpose))
    scores = np.full(len(segment.days) * segment.dataset.panel.n_stocks, np.nan, dtype=np.float32)
    rows, done = segment.rows - segment.days.start * segment.dataset.panel.n_stocks, 0
    part_rows = None
    for batch in segment.batches(EVALUATION_ROWS, scope=scope):
        if part_rows is None and scope == "sample":
            part_rows = rows_per_part(model, batch)
        part_scores = score_parts(model, batch, part_rows or len(batch))
        scores[rows[done : done + len(batch)]] = part_scores.float().cpu().numpy()
        done += len(batch)
    return scores.reshape(len(segment.days), -1)


def mean_daily_ic(model: Network, segment: Segment, *, scope: Scope, stage: str | None = None, epoch: int = 0) -> float:
    """Mean over days of the Pearson correlation of score and raw label; -inf where no day has one."""
    score = predict(model, segment, scope=scope, stage=stage, epoch=epoch, purpose="evaluate")
    label = segment.dataset.raw_label[segment.days.start : segment.days.stop]
    daily = pearson_rows(score, label)
    defined = daily[np.isfinite(daily)]
    return float(defined.mean()) if len(defined) else -math.inf


@torch.no_grad()
def mean_training_loss(
    model: Network, segment: Segment, rows: int, config: TrainConfig, *, scope: Scope, stage: str, epoch: int = 0
) -> float:
    """Mean over member rows of the network's `training_loss`, in eval mode; inf for an empty segment.

    What the loss draws at random is the same at every call and leaves torch's generators as they were.
    """
    model.eval()
    model.on_epoch(_context(segment, stage, epoch, "evaluate"))
    total, count, device = 0.0, 0, segment.dataset.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        for batch in segment.batches(rows, scope=scope):
            total += float(model.training_loss(batch, LOSSES[config.loss])) * len(batch)
            count += len(batch)
    return total / count if count else math.inf


def _context(
    segment: Segment, stage: str, epoch: int, purpose: Literal["train", "evaluate", "predict"]
) -> EpochContext:
    dataset = segment.dataset

    def replay() -> Iterator[Batch]:
        first = min(dataset.fold.train.start, segment.days.start)
        yield from Segment(dataset, DayRange(first, segment.days.stop)).batches(EVALUATION_ROWS, scope="day")

    return EpochContext(
        stage=stage,
        epoch=epoch,
        purpose=purpose,
        replay=replay,
        reach=dataset.config.label.reach,
        n_days=dataset.panel.n_days,
        n_stocks=dataset.panel.n_stocks,
    )


def check_requirements(name: str, dataset_has_concepts: bool) -> None:
    """Raise where a model cannot run on this data or machine.

    Raises:
        UnavailableError: a package is missing, or the data has no concepts and the model needs them.
    """
    spec = get_spec(name)
    if missing := spec.missing_packages():
        raise UnavailableError(f"{name} needs {', '.join(missing)}: pip install {' '.join(missing)}")
    if spec.needs_concepts and not dataset_has_concepts:
        raise UnavailableError(
            f"{name} needs concepts: name a file with --concepts, or give the data a 'sector' column"
        )
