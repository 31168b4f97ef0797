"""Real OpenAI-compatible servers for the tests: `transformers serve` and llama.cpp's own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def chat_model(model: Path, tmp_path: Path) -> Path:
    """The model with a chat template, without which the server takes no messages."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "chat_template.jinja").write_text(
        "{% for message in messages %}{{ message['content'] }}\n{% endfor %}", encoding="utf-8"
    )
    return folder


@contextmanager
def transformers_serve(model: Path, tmp_path: Path) -> Iterator[tuple[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(model)]
    hub = tmp_path / "hub"
    hub.mkdir()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(hub)}
    log = tmp_path / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            stdout=output,
            stderr=output,
            env=environment,
        )
    try:
        for _ in range(240):
            assert process.poll() is None, log.read_text("utf-8")
            if _answers(f"http://127.0.0.1:{port}/health"):
                break
            time.sleep(0.5)
        else:
            pytest.fail(log.read_text("utf-8"))
        yield f"http://127.0.0.1:{port}/v1", str(model)
    finally:
        process.terminate()
        process.wait(30)


_LLAMA_CPP = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_gpu_layers = sys.argv[1], 0, 0
params.n_parallel, params.n_ctx, params.cpuparams.n_threads = 2, 2048, 2
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def llama_cpp_serve(gguf: Path) -> Iterator[tuple[str, str]]:
    command = [sys.executable, "-c", _LLAMA_CPP, str(gguf)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            address = next((line for line in process.stdout if line.startswith("http")), "")
            assert address, "llama.cpp's server ended before it listened"
            yield f"{address.strip()}/v1", gguf.stem
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
