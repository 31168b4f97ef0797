"""Asking a served model many things at once.

A layer over the `openai` package, which speaks HTTP. This module adds bounded concurrency, limits
on rates, tokens and money, further attempts, the cache, failures as values, and giving up on a
server that is not there.
"""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from polypaca.core.errors import StageError, UserError
from polypaca.llm import cache as replies
from polypaca.llm.account import Account, Usage, estimate_usage
from polypaca.llm.pacing import RateLimiter, RequestWindow, backoff, rate_limiter
from polypaca.llm.records import Failure, Reply, Request
from polypaca.llm.wire import NO_KEY, Attempt, redact_outcome, send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    import openai

    from polypaca.llm.endpoint import Endpoint

# A server that asks to be left alone for longer is asked again by the next run.
_MAX_PAUSE = 300.0
# A client looks through all its connections for each request: with many, that takes longest.
_REQUESTS_PER_CLIENT = 16
_MAX_MISSES = 3  # a server that never answered so many requests is not there


def complete(
    requests: Sequence[Request],
    endpoint: Endpoint,
    *,
    cache: Path | None = None,
    keep: Callable[[Request, Reply], bool] = lambda request, reply: True,
    progress: Callable[[int], None] = lambda done: None,
    account: Account | None = None,
) -> list[Reply | Failure]:
    """Ask everything, at most `endpoint.concurrency` at a time; outcomes come in order.

    Equal requests are asked once. The failure of one does not stop the others. Where a limit on
    money or tokens would be exceeded, nothing more is sent, what is in flight is finished and kept,
    and the rest are failures that name the limit.

    Args:
        requests: what to ask.
        endpoint: whom to ask.
        cache: the folder of kept replies; None keeps none.
        keep: whether a reply is worth keeping. One that is not is neither written nor, when found
            in the cache, used: so a later call asks again.
        progress: told how many requests are done so far.
        account: where it is counted what was asked, and over which the limits hold; None counts
            this call alone.

    Raises:
        UserError: if the key's variable is not set, if the first that the server says is that
            the key or the model is wrong, or if the model refuses a parameter of all requests.
        StageError: if nothing answers at the URL.
    """
    return asyncio.run(
        complete_async(
            requests,
            endpoint,
            cache=cache,
            keep=keep,
            progress=progress,
            account=account,
        )
    )


async def complete_async(
    requests: Sequence[Request],
    endpoint: Endpoint,
    *,
    cache: Path | None = None,
    keep: Callable[[Request, Reply], bool] = lambda request, reply: True,
    progress: Callable[[int], None] = lambda done: None,
    account: Account | None = None,
) -> list[Reply | Failure]:
    """`complete`, for callers that have an event loop."""
    secret = require_key(endpoint)
    account = account or Account()
    counts: dict[Request, int] = {}
    for request in requests:
        counts[request] = counts.get(request, 0) + 1
    outcomes: dict[Request, Reply | Failure] = {}
    done = 0

    def on_outcome(request: Request, outcome: Reply | Failure) -> None:
        nonlocal done
        outcomes[request] = outcome
        done += counts[request]
        progress(done)

    for request in counts:
        kept = replies.read(cache, endpoint, request) if cache else None
        # What an earlier version kept may hold the key.
        clean = redact_outcome(kept, None if secret == NO_KEY else secret) if kept else None
        if isinstance(clean, Reply) and keep(request, clean):
            on_outcome(request, clean)
    pending = [request for request in counts if request not in outcomes]
    if pending:
        with ThreadPoolExecutor(1, "replies") as disk:

            async def on_attempt(request: Request, attempt: Attempt) -> None:
                await asyncio.get_running_loop().run_in_executor(
                    disk, _store, endpoint, request, attempt, account, cache, keep
                )

            session = _Session(
                endpoint, account, rate_limiter(endpoint), RequestWindow(endpoint.concurrency)
            )
            await _send_all(pending, session, secret, on_attempt, on_outcome)
    return [outcomes[request] for request in requests]


