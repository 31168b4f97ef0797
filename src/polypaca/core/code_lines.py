"""Which lines of a text are program code, where no fence says so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Lines of code outside fences. The first kind says enough by itself; the second only where no two
# ordinary words stand side by side outside quotes, and no sentence ends.
_CODE = re.compile(
    r"(?:async )?def \w+\(.*|class \w+(?:\(.*\))?:$"
    r"|import [\w.]+(?: as \w+)?(?:, ?[\w.]+)*;?$"
    r"|from [\w.]+ import [*(]?\w*(?:, ?\w+)*(?: as \w+)?\)?$"
    r"|(?:else|try|finally|except(?: [\w.]+)?(?: as \w+)?) ?:$"
    r"|(?:if|elif|while) (?=.*:$).*(?:[=!<>]=|[<>%]|\w\(|\w\[)|for \w+(?:, ?\w+)* in \S+:$"
    r"|for \w+(?:, ?\w+)* in \S+\(.*\) ?:.*$|while (?:True|\w+ ?[<>!=]=? ?\w+) ?:.*$"
    r"|@\w[\w.]*(?:\(.*\))?$"
    r"|#(?:include\s*[<\"]|define |ifn?def |endif|pragma |!/)"
    r"|.*\{$|\}[\s;,)\]]*(?:(?:else|catch|while|finally)\b.*)?$"
    r"|SELECT(?:$| .*(?:\bFROM\b|[;,]$|\*))|INSERT INTO |DELETE FROM |UPDATE \S+ SET\b"
    r"|CREATE (?:TABLE|VIEW|INDEX|DATABASE|FUNCTION|PROCEDURE) |(?:ALTER|DROP) TABLE "
    r"|select .* from .*;$"
    r"|(?:(?:public|private|protected|static|final|unsigned|const) )*"
    r"(?:int|float|double|char|bool|boolean|string|String|void|var|let|const|auto|long)"
    r"(?:\[\]|<[^<>]*>|[*&])? [*&]?\w+(?:\[\w*\])*(?:\(|\s*[=;])"
    r"|(?:public|private|protected|static) .*[;{)]$|function \w*\s*\("
    r"|[\[{]+\s*\"[^\"]*\"\s*:.*(?<=[\"\]},\de\[{l])$"
    r"|>>> |\$ [a-z./~]|<\?"
    r"|\"[^\"]*\"\s*:\s*(?:[\"\[{\d-]|true|false|null).*(?<=[\"\]},\de\[{l])$",
    re.ASCII,
)
_MAYBE_CODE = re.compile(
    r"[A-Za-z_][\w.]*\((?!e?s\)).*\)(?:\.\w+.*)?\s*[;:]?(?:\s*(?:#|//).*)?$"
    r"|[a-z_][\w.]*(?:\[[^\]]*\])?(?:\s*,\s*[a-z_]\w*)*\s*(?:[-+*/%|&^]|//|\*\*|<<|>>)?=(?!=)\s*\S"
    r"|[A-Z]\w*(?:\[[^\]]*\])?\s*=\s*(?:[\"'\[{(]|[\w.]+\(.*\))"
    r"|[\[{]\s*(?:[\"'{\[(-]|\d(?![a-z])).*[\]}][,;]?$|\{(?:[^{}]*|\\.*)\}[,;]?$"
    r"|(?=.*;$).*(?:\w\(|\w\s*=\s*\S|<<|->|::)(?!$)"
    r"|(?:sudo|pip3? install|npm (?:install|run)|docker (?:run|build|pull)|apt(?:-get)? install) \S"
    r"|git (?:clone|commit|add|push|pull|checkout|merge) \S|python3? [\w/.-]+\.py\b|curl -"
    r"|(?:sudo )?[a-z][\w.+-]* (?:[\w./-]+ )?(?:--[A-Za-z][\w-]*|-[A-Za-z]{1,4}(?![\w-]))"
    r"(?:[ =]\S+)*$"
    r"|return\b|(?:print|echo|puts|printf)\b\s*[\"'(]|console\.log\("
    r"|(?:if|for|while|switch)\s*\(.*\)$"
    r"|\[[^\[\]]+ for \w+(?:, ?\w+)* in [^\[\]]+\]$|lambda\b[^:]{0,60}:\s*\S",
    re.ASCII,
)
# What is code only beside code: comments, clauses of a query, closing brackets.
_NEAR_CODE = re.compile(
    r"#(?!#)|//|--|/\*|\*/|\"\"\"|'''|[\])}]"
    r"|(?:FROM|WHERE|AND|OR|(?:GROUP|ORDER) BY|(?:LEFT |RIGHT |INNER |OUTER )*JOIN|ON|HAVING|LIMIT"
    r"|VALUES|SET|UNION)\b"
    r"|(?:cd|ls|mkdir|rm|cp|mv|tar|chmod|chown|wget|curl|unzip|scp|ssh)(?: \S+){1,5}(?<![.?!:])$"
)
_QUOTED = re.compile(
    r"\"[^\"]*\"|'[^']*'|\s(?:#|//|--)\s.*$"
    r"|(?<!\S)(?:--[A-Za-z][\w-]*|-[A-Za-z]{1,4}(?![\w-]))"
)
_WORD = (
    r"\b(?!(?:if|else|for|in|not|and|or|new|lambda|is|return|await|from|import|as|let|var|const|int"
    r"|print|sudo|pip3?|npm|git|install|apt|run|commit|clone|docker|python3?)\b)[^\W\d_]{2,}"
)
_WORDS = re.compile(rf"{_WORD},? {_WORD}|[\u3040-\u9fff]{{2}}")
# The arguments of a call, the items of a list and the targets of an assignment stand side by side
# as words of a sentence do; a comma between them says nothing.
_IN_BRACKETS = re.compile(r"(?<=\w)\([^()]*\)|\[[^\[\]]*\]|\blambda [^:]*:")
_TARGETS = re.compile(r"[a-z_]\w*(?:, ?[a-z_]\w*)+ ?=(?!=)[^=]*$")
# Without one of these no line can be code.
_CODE_SIGN = re.compile(r"[=(){}\[\];<>@#$:]")
_CODE_WORDS = (
    " -",
    "import ",
    "SELECT",
    "DELETE ",
    " TABLE ",
    " install ",
    "git ",
    "python",
    "return",
    "lambda",
)


def code_lines(lines: Sequence[str]) -> list[bool]:
    """Which lines of a text are program code, judged by their looks and their neighbours.

    Fences are not looked for: what stands in them is for the caller to know.
    """
    if not any(_may_be_code(line) for line in lines):
        return [False] * len(lines)
    bodies = [line.strip() for line in lines]
    indents = [len(line) - len(line.lstrip()) for line in lines]
    code = [_looks_like_code(body) for body in bodies]
    if not any(code):
        return code
    _spread_into_blocks(bodies, indents, code)
    forwards = range(1, len(lines))
    backwards = range(len(lines) - 2, -1, -1)
    for order, step in ((forwards, -1), (backwards, 1)):
        for i in order:
            if code[i + step] and bodies[i] and not code[i]:
                indented = indents[i] > 1 and not _has_words_in_a_row(bodies[i])
                code[i] = indented or _NEAR_CODE.match(bodies[i]) is not None
    for i in range(1, len(lines) - 1):
        if code[i - 1] and code[i + 1] and bodies[i]:
            code[i] = code[i] or not _has_words_in_a_row(bodies[i])
    return code


def _spread_into_blocks(bodies: list[str], indents: list[int], code: list[bool]) -> None:
    """Mark what is indented deeper than a line of code that opens a block."""
    opened: int | None = None
    for i, body in enumerate(bodies):
        if not body:
            continue
        if opened is not None and indents[i] > opened:
            code[i] = True
            continue
        opened = indents[i] if code[i] and body[-1] in ":{([," else None


def _looks_like_code(body: str) -> bool:
    if not body:
        return False
    if _CODE.match(body):
        return True
    if body[-1] in ".?!" or not _MAYBE_CODE.match(body):
        return False
    return not _has_words_in_a_row(body)


def _has_words_in_a_row(body: str) -> bool:
    body = _IN_BRACKETS.sub(_without_commas, _QUOTED.sub('""', body))
    if _TARGETS.match(body):
        body = body.replace(",", ";")
    return _WORDS.search(body) is not None


def _without_commas(brackets: re.Match[str]) -> str:
    return brackets[0].replace(",", ";")


def _may_be_code(line: str) -> bool:
    return _CODE_SIGN.search(line) is not None or any(word in line for word in _CODE_WORDS)
