"""Taking out of an answer what is in no natural language."""

from __future__ import annotations

import re

# A fence runs to its closing line or, in an answer that was cut off, to the end. The info string
# of a backtick fence holds no backtick (https://spec.commonmark.org/0.31.2/#fenced-code-blocks).
_FENCED = re.compile(
    r"^[ \t]*(?P<fence>`{3,}(?=[^`\n]*\n)|~{3,}(?=[^\n]*\n))[^\n]*\n"
    r".*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)

# Marker, pattern: a pattern is tried where its marker occurs, which spares most texts most of the
# work. Applied in this order, each match becoming a space. Every pattern but those of addresses
# needs one of `_DELIMITERS`, and none can match across the spaces that are put in: so cleaning a
# cleaned text changes nothing.
_PATTERNS = (
    ("\n", _FENCED),
    ("`", re.compile(r"(?<!`)(?P<run>`+)(?!`)[^\n]+?(?<!`)(?P=run)(?!`)")),
    # ASCII only: Chinese text may go on right behind an address.
    ("://", re.compile(r"(?:https?|ftp)://[!-;=?-~]+", re.IGNORECASE)),
    ("www.", re.compile(r"www\.[!-;=?-~]+")),
    # At most 64 characters before the @ (RFC 5321), which also bounds the time on long runs.
    ("@", re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")),
    ("<!--", re.compile(r"<!--.*?-->", re.DOTALL)),
    (
        "<",
        re.compile(r"<(?P<tag>script|style)\b[^<>]*>.*?</(?P=tag)\s*>", re.DOTALL | re.IGNORECASE),
    ),
    ("<", re.compile(r"</?[A-Za-z][^<>]*>")),
    ("\\", re.compile(r"\\begin\{(?P<env>[A-Za-z]+\*?)\}.*?\\end\{(?P=env)\}", re.DOTALL)),
    ("\\", re.compile(r"\\\[.*?\\\]|\\\(.*?\\\)", re.DOTALL)),
    ("$$", re.compile(r"\$\$.*?\$\$", re.DOTALL)),
    # Pandoc's rule, so that sums of money stay: no space inside the dollars, no digit behind.
    ("$", re.compile(r"\$(?=\S)[^$\n]*?(?<=\S)\$(?!\d)")),
    ("\\", re.compile(r"\\[A-Za-z]+\*?(?:\[[^\[\]\n]*\])?(?:\{[^{}\n]*\})*")),
)

_DELIMITERS = re.compile(r"[`~<>$\\]")


def prose(text: str) -> str:
    """The natural-language part of `text`, white space folded to single spaces.

    Fenced and inline code, URLs, e-mail addresses, HTML tags and LaTeX are taken out, and so are
    stray delimiters of these. The result may be empty. `prose(prose(text)) == prose(text)`.
    """
    for marker, pattern in _PATTERNS:
        if marker in text:
            text = pattern.sub(" ", text)
    return " ".join(_DELIMITERS.sub(" ", text).split())


def has_letters(text: str) -> bool:
    """Whether `text` has at least one letter of any script."""
    return any(character.isalpha() for character in text)
