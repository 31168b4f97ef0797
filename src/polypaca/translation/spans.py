"""What stands inside of prose and must survive translation to the byte: one table of patterns.

Every repetition is bounded or stops at its own opener, so that no text takes longer than in
proportion to its length.
"""

from __future__ import annotations

import re

from polypaca.core.markup import COMMAND, DOLLARS, EMAIL, ENTITY, TAG

# Endings of file names; case counts, so that "Mr.PDF" is none by accident.
_ENDINGS = (
    "txt|md|rst|pdf|docx?|xlsx?|pptx?|odt|csv|tsv|jsonl?|ya?ml|toml|ini|cfg|conf|env|log|xml|html?"
    "|s?css|m?js|jsx|tsx?|py|ipynb|rb|rs|go|java|kt|cc?|cpp|h|hpp|cs|php|pl|sh|bash|zsh|bat|ps1|exe"
    "|dll|jar|zip|tar|t?gz|bz2|xz|7z|rar|png|jpe?g|gif|svg|bmp|ico|webp|mp[34]|wav|avi|mov|mkv"
    "|sql|db|sqlite3?|lock|tex|bib|iso|deb|rpm|apk|dmg|parquet|bin|dat|tmp|bak|swift|vue|gradle"
)
_SEGMENT = r"[A-Za-z0-9_.@%+~-]{1,100}"
_NAME = r"[A-Za-z0-9_.$~+@#-]{1,100}"
# What stands between a dash and a word is a flag's only where the word is none of these.
_NO_FLAG = (
    r"(?!(?:and|or|but|not|the|an|in|of|is|it|so|to|he|she|we|you|they|if|as|at|for|with|from)\b)"
)
_SLOT_WORD = r"[^\s\[\].,;!?]{1,30}"


def _braces(depth: int) -> str:
    """A pattern for text with pairs of braces, so deep."""
    inner = r"[^{}\n]{0,200}"
    for _ in range(depth - 1):
        inner = r"(?:[^{}\n]|\{" + inner + r"\}){0,300}"
    return inner


# What must survive, and is an invention where the source has none of it.
_HARD = (
    # `${HOME}/bin` is one path, not a placeholder and a path
    r"(?<!`)(?P<run>`+)(?!`)[^`\n](?:[^\n]{0,2000}?[^`\n])??(?P=run)(?!`)"
    # addresses: ASCII only, since Chinese text may go on right behind; not the stop that ends the
    # sentence, and brackets only in pairs
    r"|(?:https?|ftp)://(?:[!#-'*-;=?-_a-{}~]|\([!#-'*-;=?-_a-{}~]*\))+(?<![.,;:!?'*\]])"
    r"|\bwww\.[!#-'*-;=?-_a-{}~]+(?<![.,;:!?'*\]])"
    rf"|(?<![A-Za-z0-9._%+-]){EMAIL}"
    r"|\b[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.(?:com|org|net|edu|gov|io)\b"
    r"(?:/[\w/.#?=&%~-]*[\w/])?"
    # HTML, XML, comments, templates
    rf"|<!--.{{0,2000}}?-->|{TAG}|<[!?][A-Za-z][^<>]*>|{ENTITY}"
    r"|<%.{0,300}?%>|\{%.{0,300}?%\}"
    # LaTeX
    r"|\$\$.{1,2000}?\$\$|\\\[.{0,2000}?\\\]|\\\(.{0,2000}?\\\)"
    r"|\\begin\{(?P<env>[A-Za-z]+\*?)\}.{0,2000}?\\end\{(?P=env)\}"
    rf"|{DOLLARS}|{COMMAND}"
    # placeholders
    r"|\{\{[^{}\n]{1,80}\}\}|[$#%]?\{[^{},\n]{0,80}\}|\[\[[^\[\]\n]{1,80}\]\]|\[[A-Z][A-Z0-9_]+\]"
    r"|%\([A-Za-z_]\w*\)[sdif]|%(?:\d{1,2}\$)?[-+0#]?\d{0,3}(?:\.\d{1,2})?l?[sdifguxX@](?![A-Za-z])"
    # identifiers (with the path that goes on from one), and the blank that a reader is to fill
    r"|(?<![A-Za-z0-9_])__[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*__(?![A-Za-z0-9_])"
    rf"(?:\.(?:{_ENDINGS})\b)?"
    r"|\b[A-Za-z_][A-Za-z0-9_.]{0,80}\(\)|__+"
    r"|\b[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+\b(?:/[A-Za-z0-9_-]{1,80}(?:\.[A-Za-z0-9]{1,10})?)*"
    # half of a character, which no engine could take
    r"|[\ud800-\udfff]"
)

