from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from polypaca.workflow import lease as leases
from polypaca.workflow.lease import is_live, lease

HOLD = """
import sys, time
from pathlib import Path
from polypaca.workflow.lease import lease
with lease(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def _holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lease_is_live_while_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert not is_live(path)
    with lease(path):
        assert is_live(path)
    assert not is_live(path)
    assert not path.exists()


def test_a_killed_owners_lease_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    process = _holder(path)
    assert is_live(path)
    process.kill()
    process.wait()
    assert path.exists()
    assert not is_live(path)
    waited: list[str] = []
    with lease(path, waiting=waited.append):
        assert waited == []


def test_a_second_run_waits_and_is_told_for_whom(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    process = _holder(path)
    told: list[str] = []

    def note(owner: str) -> None:
        told.append(owner)
        process.kill()

    with lease(path, waiting=note):
        process.wait()
    assert len(told) == 1
    assert f"process {process.pid}" in told[0]


def test_a_lease_of_another_host_dies_with_its_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": "1", "token": "t"}))
    assert is_live(path)
    old = time.time() - leases.DEAD_AFTER_SECONDS - 1
    os.utime(path, (old, old))
    assert not is_live(path)


def test_a_held_lease_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.05)
    path = tmp_path / "a.json"
    with lease(path):
        os.utime(path, (0, 0))
        time.sleep(0.4)
        assert path.stat().st_mtime > 0


def test_a_process_id_that_was_used_again_is_no_owner(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with lease(path):
        owner = json.loads(path.read_text())
        path.write_text(json.dumps(owner | {"started": "12345"}))
        assert not is_live(path)
        path.write_text(json.dumps(owner))
        assert is_live(path)


def test_only_one_of_many_holds_it(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "a.json", [0], [0]

    def work() -> None:
        with lease(path):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
