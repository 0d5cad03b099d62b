"""Data from the web: a known source or an address -> files ready to be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.data.download import MOST_BYTES, PATIENT, OnBytes, Patience, check_url, download, file_name, file_sha256
from bench.data.unpack import BadArchive, archive_stem, unpack
from zoo.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Named:
    """A source with a name of its own.

    Attributes:
        url: where its newest release lies.
        about: one line for the list.
        hint: what to give to `--data`, behind the directory.
    """

    url: str
    about: str
    hint: str = ""


NAMED: dict[str, Named] = {
    "qlib-cn": Named(
        "https://github.com/chenditc/investment_data/releases/latest/download/qlib_bin.tar.gz",
        "Chinese A shares, daily, in qlib's format with point-in-time CSI members; community project "
        "chenditc/investment_data, rebuilt every trading day (its terms: github.com/chenditc/investment_data)",
        "#csi300",
    ),
}


@dataclass(frozen=True)
class Fetched:
    """What came; the checksum pins this very release."""

    path: Path
    url: str
    sha256: str
    files: int


def fetch(
    source: str,
    folder: str | Path = "data",
    *,
    sha256: str | None = None,
    force: bool = False,
    most_bytes: int = MOST_BYTES,
    patience: Patience = PATIENT,
    on_bytes: Callable[[str, int, int | None], None] = lambda what, done, total: None,
) -> Fetched:
    """Download a named source or a URL into `folder` and unpack it if it is an archive.

    An archive goes once it is unpacked or refused; for lack of space it stays, and the same call goes on from it.

    Args:
        source: a key of `NAMED`, or an http(s) address.
        sha256: the checksum the download must have.
        force: replace what an earlier call fetched.
        most_bytes: of the download, and of what is unpacked.
        on_bytes: told what is being done, the bytes done and, where known, the bytes in all.

    Raises:
        DataError: unknown name, a target that exists, or as `check_url`, `download`, `unpack`.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise DataError(f"--sha256 {sha256}: a SHA-256 has 64 hexadecimal digits")
    url = _address(source)
    folder, name = Path(folder).expanduser(), file_name(url)
    stem, file = archive_stem(name), folder / name
    target = folder / (source if source in NAMED else stem) if stem else file
    if target.exists() and not force:
        raise DataError(f"{target}: exists already; --force fetches it again")
    digest = file_sha256(file) if stem and file.is_file() and not force else ""
    if not digest or digest != (sha256 or digest).lower():
        digest = download(
            url,
            file,
            sha256=sha256,
            most_bytes=most_bytes,
            patience=patience,
            on_bytes=partial(on_bytes, "downloading"),
        )
    files = _unpacked(file, target, most_bytes, partial(on_bytes, "unpacking")) if stem else 1
    return Fetched(target, url, digest, files)


def _address(source: str) -> str:
    if source in NAMED:
        return NAMED[source].url
    if "://" not in source:
        raise DataError(
            f"{source}: neither an address nor a known source{did_you_mean(source, NAMED)}; "
            f"known are {', '.join(NAMED)}"
        )
    check_url(source)
    return source


def _unpacked(archive: Path, target: Path, most_bytes: int, on_bytes: OnBytes) -> int:
    try:
        files = unpack(archive, target, most_bytes=most_bytes, on_bytes=on_bytes)
    except BadArchive:
        archive.unlink()
        raise
    archive.unlink()
    return files
