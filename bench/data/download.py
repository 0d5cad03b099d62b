"""Downloads over HTTP that survive a dropped connection."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO

from zoo.errors import DataError

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes done and, where known, the bytes in all."""
MOST_BYTES = 20 << 30
_BLOCK = 1 << 18
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_RESUMES = 1000


@dataclass(frozen=True)
class Patience:
    """How long to insist.

    Attributes:
        attempts: tries in a row without a new byte before giving up.
        wait: s before the second of them; doubles each time, at most 30.
        timeout: s without an answer that count as a dropped connection.
    """

    attempts: int = 4
    wait: float = 1.0
    timeout: float = 30.0


PATIENT = Patience()


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    most_bytes: int = MOST_BYTES,
    patience: Patience = PATIENT,
    on_bytes: OnBytes = lambda done, total: None,
) -> str:
    """Download a file to `target`; returns its SHA-256 in hexadecimal.

    Bytes go to `target.part`, which a later call continues where server and file (ETag, Last-Modified) allow it.

    Raises:
        DataError: no such file, no network, too large, no space, wrong checksum.
    """
    transfer = _Transfer(url, target, most_bytes, patience.timeout, on_bytes)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        transfer.drop_part_of_another(named=sha256 is not None)
        _insist(transfer, patience)
        digest = file_sha256(transfer.part)
        if sha256 is not None and digest != sha256.lower():
            transfer.part.unlink()
            raise DataError(
                f"{url}: SHA-256 is {digest}, not {sha256.lower()} as asked; the file is removed. "
                f"Either it was damaged on the way or it is not the file you mean"
            )
        os.replace(transfer.part, target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from None
    finally:
        if not transfer.part.exists():
            transfer.state.unlink(missing_ok=True)
    return digest


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_space(folder: Path, needed: int) -> None:
    """A DataError unless that many bytes and a tenth more are free."""
    free = shutil.disk_usage(folder).free
    if needed + needed // 10 > free:
        raise DataError(
            f"{folder}: {needed:,} bytes and a tenth more are needed, {free:,} are free; make room, then the same "
            f"command goes on"
        )


def file_name(url: str) -> str:
    """The name a URL gives its file; a DataError where it gives none."""
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
    if name in ("", ".", "..") or any(ch in name for ch in "/\\\0"):
        raise DataError(f"{url}: names no file; give the address of the file itself")
    return name


def check_url(url: str) -> None:
    """A DataError unless an address can be fetched and holds nothing secret."""
    bare = re.sub("//[^/?#]*@", "//", url)  # what may be printed
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise DataError(f"{bare}: is no address of the form https://HOST:PORT/FILE") from None
    for wrong, why in (
        (parts.scheme.lower() not in ("http", "https"), "only http:// and https:// addresses can be fetched"),
        (bare != url, "was given with a user name or a password, which would be stored; give an address without"),
        (not host, "names no host; only http://HOST/... and https://HOST/... can be fetched"),
        (not re.fullmatch("[!-~]+", url), "an address has no spaces and no letters beyond ASCII; write %20 and so on"),
    ):
        if wrong:
            raise DataError(f"{bare}: {why}")


def _insist(transfer: _Transfer, patience: Patience) -> None:
    """Ask until the whole file is there."""
    in_vain = 0
    for _ in range(_MOST_RESUMES):
        before = transfer.held
        try:
            transfer.ask()
            return
        except _Dropped as problem:
            reason = problem
        in_vain = 0 if transfer.held > before else in_vain + 1
        if isinstance(reason, _Refused) or in_vain >= patience.attempts:
            break
        time.sleep(min(patience.wait * 2 ** max(in_vain - 1, 0), 30))
    resume = f"; {transfer.held:,} bytes are kept, the same command resumes" if transfer.held else ""
    raise DataError(f"{transfer.url}: {reason}{resume}")


class _Dropped(Exception):
    """The connection did not bring the whole file."""


class _Refused(_Dropped):
    """Nor will it, however often it is asked."""


class _Transfer:
    """A file on its way: `part` holds its bytes, `state` whose they are."""

    def __init__(self, url: str, target: Path, most_bytes: int, timeout: float, on_bytes: OnBytes) -> None:
        self.url, self._most_bytes, self._timeout, self._on_bytes = url, most_bytes, timeout, on_bytes
        self.part = target.with_name(f"{target.name}.part")
        self.state = target.with_name(f"{target.name}.part.json")

    @property
    def held(self) -> int:
        """Bytes that have come."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _validator(self) -> str | None:
        """What the server called the file whose bytes are held; None: another's."""
        try:
            state = json.loads(self.state.read_text(encoding="utf-8"))
            return str(state["validator"]) if state["url"] == self.url else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def drop_part_of_another(self, *, named: bool) -> None:
        """Forget bytes that neither server nor checksum (`named`) can tell to be this file's."""
        validator = self._validator()
        if validator is None or not (validator or named):
            self.part.unlink(missing_ok=True)

    def ask(self) -> None:
        """Ask once for what is missing."""
        offset, headers = self.held, {"User-Agent": "alpha-zoo", "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if validator := self._validator():
                headers["If-Range"] = validator
        opener = urllib.request.build_opener(_SafeRedirects)
        try:
            with opener.open(urllib.request.Request(self.url, headers=headers), timeout=self._timeout) as response:
                self._receive(response, offset)
        except urllib.error.HTTPError as error:
            _explain_status(error, self.part, offset)
        except urllib.error.URLError as error:
            raise _unreachable(self.url, error.reason) from None
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise _Dropped(f"the connection was dropped ({error or type(error).__name__})") from None

    def _receive(self, response: http.client.HTTPResponse, offset: int) -> None:
        starts = (response.headers.get("Content-Range") or "").startswith(f"bytes {offset}-")
        if response.status == 206 and not starts:
            self.part.unlink(missing_ok=True)
            raise _Dropped("the server sent another part of the file than was asked for")
        if response.status != 206:
            offset = 0
            state = {"url": self.url, "validator": _validator_in(response.headers)}
            self.state.write_text(json.dumps(state), encoding="utf-8")
        length = response.headers.get("Content-Length") or ""
        total = offset + int(length) if length.isdigit() else None
        limit = DataError(f"{self.url}: more than the {self._most_bytes:,} bytes allowed; raise the limit (--max-gb)")
        if total is not None and total > self._most_bytes:
            raise limit
        if total is not None:
            check_space(self.part.parent, total - offset)
        done = offset
        with self.part.open("ab" if offset else "wb") as file:
            while done <= self._most_bytes and (block := _read(response)):
                done += file.write(block)
                self._on_bytes(done, total)
        if done > self._most_bytes:
            self.part.unlink()
            raise limit
        if total is not None and done < total:
            raise _Dropped(f"the connection was dropped after {done:,} of {total:,} bytes")


def _explain_status(error: urllib.error.HTTPError, part: Path, offset: int) -> None:
    """Return where the answer means that all is there; else raise what it means."""
    with error:
        if error.code == 416 and offset:
            if (error.headers.get("Content-Range") or "").strip() == f"bytes */{offset}":
                return
            part.unlink()
            raise _Dropped("the server has another file now") from None
        reason = f"the server answered {error.code} {error.reason}"
        if error.code in _TRY_AGAIN:
            raise _Dropped(reason) from None
        hint = "; check the address" if error.code in (404, 410) else ""
        raise _Refused(f"{reason}{hint}") from None


def _unreachable(url: str, reason: object) -> _Dropped:
    host = urllib.parse.urlsplit(url).hostname
    text = getattr(reason, "strerror", None) or str(reason)
    if isinstance(reason, socket.gaierror):
        return _Refused(
            f"no network, or no such host: {host} cannot be found ({text}). "
            f"Behind a proxy set HTTPS_PROXY; else download it on another machine and give the file"
        )
    return _Dropped(f"no connection to {host} ({text}); is the network up?")


def _read(response: http.client.HTTPResponse) -> bytes:
    """What has arrived, without waiting for a full block."""
    try:
        return response.read1(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(f"the connection was dropped ({error or type(error).__name__})") from None


def _validator_in(headers: Message) -> str:
    """What `If-Range` may hold: a strong ETag, else the time of the last change."""
    etag = headers.get("ETag") or ""
    return etag if etag.startswith('"') else headers.get("Last-Modified") or ""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to what is not."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urllib.parse.urlsplit(newurl).scheme.lower() != "https":
            raise _Refused(f"it redirects from https to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
