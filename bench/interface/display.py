"""Where a run tells what it does: a terminal or a pipe, a notebook, or nowhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from bench.interface import console

if TYPE_CHECKING:
    from bench.interface.progress import TrialProgress


class Display(Protocol):
    """What a run needs of the place where it is told."""

    def say(self, text: str) -> None:
        """A line of plain text."""
        ...

    def status(self, text: str) -> AbstractContextManager[None]:
        """What is waited for within the block."""
        ...

    def trials(self, models: list[str]) -> AbstractContextManager[TrialProgress]:
        """Is told the events of trials within the block."""
        ...


class Terminal:
    """A live table on a terminal, one plain line per trial in a pipe."""

    def say(self, text: str) -> None:
        console.say(text)

    def status(self, text: str) -> AbstractContextManager[None]:
        return console.status(text)

    def trials(self, models: list[str]) -> AbstractContextManager[TrialProgress]:
        from bench.interface.progress import terminal_progress

        return terminal_progress(models)


class Notebook:
    """A bar and a table in HTML, redrawn in place; needs no widgets.

    Args:
        show: puts HTML below the cell and gives what replaces it by other HTML.
    """

    def __init__(self, show: Callable[[str], Callable[[str], Any]]) -> None:
        self._show = show

    def say(self, text: str) -> None:
        from bench.text.printable import printable

        print(printable(text), flush=True)

    def status(self, text: str) -> AbstractContextManager[None]:
        del text
        return nullcontext()

    def trials(self, models: list[str]) -> AbstractContextManager[TrialProgress]:
        from bench.interface.progress import NotebookProgress

        return nullcontext(NotebookProgress(models, self._show))


class Silent:
    """Tells nothing."""

    def say(self, text: str) -> None:
        del text

    def status(self, text: str) -> AbstractContextManager[None]:
        del text
        return nullcontext()

    def trials(self, models: list[str]) -> AbstractContextManager[TrialProgress]:
        from bench.interface.progress import TrialProgress

        return nullcontext(TrialProgress(models))


def display_here(progress: bool = True) -> Display:
    """The display for where this process runs."""
    if not progress:
        return Silent()
    ipython: Any = sys.modules.get("IPython")
    # A shell with a kernel is a notebook's; IPython in a terminal has none.
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return Terminal()

    def show(html: str) -> Callable[[str], Any]:
        shown = ipython.display.display(ipython.display.HTML(html), display_id=True)
        return lambda newer: shown.update(ipython.display.HTML(newer))

    return Notebook(show)
