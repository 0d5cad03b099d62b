"""Segments of the calendar: fixed, or walking forward."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from zoo.config.section import Section
from zoo.config.values import Embargo, Segment, Span

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
