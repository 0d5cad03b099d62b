"""The experiments that come with the package."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parents[1]
# A wheel carries the folder inside the package; a checkout has it beside the package.
CONFIGS = _HERE / "configs" if (_HERE / "configs").is_dir() else _HERE.parent / "configs"
DEFAULT_CONFIG = CONFIGS / "quick.yaml"
CLAIMS_CONFIG = CONFIGS / "claims.yaml"
CAPABILITY_CONFIG = CONFIGS / "capability.yaml"


def experiments() -> list[Path]:
    """Every experiment among the files, which also say what is claimed and how abilities are weighed."""
    return sorted(set(CONFIGS.rglob("*.yaml")) - {CLAIMS_CONFIG, CAPABILITY_CONFIG})
