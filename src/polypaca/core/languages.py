"""Language codes: which are valid, what they are called, and which count as one language.

Codes are BCP 47 subtags; names and aliases come from `langcodes` (CLDR and the IANA registry).
The rules and their reasons are in docs/language-gate.md.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Codes that the language gate takes for one language. Written Norwegian is Bokmål or Nynorsk and
# test sets say `no` for either; detectors tell written Chinese apart by script and topic at best.
# What follows is taken for the language that its macrolanguage's code means in use, where CLDR
# does not say so: southern Pashto, Nigerian Fulfulde, Ayacucho Quechua, Nigerian Kanuri.
_SAME_LANGUAGE = {
    "nb": "no",
    "nn": "no",
    "cmn": "zh",
    "yue": "zh",
    "wuu": "zh",
    "lzh": "zh",
    "pbt": "ps",
    "fuv": "ff",
    "quy": "qu",
}

# `sh` is what is common to these; langcodes would make it Serbian.
_SERBO_CROATIAN = "sh"
_SERBO_CROATIAN_CODES = frozenset({"sh", "hbs", "scr", "scc"})
_SERBO_CROATIAN_MEMBERS = frozenset({"bs", "cnr", "hr", "sr"})

# Written Arabic, and what is labelled as spoken: ISO 639-3's members of `ar`.
_ARABIC = """
    ar aao abh abv acm acq acw acx acy adf aeb aec afb ajp apc apd arq ars ary arz auz avl ayh
    ayl ayn ayp pga shu ssh
