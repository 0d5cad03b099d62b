"""TRA: several predictors, and a router that sends each row to one of them.

Lin, Zhou, Liu & Bian 2021, "Learning Multiple Stock Trading Patterns with Temporal Routing Adaptor and
Optimal Transport", KDD. Backbone: LSTM with attention over time.

The reference picks the first stage's best epoch by predictions weighted with the transport plan, which has
read the labels of the days it is judged on. Here both stages stop on the shared valid IC of scores that
read no label: the mean of the predictors in the first, the routed predictor in the second. The reference
trains without gradient clipping and stops on Rank IC; here the shared trainer decides. The memory counts
days of the panel's calendar, the reference's counts a stock's own rows.

No look-ahead: a row of day t reads the memory of days up to t - reach only, whose labels are known on day
t.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from zoo.errors import ModelError
from zoo.kernels.attention import attend
from zoo.layers import recurrent
from zoo.models._transport import min_max, squared_errors, transport
from zoo.network import Batch, Days, EpochContext, Loss, Membership, Network, Scores, Windows
from zoo.registry import register_model

_DEFAULT_REACH = 2


class _Backbone(nn.Module):
    def __init__(self, n_features: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.rnn = recurrent("lstm", n_features, hidden_size, num_layers, dropout)
        self.attend = nn.Linear(hidden_size, hidden_size)
        self.importance = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`x [S, T, F]` -> summary z `[S, 2H]`, time weights `[S, T]`."""
        outputs, (last, _) = self.rnn(x)
        context, weights = attend(outputs, self.attend, self.importance)
        return torch.cat([last.mean(0), context], dim=1), weights


