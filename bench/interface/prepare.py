"""What happens before any work: the user's own files are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def prepare(plugins: Iterable[str | Path] | None = None, no_cache: bool = False) -> None:
    """Register what the user's files add, and parse data anew; worker processes inherit the latter."""
    if plugins:
        from bench.experiment.code_hash import forget_sources
        from zoo.registry import load_plugin

        # In a notebook the files may have changed since they were read.
        forget_sources()
        for path in plugins:
            load_plugin(path)
    if no_cache:
        from zoo.data.cache import disable_cache

        disable_cache()
