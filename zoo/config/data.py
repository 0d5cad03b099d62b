"""One dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from zoo.config.label import LabelConfig, LabelField
from zoo.config.section import Section
from zoo.config.split import FixedSplit, SplitField
from zoo.config.values import Day


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

    source: str = Field(
        default="planted:mixed", description="file, folder, folder#MARKET of qlib, installed:NAME or planted:MARKET"
    )
    start: Day | None = Field(default=None, description="first day of the source that is used")
    end: Day | None = Field(default=None, description="last day of the source that is used")
    features: Features = Field(
        default="raw", description="a named set, columns of the data or globs of them, or a list: [alpha158, pe_ratio]"
    )
    feature_files: tuple[FeatureFile, ...] = Field(default=(), description="more columns: [{file: f.csv, as_of: 30}]")
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
