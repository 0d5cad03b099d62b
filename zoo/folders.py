"""Where the package keeps what it can make again: panels read before, compiled kernels."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE, OFF = "ALPHA_ZOO_CACHE", "off"


def cache_folder() -> Path | None:
    """Where caches are kept: `$ALPHA_ZOO_CACHE`, else the platform's place for caches; None where it is `off`."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.lower() == OFF:
        return None
    if chosen:
        return Path(chosen).expanduser()
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "alpha-zoo" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "alpha-zoo"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "alpha-zoo"
