"""Kills commands at random moments, starts them again, and looks at what is left.

    python -m tests.faults.kills --kills 200 [--seed 0]

Each scenario is a command that is started again and again on the same files and killed, in one of several ways, after
a random part of the time it takes, until it has been killed as often as asked for. After each kill no process of it may
live for two seconds and everything stored must be whole; at the end the command runs undisturbed, and what it wrote
must equal, bit by bit, what it writes without any kill.

Most of a short command's time is that of its imports, so the short form in the tests forks most commands from a process
that has imported already (`forks`): more of the kills then meet a command at work.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
SECONDS_TO_END = 2.0


@dataclass
class Tally:
    """What a scenario has shown so far."""

    kills: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Way:
    """How a command is killed: with which signal, and whether every process of it is, or the first only."""

    signal: signal.Signals
    group: bool = False


@dataclass(frozen=True)
class Scenario:
    """A command and how it is killed.

    Attributes:
        commands: arguments of `python -m bench` that all end in the same result; `{here}` is the folder.
        ways: one is taken at random, as is one of the commands.
        share: part of all kills.
        state: (folder, finished) -> what the finished command leaves, comparable by ==; raises AssertionError where
            something is not whole, so it is also called on what a killed one leaves.
    """

    commands: tuple[tuple[str, ...], ...]
    ways: tuple[Way, ...]
    share: float
    state: Callable[[Path, bool], object]


def members(session: int) -> list[int]:
    """Processes of a session that still run; zombies do not count."""
    running = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(told[3]) == session and told[0] not in "ZX":
                running.append(int(entry.name))
    return running


class Started(Protocol):
    """A command that runs in a session of its own, so that all its processes can be told."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; subprocess.TimeoutExpired where it still runs."""
        ...


def start(command: tuple[str, ...], here: Path) -> subprocess.Popen[bytes]:
    """The command as a user starts it."""
    with (here / "stderr").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "bench", *(part.format(here=here) for part in command)],
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
            preexec_fn=take_signals,
        )


def take_signals() -> None:
    """Who starts this in the background, or with nohup, has it ignore signals, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass
class Forked:
    """A command forked from a process that has imported already."""

    pid: int
    forks: Forks
    code: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        if self.code is None:
            if not select.select([self.forks.server.stdout], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("bench", timeout or 0)
            self.code = self.forks.exit_code()
        return self.code


class Forks:
    """Starts commands by forking, one at a time; see `forks`."""

    def __init__(self) -> None:
        self.server, self.waited_for = self._begin(), False

    def _begin(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(Path(__file__).with_name("forks.py"))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | ENVIRONMENT, **pipes)

    def start(self, command: tuple[str, ...], here: Path) -> Forked:
        """The command, as `start` does."""
        if self.waited_for:
            # A test ended by its time limit left a command whose exit code nobody has read.
            self.end()
            self.server = self._begin()
        assert self.server.stdin is not None
        arguments = [str(here / "stderr"), *(part.format(here=here) for part in command)]
        self.server.stdin.write((json.dumps(arguments) + "\n").encode())
        forked = Forked(self._answer(), self)
        self.waited_for = True
        return forked

    def exit_code(self) -> int:
        """That of the command that was started last, once it has ended."""
        code, self.waited_for = self._answer(), False
        return code

    def _answer(self) -> int:
        assert self.server.stdout is not None
        return int(self.server.stdout.readline())

    def end(self) -> None:
        self.server.kill()
        self.server.communicate()


def kill_again_and_again(
    scenario: Scenario, kills: int, rng: random.Random, here: Path, forks: Forks | None = None
) -> Tally:
    """One scenario in an empty folder; see the module. Four commands of five come from `forks` where it is given."""
    whole, broken = here / "whole", here / "killed"
    whole.mkdir()
    broken.mkdir()
    first = scenario.commands[0]
    takes = takes_forked = seconds(start, first, whole)
    expected = scenario.state(whole, True)
    if forks:
        whole_forked = here / "whole_forked"
        whole_forked.mkdir()
        takes_forked = seconds(forks.start, first, whole_forked)
        assert scenario.state(whole_forked, True) == expected
    tally = Tally()
    starts = 0
    while tally.kills < kills:
        way, command = rng.choice(scenario.ways), rng.choice(scenario.commands)
        begin = forks.start if forks and starts % 5 else start
        starts += 1
        process: Started = begin(command, broken)
        # Workers of others than the first import anew, whoever starts them.
        usual = takes if begin is start or command != first else takes_forked
        try:
            process.wait(timeout=rng.uniform(0.05, 1.0) * usual)
        except subprocess.TimeoutExpired:
            (os.killpg if way.group else os.kill)(process.pid, way.signal)
            tally.kills += 1
        here_said = f"kill {tally.kills}, {way.signal.name}{' to all' if way.group else ''}"
        # Who is asked to end may finish what it writes; who is killed may not.
        end = time.monotonic() + (SECONDS_TO_END if way.signal == signal.SIGKILL else 10 * SECONDS_TO_END)
        while members(process.pid) and time.monotonic() < end:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0)
            time.sleep(0.02)
        if left := members(process.pid):
            tally.faults.append(f"{here_said}: {len(left)} process(es) still run")
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        try:
            scenario.state(broken, False)
        except AssertionError as fault:
            tally.faults.append(f"{here_said}: {fault}")
    code = (forks.start if forks else start)(first, broken).wait()
    if code != 0:
        tally.faults.append(f"afterwards the command ends with exit code {code}")
    elif scenario.state(broken, True) != expected:
        tally.faults.append("afterwards the result differs from that of a run without kills")
    said = (broken / "stderr").read_text(errors="replace")
    if "Traceback" in said:
        tally.faults.append(f"a traceback was printed:\n{said[-2000:]}")
    return tally


def seconds(begin: Callable[[tuple[str, ...], Path], Started], command: tuple[str, ...], here: Path) -> float:
    """How long a command takes that nobody kills."""
    began = time.monotonic()
    begin(command, here).wait()
    return time.monotonic() - began


def trials(here: Path, finished: bool) -> object:
    """Scores of the run's trials, bit by bit; every trial that is there must be whole."""
    from bench.records.store import RunStore

    store = RunStore(here / "results", "killed")
    scores = {}
    for key in list(store.keys()):
        assert store.is_done(key), f"trial {key} is there and not whole"
        scores[key] = (store.trial_folder(key) / "scores.parquet").read_bytes()
    if finished:
        left = [p.name for p in store.trials.iterdir() if p.name.startswith(".")]
        assert not left, f"left behind: {left}"
        assert (here / "results" / "comparison.md").is_file(), "no report"
    return scores


