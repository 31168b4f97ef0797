"""Telling what a model says from what it thinks before it speaks.

Models that reason write their thoughts into the reply where the server does not take them out, each
family between marks of its own. What stands there is neither a verdict nor an answer.

Three habits make this more than cutting out a pair of tags: a chat template may write the opening
mark into the prompt, so that the reply has the closing one alone; thoughts may mention the marks;
and a reply that reaches its limit of tokens may end within its thoughts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from polypaca.core.markup import FENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.core.records import Response

_LT, _GT = r"(?:<|&lt;|＜)", r"(?:>|&gt;|＞)"
_NAME = r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reasoning|scratch_?pad)"
_OPENING = re.compile(
    rf"{_LT}\s*{_NAME}(?:\s[^<>\n]*)?\s*{_GT}"  # DeepSeek, Qwen and most others; Seed-OSS
    r"|\[\s*THINK\s*\]"  # Magistral
    r"|◁\s*think\s*▷"  # Kimi
    r"|<\|(?:begin_of_thought|START_THINKING|begin_of_thinking)\|>"  # OpenThinker, Command A
    r"|<unused94>\s*thought"  # MedGemma
    r"|<\|channel>\s*thought",  # Gemma 4
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"{_LT}\s*/\s*{_NAME}\s*{_GT}"
    r"|\[\s*/\s*THINK\s*\]"
    r"|◁\s*/\s*think\s*▷"
    r"|<\|(?:end_of_thought|END_THINKING|end_of_thinking)\|>"
    r"|<unused95>"
    r"|<channel\|>",
    re.IGNORECASE,
)
_MARK = re.compile(f"(?P<open>{_OPENING.pattern})|(?P<close>{_CLOSING.pattern})", re.IGNORECASE)
# gpt-oss: a reply is several messages, each in a channel (the Harmony format).
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>analysis|commentary|final)\b[^<]*<\|message\|>", re.IGNORECASE
)
_MESSAGE_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>", re.IGNORECASE)
# The same, where a server has dropped the special tokens and left their words.
_BARE_CHANNELS = re.compile(r"\s*analysis(?=[^\W\d_a-z]).*?assistantfinal", re.DOTALL)
_BARE_ANALYSIS = re.compile(r"\s*analysis(?=[A-Z])")
# What such models put around the answer that follows.
_WRAPPED = re.compile(
    r"<(?P<tag>answer|response|output|final|final_answer)>(?P<text>.*?)(?:</(?P=tag)>|\Z)"
    r"|<\|(?:begin_of_solution|START_RESPONSE)\|>(?P<other>.*?)"
    r"(?:<\|(?:end_of_solution|END_RESPONSE)\|>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_FENCED = re.compile(
    rf"^[ \t]*{FENCE}[^\n]*\n.*?^[ \t]*(?P=fence)[ \t]*$", re.DOTALL | re.MULTILINE
)
_QUOTES = frozenset("`'\"“”‘’„«»「」")

Mark = tuple[Literal["open", "close"], int, int]


@dataclass(frozen=True)
class Spoken:
    """A reply, taken apart.

    Attributes:
        text: what the model says; the reply itself where there are no thoughts in it.
        thoughts: what it thought, as far as the reply has it.
        unfinished: whether the reply ends within the thoughts, so that `text` is no answer.
    """

    text: str
    thoughts: str = ""
    unfinished: bool = False


def spoken(text: str, *, cut: bool = False, opened: bool = False) -> Spoken:
    """What a model says, without its thoughts.

    Marks may be nested, repeated, in any case, and opened or closed alone. A mark in quotation
    marks or backticks, or an example of a pair in a code fence, is spoken of, and stays.

    Args:
        text: the reply.
        cut: whether it was ended by its limit of tokens.
        opened: whether the prompt ends with an opening mark, see `opens_thoughts`.
    """
    channels = _channels(text)
    if channels is not None:
        return channels
    marks = list(_marks(text))
    if opened and not any(kind == "close" for kind, _, _ in marks):
        return Spoken("", text, unfinished=True)
    said, thought, unfinished = _apart(text, marks, cut=cut)
    if said == [text]:
        return Spoken(text)
    return Spoken(_unwrapped(_joined(said)), "".join(thought).strip(), unfinished)


@dataclass(frozen=True)
class Aired:
    """A system's answers without what it thought.

    Attributes:
        answers: those that end outside of thoughts; those within are none.
        unfinished: how many are none.
        thoughts: how many of the answers had thoughts in them.
    """

    answers: list[Response]
    unfinished: int
    thoughts: int

    @property
    def words(self) -> str:
        """For a summary, how many had thoughts; empty if none."""
        return f"; thoughts left out of {self.thoughts}" if self.thoughts else ""


def aired(answers: Sequence[Response], *, opened: bool = False) -> Aired:
    """What a system says in its answers; `opened` is as in `spoken`."""
    kept: list[Response] = []
    thoughts = 0
    for answer in answers:
        cut = answer.finish_reason == "length"
        said = spoken(answer.response, cut=cut, opened=opened)
        if said.unfinished:
            continue
        thoughts += bool(said.thoughts)
        changed = answer.model_copy(update={"response": said.text})
        kept.append(changed if said.text != answer.response else answer)
    return Aired(kept, len(answers) - len(kept), thoughts)


def opens_thoughts(prompt: str) -> bool:
    """Whether a prompt ends with the mark that opens thoughts, as some chat templates have it."""
    opening = next((m for m in _OPENING.finditer(prompt) if not prompt[m.end() :].strip()), None)
    return opening is not None


def closes_unopened(texts: Sequence[str]) -> bool:
    """Whether a reply has a closing mark without an opening one: the template wrote that.

    Of such a model, a reply that was cut off and has no mark at all ends within its thoughts.
    """
    return any((first := next(_marks(text), None)) and first[0] == "close" for text in texts)


def _marks(text: str) -> Iterator[Mark]:
    """The marks that count, with where they begin and end."""
    if not _MARK.search(text):
        return
    examples = [fence.span() for fence in _FENCED.finditer(text) if _is_example(fence[0])]
    for mark in _MARK.finditer(text):
        begin, end = mark.span()
        is_quoted = text[begin - 1 : begin] in _QUOTES and text[end : end + 1] in _QUOTES
        if not is_quoted and not any(first <= begin < last for first, last in examples):
            yield ("open" if mark["open"] else "close"), begin, end


def _is_example(fence: str) -> bool:
    opened = len(_OPENING.findall(fence))
    return opened > 0 and opened == len(_CLOSING.findall(fence))


def _apart(text: str, marks: Sequence[Mark], *, cut: bool) -> tuple[list[str], list[str], bool]:
    """The words outside of marks, those within, and whether the end is within."""
    said: list[str] = []
    thought: list[str] = []
    kinds = [kind for kind, _, _ in marks]
    balanced = _is_balanced(kinds)
    depth, at = 0, 0
    for number, (kind, begin, end) in enumerate(marks):
        never_closed = kind == "open" and not depth and "close" not in kinds[number:]
        if never_closed and not cut and not _begins(text, begin):
            continue  # within a line: spoken of
        (thought if depth else said).append(text[at:begin])
        at = end
        if kind == "close" and not depth:
            # Never opened: all that was taken for words before it is thought.
            thought, said = [*thought, *said], []
        if kind == "open":
            depth += 1
        elif balanced or kinds[number + 1 : number + 2] == ["close"]:
            depth = max(0, depth - 1)
        else:
            # Thoughts that mention an opening mark are closed once for all.
            depth = 0
    (thought if depth else said).append(text[at:])
    return said, thought, depth > 0


def _is_balanced(kinds: Sequence[str]) -> bool:
    depth = 0
    for kind in kinds:
        depth += 1 if kind == "open" else -1
        if depth < 0:
            return False
    return depth == 0


def _begins(text: str, at: int) -> bool:
    return not text[:at].rpartition("\n")[2].strip(" \t*_>#-")


def _joined(parts: Sequence[str]) -> str:
    whole = ""
    for part in parts:
        whole += part.lstrip() if not whole or whole[-1].isspace() else part
    return whole.strip()


def _unwrapped(said: str) -> str:
    found = _WRAPPED.fullmatch(said)
    if not found:
        return said
    return (found["text"] if found["text"] is not None else found["other"]).strip()


def _channels(text: str) -> Spoken | None:
    """A reply in channels, of which only `final` is spoken; None if it is not in channels."""
    found = [m for m in _CHANNEL.finditer(text) if text[max(0, m.start() - 1)] not in _QUOTES]
    if not found:
        bare = _BARE_CHANNELS.match(text)
        if bare:
            return Spoken(text[bare.end() :].strip(), bare[0].strip())
        if _BARE_ANALYSIS.match(text):
            return Spoken("", text, unfinished=True)
        return None
    said: list[str] = []
    thought = [text[: found[0].start()]]
    for message in found:
        end = _MESSAGE_END.search(text, message.end())
        words = text[message.end() : end.start() if end else len(text)]
        (said if message["name"].lower() == "final" else thought).append(words)
    return Spoken("\n\n".join(said).strip(), "\n".join(thought).strip(), unfinished=not said)
