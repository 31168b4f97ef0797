"""The detector lingua (extra `lingua`), https://github.com/pemistahl/lingua-py."""

from __future__ import annotations

from importlib import metadata

from polypaca.core import languages
from polypaca.core.errors import MissingExtraError

_PACKAGE = "lingua-language-detector"

# What it may say, by canonical code: to know it without loading it.
_CODES = """
    af ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fil fr ga gu he hi hr hu hy id
    is it ja ka kk ko la lg lt lv mi mk mn mr ms nl no pa pl pt ro ru sk sl sn so sq sr st sv sw
    ta te th tn tr ts uk ur vi xh yo zh zu
"""
LANGUAGES = frozenset(_CODES.split())


def signature() -> str:
    """Name and version; the package's models change with its version alone.

    Raises:
        MissingExtraError: if lingua is not installed.
    """
    try:
        return f"lingua-{metadata.version(_PACKAGE)}"
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError("the language detector lingua", "lingua") from error


class LinguaDetector:
    """lingua with all of its 75 languages (about 1 GB of memory).

    A detector that knows the study's languages alone would have to take an answer in any other
    language for one of them.
    """

    name = "lingua"

    def __init__(self) -> None:
        """Load it.

        Raises:
            MissingExtraError: if lingua is not installed.
        """
        self.signature = signature()
        from lingua import LanguageDetectorBuilder

        self._detector = LanguageDetectorBuilder.from_all_languages().build()

    def predict(self, text: str, k: int) -> list[tuple[str, float]]:
        """At most `k` languages and their probabilities."""
        probabilities: dict[str, float] = {}
        # Lone surrogates are refused.
        line = text.encode("utf-8", "replace").decode()
        for value in self._detector.compute_language_confidence_values(line):
            language = languages.canonical(value.language.iso_code_639_1.name.lower())
            probabilities[language] = probabilities.get(language, 0.0) + value.value
        ranked = sorted(probabilities.items(), key=lambda item: -item[1])
        # It adds up in no fixed order, so that the last digits differ from run to run.
        return [(language, min(round(value, 9), 1.0)) for language, value in ranked[:k]]
