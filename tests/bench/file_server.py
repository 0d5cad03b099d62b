"""A local HTTP server that can be told to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What is served, how, and what was asked.

    Attributes:
        files: path -> contents.
        drop_after: bytes of a body after which the connection is cut, one entry per answer; then it holds.
        ranges, lengths: whether ranges are served, whether the length is told.
        length: told instead of the true one, if any.
        etag: entity tag of every file.
        statuses: answered instead of the file, one per request, before anything else.
        redirects: path -> address.
        asked: headers of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    drop_after: list[int] = field(default_factory=list)
    ranges: bool = True
    lengths: bool = True
    length: int = 0
    etag: str = '"v1"'
    statuses: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(dict(request.headers.items()))
        if self.statuses:
            request.send_error(self.statuses.pop(0))
            return
        if request.path in self.redirects:
            request.send_response(302)
            request.send_header("Location", self.redirects[request.path])
            request.end_headers()
            return
        if request.path not in self.files:
            request.send_error(404)
            return
        body = self.files[request.path]
        start = self._start(request, len(body))
        if start is not None and start >= len(body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.end_headers()
            return
        request.send_response(200 if start is None else 206)
        if start is not None:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if self.etag:
            request.send_header("ETag", self.etag)
        rest = body[start or 0 :]
        if self.lengths:
            request.send_header("Content-Length", str(self.length or len(rest)))
        request.end_headers()
        request.wfile.write(rest[: self.drop_after.pop(0)] if self.drop_after else rest)
        request.close_connection = True

    def _start(self, request: BaseHTTPRequestHandler, size: int) -> int | None:
        asked = request.headers.get("Range")
        if asked is None or not self.ranges or request.headers.get("If-Range", self.etag) != self.etag:
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-"))


@contextmanager
def file_server(server: FileServer) -> Iterator[FileServer]:
    """Serve on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
