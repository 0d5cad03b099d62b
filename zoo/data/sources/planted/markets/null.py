"""Null: nothing can be predicted."""

from __future__ import annotations

from zoo.data.sources.planted.registry import register_mixture

register_mixture("null", parts=(), reads="nothing", tests="calibration", order=100, file=__file__)
