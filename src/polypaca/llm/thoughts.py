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
class SplitReply:
    """A reply, taken apart.

    Attributes:
        text: what the model says; the reply itself where there are no thoughts in it.
        thoughts: what it thought, as far as the reply has it.
        unfinished: whether the reply ends within the thoughts, so that `text` is no answer.
    """

    text: str
    thoughts: str = ""
    unfinished: bool = False


def split_thoughts(text: str, *, truncated: bool = False, opened: bool = False) -> SplitReply:
    """What a model says, without its thoughts.

    Marks may be nested, repeated, in any case, and opened or closed alone. A mark in quotation
    marks or backticks, or an example of a pair in a code fence, is spoken of, and stays.

    Args:
        text: the reply.
        truncated: whether it was ended by its limit of tokens.
        opened: whether the prompt ends with an opening mark, see `opens_thoughts`.
    """
    channels = _channels(text)
    if channels is not None:
        return channels
    marks = list(_marks(text))
    if opened and not any(kind == "close" for kind, _, _ in marks):
        return SplitReply("", text, unfinished=True)
    visible, hidden, unfinished = _split_at_marks(text, marks, truncated=truncated)
    if visible == [text]:
        return SplitReply(text)
    return SplitReply(_unwrap(_join(visible)), "".join(hidden).strip(), unfinished)


@dataclass(frozen=True)
class VisibleAnswers:
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
    def summary(self) -> str:
        """For a summary, how many had thoughts; empty if none."""
        return f"; thoughts left out of {self.thoughts}" if self.thoughts else ""


def strip_thoughts(answers: Sequence[Response], *, opened: bool = False) -> VisibleAnswers:
    """What a system says in its answers; `opened` is as in `split_thoughts`."""
    kept: list[Response] = []
    thoughts = 0
    for answer in answers:
        truncated = answer.finish_reason == "length"
        reply = split_thoughts(answer.response, truncated=truncated, opened=opened)
        if reply.unfinished:
            continue
        thoughts += bool(reply.thoughts)
        changed = answer.model_copy(update={"response": reply.text})
        kept.append(changed if reply.text != answer.response else answer)
    return VisibleAnswers(kept, len(answers) - len(kept), thoughts)


def opens_thoughts(prompt: str) -> bool:
    """Whether a prompt ends with the mark that opens thoughts, as some chat templates have it."""
    opening = next((m for m in _OPENING.finditer(prompt) if not prompt[m.end() :].strip()), None)
    return opening is not None


def has_unopened_close(texts: Sequence[str]) -> bool:
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


def _split_at_marks(
    text: str, marks: Sequence[Mark], *, truncated: bool
) -> tuple[list[str], list[str], bool]:
    """The words outside of marks, those within, and whether the end is within."""
    visible: list[str] = []
    hidden: list[str] = []
    kinds = [kind for kind, _, _ in marks]
    balanced = _is_balanced(kinds)
    depth, at = 0, 0
    for number, (kind, begin, end) in enumerate(marks):
        never_closed = kind == "open" and not depth and "close" not in kinds[number:]
        if never_closed and not truncated and not _starts_line(text, begin):
            continue  # within a line: spoken of
        (hidden if depth else visible).append(text[at:begin])
        at = end
        if kind == "close" and not depth:
            # Never opened: all that was taken for words before it is thought.
            hidden, visible = [*hidden, *visible], []
        if kind == "open":
            depth += 1
        elif balanced or kinds[number + 1 : number + 2] == ["close"]:
            depth = max(0, depth - 1)
        else:
            # Thoughts that mention an opening mark are closed once for all.
            depth = 0
    (hidden if depth else visible).append(text[at:])
    return visible, hidden, depth > 0


def _is_balanced(kinds: Sequence[str]) -> bool:
    depth = 0
    for kind in kinds:
        depth += 1 if kind == "open" else -1
        if depth < 0:
            return False
    return depth == 0


def _starts_line(text: str, at: int) -> bool:
    return not text[:at].rpartition("\n")[2].strip(" \t*_>#-")


def _join(pieces: Sequence[str]) -> str:
    whole = ""
    for piece in pieces:
        whole += piece.lstrip() if not whole or whole[-1].isspace() else piece
    return whole.strip()


def _unwrap(text: str) -> str:
    wrapped = _WRAPPED.fullmatch(text)
    if not wrapped:
        return text
    return (wrapped["text"] if wrapped["text"] is not None else wrapped["other"]).strip()


def _channels(text: str) -> SplitReply | None:
    """A reply in channels, of which only `final` is spoken; None if it is not in channels."""
    messages = [m for m in _CHANNEL.finditer(text) if text[max(0, m.start() - 1)] not in _QUOTES]
    if not messages:
        bare = _BARE_CHANNELS.match(text)
        if bare:
            return SplitReply(text[bare.end() :].strip(), bare[0].strip())
        if _BARE_ANALYSIS.match(text):
            return SplitReply("", text, unfinished=True)
        return None
    visible: list[str] = []
    hidden = [text[: messages[0].start()]]
    for message in messages:
        end = _MESSAGE_END.search(text, message.end())
        content = text[message.end() : end.start() if end else len(text)]
        (visible if message["name"].lower() == "final" else hidden).append(content)
    return SplitReply(
        "\n\n".join(visible).strip(), "\n".join(hidden).strip(), unfinished=not visible
    )
