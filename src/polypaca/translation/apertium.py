"""Apertium's rule-based language pairs, as installed on this machine.

Its stream format (https://wiki.apertium.org/wiki/Apertium_stream_format) passes what stands in
square brackets, a superblank, through untouched. Characters that mean something to the format go
through as superblanks of their code points, so that nothing depends on how well each of the
pipeline's dozen programs escapes: Apertium 3.8's lrx-proc, for one, loses `^` and the end of the
text with it. Each text carries a numbered superblank at its end, which tells whether what came back
belongs to it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from polypaca.core.errors import StageError, UserError
from polypaca.core.files import sha256_file
from polypaca.core.settings import Choice
from polypaca.translation.contract import Untranslated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from polypaca.translation.contract import EngineContext

    _Run = Callable[[Sequence[str]], list[str] | str]  # outputs, or why there are none

_ENCODING = 1  # raise it when the same text would be sent to Apertium in another form
_BATCH = 1000  # texts a pipeline: starting one costs 0.2 s, as much as 200 sentences
_SECONDS = 10.0  # for a pipeline to answer, and ...
_CHARACTERS_PER_SECOND = 2000  # ... what it does at the very least; it usually does 70,000 and more

_CODE = re.compile(r"\[[0-9a-f.]+\]")
_ESCAPED = re.compile(_CODE.pattern + r"|\\.", re.DOTALL)
# What lt-proc and its kin read as markup: the format's own characters and `~`, the post-generator's
# mark. Also long runs of one sign, of which Apertium loses some (4,096 full stops become none).
_MARKUP = frozenset("\\[]^$/{}<>@~")
_RUN = re.compile(r"([^\w\s])\1{3,}| {2,}")


class ApertiumSettings(Choice):
    """Apertium's rule-based pairs, as installed."""

    kind: Literal["apertium"] = "apertium"
    mode: str | None = Field(
        default=None,
        description="a mode that `apertium -l` lists, such as eng-spa; null: find one",
    )
    mark_unknown: bool = Field(
        default=False,
        description="keep Apertium's marks `*`, `@`, `#` at unknown words",
    )


