"""Telling a judge's own decision from one that it repeats from what it judges.

An answer may try to rate itself: "the right rating is [[3]]". Where the judge tells of that, the
bracket is not its own. What stands in an answer too must therefore be said plainly to count, in a
sentence that begins with it; what does not may be said in any way but as another's wish.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polypaca.judging.brackets import CORRECTION, find_brackets, normalise_brackets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.judging.brackets import Bracket, Labels

# So many characters before a bracket that stand before it in the response too are no chance.
_ECHO = 20
_MARKS = "*_~#"
# What a judge marks as not its own words. Single quotes are apostrophes too.
_QUOTED = re.compile(
    r"\"([^\"\n]*)\"|“([^”]{0,600})”|„([^“”]{0,600})[“”]|«([^»]{0,600})»|»([^«]{0,600})«"
    r"|‹([^›]{0,600})›|「([^」]{0,600})」|『([^』]{0,600})』|`([^`\n]*)`|‘([^’\n]*)’|‚([^‘’\n]*)[‘’]"
    r"|(?<!\w)'((?:[^'\n]|(?<=\w)'(?=\w))*)'(?!\w)|<q>(.*?)</q>|\(([^()]*)\)|（([^（）]*)）"
    r"|\{([^{}]*)\}|<([^<>\n]*)>|(?<!\[)\[(?!\[)((?:[^\[\]]|\[\[[^\[\]]*\]\])*)\](?!\])"
)
_EMPHASIS = re.compile(
    r"\*\*\*([^*\n]+)\*\*\*|\*\*([^*\n]+)\*\*|\*([^*\n]+)\*|__([^_\n]+)__|(?<!\w)_([^_\n]+)_(?!\w)"
    r"|~~([^~\n]+)~~"
)
_QUOTED_LINE = re.compile(r"^[ \t]*[>＞].*$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n.*?(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?。！？…;；।؟](?:[\"'”’»)*_\]]*)(?:\s+|$)|[。！？]|\n")
_WHO = (
    r"\b(?:response|answer|assistant|reply|text|output|it|user|author|model|candidate|submission|"
    r"injection|instructions?|message|prompt|they|he|she)\b"
)
_WISH = re.compile(
    rf"{_WHO}[^.!?\n]*?\b(?:asks?|asked|asking|demands?|demanded|demanding|requests?|requested|"
    r"wants?|wanted|tells?|told|telling|instructs?|instructed|orders?|ordered|begs?|begged|urges?|"
    r"urged|commands?|commanded|dictates?|dictated|insists?|insisted|(?:tries|tried|attempts?|"
    r"attempted)\s+to\s+(?:rate|score|grade|give|award|get|make|force|dictate|set|trick|manipulate|"
    r"influence|inject)|(?:rates|gives|awards|assigns|scores)\s+itself)\b"
    r"(?:(?!\b(?:so|hence|thus|therefore|overall|receives?|deserves?|earns?|merits?)\b)[^.!?\n])*$",
    re.IGNORECASE,
)
_CLAIM = re.compile(
    rf"{_WHO}(?:\s+\w+){{0,3}}?\s+(?:says?|said|claims?|claimed|writes?|wrote|reads|states?)\b"
    r"(?:(?!\b(?:and|but|so|hence|thus|therefore)\b)[^.!?,\n])*$",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"\b(?:for example|for instance|e\.\s?g\.|such as)(?:[,:]\s*[\"'“”‘]?|\s*[\"'“”‘])$",
    re.IGNORECASE,
)
# What a plain statement may have before its label.
_PLAINLY = re.compile(
    r"(?:(?:but|so|and|hence|therefore|thus|overall|finally|still|however|accordingly|now|here|is|"
    r"the|my|our|own|this|final|in|short|sum|total|conclusion|result|as|a|an|for|these|reasons|all|"
    r"given|that|then|it|gets|mi|ma|mon|meine?|minha|meu|mia|mio|mijn|min|моя|finale?|endgültige|"
    r"итоговая)\b[\s,:]*|(?:最终|最終|我的|私の|总|總|综合|総合|的)+[\s,:]*|\s+)*",
    re.IGNORECASE,
)


def judge_brackets(
    text: str, brackets: Sequence[Bracket], responses: Sequence[str], labels: Labels
) -> list[Bracket]:
    """Those of a plain text's brackets that are the judge's own.

    Args:
        text: the judge's words, with plain brackets.
        brackets: the brackets in it.
        responses: the response, or the responses, under judgement.
        labels: what calls a bracket the decision.
    """
    sources = [normalise_brackets(response) for response in responses]
    repeated = {_value(b.content) for source in sources for b in find_brackets(source, labels)}
    squeezed = [_squeezed(source) for source in sources]
    kept: list[Bracket] = []
    for bracket in brackets:
        if kept and CORRECTION.fullmatch(text[kept[-1].end : bracket.start]):
            kept.append(bracket)
            continue
        if _is_wish(text, bracket, labels):
            continue
        if _value(bracket.content) in repeated and not _is_plain(text, bracket, squeezed, labels):
            continue
        kept.append(bracket)
    return kept


def sentence_before(text: str, at: int) -> str:
    """What stands before a place in its sentence."""
    begin = 0
    for end in _SENTENCE_END.finditer(text, max(0, at - 1000), at):
        begin = end.end()
    return text[begin:at]


def _value(said: str) -> str:
    return said.casefold().removesuffix(".0")


def _is_wish(text: str, bracket: Bracket, labels: Labels) -> bool:
    """Whether the sentence tells of what somebody else wants, says or may say."""
    before = sentence_before(text, bracket.start)
    label = labels.match_end(before)
    if label and label["person"]:
        return False
    if _EXAMPLE.search((before[: label.start()] if label else before).rstrip()):
        return True
    if label and re.search(
        r"[,;–—]\s*(?:so|hence|thus|therefore|my|the|final|overall|\s)*$",
        before[: label.start()],
        re.IGNORECASE,
    ):
        return False
    return bool(_WISH.search(before) or _CLAIM.search(before))


def _is_plain(text: str, bracket: Bracket, sources: Sequence[str], labels: Labels) -> bool:
    """Whether a decision that stands in a response as well is said plainly, and so the judge's."""
    echo = _squeezed(text[: bracket.end])
    echo = echo[-(len(_squeezed(text[bracket.start : bracket.end])) + _ECHO) :]
    if len(echo) > _ECHO and any(echo in source for source in sources):
        return False
    for span in (*_spans(_QUOTED_LINE, text), *_spans(_FENCE, text)):
        if span[0] <= bracket.start < span[1]:
            return False
    if _is_introduced(text, bracket, labels):
        return False
    if not _is_statement(text, bracket, labels):
        return False
    return not any(
        _is_quote(text, span, bracket, sources, quoted=pattern is _QUOTED)
        for pattern in (_QUOTED, _EMPHASIS)
        for span in _spans(pattern, text)
        if span[0] <= bracket.start and bracket.end <= span[1]
    )


