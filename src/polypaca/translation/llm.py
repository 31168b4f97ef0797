"""Translation by a served model, one text a query.

What the model writes is not trusted: an answer that is cut off, empty or longer than the one line
that was asked for is `Untranslated`, with the reason.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from polypaca.core import languages
from polypaca.core.errors import StageError, UserError
from polypaca.core.files import sha256_text
from polypaca.core.settings import USER_PATH, Choice
from polypaca.llm.account import Account
from polypaca.llm.client import complete, require_key
from polypaca.llm.endpoint import Endpoint
from polypaca.llm.records import Failure, Reply, Request
from polypaca.llm.thoughts import SplitReply, split_thoughts
from polypaca.translation.chatter import is_refusal, language_names, without_chatter
from polypaca.translation.contract import Untranslated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.translation.contract import EngineContext

_READING = 2  # raise it when another translation would be read out of the same reply
_SLOT = re.compile(r"\$\{(source|target|text)\}")
_UNFINISHED = {
    "length": "cut off at max_tokens",
    "content_filter": "withheld by the server's content filter",
    "tool_calls": "the model called a tool",
    "function_call": "the model called a tool",
    "refusal": "the model refused",
}
_QUOTES = ('""', "''", "“”", "‘’", "„“", "„”", "«»", "»«", "「」", "『』", "``")
_FENCE = re.compile(r"```[^\n`]*\n(.*?)\n?```", re.DOTALL)
_TAGGED = re.compile(r"<([a-z_]{2,20})>(.*)</\1>", re.DOTALL | re.IGNORECASE)
# The statuses by which servers refuse one text: too long, or against their rules.
_REFUSED = (400, 413, 422)


class LlmTranslatorSettings(Endpoint, Choice):
    """A served model behind an OpenAI-compatible URL."""

    kind: Literal["llm"] = "llm"
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=0.0, description="sampling temperature; 0: greedy decoding; null: do not send one"
    )
    max_tokens: int = Field(default=1024, ge=8, description="the most tokens of one translation")
    prompt: Annotated[str | None, USER_PATH] = Field(
        default=None,
        description="a text file with ${text} and, optionally, the languages' names as ${source} "
        "and ${target}; null: the packaged prompt",
    )


class LlmTranslator:
    """Asks a served model for translations."""

    name = "llm"
    unit: Literal["sentence", "line"] = "line"

    def __init__(self, settings: LlmTranslatorSettings, context: EngineContext) -> None:
        """Read the prompt and look whether the key is there.

        Raises:
            UserError: if the prompt cannot be used, a code names no language or the key is not set.
        """
        self._settings, self._cache = settings, context.cache
        self._template = load_prompt(settings.prompt)
        require_key(settings)  # now, not after hours of other work
        self._account = Account(context.account)
        self._names = {"source": _name(context.source), "target": _name(context.target)}
        self._language_names = language_names(context.source, context.target)
        prompt = Path(settings.prompt).stem if settings.prompt else "packaged"
        heat = "none" if settings.temperature is None else format(settings.temperature, "g")
        self.signature = "|".join(
            (
                f"llm|model:{settings.model}|{context.source}>{context.target}",
                f"prompt:{prompt}-{sha256_text(self._template)[:12]}",
                f"temperature:{heat}|max_tokens:{settings.max_tokens}|reading:{_READING}",
            )
        )

    def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        """One outcome a text, in order.

        Raises:
            UserError: if the server refuses key or model.
            StageError: if the server failed or a limit was reached; replies that came are in the
                cache.
        """
        replies = self._ask(texts)
        refused = [_is_refusal(reply) for reply in replies]
        if any(refused) and not any(isinstance(reply, Reply) for reply in replies):
            # Does the server refuse these texts, or the settings? One that it cannot mind tells.
            refused = [isinstance(self._ask(["1"])[0], Reply) and each for each in refused]
        _raise_for_failures(replies, refused, self._cache)
        return [
            read_translation(text, reply, self._language_names)
            for text, reply in zip(texts, replies, strict=True)
        ]

    def placeholder(self, n: int) -> str:
        """An empty tag."""
        return f"<x{n}/>"

    def close(self) -> None:
        """There is nothing to end."""

    def _ask(self, texts: Sequence[str]) -> list[Reply | Failure]:
        requests = [
            Request(
                messages=(("user", fill(self._template, {**self._names, "text": text})),),
                temperature=self._settings.temperature,
                max_tokens=self._settings.max_tokens,
            )
            for text in texts
        ]
        return complete(
            requests,
            self._settings,
            cache=self._cache,
            keep=lambda request, reply: _is_finished(reply),
            account=self._account,
        )


def load_prompt(path: str | None) -> str:
    """The translation prompt: the packaged one, or a file's text without its last line end.

    Raises:
        UserError: if the file cannot be read, or has no slot `${text}`.
    """
    if path is None:
        packaged = resources.files("polypaca.translation") / "prompts" / "llm.txt"
        return packaged.read_text(encoding="utf-8").removesuffix("\n")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"cannot read the translation prompt {path!r} ({error}); use a UTF-8 text file"
        ) from error
    if "text" not in _SLOT.findall(text):
        raise UserError(f"the translation prompt {path!r} lacks ${{text}}: add it")
    return text.removesuffix("\n")


def fill(template: str, values: dict[str, str]) -> str:
    """Put values into a prompt's slots, in one pass: slots within the values stay as they are."""
    return _SLOT.sub(lambda slot: values[slot[1]], template)


