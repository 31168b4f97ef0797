"""Replies kept on disk, one JSON file each.

A file appears whole or not at all, so that any number of processes may share the folder, network
disks included. It holds what was asked and what came back, never a key.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from polypaca.core.cache import private_folder, set_aside
from polypaca.core.files import atomic_write
from polypaca.llm.records import Reply, Request

if TYPE_CHECKING:
    from pathlib import Path

    from polypaca.llm.endpoint import Endpoint

_FORMAT = 1
# What later versions added is part of the key where it is set: replies kept before stay valid.
_ADDED = {"prompt": None, "top_p": None, "sample": 0}


def key(endpoint: Endpoint, request: Request) -> str:
    """64 hex digits over all that determines an answer: server, model, messages and sampling."""
    return hashlib.sha256(json.dumps(_request_identity(endpoint, request)).encode()).hexdigest()


def read(folder: Path, endpoint: Endpoint, request: Request) -> Reply | None:
    """The reply kept for this request, or None where there is none; a damaged one is set aside."""
    path = _path(folder, endpoint, request)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    try:
        entry = json.loads(text)
        # Earlier versions kept no hash: what was paid for is believed.
        if entry.get("sha256", _hash(entry["reply"])) == _hash(entry["reply"]):
            reply = Reply(**entry["reply"], cached=True)
            if isinstance(reply.text, str):
                return reply
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    set_aside(path, [], "the question is asked again")
    return None


def write(folder: Path, endpoint: Endpoint, request: Request, reply: Reply) -> None:
    """Keep a reply, atomically; an earlier one to the same request is replaced."""
    fields = asdict(replace(reply, cached=False))
    del fields["cached"]
    entry = {
        "asked": _request_identity(endpoint, request),
        "reply": fields,
        "sha256": _hash(fields),
    }
    path = _path(folder, endpoint, request)
    private_folder(path.parent)
    # ASCII, since a reply may hold half a character, which has no UTF-8. Syncing would take longer
    # than all else, and what a power cut damages is asked again.
    with atomic_write(path, lasting=False) as file:
        file.write(json.dumps(entry, indent=1) + "\n")


def _hash(reply: Any) -> str:
    return hashlib.sha256(json.dumps(reply, sort_keys=True).encode()).hexdigest()


def _request_identity(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    parameters = asdict(request)
    for name, unset in _ADDED.items():
        if parameters[name] == unset:
            del parameters[name]
    return {
        "format": _FORMAT,
        "base_url": endpoint.base_url.rstrip("/"),
        "model": endpoint.model,
        **parameters,
    }


def _path(folder: Path, endpoint: Endpoint, request: Request) -> Path:
    name = key(endpoint, request)
    return folder / name[:2] / f"{name}.json"
