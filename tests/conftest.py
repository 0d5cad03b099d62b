from __future__ import annotations

import gc
import os

import pytest

# Before torch is imported: tests share few cores, and a second spinning thread makes small networks slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before anything of the package: every call of these modules is held to the shapes and types of its signature.
from jaxtyping import install_import_hook

SHAPED = [
    "zoo.crosssection",
    "zoo.data.features",
    "zoo.data.labels",
    "zoo.training.losses",
    "zoo.models",
    "bench.stats",
    "bench.metrics.daily",
    "bench.portfolio",
]
install_import_hook(SHAPED, "typecheck.check")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE",
        help="a file that registers models or markets; the tests of every model and market run over them, too",
    )


def pytest_configure(config: pytest.Config) -> None:
    for file in config.getoption("--plugin"):
        from zoo.registry import load_plugin

        load_plugin(file)


def pytest_collection_finish() -> None:
    """What is imported and collected stays to the end; timing collects garbage before it starts, a quarter of a second
    of looking through all of it in each of the many small runs."""
    gc.collect()
    gc.freeze()
