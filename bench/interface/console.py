"""The terminal: text, and a spinner while one waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from bench.text.printable import printable

out = Console(soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """Plain text, on a line of its own."""
    out.print(escape(printable(text)))


@contextmanager
def status(text: str) -> Iterator[None]:
    """A spinner on a terminal while something slow happens; silent elsewhere."""
    if out.is_terminal:
        with out.status(escape(printable(text))):
            yield
    else:
        yield
