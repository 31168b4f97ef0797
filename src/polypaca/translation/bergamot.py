"""Bergamot: the small int8 models of Firefox Translations, translated on a CPU.

The engine is `fxtranslate`, Mozilla's own port of the Bergamot translator, in child processes (see
`bergamot_worker`): native code that fails takes only them along.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import IO, TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from polypaca.core.errors import MissingExtraError, StageError, UserError
from polypaca.core.settings import USER_PATH, Choice
from polypaca.translation.bergamot_files import ModelFiles, check_model_files, find_model_files
from polypaca.translation.bergamot_worker import MAX_PIECES
from polypaca.translation.contract import Untranslated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polypaca.translation.contract import EngineContext

# A sentence takes milliseconds, and `MAX_PIECES` bounds what it can take.
_SECONDS_PER_TEXT = 300.0
_SECONDS_TO_LOAD = 300.0
_SECONDS_TO_DIE = 5.0
# One text that kills the engine is that text's fault; this many in a row are the engine's.
_CRASHES_IN_A_ROW = 5
_AHEAD = 4  # texts that wait in a process's pipe


class BergamotSettings(Choice):
    """Firefox's translation models, the paper's engine."""

    kind: Literal["bergamot"] = "bergamot"
    model: Annotated[str, USER_PATH] = Field(
        description="the model's folder; {source} and {language} are filled in"
    )
    shortlist: bool = Field(
        default=True,
        description="choose words from the model's shortlist, as Firefox does",
    )


class Bergamot:
    """A published Bergamot model.

    Each text is translated by itself, greedily, and with the vocabulary's shortlist for its own
    pieces, so which texts share a call changes nothing. Texts of more than 127 pieces are cut
    between words, as Bergamot cuts them.
    """

    name = "bergamot"
    unit: Literal["sentence", "line"] = "sentence"

    def __init__(self, settings: BergamotSettings, context: EngineContext) -> None:
        """Start a process a thread, each with the model in memory (some 100 MB).

        Raises:
            UserError: if a file is missing or damaged, does not belong to this pair, or the engine
                cannot load it; `MissingExtraError` if `fxtranslate` is not installed.
        """
        from importlib.metadata import PackageNotFoundError, version

        try:
            engine_version = version("fxtranslate")
        except PackageNotFoundError as error:
            raise MissingExtraError("the engine bergamot", "bergamot") from error
        if context.threads < 1:
            raise UserError(f"threads must be at least 1, not {context.threads}")
        shortlist = settings.shortlist
        files = find_model_files(
            Path(settings.model), context.source, context.target, shortlist=shortlist
        )
        digest = check_model_files(files)
        first = _Worker(_command(files))
        backend = _start(first, f"{files.model}: the engine bergamot cannot load it", UserError)
        self._children = [first, *(_Worker(_command(files)) for _ in range(context.threads - 1))]
        self.signature = (
            f"bergamot fxtranslate={engine_version} backend={backend} model={digest} "
            f"shortlist={shortlist} longest={MAX_PIECES} unknown=never"
        )

    def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        """One outcome a text, in order."""
        assert self._children, "closed"
        return _translate(texts, self._children)

    def placeholder(self, n: int) -> str:
        """A bare number from 701 on: what Bergamot models carry over best.

        Of the three-digit numbers in FLORES' English test set, Mozilla's published translations
        into 8 languages (mozilla/firefox-translations-models, evaluation/) hold 98.7 % as they
        were; of four-digit numbers 97.9 % (separators), of words that mix letters and digits 69 %
        and of words in capitals 62 % (translated or transliterated).
        """
        return str(701 + n)

    def close(self) -> None:
        """End all processes."""
        for child in self._children:
            _stop(child)
        self._children.clear()


@dataclass
class _Worker:
    """A process with the model, if it runs, and what it says: lines, then None when it ends."""

    command: list[str]
    process: subprocess.Popen[str] | None = None
    lines: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)
    errors: IO[bytes] | None = None


def _command(files: ModelFiles) -> list[str]:
    paths = [files.model, files.source, files.target]
    if files.shortlist is not None:
        paths.append(files.shortlist)
    return [sys.executable, "-m", "polypaca.translation.bergamot_worker", *map(str, paths)]


def _start(child: _Worker, problem: str, kind: type[UserError | StageError]) -> str:
    """Start the process and wait for its model; gives the name of its arithmetic."""
    child.errors = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has died
    child.lines = queue.SimpleQueue()
    child.process = subprocess.Popen(  # noqa: S603 - this very package, and paths as arguments
        child.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=child.errors,
        text=True,
        encoding="ascii",
    )
    Thread(target=_listen, args=(child.process.stdout, child.lines), daemon=True).start()
    reply = _next(child, _SECONDS_TO_LOAD)
    if reply is None or "error" in reply:
        why = reply["error"] if reply else _exit_reason(child)
        _stop(child)
        raise kind(f"{problem}: {why}")
    return reply["backend"]


def _stop(child: _Worker) -> None:
    """End the process, if there is one, and leave nothing of it."""
    process, child.process = child.process, None
    if process is None:
        return
    process.kill()  # it holds nothing that is worth a farewell
    process.communicate()
    if child.errors is not None:
        child.errors.close()


def _listen(stream: IO[str], said: queue.SimpleQueue[str | None]) -> None:
    for line in stream:
        said.put(line)
    said.put(None)


def _next(child: _Worker, seconds: float) -> dict[str, str] | None:
    """The next reply; none if the process ended or stayed silent for so long."""
    try:
        line = child.lines.get(timeout=seconds)
    except queue.Empty:
        return None
    reply: dict[str, str] | None = json.loads(line) if line else None
    return reply


def _exit_reason(child: _Worker) -> str:
    """Why a process that does not answer does not: how it ended, and its last error line."""
    assert child.process is not None
    assert child.errors is not None
    try:
        code = child.process.wait(timeout=_SECONDS_TO_DIE)
    except subprocess.TimeoutExpired:
        return "no answer in time"
    child.errors.seek(0)
    lines = child.errors.read().decode(errors="replace").strip().splitlines()
    reason = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{reason}: {lines[-1]}" if lines else reason


def _translate(texts: Sequence[str], children: Sequence[_Worker]) -> list[str | Untranslated]:
    outcomes: list[str | Untranslated] = [Untranslated("not reached")] * len(texts)
    waiting = iter(range(len(texts)))
    lock = Lock()

    def take() -> int | None:
        with lock:
            return next(waiting, None)

    busy = children[: max(1, len(texts))]
    with ThreadPoolExecutor(len(busy)) as pool:
        try:
            for done in [pool.submit(_work, child, texts, take, outcomes) for child in busy]:
                done.result()
        finally:  # after a failure or Ctrl-C, nobody takes another text
            while take() is not None:
                pass
    return outcomes


def _work(
    child: _Worker,
    texts: Sequence[str],
    take: Callable[[], int | None],
    outcomes: list[str | Untranslated],
) -> None:
    """Put into `outcomes` what becomes of the texts that this process takes."""
    crashes = 0
    ahead: deque[int] = deque()  # sent and not answered, so that the process never waits
    try:
        while True:
            while len(ahead) < _AHEAD and (at := take()) is not None:
                ahead.append(at)
                _send(child, texts[at])
            if not ahead:
                return
            outcomes[ahead[0]], crashed = _outcome(texts[ahead[0]], child)
            at = ahead.popleft()
            if crashed is not None:  # the others went to a process that is gone
                for waits in ahead:
                    _send(child, texts[waits])
            crashes = crashes + 1 if crashed else 0
            if crashes == _CRASHES_IN_A_ROW:
                raise StageError(
                    f"the engine bergamot crashed on {crashes} texts in a row, last with: "
                    f"{outcomes[at]}; check whether memory ran out, or use another engine"
                )
    finally:
        if ahead:  # it would answer them to whoever asks next
            _stop(child)


def _outcome(text: str, child: _Worker) -> tuple[str | Untranslated, bool | None]:
    """What became of a text that was sent, and whether the engine died over it.

    None where it did not die at all; False if a second try, alone in a new process, went well: the
    first may have died of old age.
    """
    reply = _next(child, _SECONDS_PER_TEXT)
    if reply is not None:
        return _read(reply), None
    _stop(child)
    _send(child, text)
    reply = _next(child, _SECONDS_PER_TEXT)
    if reply is not None:
        return _read(reply), False
    why = _exit_reason(child)
    _stop(child)
    return Untranslated(f"the engine crashed on it: {why}"), True


def _send(child: _Worker, text: str) -> None:
    """Give the process a text; that it has died shows when an answer is awaited."""
    if child.process is None:
        _start(child, "cannot restart the engine bergamot", StageError)
    assert child.process is not None
    assert child.process.stdin is not None
    with suppress(BrokenPipeError):
        child.process.stdin.write(json.dumps({"text": text}) + "\n")
        child.process.stdin.flush()


def _read(reply: dict[str, str]) -> str | Untranslated:
    if "failed" in reply:
        return Untranslated(reply["failed"])
    return reply["translation"] or Untranslated("empty translation")
