"""A process that has imported what the commands import, and forks one whenever it is asked to.

    python forks.py

Each line of its input is a JSON list: the file for what the command says on stderr, then arguments of
`python -m bench`. It answers with two lines: the command's process, once it is in a session of its own, and its exit
code, once it has ended.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import sys
from contextlib import suppress

from kills import take_signals

import bench
import zoo


def be_the_command(stderr: str, arguments: list[str]) -> None:
    """What this process is from here on; leaves it as the command does."""
    take_signals()
    os.setsid()
    os.write(1, f"{os.getpid()}\n".encode())
    nothing = os.open(os.devnull, os.O_RDWR)
    said = os.open(stderr, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number, file in enumerate((nothing, nothing, said)):
        os.dup2(file, number)
    sys.argv = ["bench", *arguments]
    runpy.run_module("bench", run_name="__main__", alter_sys=True)
    sys.exit()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    importlib.import_module("torch._dynamo")  # by the first optimiser that is made
    for package in (bench, zoo):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                with suppress(ImportError):  # of what is not installed
                    importlib.import_module(module.name)
    gc.freeze()  # otherwise each command looks through, and so copies, all that is imported
    for line in iter(sys.stdin.readline, ""):
        stderr, *arguments = json.loads(line)
        if (process := os.fork()) == 0:
            be_the_command(stderr, arguments)
        _, status = os.waitpid(process, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
