"""What of fenced blocks and of code is there to read: its prose and the strings of its data."""

from __future__ import annotations

import re

from polypaca.core.code_lines import code_lines
from polypaca.core.markup import FENCE

# A fence runs to its closing line or, in an answer that was cut off, to the end.
_FENCED = re.compile(
    rf"^[ \t]*{FENCE}(?P<info>[^\n]*)\n"
    r"(?P<body>.*?)(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_DEEPEST = 2

# Info strings of programs and of commands. What is in any other fence is read.
_PROGRAM_LIST = """
    ada apl applescript arduino asm assembly awk bash bat batch bc brainfuck c c# c++ cc clj
    clojure cmake cmd cobol coffee coffeescript console coq cpp cs csh csharp css cu cuda cypher
    d dart delphi diff docker dockerfile dos elisp elixir elm erl erlang ex f# f90 fish forth
    fortran fs fsharp gdscript gherkin glsl gnuplot go golang gradle graphql groovy h haskell
    hcl hlsl hpp hs http ini java javascript jl js jsx julia kotlin ks kt ksh less lisp llvm lua
    m make makefile mathematica matlab mermaid mips ml mongodb mysql nasm nginx nim nix objc
    objective-c objectivec ocaml octave pascal patch perl pgsql php pl plsql plpgsql postgres
    postgresql powershell prolog properties ps1 psql puppet purescript py py3 pycon python
    python3 q qml r racket rb reason regex rego rexx rs ruby rust s sas sass scala scheme
    scratch scss sh shell shellsession smalltalk sml solidity spice sql sqlite stan stata svelte
    swift systemverilog tcl terraform terminal tf ts tsql tsx typescript v vb vb.net vba verilog
    vhdl vim vue wasm webassembly wgsl x86asm zig zsh
"""
_PROGRAMS = frozenset(_PROGRAM_LIST.split())
_MARKUP = frozenset(["html", "htm", "xml", "xhtml", "svg", "xsd", "xsl", "xslt"])
_JSON = frozenset(["json", "json5", "jsonc", "jsonl", "ndjson", "geojson"])
_PAIRS = frozenset(["yaml", "yml", "toml"])

# A string of a JSON text; with a colon behind it, it is a key.
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)(?:"(\s*:)?|\\?$)', re.MULTILINE)
_JSON_LINE = re.compile(
    r'(?=[^"]*")(?:[\s\[\]{},:\d.+-]|true|false|null|"(?:[^"\\\n]|\\.)*(?:"|\\?$))+'
)
_KEY = re.compile(r"^[ \t-]*[A-Za-z_][\w.-]*[ \t]*[:=](?=\s|$)", re.MULTILINE)
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([nrt"\\/]))')
_WHITE = {"n": " ", "r": " ", "t": " "}


def read_fences(text: str, depth: int = _DEEPEST) -> str:
    """`text` with what is there to read in its fences, in their place.

    Programs and commands are left out, by the fence's info string or by the looks of its lines.
    Of JSON the values are read that are strings, of YAML what is no key, of other fences all. HTML
    is read where there is nothing else to read.
    """
    if "```" not in text and "~~~" not in text:
        return text
    left = _FENCED.sub(lambda fence: f"\n{_body(fence, depth, markup=False)}\n", text)
    if any(map(str.isalpha, left)):
        return left
    return _FENCED.sub(lambda fence: f"\n{_body(fence, depth, markup=True)}\n", text)


def without_code(text: str) -> str:
    """`text` without lines of program code that no fence marks; of JSON its strings are left."""
    lines = text.split("\n")
    marks = code_lines(lines)
    if not any(marks):
        return text
    left = "\n".join(
        _of_code(line) if code else line for line, code in zip(lines, marks, strict=True)
    )
    # Where keys alone have words, as of numbers by name, they are what was written.
    return left if any(map(str.isalpha, left)) or '":' not in text else text


def is_program(text: str) -> bool:
    """Whether a line or more of a text, and half of them at least, are program code."""
    lines = [line for line in text.split("\n") if line.strip()]
    marks = code_lines(lines)
    code = sum(
        mark and not _JSON_LINE.fullmatch(line) for line, mark in zip(lines, marks, strict=True)
    )
    return 0 < len(lines) <= 2 * code


def _of_code(line: str) -> str:
    return _values(line) if _JSON_LINE.fullmatch(line) else ""


def _body(fence: re.Match[str], depth: int, *, markup: bool) -> str:
    info, body = fence["info"].strip(" \t{}.").split(), fence["body"]
    name = info[0].lower().removeprefix("language-").rstrip(",:;") if info else ""
    if name in _PROGRAMS or (name in _MARKUP and not markup):
        return ""
    if depth > 1:
        body = read_fences(body, depth - 1)
    if name in _MARKUP:
        return body
    if name in _JSON:
        return _values(body) or body
    if name in _PAIRS:
        return _KEY.sub(" ", body)
    return "" if is_program(body) else without_code(body)


def _values(text: str) -> str:
    """The strings of a JSON text that are no keys, a line each; the last may be cut off."""
    strings = [string for string, colon in _STRING.findall(text) if not colon]
    return "\n".join(_ESCAPE.sub(_unescaped, string) for string in strings)


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _WHITE.get(escape[2], escape[2])