def timings(here: Path, finished: bool) -> object:
    """Which models and scenarios are timed; the file must be whole whenever it is there."""
    import json

    files = list((here / "results" / "timing").glob("*/*.json"))
    found = []
    for file in files:
        try:
            entries = json.loads(file.read_text())["entries"]
        except ValueError as error:
            raise AssertionError(f"{file.name} is not whole: {error}") from None
        found += [(m, mode, sorted(e["scenarios"])) for m, modes in entries.items() for mode, e in modes.items()]
    return sorted(found)


def converted(here: Path, finished: bool) -> object:
    """The bytes of a converted folder; absent or whole."""
    folder = here / "converted"
    if not folder.exists():
        assert not finished, "nothing was converted"
        return None
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    assert len(files) > 100, f"only {len(files)} files of the converted folder are there"
    if finished:
        left = [p.name for p in here.iterdir() if p.name.startswith(".")]
        assert not left, f"left behind: {left}"
    return files


def _run(jobs: int) -> tuple[str, ...]:
    models = ("--models", "linear,gru", "--seeds", "2", "--name", "killed", "--no-figures", "--jobs", str(jobs))
    small = ("--data", "planted:local?stocks=12&days=200", "--set", "train.max_epochs=3", "--set", "data.lookback=8")
    return ("run", *models, *small, "--results", "{here}/results")


_TIME = (
    "time",
    "--models",
    "linear,mlp",
    "--stocks",
    "20",
    "--rounds",
    "3",
    "--seconds",
    "0.1",
    "--scenarios",
    "one_day",
)
_CONVERT = ("data", "convert", "planted:local?stocks=120&days=300", "{here}/converted/", "--force")
KILL = (Way(signal.SIGKILL), Way(signal.SIGKILL, group=True))
ASK = (Way(signal.SIGTERM), Way(signal.SIGHUP), Way(signal.SIGINT, group=True))
SCENARIOS = {
    "a run in one process or two": Scenario((_run(1), _run(1), _run(1), _run(2)), (*KILL, *ASK), 0.6, trials),
    "timing": Scenario(
        ((*_TIME, "--scenarios", "one_day", "--results", "{here}/results"),), (*KILL, *ASK), 0.2, timings
    ),
    "converting": Scenario((_CONVERT,), (*KILL, *ASK), 0.2, converted),
}


def main() -> None:
    """The long form."""
    parser = argparse.ArgumentParser(description="Kill commands at random moments and look at what is left.")
    parser.add_argument("--kills", type=int, default=200, help="in all, spread over the scenarios")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    faults = total = 0
    for name, scenario in SCENARIOS.items():
        with tempfile.TemporaryDirectory() as folder:
            share, rng = math.ceil(scenario.share * chosen.kills), random.Random(f"{chosen.seed} {name}")
            tally = kill_again_and_again(scenario, share, rng, Path(folder))
        total, faults = total + tally.kills, faults + len(tally.faults)
        print(f"{name}: {tally.kills} kills, {len(tally.faults)} fault(s)", *tally.faults, sep="\n  ", flush=True)
    print(f"{total} kills, {faults} fault(s)")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
