"""Ctrl-C where no command runs yet, and in workers, which leave it to their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.speed.memory import memory_process

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc")


def test_ctrl_c_while_the_command_line_is_imported_ends_it_without_a_traceback(tmp_path):
    # Stands for any module that the command line imports.
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, "-m", "bench", "list"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        # What runs the tests may ignore it, which its children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_a_process_that_measures_memory_leaves_ctrl_c_to_its_parent_from_its_start():
    with memory_process("cpu", 1) as remote:
        pid = remote(os.getpid)
        os.kill(pid, signal.SIGINT)
        assert remote(os.getpid) == pid
        blocked = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigBlk" in line)
        assert int(blocked.split()[1], 16) & 1 << (signal.SIGINT - 1)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
