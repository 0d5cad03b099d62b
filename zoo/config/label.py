"""What is forecast: a forward return, or a column that is given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from zoo.config.section import Section


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
