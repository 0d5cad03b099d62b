"""What is trained on what: frozen configuration sections, unknown keys rejected."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.functional_serializers import model_serializer

Size = Literal["default", "quick", "published"]
"""Sizes of a network that a model may declare."""


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys are errors; keys `added` later are not written at their default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    added: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_added(self, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        written = write(self)
        for name in self.added & written.keys():
            if getattr(self, name) == type(self).model_fields[name].get_default(call_default_factory=True):
                del written[name]
        return written


class LabelConfig(Section):
    """Forward return `price(t + lag + horizon) / price(t + lag) - 1`."""

    horizon: int = Field(default=1, ge=1, description="days the position is held")
    lag: int = Field(default=1, ge=0, description="days from the score to the entry price")
    price: Literal["close", "open"] = "close"
    min_breadth: float = Field(
        default=0.5, ge=0, le=1, description="share of the usual number of names below which no day is scored; 0: off"
    )

    @property
    def reach(self) -> int:
        """Days from t to the last price that label(t) reads."""
        return self.lag + self.horizon

    @property
    def overlap(self) -> int:  # days in a row whose labels share returns; 1 where no two do
        return self.horizon

    @property
    def definition(self) -> str:
        entry = f"t+{self.lag}" if self.lag else "t"
        return f"{self.price}(t+{self.reach})/{self.price}({entry}) - 1"


class ColumnLabel(Section):
    """A label that is given: any real number per stock and day, used as it is; portfolios still trade on prices."""

    column: str = Field(min_length=1, description="of the source, or of the file")
    file: str | None = Field(default=None, description="CSV or Parquet: date, symbol, the column")
    reach: int = Field(ge=0, le=10_000, description="trading days the label looks ahead; decides the embargo")
    min_breadth: float = Field(
        default=0.5, ge=0, le=1, description="share of the usual number of names below which no day is scored; 0: off"
    )

    @property
    def overlap(self) -> int:
        return max(self.reach, 1)

    @property
    def definition(self) -> str:
        where = f" of {Path(self.file).name}" if self.file else ""
        return f"column {self.column}{where} (reach {self.reach} day{'s' if self.reach != 1 else ''})"


FORWARD, COLUMN = "forward_return", "given_column"  # tags of the kinds of labels


def _kind(value: object) -> str:
    given = {"column", "file", "reach"} & value.keys() if isinstance(value, dict) else isinstance(value, ColumnLabel)
    return COLUMN if given else FORWARD


Label = LabelConfig | ColumnLabel
LabelField = Annotated[Annotated[LabelConfig, Tag(FORWARD)] | Annotated[ColumnLabel, Tag(COLUMN)], Discriminator(_kind)]


def _date_text(value: object) -> str:
    """A date in the form in which sections hold it; YAML reads it as a date, JSON as a text."""
    text = str(value)
    try:
        date.fromisoformat(text if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else "")
    except ValueError:
        raise ValueError("must be a date, YYYY-MM-DD") from None
    return text


def _span_text(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{0,5}[dmy]", value, re.ASCII):
        raise ValueError("must be a number and d, m or y, such as 250d, 6m or 3y")
    return value


def _segment(value: object) -> object:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return tuple(_date_text(day) for day in value)
    with suppress(TypeError, ValueError):
        if not isinstance(value, bool):
            return float(value)  # type: ignore[arg-type]
    raise ValueError("must be a fraction such as 0.6, or two dates: [2015-01-01, 2016-12-31]")


def _embargo_days(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError("must be auto, or a number of days from 0 on")


Day = Annotated[str, BeforeValidator(_date_text)]
Span = Annotated[str, BeforeValidator(_span_text)]
Segment = Annotated[float | tuple[str, str], BeforeValidator(_segment)]
Embargo = Annotated[Literal["auto"] | int, BeforeValidator(_embargo_days)]


class FixedSplit(Section):
    """One (train, valid, test) triple, by fractions of the calendar or by dates (both ends inclusive)."""

    mode: Literal["fixed"] = "fixed"
    train: Segment = 0.6
    valid: Segment = 0.2
    test: Segment = 0.2
    embargo: Embargo = "auto"
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
    embargo: Embargo = "auto"
    force: bool = Field(default=False, description="accept an embargo shorter than the label's reach")


def _split_mode(value: object) -> str:
    mode = value.get("mode", "fixed") if isinstance(value, dict) else getattr(value, "mode", "fixed")
    return str(mode)


Split = FixedSplit | WalkForwardSplit
SplitField = Annotated[
    Annotated[FixedSplit, Tag("fixed")] | Annotated[WalkForwardSplit, Tag("walk_forward")],
    Discriminator(_split_mode, custom_error_type="split_mode", custom_error_message="must be fixed or walk_forward"),
]


class _FileSection(Section):
    """A text in its place is its file."""

    @model_validator(mode="before")
    @classmethod
    def _text_is_file(cls, value: object) -> object:
        return {"file": value} if isinstance(value, str) else value


class UniverseConfig(_FileSection):
    """Which of the source's stocks are trained and scored on which day: a file, or a rule; a text is a file."""

    file: str | None = Field(default=None, description="qlib instruments (.txt), or CSV / Parquet of members")
    top_liquidity: int | None = Field(default=None, ge=1, description="how many, by trailing mean dollar volume")
    window: int = Field(default=60, ge=1, description="trailing days of the mean, the day itself included")
    rebalance: Literal["day", "month"] = Field(
        default="month", description="month: chosen on a month's first trading day"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> UniverseConfig:
        if (self.file is None) == (self.top_liquidity is None):
            raise ValueError("must be a file of members or a rule such as {top_liquidity: 300}, one of the two")
        known = type(self).model_fields
        if self.file is not None and any(getattr(self, k) != known[k].default for k in ("window", "rebalance")):
            raise ValueError("window and rebalance belong to top_liquidity, not to a file")
        return self


class FeatureFile(_FileSection):
    """A table of columns by date and symbol, seen point-in-time; a text is its file.

    On day t a stock's values are those of its latest row with date + as_of <= t, whatever cells of it are empty.
    """

    file: str = Field(min_length=1, description="CSV or Parquet: date, symbol, columns")
    as_of: int = Field(default=0, ge=0, le=10_000, description="calendar days from a row's date until it is known")
    max_age: int | None = Field(
        default=None, ge=0, le=100_000, description="calendar days after a row's date when it is forgotten"
    )

    @model_validator(mode="after")
    def _ever_seen(self) -> FeatureFile:
        if self.max_age is not None and self.max_age < self.as_of:
            raise ValueError(f"max_age {self.max_age} is shorter than as_of {self.as_of}: no row would ever be seen")
        return self


def _feature_entries(value: object) -> object:
    """One name as a text, several as a tuple; a comma list is several."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError("must be a name, or a list of names: [alpha158, pe_ratio, 'alpha_*']")
    entries = [part.strip() for part in parts]
    if not entries or not all(entries) or len(set(entries)) < len(entries):
        raise ValueError("must name something, and each once")
    return entries[0] if len(entries) == 1 else tuple(entries)


def feature_text(features: str | Sequence[str]) -> str:
    return features if isinstance(features, str) else ", ".join(features)


Features = Annotated[str | tuple[str, ...], BeforeValidator(_feature_entries)]


class DataConfig(Section):
    """One dataset: source, features, label, segments."""

    added = frozenset({"feature_files"})

    source: str = "planted:mixed"
    start: Day | None = Field(default=None, description="first day of the source that is used")
    end: Day | None = Field(default=None, description="last day of the source that is used")
    features: Features = Field(
        default="raw", description="a named set, columns of the data or globs of them, or a list: [alpha158, pe_ratio]"
    )
    feature_files: tuple[FeatureFile, ...] = Field(default=(), description="more columns: [{file: f.csv, as_of: 30}]")
    lookback: int = Field(default=20, ge=1)
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
    label: LabelField = LabelConfig()
    split: SplitField = FixedSplit()

    @model_validator(mode="after")
    def _in_order(self) -> DataConfig:
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        return self

    @property
    def entries(self) -> tuple[str, ...]:
        return (self.features,) if isinstance(self.features, str) else self.features


class TrainConfig(Section):
    """How every gradient-trained model of an experiment is fitted."""

    lr: float = Field(default=1e-3, gt=0)
    batch_size: int = Field(
        default=1024, ge=1, le=10_000_000, description="rows per optimiser step, for sample and day scope alike"
    )
    max_epochs: int = Field(default=20, ge=1)
    patience: int = Field(default=5, ge=1, description="epochs without a better valid IC before stopping")
    max_steps_per_epoch: int | None = Field(default=None, ge=1)
    weight_decay: float = Field(default=0.0, ge=0, description="coupled L2, as torch.optim.Adam")
    grad_clip: float | None = Field(default=3.0, gt=0, description="elementwise gradient clip")
    loss: Literal["mse", "mae"] = "mse"