@register_model(
    "tra",
    title="TRA",
    paper="Lin et al. 2021, Learning Multiple Stock Trading Patterns with Temporal Routing Adaptor and "
    "Optimal Transport",
    complexity=("T", "N"),
    quick={"hidden_size": 32, "router_hidden": 16},
    published={"hidden_size": 64, "num_layers": 2, "num_states": 3},
)
class TRA(Network):
    """K predictors on one backbone; a router reads how well each did on the stock's past days.

    Args:
        num_states: K, predictors to choose from.
        router_hidden: width of the router's LSTM over the memory.
        tau: temperature of the routing; smaller is harder.
        alpha: weight of a row's own errors against its remembered ones in the transport.
        lamb, rho: the transport term weighs `lamb * rho ** (step // 100)`.
        pretrain: first train backbone and predictors on transport-weighted errors (stage `pretrain`), as the
            paper's code does; False trains everything from the start.

    `memory [n_days, n_stocks, K]` holds each row's scaled errors; days that nothing was written for are 0.
    """

    reference_keys: ClassVar[dict[str, str | None]] = {
        r"model\.rnn\.": "backbone.rnn.",
        r"model\.W\.": "backbone.attend.",
        r"model\.u\.": "backbone.importance.",
        r"tra\.fc\.": "gate.",
        r"tra\.": "",
    }
    memory: Tensor | None

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        hidden_size: int = 64,
        num_layers: int = 2,
        dropout: float = 0.0,
        num_states: int = 3,
        router_hidden: int = 32,
        tau: float = 1.0,
        alpha: float = 0.5,
        lamb: float = 1.0,
        rho: float = 0.99,
        pretrain: bool = True,
    ) -> None:
        super().__init__()
        if num_states < 1:
            raise ModelError(f"model 'tra': num_states must be at least 1, got {num_states}")
        if tau <= 0:
            raise ModelError(f"model 'tra': tau must be positive, got {tau}")
        if not 0 <= alpha <= 1:
            raise ModelError(f"model 'tra': alpha must be between 0 and 1, got {alpha}")
        self.lookback, self.num_states, self.tau = lookback, num_states, tau
        self.alpha, self.lamb, self.rho = alpha, lamb, rho
        self.backbone = _Backbone(n_features, hidden_size, num_layers, dropout)
        self.predictors = nn.Linear(2 * hidden_size, num_states)
        self.router = recurrent("lstm", num_states, router_hidden, 1, 0.0)
        self.gate = nn.Linear(2 * hidden_size + router_hidden, num_states)
        self.stages = ("pretrain", "main") if pretrain else ("main",)
        self.stage, self.step, self.reach = "main", 0, _DEFAULT_REACH
        self.register_buffer("memory", None, persistent=False)

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        """Scores `[S]` of `x [S, T, F]` with an empty memory; `score` reads the real one."""
        return self._scores(x, self._no_memory(len(x)))

    def score(self, batch: Batch) -> Tensor:
        return self._scores(batch.x, self._recall(batch))

    def training_loss(self, batch: Batch, loss: Loss) -> Tensor:
        """Loss of the chosen predictor minus the transport term; in stage `pretrain` errors weighted by P."""
        past = self._recall(batch)
        predictions, logits, _ = self._states(batch.x, past)
        errors = squared_errors(predictions, batch.label)
        with torch.no_grad():
            losses = min_max(errors)
            plan = transport(losses, past, self.alpha)
            self._remember(batch, losses)
        if self.stage == "pretrain":
            return (errors * plan).sum(1).mean()
        weight = self.lamb * self.rho ** (self.step // 100)
        self.step += 1
        chosen = (self._choose(logits) * predictions).sum(1)
        agreement = (plan * (logits / self.tau).log_softmax(1)).sum(1).mean()
        return loss(chosen, batch.label) - weight * agreement

    def on_stage(self, stage: str) -> None:
        """Start the stage with an empty memory and the transport term at full weight."""
        self.stage, self.step, self.memory = stage, 0, None

    def on_epoch(self, context: EpochContext) -> None:
        """Rebuild the memory by replaying all days, before the main stage and before each of its evaluations.

        Training epochs go on with the memory of the evaluation before them. Stage `pretrain` scores without
        memory: it starts from an empty one, which only its training batches write.
        """
        self.reach = context.reach
        size = (context.n_days, context.n_stocks, self.num_states)
        fits = self.memory is not None and self.memory.shape == size
        if fits and (context.purpose == "train" or self.stage == "pretrain"):
            return
        self.memory = self.gate.weight.new_zeros(size)
        if self.stage == "pretrain":
            return
        was_training = self.training
        self.eval()
        with torch.no_grad():
            for batch in context.replay():
                predictions = self.predictors(self.backbone(batch.x)[0])
                self._remember(batch, min_max(squared_errors(predictions, batch.label)))
        self.train(was_training)

    @torch.no_grad()
    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`routing [S, K]`: probability of each predictor; `time [S, T]`: attention. Rows sum to 1."""
        _, logits, time = self._states(batch.x, self._recall(batch))
        return {"routing": (logits / self.tau).softmax(1), "time": time}

    def _states(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predictions and routing logits `[S, K]`, time weights `[S, T]`, given memory `past [S, R, K]`."""
        summary, time = self.backbone(x)
        router = self.router(past, last=True)
        return self.predictors(summary), self.gate(torch.cat([summary, router], dim=1)), time

    def _scores(self, x: Tensor, past: Tensor) -> Tensor:
        predictions, logits, _ = self._states(x, past)
        # An untrained router would pick predictors at random; their mean is what this stage has learnt.
        if self.stage == "pretrain":
            return predictions.mean(1)
        return (self._choose(logits) * predictions).sum(1)

    def _choose(self, logits: Tensor) -> Tensor:
        """One-hot choice `[S, K]` with the gradient of its softmax; noise in training only."""
        if self.training:
            logits = logits - self._draw_noise(logits)
        soft = (logits / self.tau).softmax(1)
        # hard + (soft - soft), not (hard - soft) + soft: the value stays exactly 0 or 1.
        return one_hot(soft.argmax(1), self.num_states) + (soft - soft.detach())

    def _draw_noise(self, logits: Tensor) -> Tensor:
        return torch.empty_like(logits).exponential_().log()

    def _no_memory(self, rows: int) -> Tensor:
        # At least one step, so that the router is defined for windows not longer than the label's reach.
        return self.gate.weight.new_zeros(rows, max(self.lookback - self.reach, 1), self.num_states)

    def _recall(self, batch: Batch) -> Tensor:
        """Memory `[S, R, K]` of a row's stock on days t - T + 1 .. t - reach, oldest first, 0 where none."""
        if self.memory is None or self.lookback <= self.reach:
            return self._no_memory(len(batch))
        lags = torch.arange(1 - self.lookback, 1 - self.reach, device=batch.day.device)
        days = batch.day.unsqueeze(1) + lags
        past = self.memory[days.clamp_min(0), batch.stock.unsqueeze(1)]
        return past * (days >= 0).unsqueeze(2)

    def _remember(self, batch: Batch, losses: Tensor) -> None:
        if self.memory is not None:
            self.memory[batch.day, batch.stock] = losses
