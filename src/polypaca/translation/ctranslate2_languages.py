"""How the vocabularies of multilingual translation models call languages."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from polypaca.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping


def language_token(code: str, token: str | None, tags: Mapping[str, str], setting: str) -> str:
    """The token by which a multilingual model calls a language.

    Args:
        code: the language, maybe with a script or a territory: `zh`, `zh-Hant`, `pt-BR`.
        token: the user's own choice, which must be in the vocabulary; an empty text for none.
        tags: the language tag of each of the vocabulary's language tokens: ISO 639-1 or -3, maybe
            with a script or a territory (`>>cmn_Hans<<` is `cmn_Hans`).
        setting: which setting gives the user's own choice, for messages.

    Raises:
        UserError: if the vocabulary has no such token.
    """
    if token is not None and (token in tags or not token):
        return token
    language, script, territory = _parts(code, likely=True)
    matching = {name: parts for name, tag in tags.items() if (parts := _parts(tag))[0] == language}
    fitting = {
        name: parts
        for name, parts in matching.items()
        if (parts[1] or _parts(tags[name], likely=True)[1]) == script
    }
    if len(matching) == 1:
        # The one script that a model writes, such as Hang for Korean, is not always CLDR's (Kore).
        fitting = matching
    if token is None and fitting:
        return min(
            fitting,
            key=lambda name: (
                fitting[name][2] not in (None, territory),
                fitting[name][2] != territory,
                fitting[name][1] != script,
                name,
            ),
        )
    name = token or f"{_alpha3(code)}_{script}"
    near = difflib.get_close_matches(name, tags, n=5, cutoff=0.5) or sorted(tags)[:5]
    problem = f"has no token {token!r}" if token else f"has no token for the language {code!r}"
    raise UserError(
        f"the model {problem}; similar tokens: {', '.join(near) or 'none'} (of {len(tags)}); "
        f"to choose one, set {setting}"
    )


def _parts(tag: str, *, likely: bool = False) -> tuple[str | None, str | None, str | None]:
    """Language, script and territory of a tag; `likely` fills in a script that it does not say."""
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    try:
        parsed = langcodes.Language.get(tag.replace("_", "-"))
    except LanguageTagError:
        return None, None, None
    # CLDR's choice of the individual language that a short code means: `arb` for `ar`.
    language = parsed.prefer_macrolanguage().language
    script = parsed.maximize().script if likely else parsed.script
    # `no` is written as Bokmål, which vocabularies list.
    return ("nb" if language == "no" else language), script, parsed.territory


def _alpha3(code: str) -> str:
    import langcodes

    try:
        return langcodes.Language.get(code.replace("_", "-")).to_alpha3()
    except (LookupError, ValueError):
        return code
