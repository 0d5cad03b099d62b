"""Benchmarks and tests keep out of each other's way."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what pytest-benchmark would skip: a thousand lines of SKIPPED would hide its table."""
    if config.getoption("benchmark_only"):
        wanted = True
    elif config.getoption("benchmark_skip"):
        wanted = False
    else:
        return
    apart: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        apart["benchmark" in getattr(item, "fixturenames", ())].append(item)
    items[:] = apart[wanted]
    config.hook.pytest_deselected(items=apart[not wanted])
