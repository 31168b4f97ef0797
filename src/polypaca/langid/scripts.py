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


class ScriptMatch(NamedTuple):
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


def match_script(text: str, language: str) -> ScriptMatch:
    """What is in a script of the language, or what is not, whichever is more of a text.

    An ideograph counts for three letters, kana and hangul for two; signs and digits for none, and
    neither do titles and terms in parentheses or quotation marks in another script.

    Raises:
        ValueError: if `language` is not a language code.
    """
    letters = _letters_of(language)
    if letters is None:
        return ScriptMatch(text, fits=True)
    if text.isascii():
        return ScriptMatch(text, fits=letters.latin or not any(map(str.isalpha, text)))
    if not letters.foreign.search(text):
        fits = letters.needed.search(text) is not None or not letters.native.search(text)
        return ScriptMatch(text, fits=fits)
    if not letters.native.search(text):
        return ScriptMatch(text, fits=False)
    return _dominant_part(text, letters)


def _dominant_part(text: str, letters: _Letters) -> ScriptMatch:
    bare = _without_glosses(text, letters)
    if letters.chinese and _is_japanese(bare):
        return ScriptMatch(text, fits=False)
    native, foreign = letters.foreign.sub(" ", bare), letters.native.sub(" ", bare)
    if not letters.latin:
        foreign = max(_LATIN.sub(" ", foreign), _NOT_LATIN.sub(" ", foreign), key=_weight)
    if _weight(native) >= _weight(foreign):
        fits = letters.needed.search(native) is not None
        return ScriptMatch(" ".join(native.split()), fits, mixed=True)
    return ScriptMatch(" ".join(foreign.split()), fits=False, mixed=True)


def fits_script(text: str, language: str) -> bool:
    """Whether a text of one script, nearly, may be in a language; True of a code that is none."""
    if text.isascii() and language in _LATIN_LANGUAGES:
        return True
    return not languages.is_language(language) or match_script(text, language).fits


def _without_glosses(text: str, letters: _Letters) -> str:
    """A text without titles and terms that it quotes in other scripts.

    What stands in parentheses or quotation marks, 120 characters at most, all of it in another
    script; but no more than twice of what is in the language's own.
    """
    bare = _GLOSS.sub(lambda gloss: gloss[0] if letters.native.search(gloss[0]) else " ", text)
    if bare == text:
        return text
    native = _weight(letters.foreign.sub(" ", bare))
    return bare if _MOST_GLOSSES * native >= _weight(text) - _weight(bare) else text


def is_in_script(text: str, language: str) -> bool:
    """Whether most letters of a text are in a script that the language is written in.

    Raises:
        ValueError: if `language` is not a language code.
    """
    return any(map(str.isalpha, text)) and match_script(text, language).fits


class _Letters(NamedTuple):
    """A language's letters, letters of other scripts, and letters that its script must have."""

    native: Any
    foreign: Any
    needed: Any
    latin: bool
    chinese: bool


@lru_cache(maxsize=512)
def _letters_of(language: str) -> _Letters | None:
    import regex

    scripts = languages.scripts(language)
    native = _properties(_UNICODE, scripts)
    needed = _properties(_NEEDED, scripts)
    if not scripts:
        return None
    try:
        return _Letters(
            regex.compile(rf"[{native}&&[\p{{L}}\p{{M}}]]+", regex.VERSION1),
            # Signs that several scripts share are of neither side.
            regex.compile(
                rf"[[\p{{L}}\p{{M}}]--[{native}\p{{Script=Zyyy}}\p{{Script=Zinh}}]]+",
                regex.VERSION1,
            ),
            regex.compile(rf"[{needed}&&\p{{L}}]", regex.VERSION1),
            "Latn" in scripts,
            native == r"\p{Script=Hani}",
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
