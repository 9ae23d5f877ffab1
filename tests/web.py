"""A real HTTP server on this machine that misbehaves on demand, for the tests of downloads."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Fault:
    """What the server does wrong with one request."""

    status: int = 0  # answer this instead of the file
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = -1  # bytes of the body after which the connection ends
    stall: bool = False  # ... or after which nothing more comes
    flip: bool = False  # the last byte of the body is another
    claim: int = 0  # bytes more (or less) than there are, in Content-Length
    ignore_range: bool = False
    first: int = 0  # bytes later than asked for at which a range begins


class Web:
    """Files by their path, the faults of the next requests in order, and the requests that came."""

    def __init__(self, address: str):
        self.address = address
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.marks = True  # whether files have an ETag
        self.seconds_per_chunk = 0.0
        self.closing = threading.Event()

    def add(self, path: str, content: bytes) -> str:
        """Serve a file; its address."""
        self.files[path] = content
        return self.address + path

    def ranges(self) -> list[str | None]:
        """The Range header of each request, None where there was none."""
        return [headers.get("Range") for _, headers in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def log_message(self, format: str, *args) -> None:
        pass

    def do_GET(self) -> None:
        web = self.web
        path = unquote(urlsplit(self.path).path)  # as a proxy, it is asked for whole addresses
        web.requests.append((self.path, dict(self.headers)))
        fault = web.faults.pop(0) if web.faults else Fault()
        if fault.status:
            return self._answer(fault.status, fault.headers, b"", fault)
        if path in web.redirects:
            return self._answer(302, {"Location": web.redirects[path]}, b"", fault)
        with_query = unquote(self.path)
        path = with_query if with_query in web.files else path  # some answers depend on what is asked for
        if path not in web.files:
            return self._answer(404, {}, b"", fault)
        body = web.files[path]
        mark = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"ETag": mark} if web.marks else {}
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range", mark) == mark
        if asked and same and not fault.ignore_range:
            first = int(asked.removeprefix("bytes=").removesuffix("-")) + fault.first
            if first >= len(body):
                return self._answer(416, {"Content-Range": f"bytes */{len(body)}"}, b"", fault)
            headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
            return self._answer(206, headers, body[first:], fault)
        return self._answer(200, headers, body, fault)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fault: Fault) -> None:
        if fault.flip and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response_only(status)  # without a Date of its own
        for name, value in {**headers, **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + fault.claim))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        body = body[: fault.cut] if fault.cut >= 0 else body
        with suppress(OSError):  # the other side has gone
            for start in range(0, len(body), 1 << 16):
                self.wfile.write(body[start : start + (1 << 16)])
                time.sleep(self.web.seconds_per_chunk)
            self.wfile.flush()
            if fault.stall:
                self.web.closing.wait(5)


@contextmanager
def serve() -> Iterator[Web]:
    """A server on a free port of this machine for the time of the block."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        web = handler.web = Web(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield web
        finally:
            web.closing.set()
            server.shutdown()
            thread.join()
