from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import DataError, UserError
from polypaca.data.remote import ATTEMPTS, download, load_hub_rows

DATA = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(DATA).hexdigest()


@dataclass
class Server:
    """A web server with faults; `asked` has the path and range of each request."""

    url: str = ""
    data: bytes = DATA
    ranges: bool = True
    redirect: str = ""
    wrong_range: bool = False
    chunk_seconds: float = 0.0
    lengths: list[int] = field(default_factory=list)  # where the next answers break off
    statuses: list[int] = field(default_factory=list)  # of the next answers
    asked: list[tuple[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Answers as `faults` says."""

    faults: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.faults.asked.append((self.path, wanted))
        if self.faults.redirect and self.path != "/moved":
            self.refuse(302)
        elif self.faults.statuses:
            self.refuse(self.faults.statuses.pop(0))
        else:
            self.send_file(wanted)

    def refuse(self, status: int) -> None:
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.faults.redirect)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, wanted: str) -> None:
        data = self.faults.data
        start = int(wanted[len("bytes=") : -1]) if wanted and self.faults.ranges else 0
        if start and start >= len(data):
            self.refuse(416)
            return
        self.send_response(206 if start else 200)
        if start:
            shown = start + 1 if self.faults.wrong_range else start
            self.send_header("Content-Range", f"bytes {shown}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = self.faults.lengths.pop(0) if self.faults.lengths else len(data)
        for at in range(start, end, 65536):
            self.wfile.write(data[at : min(at + 65536, end)])
            time.sleep(self.faults.chunk_seconds)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    web = ThreadingHTTPServer(("127.0.0.1", 0), type("H", (Handler,), {"faults": server}))
    web.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up
    server.url = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    web.shutdown()
    thread.join()
    web.server_close()


def quiet(share: float, text: str) -> None:
    assert 0 <= share <= 1
    assert text


def get(server: Server, cache: Path, name: str = "/rows.jsonl", sha256: str = SHA256) -> Path:
    return download(server.url + name, sha256, cache, quiet, first_wait=0.01)


def part(cache: Path, data: bytes) -> Path:
    path = cache / "downloads" / SHA256 / ".rows.jsonl.part"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def left_over(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


class TestFetching:
    def test_a_file_is_fetched_once(self, server: Server, tmp_path: Path) -> None:
        path = get(server, tmp_path)
        assert path == tmp_path / "downloads" / SHA256 / "rows.jsonl"
        assert path.read_bytes() == DATA
        assert left_over(tmp_path) == ["rows.jsonl", "rows.jsonl.lock"]
        assert get(server, tmp_path, sha256=SHA256.upper()) == path
        assert len(server.asked) == 1

    def test_a_damaged_file_is_fetched_again(self, server: Server, tmp_path: Path) -> None:
        get(server, tmp_path).write_bytes(DATA[:-1])
        assert get(server, tmp_path).read_bytes() == DATA
        assert len(server.asked) == 2

    def test_an_empty_file(self, server: Server, tmp_path: Path) -> None:
        server.data = b""
        assert get(server, tmp_path, sha256=hashlib.sha256().hexdigest()).read_bytes() == b""

    def test_progress_ends_at_one(self, server: Server, tmp_path: Path) -> None:
        seen: list[tuple[float, str]] = []
        url = f"{server.url}/rows.jsonl"
        download(url, SHA256, tmp_path, lambda share, text: seen.append((share, text)))
        assert [share for share, _ in seen] == sorted(share for share, _ in seen)
        assert seen[-1] == (1.0, "rows.jsonl: 1.0 of 1.0 MB")

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("/a/b.json?token=x", "b.json"),
            ("/caf%C3%A9 1.jsonl", "caf_1.jsonl"),
            ("/%2e%2e%2fup.json", "up.json"),
            ("/.hidden", "hidden"),
            ("/", "file"),
            (f"/{'a' * 300}.json", f"{'a' * 95}.json"),
        ],
    )
    def test_names_are_safe(self, server: Server, tmp_path: Path, path: str, name: str) -> None:
        assert get(server, tmp_path, path).name == name
        assert " " not in server.asked[0][0]

    def test_redirects_are_followed(self, server: Server, tmp_path: Path) -> None:
        server.redirect = f"{server.url}/moved"
        assert get(server, tmp_path).name == "rows.jsonl"
        assert [path for path, _ in server.asked] == ["/rows.jsonl", "/moved"]


class TestBrokenOff:
    def test_the_rest_is_asked_for(self, server: Server, tmp_path: Path) -> None:
        server.lengths = [100_000, 600_000]
        assert get(server, tmp_path).read_bytes() == DATA
        assert [wanted for _, wanted in server.asked] == ["", "bytes=100000-", "bytes=600000-"]

    def test_a_server_without_ranges_sends_all(self, server: Server, tmp_path: Path) -> None:
        server.lengths, server.ranges = [100_000], False
        assert get(server, tmp_path).read_bytes() == DATA
        assert len(server.asked) == 2

    def test_a_wrong_range_is_not_taken(self, server: Server, tmp_path: Path) -> None:
        server.lengths, server.wrong_range = [100_000], True
        assert get(server, tmp_path).read_bytes() == DATA
        assert [wanted for _, wanted in server.asked] == ["", "bytes=100000-", ""]

    def test_an_earlier_part_is_taken_up(self, server: Server, tmp_path: Path) -> None:
        part(tmp_path, DATA[:1000])
        assert get(server, tmp_path).read_bytes() == DATA
        assert server.asked == [("/rows.jsonl", "bytes=1000-")]

    def test_a_whole_part_needs_no_network(self, server: Server, tmp_path: Path) -> None:
        part(tmp_path, DATA)
        assert get(server, tmp_path).read_bytes() == DATA
        assert server.asked == []

    @pytest.mark.parametrize("size", [1000, len(DATA), len(DATA) + 5])
    def test_a_part_of_another_version_is_given_up(
        self, server: Server, tmp_path: Path, size: int
    ) -> None:
        part(tmp_path, b"x" * size)
        assert get(server, tmp_path).read_bytes() == DATA
        assert server.asked[-1] == ("/rows.jsonl", "")
        assert left_over(tmp_path) == ["rows.jsonl", "rows.jsonl.lock"]

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_a_busy_server_is_asked_again(
        self, server: Server, tmp_path: Path, status: int
    ) -> None:
        server.statuses = [status, status]
        assert get(server, tmp_path).read_bytes() == DATA
        assert len(server.asked) == 3

    def test_it_gives_up_and_keeps_what_came(self, server: Server, tmp_path: Path) -> None:
        server.lengths = [1000, 2000, 3000, 4000, 5000]
        with pytest.raises(UserError, match=r"was lost after 5000 of 1048576 bytes \(tried 5"):
            get(server, tmp_path)
        assert len(server.asked) == ATTEMPTS == 5
        assert get(server, tmp_path).read_bytes() == DATA
        assert server.asked[-1][1] == "bytes=5000-"


class TestRefused:
    @pytest.mark.parametrize(
        ("status", "text"),
        [
            (404, "404 Not Found: check the URL"),
            (403, "403 Forbidden: it requires cred"),
            (410, "410"),
        ],
    )
    def test_statuses(self, server: Server, tmp_path: Path, status: int, text: str) -> None:
        server.statuses = [status]
        with pytest.raises(UserError) as caught:
            get(server, tmp_path, "/rows.jsonl?key=SECRET")
        assert f"cannot download {server.url}/rows.jsonl: the server answered {text}" in str(
            caught.value
        )
        assert "SECRET" not in str(caught.value)
        assert len(server.asked) == 1

    def test_nobody_there(self, server: Server, tmp_path: Path) -> None:
        del server
        with pytest.raises(UserError, match=r"127\.0\.0\.1:9/a: Connection refused.*network"):
            download("http://127.0.0.1:9/a", SHA256, tmp_path, quiet, first_wait=0.01)

    def test_another_file(self, server: Server, tmp_path: Path) -> None:
        server.data = b"other"
        with pytest.raises(DataError) as caught:
            get(server, tmp_path, "/rows.jsonl?key=SECRET")
        message = str(caught.value)
        assert message.startswith(f"{server.url}/rows.jsonl: ")
        assert f"expected {SHA256}, got {hashlib.sha256(b'other').hexdigest()} (5 byt" in message
        assert "SECRET" not in message
        assert left_over(tmp_path) == ["rows.jsonl.lock"]
        assert len(server.asked) == 1

    @pytest.mark.parametrize(
        "target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "http://u:PASS@h:x/"]
    )
    def test_redirects_elsewhere(self, server: Server, tmp_path: Path, target: str) -> None:
        server.redirect = target
        with pytest.raises(UserError, match=r"not (an )?http") as caught:
            get(server, tmp_path)
        assert "PASS" not in str(caught.value)
        assert len(server.asked) == 1
        assert left_over(tmp_path) == ["rows.jsonl.lock"]

    def test_redirects_in_a_circle(self, server: Server, tmp_path: Path) -> None:
        server.redirect = f"{server.url}/rows.jsonl"
        with pytest.raises(UserError, match="302 Found and redirects in a loop"):
            get(server, tmp_path)

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("file:///etc/hostname", "is not an http or https URL"),
            ("ftp://example.org/a", "only http and https"),
            ("rows.jsonl", "is not an http or https URL"),
            ("http:///a", "is not an http or https URL"),
            ("http://example.org:port/a", "its port or a bracket"),
            ("https://user:PASS@example.org/a", "https://example.org/a: URLs with a user name"),
            ("https://PASS@example.org/a", "URLs with a user name"),
            ("//user:PASS@/a?PASS", "is not an http or https URL"),
        ],
    )
    def test_urls(self, tmp_path: Path, url: str, reason: str) -> None:
        with pytest.raises(UserError, match=reason) as caught:
            download(url, SHA256, tmp_path, quiet)
        assert "PASS" not in str(caught.value)
        assert left_over(tmp_path) == []

    @pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, SHA256 + "0", SHA256[:-1] + "\n"])
    def test_hashes(self, tmp_path: Path, sha256: str) -> None:
        with pytest.raises(UserError, match="is not a SHA-256 of 64 hex digits"):
            download("http://127.0.0.1:9/a", sha256, tmp_path, quiet)

    def test_a_cache_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "downloads").write_text("")
        with pytest.raises(UserError, match="cannot write to the cache"):
            download("http://127.0.0.1:9/a", SHA256, tmp_path, quiet)


PROGRAM = """
import sys
from pathlib import Path
from polypaca.data.remote import download
path = download(sys.argv[1], sys.argv[2], Path(sys.argv[3]), lambda share, text: print(text))
print(path)
"""


def start(server: Server, cache: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PROGRAM, f"{server.url}/rows.jsonl", SHA256, str(cache)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ})


class TestProcesses:
    def test_one_fetches_and_the_others_wait(self, server: Server, tmp_path: Path) -> None:
        server.chunk_seconds = 0.05
        processes = [start(server, tmp_path) for _ in range(3)]
        printed = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0]
        assert len(server.asked) == 1
        target = tmp_path / "downloads" / SHA256 / "rows.jsonl"
        assert {text.splitlines()[-1] for text in printed} == {str(target)}
        assert target.read_bytes() == DATA

    def test_a_killed_download_is_taken_up(self, server: Server, tmp_path: Path) -> None:
        server.chunk_seconds = 0.1
        process = start(server, tmp_path)
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        server.chunk_seconds = 0.0
        arrived = (tmp_path / "downloads" / SHA256 / ".rows.jsonl.part").stat().st_size
        assert arrived < len(DATA)
        assert get(server, tmp_path).read_bytes() == DATA
        assert server.asked[1][1] == (f"bytes={arrived}-" if arrived else "")


class TestHub:
    def test_rows_of_a_data_set(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        rows = [{"id": n, "instruction": f"Add {n}.", "output": "ä"} for n in range(3)]
        folder = tmp_path / "alpaca-es"
        folder.mkdir()
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "train.jsonl").write_text(text, encoding="utf-8")
        assert load_hub_rows(str(tmp_path / "alpaca-{language}"), "es") == rows

    def test_none_there(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"cannot load hf:.*/alpaca-es: \w+: "):
            load_hub_rows(str(tmp_path / "alpaca-{language}"), "es")
