"""The life of a worker process: it ends with its parent, and is watched for time and memory."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait

_PR_SET_PDEATHSIG = 1


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes started within the block never see Ctrl-C, not even while they start; this one sees it after the block.

    A terminal sends it to the whole process group. The parent decides; workers finish what they do, or are ended by it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Have this process end when its parent does, however that ends; called first in a worker.

    On Linux the kernel sends a signal. Elsewhere, and where the parent was gone before it was asked to, a thread waits
    for the parent's end. Ctrl-C is the parent's matter, also where `deaf_to_interrupts` can do nothing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="ends with its parent", daemon=True).start()


def resident_bytes(pid: int) -> int | None:
    """Memory that a process has in use now; None where the system does not tell, or the process is gone."""
    try:
        if sys.platform.startswith("linux"):
            with open(f"/proc/{pid}/statm", encoding="ascii") as stream:
                return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return int(told.stdout) * 1024
    except (OSError, ValueError, IndexError):
        return None