def read_translation(
    text: str, reply: Reply | Failure, names: frozenset[str] = frozenset()
) -> str | Untranslated:
    """The translation that a model's words hold, or why they hold none.

    Args:
        text: what was to be translated.
        reply: what came back.
        names: how the two languages are called, for labels such as "Spanish:".
    """
    if isinstance(reply, Failure):
        return Untranslated(reply.reason)
    if reply.finish_reason in _UNFINISHED:
        return Untranslated(_UNFINISHED[reply.finish_reason])
    answer = strip_wrapping(text, reply.text, names)
    if not answer:
        return Untranslated("the model wrote nothing")
    if is_refusal(text, answer.strip()):
        return Untranslated(f"the model refused: {answer[:200]!r}")
    expected, got = len(text.splitlines()), len(answer.splitlines())
    if got > max(expected, 1):
        return Untranslated(f"the model wrote {got} lines for {expected}: {answer[:200]!r}")
    return answer


def strip_wrapping(text: str, answer: str, names: frozenset[str] = frozenset()) -> str:
    """An answer without what models put around it and `text` does not have.

    That is: thoughts, a code fence, one pair of quotation marks or bold print around it, words that
    introduce or explain it, and outer white space. A text's own outer white space is put back.
    """
    core = text.strip()
    # A text that has such marks itself is translated with them.
    if split_thoughts(text) == SplitReply(text):
        answer = split_thoughts(answer).text
    answer, before_that = answer.strip(), ""
    while answer != before_that:
        before_that = answer
        answer = without_chatter(core, _unwrap(core, answer), names).strip()
    if not answer:
        return ""
    before = text[: len(text) - len(text.lstrip())]
    return before + answer + text[len(before) + len(core) :]


def _unwrap(core: str, answer: str) -> str:
    """The answer without a fence, quotation marks or bold print around all of it."""
    fence = _FENCE.fullmatch(answer)
    if fence and "```" not in core:
        answer = fence[1].strip()
    if _is_quoted(answer) and not (core and core[0] in "".join(_QUOTES)):
        answer = answer[1:-1].strip()
    tagged = _TAGGED.fullmatch(answer)
    if tagged and "<" not in core:
        answer = tagged[2].strip()
    for mark in ("**", "__", "*"):
        inside = answer[len(mark) : -len(mark)]
        wrapped = answer.startswith(mark) and answer.endswith(mark) and mark not in inside
        if wrapped and inside.strip("*_") and mark not in core:
            answer = inside.strip()
    return answer


def _is_quoted(answer: str) -> bool:
    # Two quotations side by side begin and end with a mark as well.
    inside = answer[1:-1]
    return any(
        len(answer) > 2
        and answer[0] == pair[0]
        and answer[-1] == pair[1]
        and not any(mark in inside for mark in pair)
        for pair in _QUOTES
    )


def _is_finished(reply: Reply) -> bool:
    return reply.finish_reason not in _UNFINISHED and bool(reply.text.strip())


def _is_refusal(reply: Reply | Failure) -> bool:
    return isinstance(reply, Failure) and reply.status in _REFUSED


def _raise_for_failures(
    replies: Sequence[Reply | Failure], refused: Sequence[bool], cache: Path | None
) -> None:
    failures = [
        reply.reason
        for reply, is_refused in zip(replies, refused, strict=True)
        if isinstance(reply, Failure) and not is_refused
    ]
    if failures:
        kept = (
            "good replies are kept, and the next run asks only for the others"
            if cache
            else "no replies are kept, since there is no cache"
        )
        raise StageError(
            f"{len(failures)} of {len(replies)} texts were not translated: {failures[0]}; {kept}"
        )


def _name(code: str) -> str:
    if not languages.is_language(code):
        raise UserError(f"{code!r} is not a language code")
    return languages.name(code)