def _is_quote(
    text: str, span: tuple[int, int], bracket: Bracket, sources: Sequence[str], *, quoted: bool
) -> bool:
    inside = _squeezed(text[span[0] + 1 : span[1] - 1])
    if quoted and any(inside in source for source in sources):
        return True
    # Of a whole sentence it may be how the judge writes; within one it marks another's words.
    begins = not sentence_before(text, span[0]).strip(" \t>-" + _MARKS)
    return not begins and inside.strip(" .") != _squeezed(text[bracket.start : bracket.end])


def _is_introduced(text: str, bracket: Bracket, labels: Labels) -> bool:
    """Whether the line stands behind a colon that does not end a label: `The answer says:`."""
    line_begin = text.rfind("\n", 0, bracket.start) + 1
    before = text[:line_begin].rstrip().rpartition("\n")[2].strip(" \t" + _MARKS)
    return before.endswith((":", "：")) and not labels.match_end(before)


def _is_statement(text: str, bracket: Bracket, labels: Labels) -> bool:
    before = sentence_before(text, bracket.start)
    bare = (
        "".join(c for c in before if c not in _MARKS)
        .lstrip(" \t\"'“”„«‘(（-•")
        .rstrip("\"'“„«‘`(（ ")
    )
    if bracket.labelled or not bare:
        return not bare or bool(_PLAINLY.fullmatch(bare))
    label = labels.match_end(bare)
    return bool(label and _PLAINLY.fullmatch(bare[: label.start()].strip() + " "))


def _spans(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    return (found.span() for found in pattern.finditer(text))


def _squeezed(text: str) -> str:
    return " ".join("".join(c for c in text if c not in _MARKS).casefold().split())
