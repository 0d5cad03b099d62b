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
REFERENCE_CONFIG = CONFIGS / "reference.yaml"


def find_config(path: str | Path) -> Path:
    """The file of an experiment: a path, or the name of one that comes with the package, such as `full`.

    Raises:
        ConfigError: there is neither; names the nearest.
    """
    file, names = Path(path), experiments()
    if file.is_file():
        return file
    if str(path) in names:
        return names[str(path)]
    if file.suffix or file.exists():
        return file  # Meant as a path: who reads it says what is wrong.
    raise ConfigError(
        f"{path}: neither a file nor an experiment that comes with the package{did_you_mean(str(path), names)}; "
        f"there are {', '.join(names)}"
    )


def experiments() -> dict[str, Path]:
    """Every experiment by its name; other files say what is claimed or published, and how abilities are weighed."""
    files = sorted(set(CONFIGS.rglob("*.yaml")) - {CLAIMS_CONFIG, CAPABILITY_CONFIG, REFERENCE_CONFIG})
    return {file.relative_to(CONFIGS).with_suffix("").as_posix(): file for file in files}