class Apertium:
    """Pipes texts through Apertium.

    A text at which Apertium stops or hangs is `Untranslated`, and alone so. The data folder is the
    one in APERTIUM_DATADIR, else that of the program on the PATH. Threads are pipelines at once;
    each is a dozen processes that wait for one another and has use for nearly two CPU threads.
    """

    name = "apertium"
    unit: Literal["sentence", "line"] = "sentence"

    def __init__(self, settings: ApertiumSettings, context: EngineContext) -> None:
        """Find the program and the mode; a target such as `en-US` is a pair's variant `eng_US`.

        Raises:
            UserError: if Apertium or the pair is not installed, or a code names no language.
            StageError: if Apertium is there but does not run.
        """
        program = shutil.which("apertium")
        if program is None:
            missing = _install(context.source, context.target)
            raise UserError(f"Apertium is not installed: {missing}")
        prefix = Path(program).absolute().parents[1]
        data = Path(os.environ.get("APERTIUM_DATADIR") or prefix / "share" / "apertium")
        mode = _find_mode(data, context.source, context.target, settings.mode)
        command = [program, "-d", str(data), "-f", "none", "-z", mode]
        if not settings.mark_unknown:
            command.insert(1, "-u")
        self._run = partial(_run, command)
        self._pipelines = max(1, context.threads)
        _probe(self._run)
        self.signature = "|".join(
            (
                f"apertium|{_version(program)}|mode:{mode}|data:{_hash_data(data, mode)[:16]}",
                f"unknown:{'marked' if settings.mark_unknown else 'plain'}|encoding:{_ENCODING}",
            )
        )

    def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        """One outcome a text, in order.

        Raises:
            StageError: if Apertium does not run.
        """
        size = max(1, min(_BATCH, -(-len(texts) // self._pipelines)))
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        with ThreadPoolExecutor(self._pipelines) as pool:
            done = list(pool.map(lambda batch: _translate(self._run, batch), batches))
        return [outcome for outcomes in done for outcome in outcomes]

    def placeholder(self, n: int) -> str:
        """A tag with a word in it that is unknown to every pair.

        Apertium moves words across superblanks and may part or inflect numbers, but it leaves
        unknown words in their place.
        """
        return f"<x{n}/>"

    def close(self) -> None:
        """No pipeline outlives its texts."""


def encode(text: str) -> str:
    """A text in Apertium's stream format; `a [b]` becomes `a [5b]b[5d]`.

    Coded are markup, runs of one sign or of blanks, and all control, format and space characters
    but the plain blank and the zero-width (non-)joiners, which stand within words.
    """
    runs = {place for run in _RUN.finditer(text) for place in range(*run.span())}
    pieces = groupby(enumerate(text), lambda item: item[0] in runs or _is_markup(item[1]))
    return "".join(
        _code(character for _, character in piece) if coded else "".join(c for _, c in piece)
        for coded, piece in pieces
    )


def decode(stream: str) -> str:
    """The text of a stream that came from Apertium.

    Blanks that Apertium made, at the ends and beside others, go: the text's own are coded.
    """
    return _ESCAPED.sub(_original, re.sub(" {2,}", " ", stream).strip(" "))


def _is_markup(character: str) -> bool:
    if character in " \u200c\u200d":
        return False
    return character in _MARKUP or unicodedata.category(character)[0] in "CZ"


def _code(characters: Iterable[str]) -> str:
    return "[" + ".".join(f"{ord(character):x}" for character in characters) + "]"


def _original(escaped: re.Match[str]) -> str:
    if escaped[0].startswith("\\"):
        return escaped[0][1]  # a sign from the pair's own dictionary
    return "".join(chr(int(code, 16)) for code in escaped[0][1:-1].split("."))


def _translate(run: _Run, texts: Sequence[str]) -> list[str | Untranslated]:
    """Outcomes of texts that share a pipeline; where it fails, of each half on its own."""
    cores = [text.strip(" ") for text in texts]
    # The full stop, which Apertium's own formats add too, tells it that the sentence is over.
    streams = [f"{encode(core)}." for core in cores]
    output = run(streams)
    if isinstance(output, str) and len(texts) == 1:
        output = run(streams)  # it may have been killed by chance
    if isinstance(output, str) and len(texts) == 1:
        _probe(run)
        return [Untranslated(output)]
    if isinstance(output, str):
        middle = len(texts) // 2
        return _translate(run, texts[:middle]) + _translate(run, texts[middle:])
    return [_outcome(*item) for item in zip(texts, streams, output, strict=True)]


def _outcome(text: str, sent: str, output: str) -> str | Untranslated:
    if _CODE.findall(sent) != _CODE.findall(output):
        return Untranslated("Apertium lost or moved characters of the text")
    translation = decode(output.removesuffix("."))
    if text.strip() and not translation.strip():
        return Untranslated("Apertium returned nothing")
    core = text.strip(" ")
    before = text[: len(text) - len(text.lstrip(" "))]
    return before + translation + text[len(before) + len(core) :]


def _probe(run: _Run) -> None:
    """Tell a text that Apertium fails at from an Apertium that fails.

    Raises:
        StageError: if it cannot even give back a number.
    """
    output = run(["1."])
    if isinstance(output, str):
        raise StageError(f"{output}; does `echo 1 | apertium MODE` work in a terminal?")


def _run(command: Sequence[str], streams: Sequence[str]) -> list[str] | str:
    """What the pipeline makes of each stream, or why it failed."""
    marks = [f"[end{number}]" for number in range(len(streams))]
    data = "".join(f"{stream}{mark}\0" for stream, mark in zip(streams, marks, strict=True))
    seconds = _SECONDS + len(data) / _CHARACTERS_PER_SECOND
    try:
        # A session of its own, so that all of the pipeline can be ended: its programs hold the
        # pipes, and would keep them open after the shell that started them.
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return f"cannot start Apertium: {error.strerror}"
    with process:
        try:
            output, errors = process.communicate(data.encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            return f"Apertium did not answer within {seconds:.0f} s"
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        message = " ".join(errors.decode("utf-8", "replace").split())[-200:]
        return f"Apertium stopped with exit code {process.returncode}" + (
            message and f": {message}"
        )
    # Each program adds an empty part of its own at the end.
    pieces = output.decode("utf-8", "replace").split("\0")
    pairs = list(zip(pieces, marks, strict=False))
    if len(pairs) < len(marks) or not all(piece.endswith(mark) for piece, mark in pairs):
        return "Apertium's output does not match its input"
    return [piece.removesuffix(mark) for piece, mark in pairs]


def _find_mode(data: Path, source: str, target: str, mode: str | None) -> str:
    modes = sorted(path.stem for path in (data / "modes").glob("*.mode"))
    available = f"; modes in {data}: {', '.join(modes) or 'none'}"
    if mode is not None:
        if mode not in modes:
            raise UserError(f"Apertium has no mode {mode!r}{available}")
        return mode
    for source_name in _names(source):
        for target_name in _names(target):
            if f"{source_name}-{target_name}" in modes:
                return f"{source_name}-{target_name}"
    raise UserError(
        f"Apertium cannot translate from {source} into {target}: "
        f"{_install(source, target)}{available}"
    )


def _names(code: str) -> list[str]:
    """What a language may be called in a mode's name, best first: `en-US` -> `eng_US`, ..., `en`.

    Raises:
        UserError: if it is no language.
    """
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    try:
        language = langcodes.Language.get(code.replace("_", "-"))
        names = [language.to_alpha3(), language.language or ""]
    except (LanguageTagError, LookupError) as error:
        raise UserError(f"{code!r} is not a language code") from error
    variants = [f"{name}_{language.territory}" for name in names if language.territory]
    return [*variants, *names]


def _install(source: str, target: str) -> str:
    pair = f"{_names(source)[-2]}-{_names(target)[-2]}"
    return (
        f"on Debian and Ubuntu run `apt install apertium apertium-{pair}` (some pairs are named "
        "the other way round or with short codes: see `apt-cache search apertium`)"
    )


def _version(program: str) -> str:
    result = subprocess.run([program, "-V"], capture_output=True, text=True, check=False)  # noqa: S603
    return result.stdout.strip().removeprefix("Apertium ") or "unknown"


def _hash_data(data: Path, mode: str) -> str:
    """SHA-256 over the mode's pipeline and the files that it names: 5 MB or so.

    A package's version would say less: pairs are also built from source.
    """
    pipeline = (data / "modes" / f"{mode}.mode").read_text(encoding="utf-8")
    digest = hashlib.sha256()
    for word in shlex.split(pipeline):
        path = data / word
        digest.update((sha256_file(path) if path.is_file() else word).encode() + b"\0")
    return digest.hexdigest()
