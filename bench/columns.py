"""Rows of frames as types: what a column is called, holds and means is said once, by a field of a class."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict

Real = float | None
"""A figure: NaN in a frame and null in JSON where it was not measured."""

_DTYPES: dict[Any, str] = {bool: "bool", int: "int64", Real: "float64", datetime: "datetime64[ns]"}


class Row(BaseModel):
    """Base of all rows: fields in the order of the columns, each with its type and a description.

    Attributes:
        key: the columns that name a row.
    """

    model_config = ConfigDict(extra="forbid")
    key: ClassVar[tuple[str, ...]] = ("model",)

    @classmethod
    def dtypes(cls) -> dict[str, str]:
        """Column -> dtype; texts of any kind are `str`."""
        return {name: _DTYPES.get(field.annotation, "str") for name, field in cls.model_fields.items()}

    @classmethod
    def frame(cls, rows: Any) -> pd.DataFrame:
        """Rows (mappings, tuples or a frame with more columns) as a frame of these columns and dtypes.

        A figure that a mapping lacks is NaN.
        """
        dtypes = cls.dtypes()
        return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)

    @classmethod
    def rows(cls, frame: pd.DataFrame) -> list[Self]:
        """The rows of such a frame."""
        return [cls(**{str(name): value for name, value in row.items()}) for row in frame.to_dict("records")]
