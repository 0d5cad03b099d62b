"""The command line called in this process, and files for it to read."""

from __future__ import annotations

import io
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from bench.cli import main
from bench.records.store import RunStore

SMALL = Path(__file__).with_name("small.yaml")


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """No file of this process may grow past `n_bytes`: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@dataclass(frozen=True)
class Answer:
    """What a command printed and exited with."""

    code: int
    out: str
    err: str


def run_cli(*arguments: Any) -> Answer:
    """`python -m bench ARGUMENTS`, called in this process; a run draws figures, which takes seconds, where asked to."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    argv = ["bench", *map(str, arguments)]
    if argv[1:2] == ["run"] and "--figures" not in argv:
        argv.append("--no-figures")
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Answer(code or 0, out.getvalue(), err.getvalue())


def start_cli(*arguments: Any, **environment: str) -> subprocess.Popen[str]:
    """`python -m bench ARGUMENTS` as a process of its own, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=take_signals,
    )


def take_signals() -> None:
    """Who starts the tests in the background, or with nohup, has them ignore signals, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing happened within {seconds} s")


def scores_of(results: Path, name: str = "small") -> dict[tuple[str, int, int], bytes]:
    """The stored scores, bit by bit, by (model, fold, seed)."""
    store = RunStore.open(results, name)
    found, keys = {}, store.keys()
    for key in keys:
        record = store.record(key)
        assert record is not None
        frame = pd.read_parquet(store.trial_folder(key) / "scores.parquet")
        index = f"{frame['datetime'].tolist()}{frame['instrument'].tolist()}".encode()
        found[record["model"], record["fold"], record["seed"]] = index + frame["score"].to_numpy().tobytes()
    return found


def key_of_trial(results: Path, model: str, seed: int = 0, name: str = "small") -> str:
    """The key of a planned trial."""
    run = RunStore.open(results, name).run()
    return next(t["key"] for t in run["trials"] if (t["model"], t["seed"]) == (model, seed))


def write_prices(path: Path, *, n_days: int = 120, stocks: int = 8, seed: int = 0, **columns: Any) -> Path:
    """A long CSV of a random market; `columns` are added to it."""
    rng = np.random.default_rng(seed)
    days = np.busday_offset("2020-01-01", np.arange(n_days), roll="forward")
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (n_days, stocks)), axis=0))
    frame = pd.DataFrame(
        {
            "date": np.repeat(days, stocks),
            "symbol": np.tile([f"S{i}" for i in range(stocks)], n_days),
            "close": close.ravel(),
        }
    )
    for column, factor in (("open", 0.99), ("high", 1.02), ("low", 0.97)):
        frame[column] = frame["close"] * factor
    frame["volume"] = rng.integers(1, 10**6, len(frame))
    frame.assign(**columns).to_csv(path, index=False)
    return path
