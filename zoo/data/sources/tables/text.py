"""A text file of cells: its bytes as UTF-8, where the header is, what separates cells."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import lzma
import mmap
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.data.files import file_size
from zoo.data.sources.columns import PANEL_ROLES, Synonyms, key
from zoo.errors import DataError

SAMPLE_ROWS = 32
_HEAD = 1 << 16  # bytes that are looked at
_WHOLE_LINES, _LONGEST = 4, 1 << 24  # lines that are looked at however long, and bytes beyond which they are none
_LINES = 40  # lines in which it is looked for
_CERTAIN = 4  # roles that no line above it and no row below it name
_MAPPED = 1 << 24  # bytes from which a file is mapped rather than read
_BLOCK = 1 << 22
_MOST, _RATIO = 1 << 30, 200  # unpacked bytes, and times the packed size, that no table of prices reaches together
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GB2312 = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")
_CHINESE = tuple(s for tiers in PANEL_ROLES.values() for tier in tiers for s in tier if not s.isascii())
_OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# An unknown method of packing is a RuntimeError, a name that is not there a KeyError.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, RuntimeError, KeyError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)
_UTF16 = 0.1  # share of zero bytes, nearly all in one half of the pairs, above which these are characters of two bytes


@dataclass(frozen=True)
class Text:
    """A text file, looked at.

    Attributes:
        data: UTF-8 bytes of all of it.
        start: position of the first byte below the header.
        header: the cells of the line that names the columns.
        line: number of that line, counted from 1.
        above: the cells of the line before it.
        rows: cells of the first lines below it.
        separator: between cells.
        foreign: whether bytes that are no UTF-8 were read as Latin-1: names in them cannot be trusted.
    """

    data: bytes | mmap.mmap
    start: int
    header: list[str]
    line: int
    above: list[str]
    rows: list[list[str]]
    separator: str
    foreign: bool


def look_at(path: Path, where: str, roles: Mapping[str, Synonyms], packed: Path | None = None) -> Text:
    """A text file's encoding (UTF-8, UTF-16, GBK), separator and header; `sep=;` and lines above it are skipped.

    Args:
        packed: the zip of several files in which the path is.

    Raises:
        DataError: an empty file, one that cannot be unpacked or decoded.
    """
    data, foreign = _utf8(_bytes(path, where, packed), where)
    first = 3 if data[:3] == codecs.BOM_UTF8 else 0
    end = first
    for _ in range(_WHOLE_LINES):
        end = data.find(b"\n", end) + 1 or len(data)
    end = max(min(end, _LONGEST), first + _HEAD)
    head = bytes(data[first:end])
    if not head:
        raise DataError(f"{where}: empty file; a header line and a row per stock and day are needed")
    # A character cut at the end of the head is of no line that is looked at.
    lines = head.decode("utf-8", "replace").splitlines(keepends=True)
    if len(data) > end and len(lines) > 1:
        lines.pop()
    if not any(line.strip() for line in lines):
        raise DataError(f"{where}: row 1 is blank; it must name the columns")
    given = re.fullmatch(r'\s*"?sep=(.)"?[\s,;]*', lines[0], re.IGNORECASE)
    # A separator that is named but not there is a wrong one.
    named = given[1] if given and any(given[1] in line for line in lines[1:_WHOLE_LINES]) else None
    at, separator = _header(lines, named, 1 if given else 0, roles)
    header = cells_of(lines[at], separator)
    if not header:
        raise DataError(f"{where}: row {at + 1} is blank; it must name the columns")
    start = first + sum(len(line.encode("utf-8", "surrogatepass")) for line in lines[: at + 1])
    rows = [cells_of(line, separator) for line in lines[at + 1 : at + 1 + SAMPLE_ROWS]]
    above = cells_of(lines[at - 1], separator) if at else []
    return Text(data, start, header, at + 1, above, rows, separator, foreign)


def refuse_nul(data: bytes | mmap.mmap, where: str) -> None:
    """Raise for a NUL character, at which some parsers would silently cut the cell."""
    at = data.find(b"\0")
    if at >= 0:
        row = bytes(data[:at]).count(b"\n") + 1
        raise DataError(f"{where}: row {row} holds a NUL character; remove it")


def cells_of(line: str, separator: str) -> list[str]:
    """The cells of one line, without blanks around them; none of a line that is no CSV."""
    if separator == " ":
        return line.split()
    text = line.rstrip("\r\n")
    if '"' not in text:
        return [cell.strip() for cell in text.split(separator)] if text else []
    try:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])]
    except csv.Error:
        return []


def _header(lines: list[str], separator: str | None, first: int, roles: Mapping[str, Synonyms]) -> tuple[int, str]:
    """Position of the line whose cells name the most roles, the first of equals, and the separator that shows it."""
    spellings = {spelling: role for role, tiers in roles.items() for tier in tiers for spelling in tier}
    best, at, chosen = -1, -1, ","
    for k, line in enumerate(lines[first:_LINES], start=first):
        if not line.strip():
            continue
        for each in [separator] if separator else sorted(",;\t|", key=lambda mark: -line.count(mark)):
            if best >= 0 and (each not in line or best >= _CERTAIN):
                continue
            cells = cells_of(line, each)
            score = len({spellings[name] for cell in cells if (name := key(cell)) in spellings})
            # Blanks separate where nothing else does and they show columns.
            if score < 2 and separator is None and len(cells) < 2:
                words = {spellings[name] for cell in line.split() if (name := key(cell)) in spellings}
                if len(words) > max(score, 1):
                    each, score = " ", len(words)
            if score > best:
                best, at, chosen = score, k, each
        if best >= _CERTAIN:
            break
    return at, chosen


def packed_files(path: Path, where: str) -> list[str]:
    """The names of the files in a zip.

    Raises:
        DataError: it cannot be read, or what is in it is out of proportion to it.
    """
    size = file_size(path, where)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
    except _UNREADABLE as error:
        raise _cannot_be_read(where, error) from None
    total = sum(item.file_size for item in members)
    if total > _MOST and total > _RATIO * size:
        raise DataError(f"{where}: unpacks to more than {_RATIO} times its size; are these tables?")
    return [item.filename for item in members]


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [item for item in archive.infolist() if not item.is_dir() and not _litter(item.filename)]


def _cannot_be_read(where: str, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError(f"{where}: cannot be read ({reason})")


def _bytes(path: Path, where: str, packed: Path | None) -> bytes | mmap.mmap:
    """The content of a file, unpacked."""
    ending, size = path.suffix.lower(), file_size(packed or path, where)
    try:
        if packed is not None:
            with zipfile.ZipFile(packed) as archive, archive.open(path.as_posix()) as stream:
                return _limited(stream, size, where)
        if ending in (".zip", *_OPENERS):
            return _unpacked(path, ending, size, where)
        if size < _MAPPED:
            return path.read_bytes()
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except _UNREADABLE as error:
        raise _cannot_be_read(where, error) from None


def _unpacked(path: Path, ending: str, size: int, where: str) -> bytes:
    if ending == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            if len(members) != 1:
                raise DataError(f"{where}: holds {len(members):,} files; unpack it and give the directory")
            with archive.open(members[0]) as stream:
                return _limited(stream, size, where)
    with _OPENERS[ending](path, "rb") as stream:
        return _limited(stream, size, where)


def _litter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")


def _limited(stream: object, size: int, where: str) -> bytes:
    """All bytes of a packed stream; one that unpacks without end is refused."""
    parts, total = [], 0
    while part := stream.read(_BLOCK):  # type: ignore[attr-defined]
        parts.append(part)
        total += len(part)
        if total > _MOST and total > _RATIO * size:
            raise DataError(f"{where}: unpacks to more than {_RATIO} times its size; is it a table?")
    return b"".join(parts)


def _utf8(data: bytes | mmap.mmap, where: str) -> tuple[bytes | mmap.mmap, bool]:
    """The bytes as UTF-8 with line feeds, and whether they had to be read as Latin-1."""
    head = bytes(data[:4096])
    encoding = next((name for bom, name in _BOMS if head.startswith(bom)), None)
    if encoding is None and b"\0" in head:
        high, low = head[0::2].count(0), head[1::2].count(0)
        if max(high, low) > _UTF16 * len(head) and max(high, low) > 10 * min(high, low):
            encoding = "utf-16-be" if high > low else "utf-16-le"
    whole, foreign = data, False
    if encoding is None and (at := _first_not_utf8(data)) >= 0:
        encoding = "gb18030" if _is_chinese(data, at) else "latin-1"
        foreign = encoding == "latin-1"
    if encoding is not None:
        try:
            whole = bytes(data).decode(encoding).encode("utf-8")
        except (UnicodeDecodeError, UnicodeEncodeError):
            raise DataError(f"{where}: not {encoding.upper()} text all through; convert it to UTF-8") from None
    if b"\r" in head and b"\n" not in bytes(whole[:_HEAD]):
        whole = bytes(whole).replace(b"\r", b"\n")
    return whole, foreign


def _first_not_utf8(data: bytes | mmap.mmap) -> int:
    """Position of the block with the first byte that is not UTF-8; -1 where there is none."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for low in range(0, len(data), _BLOCK):
        block = data[low : low + _BLOCK]
        if not decoder.getstate()[0] and block.isascii():
            continue
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            return low
    return len(data) if decoder.getstate()[0] else -1


def _is_chinese(data: bytes | mmap.mmap, at: int) -> bool:
    """Whether bytes that are not UTF-8 from a block on are GBK: the header is, or every run of them is GB 2312."""
    head = bytes(data[:_HEAD]).decode("gb18030", "replace")
    if any(spelling in head for spelling in _CHINESE):
        return True
    runs = re.findall(rb"[\x80-\xff]+", data[at : at + _BLOCK])
    return all(_GB2312.fullmatch(run) for run in runs)
