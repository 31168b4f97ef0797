"""How much of a text is in a language's script, and which part decides on its language."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from polypaca.core import languages

if TYPE_CHECKING:
    from collections.abc import Iterable

# What ISO 15924 has one code for and Unicode several.
_UNICODE = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}
# Korean texts have ideographs, but ideographs alone are no Korean.
_NEEDED = {**_UNICODE, "Kore": ("Hang",)}

# A letter of these says as much as so many of an alphabet's: their share of FLORES' characters.
_IDEOGRAPHS = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_IDEOGRAPHS_TO_KANA = 4
_KANA_AND_HANGUL = re.compile("[\u3040-\u30ff\uac00-\ud7af]")
_LATIN = re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff]+")
_NOT_LATIN = re.compile("[^\\W\\d_A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff]+|[\u0900-\u0dff]+")
# Most texts are in one of these, and need no look.
_LATIN_LANGUAGES = frozenset({"cs", "de", "en", "es", "fi", "fr", "it", "no", "pl", "pt", "vi"})
_GLOSS = re.compile(
    r'[(（][^()（）]{0,120}[)）]|"[^"]{0,120}"|[“„][^“”„]{0,120}[”“]|«[^«»]{0,120}»'
    r"|「[^「」]{0,120}」|『[^『』]{0,120}』|《[^《》]{0,120}》"
)
_MOST_GLOSSES = 2
_IDEOGRAPH = 3
_SYLLABLE = 2


class Part(NamedTuple):
    """The part of a text that decides on its language.

    Attributes:
        text: the whole text where it is all in a script of the language, or none of it; else what
            is, or what is not, whichever is more.
        fits: whether that is in a script of the language. True where no script is known of it, and
            for a text without letters.
        mixed: whether the text is in several scripts.
    """

    text: str
    fits: bool
    mixed: bool = False


def main_part(text: str, language: str) -> Part:
    """What is in a script of the language, or what is not, whichever is more of a text.

    An ideograph counts for three letters, kana and hangul for two; signs and digits for none, and
    neither do titles and terms in parentheses or quotation marks in another script.

    Raises:
        ValueError: if `language` is not a language code.
    """
    side = _side(language)
    if side is None:
        return Part(text, fits=True)
    if text.isascii():
        return Part(text, fits=side.latin or not any(map(str.isalpha, text)))
    if not side.foreign.search(text):
        fits = side.needed.search(text) is not None or not side.own.search(text)
        return Part(text, fits=fits)
    if not side.own.search(text):
        return Part(text, fits=False)
    return _greater_part(text, side)


def _greater_part(text: str, side: _Side) -> Part:
    bare = _without_glosses(text, side)
    if side.chinese and _is_japanese(bare):
        return Part(text, fits=False)
    own, other = side.foreign.sub(" ", bare), side.own.sub(" ", bare)
    if not side.latin:
        other = max(_LATIN.sub(" ", other), _NOT_LATIN.sub(" ", other), key=_weight)
    if _weight(own) >= _weight(other):
        return Part(" ".join(own.split()), side.needed.search(own) is not None, mixed=True)
    return Part(" ".join(other.split()), fits=False, mixed=True)


def may_be(text: str, language: str) -> bool:
    """Whether a text of one script, nearly, may be in a language; True of a code that is none."""
    if text.isascii() and language in _LATIN_LANGUAGES:
        return True
    return not languages.is_language(language) or main_part(text, language).fits


def _without_glosses(text: str, side: _Side) -> str:
    """A text without titles and terms that it quotes in other scripts.

    What stands in parentheses or quotation marks, 120 characters at most, all of it in another
    script; but no more than twice of what is in the language's own.
    """
    bare = _GLOSS.sub(lambda gloss: gloss[0] if side.own.search(gloss[0]) else " ", text)
    if bare == text:
        return text
    own = _weight(side.foreign.sub(" ", bare))
    return bare if _MOST_GLOSSES * own >= _weight(text) - _weight(bare) else text


def in_script_of(text: str, language: str) -> bool:
    """Whether most letters of a text are in a script that the language is written in.

    Raises:
        ValueError: if `language` is not a language code.
    """
    return any(map(str.isalpha, text)) and main_part(text, language).fits


class _Side(NamedTuple):
    """A language's letters, letters of other scripts, and letters that its script must have."""

    own: Any
    foreign: Any
    needed: Any
    latin: bool
    chinese: bool


@lru_cache(maxsize=512)
def _side(language: str) -> _Side | None:
    import regex

    known = languages.scripts(language)
    own = _properties(_UNICODE, known)
    needed = _properties(_NEEDED, known)
    if not known:
        return None
    try:
        return _Side(
            regex.compile(rf"[{own}&&[\p{{L}}\p{{M}}]]+", regex.VERSION1),
            # Signs that several scripts share are of neither side.
            regex.compile(
                rf"[[\p{{L}}\p{{M}}]--[{own}\p{{Script=Zyyy}}\p{{Script=Zinh}}]]+", regex.VERSION1
            ),
            regex.compile(rf"[{needed}&&\p{{L}}]", regex.VERSION1),
            "Latn" in known,
            own == r"\p{Script=Hani}",
        )
    except regex.error:  # a script that Unicode has not
        return None


def _properties(table: dict[str, tuple[str, ...]], scripts: Iterable[str]) -> str:
    names = (name for script in scripts for name in table.get(script, (script,)))
    return "".join(rf"\p{{Script={name}}}" for name in dict.fromkeys(names))


def _is_japanese(text: str) -> bool:
    """Whether ideographs have kana between them, one to four at least: then they are Japanese."""
    kana = len(_KANA.findall(text))
    return kana > 0 and len(_IDEOGRAPHS.findall(text)) <= _IDEOGRAPHS_TO_KANA * kana


def _weight(text: str) -> int:
    count = len(_signs().sub("", text))
    count += (_IDEOGRAPH - 1) * len(_IDEOGRAPHS.findall(text))
    return count + (_SYLLABLE - 1) * len(_KANA_AND_HANGUL.findall(text))


@lru_cache(maxsize=1)
def _signs() -> Any:
    """What is no letter of any script, nor a mark of one."""
    import regex

    return regex.compile(r"[^\p{L}\p{M}]+")
