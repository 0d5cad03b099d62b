"""The command line; each command imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from bench.cli.commands import checks, config, data, models, predict, run, runs, show
from bench.cli.commands import time as timing
from bench.cli.options import with_options
from bench.text.printable import printable
from zoo.errors import ZooError

COMMANDS = (
    run.run,
    run.check,
    config.config,
    models.list_,
    models.describe,
    show.show,
    runs.report,
    runs.diff,
    runs.verify,
    runs.rm,
    predict.predict,
    predict.recommend,
    timing.time_,
    checks.attribute,
    checks.leaks,
    checks.calibrate,
)

app = typer.Typer(
    name="bench",
    help="Which network should forecast the returns of your stocks, and how sure can you be?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in COMMANDS:
    app.command(command.__name__.rstrip("_"))(with_options(command))
app.add_typer(data.app)


_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_GO_ON = {
    "run": "finished trials are stored, the same command goes on from here",
    "fetch": "what has come is kept, the same command goes on from here",
    "time": "what was measured is stored, the same command measures anew",
}
"""What is kept of a command that is interrupted; of all others nothing is."""


class Interrupted(BaseException):
    """A signal asks this process to end; typer answers a KeyboardInterrupt itself."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _interruptible() -> Iterator[None]:
    """Signals that end raise `Interrupted`, the second of a kind ends; ignored ones stay so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Interrupted(number)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _go_on() -> str:
    names = sys.argv[1:3] if sys.argv[1:2] == ["data"] else sys.argv[1:2]
    return _GO_ON.get(names[-1] if names else "", "nothing is half written, the same command starts again")


def command_line() -> None:
    """The life of a process: `main`, and then its end, in which a signal no longer interrupts Python but ends it."""
    try:
        main()
    finally:
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


def main() -> None:
    """One command: user errors exit with 2 and one message, signals with 128 + number."""
    try:
        with _interruptible():
            app()
    except Interrupted as asked:
        try:
            print(f"interrupted; {_go_on()}", flush=True)
        except OSError:  # the terminal is gone
            sys.stdout = None
        sys.exit(128 + asked.number)
    except ZooError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        # A full disk, a folder that may not be written: the user's to mend, no traceback needed.
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
