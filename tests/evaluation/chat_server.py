"""A real HTTP server on this machine that speaks OpenAI's form of a chat, and misbehaves on demand."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Wrong:
    """What the server does instead of answering one request."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False  # nothing comes
    short: int = 0  # bytes that are missing at the end


class ChatServer:
    """Replies by a function of the question's text; wrongs go first, in order; the requests that came."""

    def __init__(self, base_url: str):
        self.base_url = base_url
        self.reply: Callable[[str], str] = lambda question: "Well.\nScore: 7"
        self.wrongs: list[Wrong] = []
        self.paths: list[str] = []
        self.questions: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    chat: ChatServer

    def log_message(self, format: str, *args) -> None:
        pass

    def do_POST(self) -> None:
        chat = self.chat
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat.paths.append(self.path)
        chat.questions.append(question)
        chat.headers.append(dict(self.headers))
        wrong = chat.wrongs.pop(0) if chat.wrongs else None
        if wrong is None:
            message = {"role": "assistant", "content": chat.reply(question["messages"][-1]["content"])}
            wrong = Wrong(body=json.dumps({"object": "chat.completion", "choices": [{"message": message}]}))
        if wrong.silent:
            chat.closing.wait(5)
            return
        self.send_response(wrong.status)
        for name, value in wrong.headers.items():
            self.send_header(name, value)
        body = wrong.body.encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - wrong.short])


@contextmanager
def serve_chat() -> Iterator[ChatServer]:
    """A server on a free port of this machine for the time of the block."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        chat = handler.chat = ChatServer(f"http://127.0.0.1:{server.server_address[1]}/v1")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield chat
        finally:
            chat.closing.set()
            server.shutdown()
            thread.join()
