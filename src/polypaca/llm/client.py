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
from polypaca.llm.account import Account, Usage, estimate
from polypaca.llm.pacing import Limiter, Window, backoff, limiter
from polypaca.llm.records import Failure, Reply, Request
from polypaca.llm.wire import NO_KEY, Attempt, attempt, without_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    import openai

    from polypaca.llm.served import Served

# A server that asks to be left alone for longer is asked again by the next run.
_LONGEST_PAUSE = 300.0
# A client looks through all its connections for each request: with many, that takes longest.
_PER_CLIENT = 16
_GONE = 3  # a server that never answered so many requests is not there


def complete(
    requests: Sequence[Request],
    served: Served,
    *,
    cache: Path | None = None,
    keep: Callable[[Reply], bool] = lambda reply: True,
    fits: Callable[[Request, Reply], bool] = lambda request, reply: True,
    progress: Callable[[int], None] = lambda done: None,
    account: Account | None = None,
) -> list[Reply | Failure]:
    """Ask everything, at most `served.concurrency` at a time; outcomes come in order.

    Equal requests are asked once. The failure of one does not stop the others. Where a limit on
    money or tokens would be passed, nothing more is sent, what is in flight is finished and kept,
    and the rest are failures that name the limit.

    Args:
        requests: what to ask.
        served: whom to ask.
        cache: the folder of kept replies; None keeps none.
        keep: whether a reply is worth keeping. One that is not is neither written nor, when found
            in the cache, used: so a later call asks again.
        fits: the same, for what depends on the request too.
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
            served,
            cache=cache,
            keep=keep,
            fits=fits,
            progress=progress,
            account=account,
        )
    )


async def complete_async(
    requests: Sequence[Request],
    served: Served,
    *,
    cache: Path | None = None,
    keep: Callable[[Reply], bool] = lambda reply: True,
    fits: Callable[[Request, Reply], bool] = lambda request, reply: True,
    progress: Callable[[int], None] = lambda done: None,
    account: Account | None = None,
) -> list[Reply | Failure]:
    """`complete`, for callers that have an event loop."""
    secret = require_key(served)
    account = account or Account()
    counts: dict[Request, int] = {}
    for request in requests:
        counts[request] = counts.get(request, 0) + 1
    outcomes: dict[Request, Reply | Failure] = {}
    done = 0

    def is_good(request: Request, reply: Reply) -> bool:
        return keep(reply) and fits(request, reply)

    def settle(request: Request, outcome: Reply | Failure) -> None:
        nonlocal done
        outcomes[request] = outcome
        done += counts[request]
        progress(done)

    for request in counts:
        kept = replies.read(cache, served, request) if cache else None
        # What an earlier version kept may hold the key.
        clean = without_key(kept, None if secret == NO_KEY else secret) if kept else None
        if isinstance(clean, Reply) and is_good(request, clean):
            settle(request, clean)
    pending = [request for request in counts if request not in outcomes]
    if pending:
        with ThreadPoolExecutor(1, "replies") as disk:

            async def arrived(request: Request, came: Attempt) -> None:
                await asyncio.get_running_loop().run_in_executor(
                    disk, _write_down, served, request, came, account, cache, is_good
                )

            flow = _Flow(served, account, limiter(served), Window(served.concurrency))
            await _ask_all(pending, flow, secret, arrived, settle)
    return [outcomes[request] for request in requests]


def _write_down(
    served: Served,
    request: Request,
    came: Attempt,
    account: Account,
    cache: Path | None,
    is_good: Callable[[Request, Reply], bool],
) -> None:
    try:
        # Accounted for first: what is kept was paid for.
        if came.usage:
            account.record(served, came.usage)
        if cache and isinstance(came.outcome, Reply) and is_good(request, came.outcome):
            replies.write(cache, served, request, came.outcome)
    except OSError as error:
        raise StageError(f"a reply cannot be kept ({error}); free space, and run again") from error


def require_key(served: Served) -> str:
    """The key that the model's variable holds, or a stand-in for a server without keys.

    Raises:
        UserError: if the variable is not set or holds what no key can be; the message names it.
    """
    name = served.api_key_env
    if name is None:
        # Said outright, or the openai package would send OPENAI_API_KEY to any server.
        return NO_KEY
    value = os.environ.get(name, "").strip()
    if not value:
        raise UserError(
            f"the environment variable {name} is not set; it must hold the key for "
            f"{served.base_url} (for a server without keys set api_key_env: null)"
        )
    if not (value.isascii() and value.isprintable()):
        raise UserError(f"the environment variable {name} holds characters that no key can have")
    return value


@dataclass
class _Flow:
    """What the workers of one call share: the way to the server, and what is known of it."""

    served: Served
    account: Account
    limiter: Limiter
    window: Window
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    answered: bool = False
    misses: int = 0
    gone: str = ""  # why nothing more is sent

    async def enter(self, usage: Usage) -> str:
        """Wait until a request may be sent, and count it as sent; or why none may be."""
        async with self.turn:  # first come, first served
            while True:
                self.gone = self.gone or self.account.refusal(self.served, usage, reserved=False)
                if self.gone:
                    return self.gone
                wait = self._wait(usage)
                if not wait:
                    self.window.in_flight += 1
                    self.account.reserve(self.served, usage)
                    return ""
                # What comes back meanwhile may shorten the wait.
                await asyncio.sleep(min(wait, 0.25))

    def _wait(self, usage: Usage) -> float:
        if self.window.is_full or self.account.refusal(self.served, usage):
            return 0.01
        return self.limiter.take(usage.total)

    def leave(self, estimated: Usage, came: Attempt | None) -> None:
        """Count a request as back, accounted for; None if it was broken off."""
        self.window.in_flight -= 1
        self.account.release(self.served, estimated)
        if came and came.usage:
            self.account.learn(self.served, estimated, came.usage)
            self.limiter.correct(estimated.total, came.usage.total)

    def learn(self, came: Attempt, sent_at: float) -> None:
        """Press the server as hard as it can bear."""
        if came.kind == "answered":
            self.window.widen()
        if came.too_many:
            self.window.cut(sent_at)
            if came.wait is not None and came.wait <= _LONGEST_PAUSE:
                self.limiter.pause(came.wait)
        if came.wait is not None and came.wait > _LONGEST_PAUSE and came.retry:
            self.gone = f"{_reason(came)}, and asks to wait {came.wait:.0f} s: run again then"
        if came.spent_up:
            self.gone = _reason(came)

    def rest(self, came: Attempt, number: int) -> float:
        """Seconds to wait after attempt `number` of a request before the next."""
        if came.too_many:
            return backoff(number)  # the pause of all is the limiter's
        return max(backoff(number), min(came.wait or 0.0, _LONGEST_PAUSE))

    def last(self, came: Attempt) -> None:
        """Note what came of a request's last attempt.

        A server that never answered is not there. One that did may miss as often in a row as there
        are requests in flight: a few slow answers are no sign of its end.
        """
        failed = came.kind == "silent" or (came.kind == "refused" and came.retry)
        self.misses = self.misses + 1 if failed else 0
        if came.kind != "silent":
            self.answered = True
        if self.misses >= max(self.served.concurrency, _GONE):
            self.gone = self.gone or _reason(came)


def _reason(came: Attempt) -> str:
    return came.outcome.reason if isinstance(came.outcome, Failure) else ""


async def _ask_all(
    requests: Iterable[Request],
    flow: _Flow,
    secret: str,
    arrived: Callable[[Request, Attempt], Awaitable[None]],
    settle: Callable[[Request, Reply | Failure], None],
) -> None:
    import openai

    todo = iter(requests)

    async def work(client: openai.AsyncOpenAI) -> None:
        for request in todo:
            settle(request, await _ask(client, flow, request, arrived))

    concurrency, url = flow.served.concurrency, flow.served.base_url
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                openai.AsyncOpenAI(base_url=url, api_key=secret, timeout=None, max_retries=0)
            )
            for _ in range(0, concurrency, _PER_CLIENT)
        ]
        workers = [
            asyncio.ensure_future(work(clients[number // _PER_CLIENT]))
            for number in range(concurrency)
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def _ask(
    client: openai.AsyncOpenAI,
    flow: _Flow,
    request: Request,
    arrived: Callable[[Request, Attempt], Awaitable[None]],
) -> Reply | Failure:
    served, estimated = flow.served, estimate(request)
    came: Attempt | None = None
    for number in range(served.max_retries + 1):
        held = await flow.enter(estimated)
        if held:
            return came.outcome if came else Failure(f"not sent: {held}")
        came, sent_at = None, time.monotonic()
        try:
            came = await attempt(client, served, request)
            await arrived(request, came)
        finally:
            flow.leave(estimated, came)
        flow.learn(came, sent_at)
        if not came.retry or flow.gone or number == served.max_retries:
            break
        await asyncio.sleep(flow.rest(came, number))
    assert came is not None
    _check_first(came, flow)
    flow.last(came)
    if number and isinstance(came.outcome, Failure):
        return replace(came.outcome, reason=f"{came.outcome.reason}, tried {number + 1} times")
    return came.outcome


def _check_first(came: Attempt, flow: _Flow) -> None:
    """Raise if all that is known of the server is that it is not there, or wants another key.

    A parameter that the model refuses is refused in every request, whatever was answered before.
    """
    if not isinstance(came.outcome, Failure):
        return
    reason = came.outcome.reason
    if came.setting:
        raise UserError(f"{reason}; {came.setting}")
    if flow.answered:
        return
    # One prompt that a server never answers is no sign that it is not there.
    if came.kind == "silent" and (came.absent or flow.misses + 1 >= _GONE):
        raise StageError(
            f"{reason}, tried {flow.served.max_retries + 1} times; is the server running, and "
            "base_url right?"
        )
    if came.outcome.status == 401:
        name = flow.served.api_key_env
        remedy = f"check the key in {name}" if name else "name the key's variable in api_key_env"
        raise UserError(f"{reason}; {remedy}")
    if came.outcome.status == 404:
        raise UserError(f"{reason}; check base_url and the model's name, {flow.served.model!r}")
