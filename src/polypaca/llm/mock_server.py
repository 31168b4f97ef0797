"""A local server of chat and plain completions that answers, or fails, as it is told: for tests.

It speaks real HTTP on a real socket, so that what is tested is what runs.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
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
    """

    text: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0.0
    reset: bool = False


@dataclass
class MockServer:
    """A running server: its URL, and the bodies of the requests that it got."""

    base_url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    most_in_flight: int = 0


@contextmanager
def serve(answer: Callable[[int, str], Answer]) -> Iterator[MockServer]:
    """Serve on a free local port for as long as the context lasts.

    Args:
        answer: called with the number of the request (from 0) and the content of its last
            message, or its prompt.
    """
    lock = threading.Lock()
    in_flight = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal in_flight
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(state.requests)
                state.requests.append(body)
                in_flight += 1
                state.most_in_flight = max(state.most_in_flight, in_flight)
            try:
                asked = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
                self._send(answer(number, str(asked)), chat="messages" in body)
            finally:
                with lock:
                    in_flight -= 1

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
            else:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that gave up is what some tests want

    server = Server(("127.0.0.1", 0), Handler)
    state = MockServer(base_url=f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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
