"""The feature sets, by the name used in YAML."""

from __future__ import annotations

from zoo.data.features.alpha360 import Alpha360
from zoo.data.features.base import FeatureSet
from zoo.data.features.factors import Alpha158, Alpha158Selected
from zoo.data.features.raw import Raw
from zoo.errors import ConfigError, did_you_mean

FEATURE_SETS: dict[str, type[FeatureSet]] = {cls.name: cls for cls in (Raw, Alpha360, Alpha158, Alpha158Selected)}


def make_feature_set(name: str, lookback: int) -> FeatureSet:
    """The feature set of a name for windows of `lookback` days.

    Raises:
        ConfigError: unknown name, or a lookback the set does not offer.
    """
    if name not in FEATURE_SETS:
        raise ConfigError(
            f"data.features: no feature set '{name}'{did_you_mean(name, FEATURE_SETS)}; "
            f"there are {', '.join(sorted(FEATURE_SETS))}"
        )
    return FEATURE_SETS[name](lookback=lookback)  # type: ignore[call-arg]
