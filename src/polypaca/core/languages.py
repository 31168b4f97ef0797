"""Language codes: which are valid, what they are called, and which count as one language.

Codes are BCP 47 subtags; names and aliases come from `langcodes` (CLDR and the IANA registry).
"""

from __future__ import annotations

from functools import lru_cache

# Codes that the language gate takes for one language. Written Norwegian is Bokmål or Nynorsk and
# test sets say `no` for either; detectors tell written Chinese apart by script and topic at best.
_SAME_LANGUAGE = {
    "nb": "no",
    "nn": "no",
    "cmn": "zh",
    "yue": "zh",
    "wuu": "zh",
    "lzh": "zh",
}


@lru_cache(maxsize=4096)
def canonical(code: str) -> str:
    """The short code of a language: `eng` -> `en`, `nb` -> `no`, `zho_Hans` -> `zh`.

    Raises:
        ValueError: if no such language is registered.
    """
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    try:
        language = langcodes.Language.get(code.replace("_", "-")).language or ""
    except LanguageTagError as error:
        raise ValueError(f"{code!r} is not a language code") from error
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
    """Whether two codes count as one language for the gate."""
    return canonical(one) == canonical(other)


def name(code: str) -> str:
    """The English name of a language: `es` -> `Spanish`."""
    import langcodes

    return langcodes.Language.get(code).display_name()


def suggestion(word: str) -> str | None:
    """The code of the language that `word` seems to name (`spanish` -> `es`), if any."""
    import langcodes

    try:
        return langcodes.find(word).language
    except LookupError:
        return None