"""
# Languages that detectors cannot tell apart by texts of any length.
_SISTERS = (
    frozenset({"sh", *_SERBO_CROATIAN_MEMBERS}),
    frozenset(_ARABIC.split()),
)
# And those that they cannot tell apart where a text is short.
_SISTERS_IN_SHORT = (frozenset({"id", "ms"}), frozenset({"da", "no"}))

# Scripts that a language is written in beside CLDR's likely one, its own spelling reforms and
# countries being several.
_OTHER_SCRIPTS = {
    "sr": ("Latn",),
    "sh": ("Latn", "Cyrl"),
    "bs": ("Cyrl",),
    "cnr": ("Latn", "Cyrl"),
    "az": ("Cyrl", "Arab"),
    "crh": ("Cyrl", "Latn"),
    "ff": ("Adlm",),
    "ha": ("Arab",),
    "iu": ("Latn",),
    "jv": ("Java",),
    "kk": ("Arab", "Latn"),
    "kok": ("Latn",),
    "ks": ("Deva",),
    "ku": ("Arab", "Cyrl"),
    "ky": ("Arab", "Latn"),
    "mn": ("Mong",),
    "mni": ("Mtei", "Beng"),
    "ms": ("Arab",),
    "pa": ("Arab",),
    "sat": ("Deva", "Beng", "Latn"),
    "sd": ("Deva",),
    "su": ("Sund",),
    "tg": ("Arab", "Latn"),
    "tk": ("Cyrl", "Arab"),
    "tt": ("Latn",),
    "ug": ("Cyrl", "Latn"),
    "uz": ("Cyrl", "Arab"),
    "zgh": ("Latn",),
}


@lru_cache(maxsize=4096)
def canonical(code: str) -> str:
    """The short code of a language: `eng` -> `en`, `nb` -> `no`, `zho_Hans` -> `zh`.

    Script and region do not count. The main member of a macrolanguage is that language:
    `arb` -> `ar`, `zsm` -> `ms`, `lvs` -> `lv` (CLDR's aliases); other members stay themselves.

    Raises:
        ValueError: if no such language is registered.
    """
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    subtag = code.replace("_", "-")
    if subtag.split("-")[0].lower() in _SERBO_CROATIAN_CODES:
        return _SERBO_CROATIAN
    try:
        tag = langcodes.Language.get(subtag).prefer_macrolanguage()
    except LanguageTagError as error:
        raise ValueError(f"{code!r} is not a language code") from error
    language = tag.language or ""
    if not langcodes.Language.get(language).is_valid() or not language:
        raise ValueError(f"{code!r} is not a language code")
    return _SAME_LANGUAGE.get(language, language)


def is_language(code: str) -> bool:
    """Whether `code` names a registered language."""
    try:
        canonical(code)
    except ValueError:
        return False
    return True


def same_language(one: str, other: str) -> bool:
    """Whether two codes count as one language for the gate.

    `sh` (Serbo-Croatian) is the same as each of `bs`, `cnr`, `hr` and `sr`, which are four.

    Raises:
        ValueError: if one of them is no registered language.
    """
    return same_canonical(canonical(one), canonical(other))


def same_canonical(one: str, other: str) -> bool:
    """The same of codes that are canonical, or of a detector's label that is no language."""
    if one == other:
        return True
    if one == _SERBO_CROATIAN:
        return other in _SERBO_CROATIAN_MEMBERS
    return other == _SERBO_CROATIAN and one in _SERBO_CROATIAN_MEMBERS


def matching_language(code: str, among: Iterable[str]) -> str | None:
    """The code of `among` that names the same language, as spelled there; the first, if several.

    The study compares its languages by this, as the gate does: `nb` in the data and `no` in the
    prompts are one language.

    Raises:
        ValueError: if one of them is no registered language.
    """
    listed = list(among)
    if code in listed:
        return code
    return next((other for other in listed if same_language(code, other)), None)


def are_indistinguishable(one: str, other: str, *, short: bool) -> bool:
    """Whether no detector tells two languages apart, in a short text or in any.

    Both are canonical codes, or a detector's label that is no language.
    """
    groups = (*_SISTERS, *_SISTERS_IN_SHORT) if short else _SISTERS
    return any(one in group and other in group for group in groups)


@lru_cache(maxsize=4096)
def scripts(code: str) -> tuple[str, ...]:
    """The scripts that a language is written in, ISO 15924, the usual one first.

    `sr` -> `Cyrl`, `Latn`. A code's own script (`hi_Latn`) is the only one where the language is
    not otherwise written in it; empty where CLDR has none.

    Raises:
        ValueError: if no such language is registered.
    """
    short, own = canonical(code), script(code)
    usual = script(short)
    known = [name for name in (usual, *_OTHER_SCRIPTS.get(short, ())) if name]
    same = {_FAMILY.get(name, name) for name in known}
    if own and _FAMILY.get(own, own) not in same:
        return (own,)
    return tuple(dict.fromkeys([own, *known] if own else known))


_FAMILY = {"Hant": "Hans", "Hani": "Hans"}


@lru_cache(maxsize=4096)
def script(code: str) -> str:
    """The script that a language is mostly written in, ISO 15924: `ru` -> `Cyrl`.

    The code's own where it has one (`sr_Latn` -> `Latn`), else CLDR's likely subtag; empty where
    CLDR has none.

    Raises:
        ValueError: if no such language is registered.
    """
    import langcodes

    short = canonical(code)
    return langcodes.Language.get(code.replace("_", "-")).script or (
        langcodes.Language.get(short).maximize().script or ""
    )


def script_name(script: str) -> str:
    """The English name of a script: `Deva` -> `Devanagari`."""
    import langcodes

    return langcodes.Language.make(script=script).script_name()


def name(code: str) -> str:
    """The English name of a language: `es` -> `Spanish`."""
    import langcodes

    return langcodes.Language.get(code).display_name()


def suggest_language(word: str) -> str | None:
    """The code of the language that `word` seems to name, if any: `spanish` -> `es`.

    A country's code stands for the language that is most used there: `cn` -> `zh`, `jp` -> `ja`.
    """
    import langcodes

    country = word.strip().upper()
    if re.fullmatch("[A-Z]{2}", country):
        there = langcodes.Language.get(f"und-{country}")
        if not there.territory_name().startswith("Unknown"):
            # CLDR has Russian, as the commoner in writing.
            return "kk" if country == "KZ" else there.maximize().language
    try:
        return langcodes.find(word).language
    except LookupError:
        return None
