"""Types that say once what a figure is called, holds and means: of the rows of frames and of documents in JSON."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

Real = float | None
"""A figure: NaN in a frame and null in JSON where it was not measured."""

_DTYPES: dict[Any, str] = {bool: "bool", int: "int64", Real: "float64"}


def means(description: str, **limits: Any) -> Any:
    """A field, with what it means; `limits` as `pydantic.Field` takes them."""
    return Field(description=description, **limits)


class Part(BaseModel):
    """Base of what a document in JSON consists of: no key but the fields."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, mapping: dict[str, Any], **more: Any) -> Self:
        """The part with its values from a mapping that may hold others too; `more` comes first, missing is None."""
        return cls(**{name: mapping.get(name) for name in cls.model_fields} | more)


class FrameRow(Part):
    """Base of the rows of frames: fields in the order of the columns.

    Attributes:
        key: the columns that name a row.
    """

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
