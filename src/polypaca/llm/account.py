"""What served models were asked, and what it cost: the limits on money and tokens hold over it.

The file has one line a reply that was really sent, and only grows, so that several processes may
write it and a limit holds over all runs of a study:

    {"at": ..., "base_url": ..., "model": ..., "prompt_tokens": ..., "completion_tokens": ...,
     "money": ..., "estimated": ...}
"""

from __future__ import annotations

import json
import math
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from polypaca.llm.endpoint import Endpoint
    from polypaca.llm.records import Request

# An answer whose length nothing bounds is estimated as this many tokens.
_UNBOUNDED = 1024
# Of English, four bytes make a token; of other scripts, fewer (Petrov et al. 2023,
# https://arxiv.org/abs/2305.15425). Limits want an estimate that is rather too high.
_BYTES_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 8


@dataclass(frozen=True)
class Usage:
    """Tokens of one request and its answer, as the server counts, or `estimated`."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Spending:
    """What a served model was asked so far; `money` counts only what had a price."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0


def estimate_usage(request: Request) -> Usage:
    """The most that a request should use: its length in bytes over 3, and all of `max_tokens`."""
    texts = [request.prompt or "", *(content for _, content in request.messages)]
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    prompt = math.ceil(size / _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE * len(texts)
    return Usage(prompt, request.max_tokens or _UNBOUNDED, estimated=True)


class Account:
    """The account of one study, or of one call.

    Each served model (URL and name) is counted apart, and its limits hold for its own.
    What several processes have in flight at once is not known to one another: together they may
    pass a limit by that much.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the account in that file, which need not exist; None keeps it in memory."""
        self._path = path
        self._read_to = 0
        self._spent: dict[tuple[str, str], Spending] = {}
        self._reserved: dict[tuple[str, str], list[Usage]] = {}
        self._beyond: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def spent(self, endpoint: Endpoint) -> Spending:
        """What was spent on this model, by other processes too."""
        with self._lock:
            self._refresh()
            return self._spent.get(_key(endpoint), Spending())

    def refusal(self, endpoint: Endpoint, usage: Usage, *, reserved: bool = True) -> str:
        """Why so much more must not be asked for; empty if it may.

        Args:
            endpoint: whose limits hold.
            usage: of the next request, estimated.
            reserved: whether to count what is in flight, at its estimate.
        """
        if not endpoint.has_limit:
            return ""
        spent = self.spent(endpoint)
        beyond = self._beyond.get(_key(endpoint), 0)
        coming = [
            Usage(each.prompt_tokens, each.completion_tokens + beyond)
            for each in [usage, *(self._reserved.get(_key(endpoint), []) if reserved else [])]
        ]
        tokens = spent.prompt_tokens + spent.completion_tokens
        money = sum(
            endpoint.money(each.prompt_tokens, each.completion_tokens) or 0 for each in coming
        )
        so_far = f"after {spent.requests} requests"
        remedy = "raise the limit to continue: answers so far are kept and cost nothing again"
        if endpoint.money_limit is not None and spent.money + money > endpoint.money_limit:
            return (
                f"money_limit: {endpoint.money_limit:g} would be exceeded, "
                f"{spent.money:.4g} are spent {so_far}; {remedy}"
            )
        limit = endpoint.token_limit
        if limit is not None and tokens + sum(each.total for each in coming) > limit:
            return f"token_limit: {limit} would be exceeded, {tokens} are used {so_far}; {remedy}"
        return ""

    def reserve(self, endpoint: Endpoint, usage: Usage) -> None:
        """Count a request as in flight."""
        with self._lock:
            self._reserved.setdefault(_key(endpoint), []).append(usage)

    def release(self, endpoint: Endpoint, usage: Usage) -> None:
        """Count a request as no longer in flight."""
        with self._lock:
            self._reserved[_key(endpoint)].remove(usage)

    def learn(self, endpoint: Endpoint, estimated: Usage, used: Usage) -> None:
        """Note by how much an answer went beyond its estimate, as thoughts may: so may the next."""
        with self._lock:
            beyond = used.completion_tokens - estimated.completion_tokens
            self._beyond[_key(endpoint)] = max(beyond, self._beyond.get(_key(endpoint), 0))

    def record(self, endpoint: Endpoint, usage: Usage) -> None:
        """Write down what an answer used.

        Raises:
            OSError: if the file cannot be written.
        """
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "base_url": _key(endpoint)[0],
            "model": endpoint.model,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "money": endpoint.money(usage.prompt_tokens, usage.completion_tokens),
            "estimated": usage.estimated,
        }
        with self._lock:
            if self._path is None:
                self._add(entry)
            else:
                _append(self._path, json.dumps(entry))

    def _refresh(self) -> None:
        """Read what this and other processes have added to the file."""
        if self._path is None:
            return
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        if size <= self._read_to:
            return
        with self._path.open("rb") as file:
            file.seek(self._read_to)
            added = file.read(size - self._read_to)
        # What has no line end is still being written.
        whole = added[: added.rfind(b"\n") + 1]
        self._read_to += len(whole)
        for line in whole.splitlines():
            try:
                self._add(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # a line that a dying machine left half written

    def _add(self, entry: dict[str, Any]) -> None:
        key = (str(entry["base_url"]), str(entry["model"]))
        before = self._spent.get(key, Spending())
        self._spent[key] = Spending(
            before.requests + 1,
            before.prompt_tokens + int(entry["prompt_tokens"]),
            before.completion_tokens + int(entry["completion_tokens"]),
            before.money + float(entry.get("money") or 0.0),
        )


def _key(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.base_url.rstrip("/"), endpoint.model


def _append(path: Path, line: str) -> None:
    # One write of one short line: what other processes append meanwhile stays whole too.
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)
