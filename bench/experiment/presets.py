"""The experiments that come with the package."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import ConfigError, did_you_mean

_HERE = Path(__file__).resolve().parents[1]
# A wheel carries the folder inside the package; a checkout has it beside the package.
CONFIGS = _HERE / "configs" if (_HERE / "configs").is_dir() else _HERE.parent / "configs"
DEFAULT_CONFIG = CONFIGS / "quick.yaml"
CLAIMS_CONFIG = CONFIGS / "claims.yaml"
CAPABILITY_CONFIG = CONFIGS / "capability.yaml"


def find_config(path: str | Path) -> Path:
    """The file of an experiment: a path, or the name of one that comes with the package, such as `full`.

    Raises:
        ConfigError: there is neither; names the nearest.
    """
    file = Path(path)
    shipped = CONFIGS / f"{path}.yaml"
    if file.exists() or (file.suffix and not shipped.is_file()):
        return file
    if not shipped.is_file():
        names = [str(p.relative_to(CONFIGS).with_suffix("")) for p in experiments()]
        raise ConfigError(
            f"{path}: neither a file nor an experiment that comes with the package{did_you_mean(str(path), names)}; "
            f"there are {', '.join(names)}"
        )
    return shipped


def experiments() -> list[Path]:
    """Every experiment among the files, which also say what is claimed and how abilities are weighed."""
    return sorted(set(CONFIGS.rglob("*.yaml")) - {CLAIMS_CONFIG, CAPABILITY_CONFIG})
