"""What a network is to the trainer: one batch type and the hooks a network may override.

A plain network only writes `forward`. The hooks, in the order in which the trainer calls them:

| hook | called | for |
|---|---|---|
| `fit(train, valid, config)` | instead of the gradient loop, if the class defines it | Linear, LightGBM |
| `on_stage(stage)` | before each of `stages`; a fresh optimiser follows | pre-training stages (TRA, TabNet) |
| `stage_objective(stage)` | before each of `stages` | stages that read no label (TabNet's pre-training) |
| `on_epoch(context)` | before each training epoch, evaluation and prediction | state rebuilt from past days (TRA) |
| `training_loss(batch, loss)` | every optimiser step | own or additional loss terms |
| `score(batch)` | every evaluation and prediction | scores that need more than `x` and `concepts` |
| `explain(batch)` | on request | attention, masks, routing: what the network natively exposes |

Nothing here knows files, days of a calendar or experiments: days and stocks are integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from zoo.shapes import Float, Int

Windows = Float[Tensor, "S T F"]
"""Rows of a batch: S windows of T days and F features."""
Scores = Float[Tensor, " S"]
Days = Int[Tensor, " S"]
Membership = Float[Tensor, "S C"]
"""0/1 membership of each row's stock in C concepts on that day."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""(scores `[S]`, labels `[S]` with NaN where missing) -> scalar."""

StageObjective = Literal["valid_ic", "training_loss"]
"""`valid_ic`: highest mean daily IC of the scores. `training_loss`: lowest mean over rows of the network's own
`training_loss`, in eval mode, without gradient and with the same random draws every epoch; for stages that train what
is not scored yet."""


@dataclass(frozen=True)
class Batch:
    """Rows of one optimiser step or one evaluation chunk; S rows, T lookback, F features, C concepts.

    Attributes:
        x: `[S, T, F]` float32, oldest day first, normalised, finite.
        label: `[S]` float32 `train_label`; NaN where missing.
        day: `[S]` int64 position in the panel's calendar. Rows of one day are adjacent in day-scope batches.
        stock: `[S]` int64 position among the panel's symbols.
        concepts: `[S, C]` float32 0/1 membership on that day, or None where the data has no concepts.
    """

    x: Tensor
    label: Tensor
    day: Tensor
    stock: Tensor
    concepts: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device | str) -> Batch:
        moved = {f.name: value.to(device) for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return replace(self, **moved)


@runtime_checkable
class Rows(Protocol):
    """A segment as networks see it; implemented by `zoo.data.windows.Segment`."""

    @property
    def n_rows(self) -> int: ...

    def batches(
        self,
        rows: int,
        *,
        scope: Literal["sample", "day"] = "sample",
        generator: torch.Generator | None = None,
        labelled: bool = False,
    ) -> Iterator[Batch]:
        """Yield every row once. Shuffled if a generator is given, else in (day, stock) order.

        `labelled` leaves out rows without a label. With scope `day` a batch holds whole days only,
        as many as come closest to `rows`. The last batch may be smaller and is never dropped.
        """
        ...


@dataclass(frozen=True)
class EpochContext:
    """What `on_epoch` may look at.

    Attributes:
        stage: the current one of `Network.stages`.
        epoch: epochs done in this stage so far.
        purpose: what is about to happen.
        replay: call it for all member rows in date order, from the first day up to the last day that
            is about to be trained on or scored. A label within the label's reach of a row's day is not
            yet known on that day: whoever keeps state must lag it by `reach`.
        reach: days from a row's day to the last price its label reads.
        n_days, n_stocks: size of the panel that `Batch.day` and `Batch.stock` index.
    """

    stage: str
    epoch: int
    purpose: Literal["train", "evaluate", "predict"]
    replay: Callable[[], Iterator[Batch]]
    reach: int
    n_days: int
    n_stocks: int


class Network(nn.Module):
    """Base of every registered model.

    The constructor takes keyword-only arguments; those besides `n_features` and `lookback` are the
    model's YAML schema. `forward(x, *, day=None, concepts=None) -> [S]`: `day` says which rows share a
    day (None: all of them) and matters to day-scope networks only.
    """

    stages: tuple[str, ...] = ("main",)
    rows_alone: ClassVar[bool] = False
    """Training treats every row by itself and the loss is the default one, the mean over rows: a step may then be
    computed in parts. Scores of sample-scope networks may be in any case."""

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        """Scores `[S]` of rows `x [S, T, F]`; `day [S]` int64, `concepts [S, C]`."""
        raise TypeError(f"{type(self).__name__} does not define forward")

    def score(self, batch: Batch) -> Tensor:
        """Scores `[S]` of a batch, by default those of `forward`."""
        return self(batch.x, day=batch.day, concepts=batch.concepts)

    def training_loss(self, batch: Batch, loss: Loss) -> Tensor:
        """Scalar to minimise, by default the shared loss of the scores."""
        return loss(self.score(batch), batch.label)

    def on_stage(self, stage: str) -> None:
        """Prepare for a training stage."""

    def stage_objective(self, stage: str) -> StageObjective:
        """What a stage's best epoch is chosen by, on the valid segment; see `StageObjective`."""
        return "valid_ic"

    def on_epoch(self, context: EpochContext) -> None:
        """Rebuild state that depends on past days."""

    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """What the network natively exposes about a batch, by name; empty where nothing is."""
        return {}


class WholeModel(Network):
    """A model that is fitted as a whole rather than by gradient steps."""

    def fit(self, train: Rows, valid: Rows, config: Any) -> dict[str, Any]:
        """Fit in place on `train`, select on `valid`; returns facts worth recording.

        `config` is a `zoo.config.TrainConfig`.
        """
        raise TypeError(f"{type(self).__name__} does not define fit")
