"""Language codes: which are valid, what they are called, and which count as one language.

Codes are BCP 47 subtags; names and aliases come from `langcodes` (CLDR and the IANA registry).
The rules and their reasons are in docs/language-gate.md.
"""

from __future__ import annotations

import re
from functools import lru_cache

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


def name(code: str) -> str:
    """The English name of a language: `es` -> `Spanish`."""
    import langcodes

    return langcodes.Language.get(code).display_name()


def suggestion(word: str) -> str | None:
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
