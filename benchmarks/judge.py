"""How near a served judge is kept to its ideal rate: python benchmarks/judge.py.

A server in a process of its own answers every request after a set latency. The ideal rate is that
of as many requests in flight as are allowed, each answered at once when its latency is over. Prints
one row a setting; the rows with latency 0 tell what the client can do at most, and the last row
what the server can, asked by bare sockets. Beside the judge nothing else should run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = "The answer is right, but short, and leaves out the second half of what was asked. " * 3
RESPONSE = "La casa vieja está junto al río, y los niños juegan en el jardín todos los días. " * 5
BODY = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "mock",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": f"{WORDS}Rating: [[2]]"},
            }
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 60, "total_tokens": 360},
    }
).encode()
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float
) -> None:
    """Answer the requests of one connection."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.lower().split(b"\r\n")
            length = next(line for line in lines if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            await asyncio.sleep(latency)
            writer.write(REPLY)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(latency: float) -> None:
    """Serve on a free port, which is printed, until killed."""
    server = await asyncio.start_server(
        lambda reader, writer: answer(reader, writer, latency), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def server(latency: float) -> Iterator[int]:
    """A server in a process of its own; gives its port."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(latency)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def judged(port: int, requests: int, in_flight: int) -> float:
    """Seconds in which the judge rates so many answers; its cache is on the disk, and empty."""
    from polypaca.judging import judges
    from polypaca.judging.contract import Item
    from polypaca.judging.llm import LlmJudgeSettings
    from polypaca.langid.settings import GateSettings

    with tempfile.TemporaryDirectory() as folder:
        settings = LlmJudgeSettings(
            model="mock",
            base_url=f"http://127.0.0.1:{port}/v1",
            api_key_env=None,
            concurrency=in_flight,
        )
        judge = judges.load(settings, gate=GateSettings(), cache=Path(folder))
        items = [
            Item("s", str(number), "es", f"¿Qué hora es? {number}", RESPONSE)
            for number in range(requests)
        ]
        begun = time.perf_counter()
        ratings = [verdict.rating for verdict in judge.judge(items)]
        taken = time.perf_counter() - begun
    assert ratings == [2.0] * requests
    return taken


async def bare(port: int, requests: int, in_flight: int) -> float:
    """Seconds in which the server answers so many requests of a client that does nothing else."""
    body = b"x" * 1500
    request = b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    async def ask(count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count):
            writer.write(request)
            await reader.readexactly(len(REPLY))
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(ask(requests // in_flight) for _ in range(in_flight)))
    return time.perf_counter() - begun


def row(who: str, requests: int, in_flight: int, latency: float, taken: float) -> str:
    """A row of the table."""
    reached, ideal = requests / taken, in_flight / latency if latency else None
    shares = (
        f"{ideal:.0f} | {reached:.0f} | {reached / ideal:.0%}" if ideal else f"| {reached:.0f} |"
    )
    return f"| {who} | {requests} | {in_flight} | {latency * 1000:.0f} | {shares} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=float, metavar="SECONDS", help="be the server")
    parser.add_argument("--rounds", type=int, default=30, help="requests for each one in flight")
    parser.add_argument("--latency", type=float, default=0.5, metavar="SECONDS")
    chosen = parser.parse_args()
    if chosen.serve is not None:
        asyncio.run(serve(chosen.serve))
        return
    print("| asked by | requests | in flight | latency ms | ideal /s | reached /s | share |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with server(0) as port:
        judged(port, 8, 8)  # imports the client's packages, as a stage does once
    for latency in (chosen.latency, 0.0):
        for in_flight in (8, 64) if latency else (64,):
            requests = in_flight * chosen.rounds
            with server(latency) as port:
                taken = judged(port, requests, in_flight)
            print(row("judge", requests, in_flight, latency, taken), flush=True)
    with server(0) as port:
        requests = 64 * chosen.rounds
        print(row("bare sockets", requests, 64, 0.0, asyncio.run(bare(port, requests, 64))))


if __name__ == "__main__":
    main()
