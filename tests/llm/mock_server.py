"""A local server of chat and plain completions that answers, or fails, as it is told: for tests.

It speaks real HTTP on a real socket, so that what is tested is what runs.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MODEL_VERSION = "mock-1.0"


@dataclass(frozen=True)
class Answer:
    """What the server does with one request.

    Attributes:
        text: the message to send, in a well-formed completion.
        status: the HTTP status; other than 200 sends an error that repeats the caller's key, as
            some servers do.
        headers: further headers.
        body: sent in place of the completion.
        delay: seconds before anything is sent.
        reset: whether to close the connection in the middle of the body.
        trickle: seconds between one byte of the body and the next.
    """

    text: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0.0
    reset: bool = False
    trickle: float = 0.0


@dataclass
class MockServer:
    """A running server: its URL, the bodies of the requests that it got, and how to end it."""

    base_url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    most_in_flight: int = 0
    stop: Callable[[], None] = lambda: None


@contextmanager
def serve(answer: Callable[[int, str], Answer]) -> Iterator[MockServer]:
    """Serve on a free local port for as long as the context lasts.

    Args:
        answer: called with the number of the request (from 0) and the content of its last
            message, or its prompt.
    """
    server = _Server(answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answer: Callable[[int, str], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.state = MockServer(f"http://127.0.0.1:{self.server_address[1]}/v1", stop=self.stop)
        self._lock = threading.Lock()
        self._in_flight = 0
        self._connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that gave up is what some tests want

    @contextmanager
    def counted(self, body: dict[str, Any]) -> Iterator[int]:
        """Count a request as in flight; gives its number."""
        with self._lock:
            number = len(self.state.requests)
            self.state.requests.append(body)
            self._in_flight += 1
            self.state.most_in_flight = max(self.state.most_in_flight, self._in_flight)
        try:
            yield number
        finally:
            with self._lock:
                self._in_flight -= 1

    def stop(self) -> None:
        """End as a killed process does: nobody listens, and open connections are cut."""
        self.shutdown()
        self.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_chat = "messages" in body
        asked = body["messages"][-1]["content"] if is_chat else body["prompt"]
        with self.server.counted(body) as number:
            self._send(self.server.answer(number, str(asked)), chat=is_chat)

    def _send(self, what: Answer, *, chat: bool) -> None:
        time.sleep(what.delay)
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        body = what.body
        if body is None:
            content = _completion(what.text, chat=chat) if what.status == 200 else _error(key)
            body = json.dumps(content).encode()
        self.send_response(what.status)
        for name, value in {"Content-Type": "application/json", **what.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if what.reset:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif what.trickle:
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(what.trickle)
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _completion(text: str, *, chat: bool) -> dict[str, Any]:
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        "id": "mock",
        "object": "chat.completion" if chat else "text_completion",
        "created": 0,
        "model": MODEL_VERSION,
        "choices": [{"index": 0, "finish_reason": "stop", **said}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def _error(key: str) -> dict[str, Any]:
    return {"error": {"message": f"no luck with the key {key}", "type": "mock"}}
