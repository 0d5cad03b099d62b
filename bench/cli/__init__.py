"""The command line; each command imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

import sys

import typer

from bench.cli.commands import attribute, calibrate, data, leaks, models, predict, recommend, report, run, runs, show
from bench.cli.commands import time as timing
from bench.cli.options import with_options
from bench.text.printable import printable
from zoo.errors import ZooError

COMMANDS = (
    run.run,
    run.check,
    models.list_,
    models.describe,
    show.show,
    report.report,
    runs.diff,
    runs.rm,
    predict.predict,
    recommend.recommend,
    timing.time_,
    attribute.attribute,
    leaks.leaks,
    calibrate.calibrate,
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


def main() -> None:
    """Entry point: user errors become one message and exit code 2."""
    try:
        app()
    except ZooError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        # A full disk, a folder that may not be written: the user's to mend, no traceback needed.
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
