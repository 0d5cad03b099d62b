"""What is trained on what: frozen configuration sections, unknown keys rejected."""

from zoo.config.data import DataConfig, FeatureFile, UniverseConfig, feature_text
from zoo.config.label import COLUMN, FORWARD, ColumnLabel, Label, LabelConfig
from zoo.config.section import Section
from zoo.config.split import FixedSplit, Split, WalkForwardSplit
from zoo.config.train import Size, TrainConfig
from zoo.config.values import Allowed

__all__ = [
    "COLUMN",
    "FORWARD",
    "Allowed",
    "ColumnLabel",
    "DataConfig",
    "FeatureFile",
    "FixedSplit",
    "Label",
    "LabelConfig",
    "Section",
    "Size",
    "Split",
    "TrainConfig",
    "UniverseConfig",
    "WalkForwardSplit",
    "feature_text",
]
