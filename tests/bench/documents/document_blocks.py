"""What README, CONTRIBUTING and the pages of docs/ hold that a reader would run or copy, in its order.

A page is run from top to bottom in one folder. In it count:

- blocks `python`: all of a page in one namespace; after a sentence that says ``Write `NAME.py` `` they are that file;
- blocks with `title="NAME"`: the file NAME with this text;
- lines of blocks `console`, and code within a sentence or a table that begins as a command does: commands;
- code within a sentence or a table that begins with `-`: options of the last command of the line, else of `run`.

`# refused: WORDS` behind a command says that it ends with exit code 2 and a message of these words. A command whose
line says that it *needs a GPU*, *a network*, *a cluster* or *the extra X*, and code in a sentence on what is *refused*,
is not run: its options are looked at only.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[3]
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8")
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "pages").rglob("*.md")))
}
COMMANDS = ("python -m bench ", "bench ", "alpha-zoo ", "make ", "pip install ", "python -m pytest", "ruff ")
NEEDS = re.compile(r"needs (a GPU|a network|a cluster|the extra `?\w+`?)")
_PIECE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```$|(?P<line>^[^\n]+$)", re.MULTILINE | re.DOTALL
)
_WRITE = re.compile(r"Write `([\w.]+)`")

Kind = Literal["python", "file", "command", "options"]


@dataclass(frozen=True)
class Piece:
    """One thing of a page that is run or written.

    Attributes:
        kind: what it is.
        text: the code, the text of the file, the command, or the options.
        name: of a file, the command that options belong to, or the words of a refusal.
        needs: what keeps it from being run.
    """

    kind: Kind
    text: str
    name: str = ""
    needs: str = ""

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)

    @property
    def same(self) -> tuple[str, str]:
        """What two pieces share that are the same to a reader."""
        return self.kind, self.text.removeprefix("python -m ")


def pieces(page: str) -> Iterator[Piece]:
    """All of a page."""
    file = ""
    for found in _PIECE.finditer(page):
        info, line = found["info"], found["line"]
        if line is not None:
            file = next(iter(_WRITE.findall(line)), file)
            yield from _within(line)
            continue
        body = re.sub(rf"^{found['indent']}", "", found["body"], flags=re.MULTILINE)
        title = re.search(r'title="([^"]+)"', info)
        if title:
            yield Piece("file", body, title[1])
        elif info.split()[:1] == ["python"]:
            yield Piece("file", body, file) if file else Piece("python", body)
            file = ""
        elif info.split()[:1] == ["console"]:
            yield from map(_command, filter(None, map(str.strip, body.splitlines())))


def languages(page: str) -> set[str]:
    """The kinds of blocks of a page."""
    return {(found["info"].split() or [""])[0] for found in _PIECE.finditer(page) if found["line"] is None}


def _within(line: str) -> Iterator[Piece]:
    last, needs = "run", _needs(line)
    for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", line):
        if code.startswith(COMMANDS):
            yield Piece("command", code, needs=needs)
            last = code if "bench " in code else last
        elif re.match(r"--?[a-z]", code):
            yield Piece("options", code, last, needs)


def _command(line: str) -> Piece:
    refused = re.search(r"# refused: (.+)", line)
    told = refused[1].strip() if refused else ""
    return Piece("command", line.partition("  #")[0].strip(), told, "" if refused else _needs(line))


def _needs(line: str) -> str:
    found = NEEDS.search(line) or re.search("refused", line)
    return found[0] if found else ""
