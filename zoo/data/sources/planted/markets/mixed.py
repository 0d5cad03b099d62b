"""Mixed: five mechanisms in equal shares."""

from __future__ import annotations

from zoo.data.sources.planted.registry import register_mixture

register_mixture(
    "mixed",
    # Named here, so that a new market does not change this one.
    parts=("local", "long", "interaction", "relation", "regime"),
    reads="local, long, interaction, relation and regime in equal shares",
    tests="overall",
    order=90,
    file=__file__,
)
