"""Sections of an experiment that its other keys refer to: what a model has for itself, the portfolio."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from zoo.config import Section


class ModelEntry(Section):
    """What one model does differently from the defaults of its class and from the shared sections."""

    added = frozenset({"model", "data"})

    model: str | None = Field(default=None, description="the network of a variant, which has a name of its own")
    params: dict[str, Any] = Field(
        default={}, description="parameters of the model; `python -m bench list MODEL` prints those it has"
    )
    train: dict[str, Any] = Field(default={}, description="keys of `train` that this model is given other values of")
    data: dict[str, Any] = Field(default={}, description="features and lookback of its own")


class PortfolioConfig(Section):
    """The TopkDropout portfolio that finished trials are judged by; it plays no part in training."""

    topk: int | None = Field(default=None, ge=1, description="names held; default 50, below 250 names a fifth of them")
    n_drop: int | None = Field(default=None, ge=1, description="names replaced a day; default a tenth of topk")
    cost_open: float = Field(default=5e-4, ge=0, description="cost of buying, a fraction of the value")
    cost_close: float = Field(default=15e-4, ge=0, description="cost of selling")
    cost_minimum: float = Field(default=5.0, ge=0, description="least cost of an order, in money")
    limit: float | None = Field(
        default=None, gt=0, description="daily change at which trading stops; true = 0.095, default no limit"
    )
    lot: float | None = Field(
        default=None, gt=0, description="shares that orders are multiples of; true = 100, default no lots"
    )
    initial: float = Field(default=1e8, gt=0, description="cash before the first test day, in money")
    risk_degree: float = Field(default=0.95, gt=0, le=1, description="part of the cash that a day's buys may invest")
    benchmark: str | None = Field(
        default=None,
        description="index the excess is taken to: a symbol of the qlib folder that is run on (SH000300), FILE or "
        "FILE#COLUMN (CSV or Parquet: date, close); default the equal-weight universe",
    )

    @field_validator("limit", "lot", mode="before")
    @classmethod
    def _switched(cls, value: Any, field: ValidationInfo) -> Any:
        # A number would be read out of true: a limit of 100 %, lots of one share.
        if isinstance(value, bool):
            return {"limit": 0.095, "lot": 100}[str(field.field_name)] if value else None
        return value
