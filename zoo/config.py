"""What is trained on what: frozen configuration sections, unknown keys rejected."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

Size = Literal["default", "quick", "published"]
"""Sizes of a network that a model may declare."""


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Allowed:
    """What a value that is checked by a function of its own may be, in words: part of its type."""

    words: str


_DATE = Allowed("a date, YYYY-MM-DD")
_SPAN = Allowed("a number and d, m or y, such as 250d, 6m or 3y")
_SEGMENT = Allowed("a fraction such as 0.6, or two dates: [2015-01-01, 2016-12-31]")
_EMBARGO = Allowed("auto, or a number of days from 0 on")


class LabelConfig(Section):
    """Forward return `price(t + lag + horizon) / price(t + lag) - 1`."""

    horizon: int = Field(default=1, ge=1, description="days the position is held")
    lag: int = Field(default=1, ge=0, description="days from the score to the entry price")
    price: Literal["close", "open"] = Field(default="close", description="price of entry and of exit")
    min_breadth: float = Field(
        default=0.5, ge=0, le=1, description="share of the usual number of names below which no day is scored; 0: off"
    )

    @property
    def reach(self) -> int:
        """Days from t to the last price that label(t) reads."""
        return self.lag + self.horizon

    @property
    def definition(self) -> str:
        entry = f"t+{self.lag}" if self.lag else "t"
        return f"{self.price}(t+{self.reach})/{self.price}({entry}) - 1"


def _date_text(value: object) -> str:
    """A date in the form in which sections hold it; YAML reads it as a date, JSON as a text."""
    text = str(value)
    try:
        date.fromisoformat(text if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else "")
    except ValueError:
        raise ValueError(f"must be {_DATE.words}") from None
    return text


def _span_text(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{0,5}[dmy]", value, re.ASCII):
        raise ValueError(f"must be {_SPAN.words}")
    return value


def _segment(value: object) -> object:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return tuple(_date_text(day) for day in value)
    with suppress(TypeError, ValueError):
        if not isinstance(value, bool):
            return float(value)  # type: ignore[arg-type]
    raise ValueError(f"must be {_SEGMENT.words}")


def _embargo_days(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"must be {_EMBARGO.words}")


Day = Annotated[str, BeforeValidator(_date_text), _DATE]
Span = Annotated[str, BeforeValidator(_span_text), _SPAN]
Segment = Annotated[float | tuple[str, str], BeforeValidator(_segment), _SEGMENT]
Embargo = Annotated[Literal["auto"] | int, BeforeValidator(_embargo_days), _EMBARGO]


_EMBARGO_MEANS = "days left out between segments; auto: the label's reach"


class FixedSplit(Section):
    """One (train, valid, test) triple, by fractions of the calendar or by dates (both ends inclusive)."""

    mode: Literal["fixed"] = Field(default="fixed", description="one train, valid and test segment")
    train: Segment = Field(default=0.6, description="segment that is fitted on")
    valid: Segment = Field(default=0.2, description="segment that the best epoch is chosen on")
    test: Segment = Field(default=0.2, description="segment that is scored")
    embargo: Embargo = Field(default="auto", description=_EMBARGO_MEANS)
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

    mode: Literal["walk_forward"] = Field(description="folds that move through the calendar")
    train: Span = Field(default="3y", description="length of the segment that is fitted on")
    valid: Span = Field(default="6m", description="length of the segment that the best epoch is chosen on")
    test: Span = Field(default="6m", description="length of the segment that is scored")
    step: Span = Field(default="6m", description="how far each fold begins after the one before")
    expanding: bool = Field(default=False, description="every fold trains from the first day on")
    embargo: Embargo = Field(default="auto", description=_EMBARGO_MEANS)
    force: bool = Field(default=False, description="accept an embargo shorter than the label's reach")


def _split_mode(value: object) -> str:
    mode = value.get("mode", "fixed") if isinstance(value, dict) else getattr(value, "mode", "fixed")
    return str(mode)


Split = FixedSplit | WalkForwardSplit
SplitField = Annotated[
    Annotated[FixedSplit, Tag("fixed")] | Annotated[WalkForwardSplit, Tag("walk_forward")],
    Discriminator(_split_mode, custom_error_type="split_mode", custom_error_message="must be fixed or walk_forward"),
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

    source: str = Field(
        default="planted:mixed", description="file, folder, folder#MARKET of qlib, installed:NAME or planted:MARKET"
    )
    start: Day | None = Field(default=None, description="first day of the source that is used")
    end: Day | None = Field(default=None, description="last day of the source that is used")
    features: str = Field(default="raw", description="feature set: raw, alpha158, alpha158_20 or alpha360")
    lookback: int = Field(default=20, ge=1, description="days of the window that a network sees")
    vwap: Literal["source", "typical"] = Field(
        default="source", description="typical: (high + low + close) / 3 instead of the source's vwap"
    )
    timezone: str | None = Field(
        default=None, description="zone of the exchange, such as Asia/Tokyo, for dates stored as UTC moments"
    )
    skip_bad_files: bool = Field(default=False, description="go on without the files of a directory that are broken")
    volume: Literal["auto", "raw", "adjusted"] = Field(
        default="auto", description="raw: not adjusted as prices are, so divided by factor; auto: the data decide"
    )
    suspended: Literal["auto", "keep", "drop"] = Field(
        default="auto", description="days of volume 0: drop = not traded, keep = traded; auto: the data decide"
    )
    indices: Literal["drop", "keep"] = Field(
        default="drop", description="indices among the stocks (SH000300, ^GSPC): keep takes them as stocks"
    )
    concepts: str | None = Field(default=None, description="file of concepts, or a column of the source")
    universe: UniverseConfig | None = Field(
        default=None, description="file of members, or {top_liquidity: 300, window: 60}; by default every stock"
    )
    label: LabelConfig = LabelConfig()
    split: SplitField = FixedSplit()

    @model_validator(mode="after")
    def _in_order(self) -> DataConfig:
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        return self


class TrainConfig(Section):
    """How every gradient-trained model of an experiment is fitted."""

    lr: float = Field(default=1e-3, gt=0, description="learning rate of Adam")
    batch_size: int = Field(
        default=1024, ge=1, le=10_000_000, description="rows per optimiser step, for sample and day scope alike"
    )
    max_epochs: int = Field(default=20, ge=1, description="epochs after which training ends in any case")
    patience: int = Field(default=5, ge=1, description="epochs without a better valid IC before stopping")
    max_steps_per_epoch: int | None = Field(
        default=None, ge=1, description="optimiser steps after which an epoch ends; default: when all rows were seen"
    )
    weight_decay: float = Field(default=0.0, ge=0, description="coupled L2, as torch.optim.Adam")
    grad_clip: float | None = Field(default=3.0, gt=0, description="elementwise gradient clip")
    loss: Literal["mse", "mae"] = Field(default="mse", description="of the scores against the train label")
