"""Leases: at most one process fills a folder at a time, and a dead one's folder is taken over.

A lease is a small file that its owner touches every few seconds. It is dead when its owner's
process is gone from the same host, or when it has not been touched for a while (another host).
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.files import write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEARTBEAT_SECONDS = 5.0
DEAD_AFTER_SECONDS = 60.0
POLL_SECONDS = 0.5


@contextmanager
def lease(path: Path, *, waiting: Callable[[str], None] = lambda owner: None) -> Iterator[None]:
    """Hold the lease at `path`, after waiting for a live owner to release it.

    `waiting` is called once, with the owner's process and host, if there is one to wait for.
    """
    me = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _process_start(os.getpid()),
        "token": uuid.uuid4().hex,
    }
    if not _take(path, me):
        waiting(_owner_name(_read(path)))
        while not _take(path, me):
            time.sleep(POLL_SECONDS)
    stop = threading.Event()
    heartbeat = threading.Thread(target=_heartbeat, args=(path, stop), daemon=True)
    heartbeat.start()
    try:
        yield
    finally:
        stop.set()
        heartbeat.join()
        with _locked(path):
            if (owner := _read(path)) and owner.get("token") == me["token"]:
                path.unlink(missing_ok=True)


def is_live(path: Path) -> bool:
    """Whether a live process holds the lease at `path`."""
    return _alive(path, _read(path))


def _take(path: Path, me: dict[str, Any]) -> bool:
    with _locked(path):
        if _alive(path, _read(path)):
            return False
        write_json(path, me)
        return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Read and change a lease while no other process can."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _heartbeat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        try:
            os.utime(path)
        except OSError:
            return


def _read(path: Path) -> dict[str, Any] | None:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) else None


def _alive(path: Path, owner: dict[str, Any] | None) -> bool:
    if owner is None:
        return False
    if owner.get("host") == socket.gethostname():
        # A process id is used again in time; with its start time it is not mistaken.
        started = _process_start(int(owner.get("pid", 0)))
        return started is not None and started == owner.get("started")
    try:
        return time.time() - path.stat().st_mtime < DEAD_AFTER_SECONDS
    except OSError:
        return False


def _process_start(pid: int) -> str | None:
    """What distinguishes this process from a later one of the same id; None if it is gone."""
    try:
        # Fields behind the command name, which may hold spaces: state is first, start time 20th.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _exists(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _exists(pid: int) -> str | None:
    """Where there is no /proc (macOS): whether the process is there at all."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "unknown"


def _owner_name(owner: dict[str, Any] | None) -> str:
    owner = owner or {}
    return f"process {owner.get('pid')} on {owner.get('host')}"
