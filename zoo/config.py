"""What is trained on what: frozen configuration sections, unknown keys rejected."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LabelConfig(Section):
    """Forward return `price(t + lag + horizon) / price(t + lag) - 1`."""

    horizon: int = Field(default=1, ge=1, description="days the position is held")
    lag: int = Field(default=1, ge=0, description="days from the score to the entry price")
    price: Literal["close", "open"] = "close"

    @property
    def reach(self) -> int:
        """Days from t to the last price that label(t) reads."""
        return self.lag + self.horizon

    @property
    def definition(self) -> str:
        entry = f"t+{self.lag}" if self.lag else "t"
        return f"{self.price}(t+{self.reach})/{self.price}({entry}) - 1"


def _date_text(value: object) -> object:
    return value if isinstance(value, (str, type(None))) else str(value)


Day = Annotated[str, BeforeValidator(_date_text), Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Span = Annotated[str, Field(pattern=r"^[1-9]\d*[dmy]$")]


class FixedSplit(Section):
    """One (train, valid, test) triple, by fractions of the calendar or by dates (both ends inclusive)."""

    mode: Literal["fixed"] = "fixed"
    train: float | tuple[Day, Day] = 0.6
    valid: float | tuple[Day, Day] = 0.2
    test: float | tuple[Day, Day] = 0.2
    embargo: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    force: bool = Field(default=False, description="accept an embargo shorter than the label's reach")

    @model_validator(mode="after")
    def _one_kind(self) -> FixedSplit:
        parts = (self.train, self.valid, self.test)
        if len({isinstance(p, tuple) for p in parts}) > 1:
            raise ValueError("train, valid and test must be all fractions or all date pairs")
        if not isinstance(self.train, tuple):
            numbers = [p for p in parts if isinstance(p, float)]
            if min(numbers) <= 0 or sum(numbers) > 1 + 1e-9:
                raise ValueError("fractions must be positive and sum to at most 1")
        return self


class WalkForwardSplit(Section):
    """Folds that move through the calendar; spans like `3y`, `6m`, `250d` (d = calendar positions of the panel)."""

    mode: Literal["walk_forward"]
    train: Span = "3y"
    valid: Span = "6m"
    test: Span = "6m"
    step: Span = "6m"
    expanding: bool = False
    embargo: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    force: bool = Field(default=False, description="accept an embargo shorter than the label's reach")


def _split_mode(value: object) -> str:
    mode = value.get("mode", "fixed") if isinstance(value, dict) else getattr(value, "mode", "fixed")
    return str(mode)


Split = FixedSplit | WalkForwardSplit
SplitField = Annotated[
    Annotated[FixedSplit, Tag("fixed")] | Annotated[WalkForwardSplit, Tag("walk_forward")],
    Discriminator(_split_mode),
]


class UniverseConfig(Section):
    """Which of the source's stocks are trained and scored on which day: a file, or a rule; a text is a file."""

    file: str | None = Field(default=None, description="qlib instruments (.txt), or CSV / Parquet of members")
    top_liquidity: int | None = Field(default=None, ge=1, description="how many, by trailing mean dollar volume")
    window: int = Field(default=60, ge=1, description="trailing days of the mean, the day itself included")
    rebalance: Literal["day", "month"] = Field(
        default="month", description="month: chosen on a month's first trading day"
    )

    @model_validator(mode="before")
    @classmethod
    def _text_is_file(cls, value: object) -> object:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> UniverseConfig:
        if (self.file is None) == (self.top_liquidity is None):
            raise ValueError("must be a file of members or a rule such as {top_liquidity: 300}, one of the two")
        known = type(self).model_fields
        if self.file is not None and any(getattr(self, k) != known[k].default for k in ("window", "rebalance")):
            raise ValueError("window and rebalance belong to top_liquidity, not to a file")
        return self


class DataConfig(Section):
    """One dataset: source, features, label, segments."""

    source: str = "planted:mixed"
    features: str = "raw"
    lookback: int = Field(default=20, ge=1)
    vwap: Literal["source", "typical"] = Field(
        default="source", description="typical: (high + low + close) / 3 instead of the source's vwap"
    )
    concepts: str | None = Field(default=None, description="file of concepts, or a column of the source")
    universe: UniverseConfig | None = Field(
        default=None, description="file of members, or {top_liquidity: 300, window: 60}; by default every stock"
    )
    label: LabelConfig = LabelConfig()
    split: SplitField = FixedSplit()


class TrainConfig(Section):
    """How every gradient-trained model of an experiment is fitted."""

    lr: float = Field(default=1e-3, gt=0)
    batch_size: int = Field(default=1024, ge=1, description="rows per optimiser step, for sample and day scope alike")
    max_epochs: int = Field(default=20, ge=1)
    patience: int = Field(default=5, ge=1, description="epochs without a better valid IC before stopping")
    max_steps_per_epoch: int | None = Field(default=None, ge=1)
    weight_decay: float = Field(default=0.0, ge=0, description="coupled L2, as torch.optim.Adam")
    grad_clip: float | None = Field(default=3.0, gt=0, description="elementwise gradient clip")
    loss: Literal["mse", "mae"] = "mse"
