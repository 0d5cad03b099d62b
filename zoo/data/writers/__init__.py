"""Panel -> files that are read back as that panel, exactly."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from zoo.data.files import whole_directory, whole_file
from zoo.data.panel import Panel, single_concept
from zoo.data.writers.beside import LONG, Beside, read_exact, write_beside
from zoo.data.writers.compare import difference
from zoo.errors import DataError

__all__ = ["read_exact", "write_panel"]

OnStep = Callable[[int, int], None]
"""Called with the stocks done and the stocks in all."""
_QLIB = {"calendars", "features", "instruments"}


def write_panel(panel: Panel, path: str | Path, *, force: bool = False, on_step: OnStep | None = None) -> list[Path]:
    """Write a panel as long rows (`.parquet`, `.csv`, `.csv.gz`) or, without an ending, as a qlib directory.

    What was written is read back and compared before it takes its place, all of it or nothing. Membership and
    concepts that the format cannot hold lie beside the data (`FILE.members.txt`, a qlib instruments file, and
    `FILE.concepts.csv`) or inside the directory (`concepts.csv`); `read_exact` reads all of them again. Stocks that
    are never members (in long rows: and never have a value) are left out.

    Args:
        force: replace what is there; a directory only if it is empty or in qlib's format.
        on_step: told the progress.

    Returns:
        The files, or the directory, that were written.

    Raises:
        DataError: an unknown ending, something is there already, a symbol that the format cannot hold, or
            `path` cannot be written.
    """
    ending = ending_of(path)
    path = Path(os.path.abspath(Path(path).expanduser()))
    beside = Beside.of(path)
    taken = [p for p in beside.all() if p.exists() or p.is_symlink()]
    if taken and not force:
        raise DataError(f"{taken[0]}: exists already; --force replaces it")
    told = on_step or (lambda done, total: None)
    if not ending:
        _check_replaceable(path)
        from zoo.data.writers.qlib import write_qlib

        kept = _some_stocks(panel, np.flatnonzero(panel.member.any(axis=0)))
        with whole_directory(path) as folder:
            write_qlib(kept, folder, told)
            write_beside(kept, Beside.of(folder), concepts=kept.concepts is not None, members=False)
            _check(kept, folder, Beside.of(folder), path)
        return [path]
    from zoo.data.writers.long import states_membership, write_long

    listed = panel.member.any(axis=0) | np.isfinite(panel.values).any(axis=2).any(axis=0)
    kept = _some_stocks(panel, np.flatnonzero(listed))
    needs = {
        "members": not states_membership(kept),
        "concepts": kept.concepts is not None and single_concept(kept) is None,
    }
    with ExitStack() as stack:
        # Left in reverse order: the data come last, so that they are never there without what belongs to them.
        temporary = Beside(
            stack.enter_context(whole_file(path)),
            *(stack.enter_context(whole_file(p)) if needs[n] else None for n, p in beside.companions()),
        )
        write_long(kept, temporary.data, told)
        write_beside(kept, temporary, **needs)
        _check(kept, temporary.data, temporary, path)
        for name, old in beside.companions():
            if not needs[name]:
                old.unlink(missing_ok=True)
    return [path, *(p for name, p in beside.companions() if needs[name])]


def ending_of(path: str | Path) -> str:
    """The ending that chooses the format, one of `LONG`; empty for a qlib directory.

    Raises:
        DataError: another ending.
    """
    lower = str(path).lower()
    found = next((ending for ending in LONG if lower.endswith(ending)), None)
    if found is not None:
        return found
    if Path(path).suffix and not lower.endswith(("/", os.sep)) and not Path(path).is_dir():
        raise DataError(
            f"{path}: its ending says no format that can be written; "
            f"give {', '.join(LONG)}, or a directory (with a / at the end if its name has a dot) for qlib's format"
        )
    return ""


def _check_replaceable(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise DataError(f"{path}: is a file; a directory in qlib's format cannot replace it")
    held = set(os.listdir(path))
    if held and not held >= _QLIB:
        raise DataError(f"{path}: holds something else than data in qlib's format and is not replaced")


def _some_stocks(panel: Panel, kept: np.ndarray) -> Panel:
    if not len(kept):
        raise DataError(f"{panel.name}: no stock has a value or is a member on any day")
    if len(kept) == panel.n_stocks:
        return panel
    return panel.part(kept)


def _check(panel: Panel, written: Path, beside: Beside, path: Path) -> None:
    wrong = difference(panel, read_exact(written, beside=beside, columns=panel.own_fields))
    if wrong:
        raise DataError(f"{path}: what was written does not read back as the same panel ({wrong}); nothing is kept")
