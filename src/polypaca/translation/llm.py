"""Translation by a served model, one text a query.

What the model writes is not trusted: an answer that is cut off, empty or longer than the one line
that was asked for is `Untranslated`, with the reason.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core import languages
from polypaca.core.errors import StageError, UserError
from polypaca.core.files import sha256_text
from polypaca.llm.account import Account
from polypaca.llm.client import complete, require_key
from polypaca.llm.records import Failure, Reply, Request
from polypaca.llm.records import endpoint as endpoint_of
from polypaca.translation.chatter import is_refusal, names_of, without_chatter
from polypaca.translation.contract import Engine, Untranslated

if TYPE_CHECKING:
    from collections.abc import Sequence

_READING = 2  # raise it when another translation would be read out of the same reply
_SLOT = re.compile(r"\$\{(source|target|text)\}")
_UNFINISHED = {
    "length": "cut off at max_tokens",
    "content_filter": "withheld by the server's content filter",
    "tool_calls": "the model called a tool",
    "function_call": "the model called a tool",
}
_QUOTES = ('""', "''", "“”", "‘’", "„“", "„”", "«»", "»«", "「」", "『』", "``")
_FENCE = re.compile(r"```[^\n`]*\n(.*?)\n?```", re.DOTALL)
_TAGGED = re.compile(r"<([a-z_]{2,20})>(.*)</\1>", re.DOTALL | re.IGNORECASE)
# Models that reason write this first where their server does not take it out.
_THOUGHTS = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
# The statuses by which servers refuse one text: too long, or against their rules.
_REFUSED = (400, 413, 422)


def make(
    source: str,
    target: str,
    *,
    threads: int = 1,
    cache: Path | None = None,
    model: str,
    base_url: str,
    api_key_env: str | None = "OPENAI_API_KEY",
    temperature: float = 0.0,
    max_tokens: int = 1024,
    prompt: str | None = None,
    account: Path | None = None,
    **served: Any,
) -> Engine:
    """The engine that asks a served model for translations.

    Args:
        source: code of the language to translate from.
        target: code of the language to translate into.
        threads: not used; `concurrency` is what counts.
        cache: the folder of kept replies.
        model: the name by which the server knows the model.
        base_url: an OpenAI-compatible URL, with its version.
        api_key_env: the environment variable that holds the key; None for a server without one.
        temperature: of the sampling.
        max_tokens: the most that the model may write for one text.
        prompt: the path of a text with the slots `${text}` and, if wanted, `${source}` and
            `${target}`, which become English names of languages; None for the packaged one.
        account: the file in which it is kept what was asked and spent; None keeps none.
        served: how hard the server may be pressed, and limits: see `llm.records.Endpoint`.

    Raises:
        UserError: if the prompt cannot be used, the URL is none or the key is not set; from
            `translate`, if the server refuses key or model.
        StageError: from `translate`, if the server failed; replies that came are in the cache.
    """
    template = load_prompt(prompt)
    endpoint = endpoint_of(model=model, base_url=base_url, api_key_env=api_key_env, **served)
    require_key(endpoint)  # now, not after hours of other work
    spending = Account(account)
    names = {"source": _name(source), "target": _name(target)}
    called = names_of(source, target)

    def ask(texts: Sequence[str]) -> list[Reply | Failure]:
        requests = [
            Request(
                messages=(("user", fill(template, {**names, "text": text})),),
                temperature=temperature,
                max_tokens=max_tokens,
            )
            for text in texts
        ]
        return complete(requests, endpoint, cache=cache, keep=_is_finished, account=spending)

    def translate(texts: Sequence[str]) -> list[str | Untranslated]:
        replies = ask(texts)
        refused = [_is_refusal(reply) for reply in replies]
        if any(refused) and not any(isinstance(reply, Reply) for reply in replies):
            # Does the server refuse these texts, or the settings? One that it cannot mind tells.
            refused = [isinstance(ask(["1"])[0], Reply) and each for each in refused]
        _raise_for_failures(replies, refused, cache)
        return [outcome(text, reply, called) for text, reply in zip(texts, replies, strict=True)]

    signature = "|".join(
        (
            f"llm|model:{model}|{source}>{target}",
            f"prompt:{Path(prompt).stem if prompt else 'packaged'}-{sha256_text(template)[:12]}",
            f"temperature:{temperature:g}|max_tokens:{max_tokens}|reading:{_READING}",
        )
    )
    return Engine("llm", signature, translate, unit="line", placeholder="<x{}/>".format)


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
            f"the translation prompt {path!r} cannot be read ({error}); give a UTF-8 text file"
        ) from error
    if "text" not in _SLOT.findall(text):
        raise UserError(f"the translation prompt {path!r} has no slot ${{text}}: add it")
    return text.removesuffix("\n")


def fill(template: str, values: dict[str, str]) -> str:
    """Put values into a prompt's slots, in one pass: slots within the values stay as they are."""
    return _SLOT.sub(lambda slot: values[slot[1]], template)


def outcome(
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
    answer = bare(text, reply.text, names)
    if not answer:
        return Untranslated("the model wrote nothing")
    if is_refusal(text, answer.strip()):
        return Untranslated(f"the model refused: {answer[:200]!r}")
    asked, got = len(text.splitlines()), len(answer.splitlines())
    if got > max(asked, 1):
        return Untranslated(f"the model wrote {got} lines for {asked}: {answer[:200]!r}")
    return answer


def bare(text: str, answer: str, names: frozenset[str] = frozenset()) -> str:
    """An answer without what models put around it and `text` does not have.

    That is: thoughts before it, a code fence, one pair of quotation marks or bold print around it,
    words that introduce or explain it, and outer white space. A text's own outer white space is
    put back.
    """
    core = text.strip()
    thoughts = _THOUGHTS.match(answer)
    if thoughts and "<think>" not in text:
        answer = answer[thoughts.end() :]
    answer, before_that = answer.strip(), ""
    while answer != before_that:
        before_that = answer
        answer = without_chatter(core, _unwrapped(core, answer), names).strip()
    if not answer:
        return ""
    before = text[: len(text) - len(text.lstrip())]
    return before + answer + text[len(before) + len(core) :]


def _unwrapped(core: str, answer: str) -> str:
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
            "the good replies are kept, and the next run asks only for the others"
            if cache
            else "no reply is kept, since there is no cache"
        )
        raise StageError(
            f"{len(failures)} of {len(replies)} texts got no translation: {failures[0]}; {kept}"
        )


def _name(code: str) -> str:
    if not languages.is_language(code):
        raise UserError(f"{code!r} is not a language code")
    return languages.name(code)
