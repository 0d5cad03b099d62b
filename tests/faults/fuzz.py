"""Damages inputs at random and looks at what comes out: a result or one ZooError, in time, nothing written elsewhere.

    python -m tests.faults.fuzz --inputs 3000 [--seed 0] [--only csv parquet]

The inputs are those of `fuzz_inputs` and `fuzz_records`. The short form is `test_fuzz`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import fuzz_records  # noqa: F401 - adds its targets
from tests.faults.fuzz_inputs import TARGETS, damage_one
from zoo.errors import ZooError
from zoo.folders import OFF, VARIABLE

SECONDS = 10.0
WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.symlink", "os.link", "os.chmod"}
NAMES = {"os.rename": slice(2), "os.symlink": slice(1, 2), "os.link": slice(1, 2)}
"""Which arguments of an event name what is written; the first where nothing is said."""
NAMED = 20  # faults printed of each target


class Hang(BaseException):
    """An input took longer than it may; no `except Exception` catches it."""


@dataclass
class Tally:
    """What the inputs of one target have shown."""

    inputs: int = 0
    refused: int = 0
    read: int = 0
    raw: int = 0
    hangs: int = 0
    writes: int = 0
    faults: list[str] = field(default_factory=list)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    handler, timer = signal.signal(signal.SIGALRM, stop), signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


class Watch:
    """Tells of everything that is written outside a folder; an audit hook stays for the life of the process."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.folder is None:
            return
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
        opened = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & writes)
        if not opened and event not in WRITES:
            return
        # A removal below an open directory gives its descriptor and a bare name.
        below = arguments[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else -1
        root = os.getcwd() if below == -1 else os.readlink(f"/proc/self/fd/{below}")
        for name in arguments[NAMES.get(event, slice(1))]:
            if isinstance(name, (str, os.PathLike)):
                path = os.path.abspath(os.path.join(root, os.fspath(name)))
                if Path(self.folder) not in (Path(path), *Path(path).parents) and path != os.devnull:
                    self.seen.append(f"{event} {path}")


def try_one(name: str, key: str, watch: Watch, tally: Tally) -> None:
    """Write, damage and read one input; `key` alone decides what it is."""
    rng = random.Random(key)
    with tempfile.TemporaryDirectory(prefix="fuzz_") as place:
        folder = Path(place).resolve()
        read = TARGETS[name](folder, rng)
        if rng.random() < 0.8:
            damage_one(folder, rng)
        tally.inputs += 1
        watch.folder, watch.seen = str(folder), []
        began = time.monotonic()
        try:
            with at_most(SECONDS):
                read()
            tally.read += 1
        except ZooError:
            tally.refused += 1
        except Hang:
            pass
        except Exception:  # noqa: BLE001 - what must not come out is what is looked for
            tally.raw += 1
            tally.faults.append(f"{name} {key}: {traceback.format_exc(limit=-6)}")
        finally:
            watch.folder = None
        if time.monotonic() - began > SECONDS:
            tally.hangs += 1
            tally.faults.append(f"{name} {key}: took more than {SECONDS:g} s")
        tally.writes += bool(watch.seen)
        tally.faults += [f"{name} {key}: {where}" for where in watch.seen[:1]]


def fuzz(names: list[str], inputs: int, seed: int) -> Iterator[tuple[str, Tally]]:
    """As many inputs in all, shared among the targets, one after the other."""
    watch = Watch()
    for at, name in enumerate(names):
        tally = Tally()
        for k in range(at, inputs, len(names)):
            try_one(name, f"{seed}-{k}", watch, tally)
        yield name, tally


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS), default=list(TARGETS))
    given = parser.parse_args(arguments)
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")
    os.environ[VARIABLE] = OFF
    columns = [name for name in vars(Tally()) if name != "faults"]
    print(f"{'target':14}", *(f"{name:>8}" for name in columns), "cpu seconds", flush=True)
    n_faults, total, began = 0, 0, 0.0
    for name, tally in fuzz(given.only, given.inputs, given.seed):
        spent, began = time.process_time() - began, time.process_time()
        print(f"{name:14}", *(f"{vars(tally)[column]:8}" for column in columns), f"{spent:11.1f}", flush=True)
        print(*tally.faults[:NAMED], sep="\n", end="\n" * bool(tally.faults), flush=True)
        n_faults, total = n_faults + len(tally.faults), total + tally.inputs
    print(json.dumps({"inputs": total, "faults": n_faults, "cpu seconds": round(time.process_time(), 1)}))
    return 1 if n_faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