def _store(
    endpoint: Endpoint,
    request: Request,
    attempt: Attempt,
    account: Account,
    cache: Path | None,
    keep: Callable[[Request, Reply], bool],
) -> None:
    try:
        # Accounted for first: what is kept was paid for.
        if attempt.usage:
            account.record(endpoint, attempt.usage)
        if cache and isinstance(attempt.outcome, Reply) and keep(request, attempt.outcome):
            replies.write(cache, endpoint, request, attempt.outcome)
    except OSError as error:
        raise StageError(
            f"cannot save a reply ({error}); free some disk space and run again"
        ) from error


def require_key(endpoint: Endpoint) -> str:
    """The key that the model's variable holds, or a stand-in for a server without keys.

    Raises:
        UserError: if the variable is not set or holds what no key can be; the message names it.
    """
    name = endpoint.api_key_env
    if name is None:
        # Said outright, or the openai package would send OPENAI_API_KEY to any server.
        return NO_KEY
    value = os.environ.get(name, "").strip()
    if not value:
        raise UserError(
            f"the environment variable {name} is not set; set it to the key for "
            f"{endpoint.base_url} (for a server without keys, set api_key_env: null)"
        )
    if not (value.isascii() and value.isprintable()):
        raise UserError(f"the environment variable {name} has characters that no key can have")
    return value


@dataclass
class _Session:
    """What the workers of one call share: the way to the server, and what is known of it."""

    endpoint: Endpoint
    account: Account
    rate_limiter: RateLimiter
    window: RequestWindow
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    answered: bool = False
    misses: int = 0
    stop_reason: str = ""  # why nothing more is sent

    async def enter(self, usage: Usage) -> str:
        """Wait until a request may be sent, and count it as sent; or why none may be."""
        async with self.turn:  # first come, first served
            while True:
                self.stop_reason = self.stop_reason or self.account.refusal(
                    self.endpoint, usage, reserved=False
                )
                if self.stop_reason:
                    return self.stop_reason
                wait = self._wait(usage)
                if not wait:
                    self.window.in_flight += 1
                    self.account.reserve(self.endpoint, usage)
                    return ""
                # What comes back meanwhile may shorten the wait.
                await asyncio.sleep(min(wait, 0.25))

    def _wait(self, usage: Usage) -> float:
        if self.window.is_full or self.account.refusal(self.endpoint, usage):
            return 0.01
        return self.rate_limiter.try_acquire(usage.total)

    def leave(self, estimated: Usage, attempt: Attempt | None) -> None:
        """Count a request as back, accounted for; None if it was broken off."""
        self.window.in_flight -= 1
        self.account.release(self.endpoint, estimated)
        if attempt and attempt.usage:
            self.account.learn(self.endpoint, estimated, attempt.usage)
            self.rate_limiter.correct_tokens(estimated.total, attempt.usage.total)

    def learn(self, attempt: Attempt, sent_at: float) -> None:
        """Press the server as hard as it can bear."""
        if attempt.kind == "answered":
            self.window.grow()
        if attempt.is_throttled:
            self.window.shrink(sent_at)
            if attempt.wait is not None and attempt.wait <= _MAX_PAUSE:
                self.rate_limiter.pause(attempt.wait)
        if attempt.wait is not None and attempt.wait > _MAX_PAUSE and attempt.retry:
            self.stop_reason = (
                f"{_reason(attempt)}, and asks to wait {attempt.wait:.0f} s; run again then"
            )
        if attempt.quota_exhausted:
            self.stop_reason = _reason(attempt)

    def retry_delay(self, attempt: Attempt, number: int) -> float:
        """Seconds to wait after attempt `number` of a request before the next."""
        if attempt.is_throttled:
            return backoff(number)  # the pause of all is the limiter's
        return max(backoff(number), min(attempt.wait or 0.0, _MAX_PAUSE))

    def finish(self, attempt: Attempt) -> None:
        """Note what came of a request's last attempt.

        A server that never answered is not there. One that did may miss as often in a row as there
        are requests in flight: a few slow answers are no sign of its end.
        """
        failed = attempt.kind == "silent" or (attempt.kind == "refused" and attempt.retry)
        self.misses = self.misses + 1 if failed else 0
        if attempt.kind != "silent":
            self.answered = True
        if self.misses >= max(self.endpoint.concurrency, _MAX_MISSES):
            self.stop_reason = self.stop_reason or _reason(attempt)


