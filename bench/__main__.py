"""`python -m bench`, and the scripts `bench` and `alpha-zoo`."""

import signal


def start() -> None:
    """The command line. Until it is imported Ctrl-C ends the process, without the traceback of half an import."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from bench.cli import command_line

    command_line()


if __name__ == "__main__":
    start()