# What must survive, but may come about by itself in a translation: it looks like prose.
_FIRST = (
    # paths that begin with a variable, before the variable
    r"(?:\$\{[A-Za-z_]\w{0,40}\}|\$[A-Za-z_]\w{0,40})(?:/" + _SEGMENT + r")+/?(?<!\.)"
    # Windows: C:\Program Files\x.txt, %APPDATA%\x, \\server\share, folder\x.txt
    r"|(?<![A-Za-z0-9])[A-Za-z]:\\(?:[^\\/:*?\"<>|\n;,]{1,60}(?<! )\\){0,20}(?:"
    + _NAME
    + r"(?<!\.))?"
    r"|%[A-Za-z_]\w{1,40}%(?:\\" + _NAME + r")*(?<!\.)"
    r"|(?<!\\)\\\\[A-Za-z0-9_.-]{1,60}(?:\\" + _NAME + r")+(?<!\.)"
    r"|(?<![A-Za-z0-9_.\\])[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}(?:\\[A-Za-z0-9_.-]{1,60})+"
    r"\.[A-Za-z]\w{1,4}(?![A-Za-z0-9_])"
    # ICU messages with their inner ones
    r"|\{\s?\w{1,40}\s?,\s?(?:plural|selectordinal|select|number|date|time|choice)\b"
    + _braces(4)
    + r"\}"
    # the targets of Markdown links, and the labels of `[text][label]`
    r"|(?<=\]\()(?!https?:)[^\s()<>]{1,300}(?:\([^\s()]{0,100}\)[^\s()]{0,100}){0,5}(?=[\s)])"
    r"|(?<=\])\[[^\[\]\n]{1,60}\]"
    # a name such as __dirname; two underscores before and behind words are bold print
    r"|(?<![A-Za-z0-9_.])__[A-Za-z][A-Za-z0-9]{0,40}(?:_[A-Za-z0-9]{1,40}){0,9}(?!\w)"
    r"(?![^\n]{0,200}[^\s_]__(?!\w))"
)
_LAST = (
    # paths: from the root, the home or the folder; in folders to a file or folder
    r"(?:(?<!\w)~|(?<![\w.])\.{1,2}|(?<![\w)\]}>/.*+=-]))(?:/:?" + _SEGMENT + r")+/?(?<!\.)"
    r"|(?<![A-Za-z0-9_./])[A-Za-z0-9_][A-Za-z0-9_.@-]{0,60}(?:/[A-Za-z0-9_.@-]{1,60})+"
    r"(?:\.[A-Za-z]\w{0,7}|/)(?![A-Za-z0-9_])"
    r"|(?<![A-Za-z0-9_.])[A-Za-z0-9][A-Za-z0-9_-]{0,60}(?:\.[A-Za-z0-9_-]{1,60}){0,5}"
    rf"\.(?:{_ENDINGS})(?![A-Za-z0-9_-])"
    r"|(?<![\w.])\.[a-z][a-z0-9_-]{2,30}\b"
    # flags of commands
    rf"|(?<![\w-])--{_NO_FLAG}[A-Za-z][A-Za-z0-9-]{{0,60}}(?:=[^\s,;)]{{1,80}}(?<![.]))?"
    rf"|(?<=\S\s)-{_NO_FLAG}[A-Za-z]{{1,4}}(?![\w-])"
    # slots that a reader is to fill: `[Your Name]`, `[City, State]`; no link, no list, no sentence
    rf"|(?<![A-Za-z0-9\])])\[(?![ xX]\])(?=[^\[\]]*[^\W\d_])"
    rf"(?:{_SLOT_WORD}(?: {_SLOT_WORD}){{0,5}}|[A-Z][\w'’/-]*(?:,? [A-Z][\w'’/-]*){{1,5}})\]"
    r"(?![A-Za-z0-9(\[])"
    # tags, handles, variables, emoji by name, names like userName and os.path.join
    r"|(?<![\w&#/])#[^\W\d_]\w{0,80}|(?<![\w&#])#[0-9A-Fa-f]{6}\b|(?<![\w@.])@[A-Za-z_]\w{0,60}"
    r"|(?<![\w$])\$[A-Za-z_]\w{0,60}|(?<![\w:]):[a-z][a-z0-9_+-]{1,30}:(?!\w)"
    r"|(?<![A-Za-z0-9_])[a-z]{2,40}[A-Z][A-Za-z0-9]{0,60}"
    r"|(?<![A-Za-z0-9_.])[a-z]\w{1,30}(?:\.[a-z]\w{1,30}){2,6}\b(?!\.\w)"
)
_SPAN = re.compile(rf"(?P<first>{_FIRST})|{_HARD}|(?P<last>{_LAST})")
_HARD_SPAN = re.compile(_HARD)
# Without one of these there is no span.
_SIGN = re.compile(
    r"[`<&{\[$\\%@_#/~\ud800-\udfff]|\(\)|\.[A-Za-z0-9]|[a-z][A-Z]|-[A-Za-z]|:[a-z]|\]\("
)


def find_spans(text: str) -> list[tuple[int, int]]:
    """Where the spans are: (start, end), in order."""
    return [match.span() for match in _SPAN.finditer(text)] if may_have_spans(text) else []


def blank_spans(text: str, width: bool = False) -> str:
    """The text with a space in the place of each span; `width`: an `x` for each character."""
    if not may_have_spans(text):
        return text
    return _SPAN.sub(lambda match: "x" * len(match[0]) if width else " ", text)


def may_have_spans(text: str) -> bool:
    """Whether there may be a span; False is certain, True is not."""
    return _SIGN.search(text) is not None


def is_invention(span: str) -> bool:
    """Whether a span that the source lacks cannot have come about by translating prose."""
    return _HARD_SPAN.fullmatch(span) is not None