def _reason(attempt: Attempt) -> str:
    return attempt.outcome.reason if isinstance(attempt.outcome, Failure) else ""


async def _send_all(
    requests: Iterable[Request],
    session: _Session,
    secret: str,
    on_attempt: Callable[[Request, Attempt], Awaitable[None]],
    on_outcome: Callable[[Request, Reply | Failure], None],
) -> None:
    import openai

    todo = iter(requests)

    async def work(client: openai.AsyncOpenAI) -> None:
        for request in todo:
            on_outcome(request, await _send_with_retries(client, session, request, on_attempt))

    concurrency, url = session.endpoint.concurrency, session.endpoint.base_url
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                openai.AsyncOpenAI(base_url=url, api_key=secret, timeout=None, max_retries=0)
            )
            for _ in range(0, concurrency, _REQUESTS_PER_CLIENT)
        ]
        workers = [
            asyncio.ensure_future(work(clients[number // _REQUESTS_PER_CLIENT]))
            for number in range(concurrency)
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def _send_with_retries(
    client: openai.AsyncOpenAI,
    session: _Session,
    request: Request,
    on_attempt: Callable[[Request, Attempt], Awaitable[None]],
) -> Reply | Failure:
    endpoint, estimated = session.endpoint, estimate_usage(request)
    attempt: Attempt | None = None
    for number in range(endpoint.max_retries + 1):
        held = await session.enter(estimated)
        if held:
            return attempt.outcome if attempt else Failure(f"not sent: {held}")
        attempt, sent_at = None, time.monotonic()
        try:
            attempt = await send(client, endpoint, request)
            await on_attempt(request, attempt)
        finally:
            session.leave(estimated, attempt)
        session.learn(attempt, sent_at)
        if not attempt.retry or session.stop_reason or number == endpoint.max_retries:
            break
        await asyncio.sleep(session.retry_delay(attempt, number))
    assert attempt is not None
    _raise_if_unusable(attempt, session)
    session.finish(attempt)
    if number and isinstance(attempt.outcome, Failure):
        return replace(
            attempt.outcome, reason=f"{attempt.outcome.reason}, tried {number + 1} times"
        )
    return attempt.outcome


def _raise_if_unusable(attempt: Attempt, session: _Session) -> None:
    """Raise if all that is known of the server is that it is not there, or wants another key.

    A parameter that the model refuses is refused in every request, whatever was answered before.
    """
    if not isinstance(attempt.outcome, Failure):
        return
    reason = attempt.outcome.reason
    if attempt.setting:
        raise UserError(f"{reason}; {attempt.setting}")
    if session.answered:
        return
    # One prompt that a server never answers is no sign that it is not there.
    if attempt.kind == "silent" and (attempt.unreachable or session.misses + 1 >= _MAX_MISSES):
        raise StageError(
            f"{reason}, tried {session.endpoint.max_retries + 1} times; is the server "
            "running, and is base_url correct?"
        )
    if attempt.outcome.status == 401:
        name = session.endpoint.api_key_env
        remedy = f"check the key in {name}" if name else "set api_key_env to the key's variable"
        raise UserError(f"{reason}; {remedy}")
    if attempt.outcome.status == 404:
        raise UserError(
            f"{reason}; check base_url and the model's name, {session.endpoint.model!r}"
        )
