"""Whether rows that were given for a language are in it: a sample is looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from polypaca.core import languages
from polypaca.translation.filters import FIELDS, Limits, translatable_prose
from polypaca.translation.sizes import english_size
from polypaca.translation.words import normalise_words
from polypaca.translation.wrong_language import wrong_language_reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polypaca.langid.contract import Detector

MAX_ROWS = 1000  # rows of a language that are looked at: some 0.2 s
_WORTH_SAYING = 0.05  # share of rows; the detector errs in up to 2.5 % (Norwegian)
_FEWEST = 2


class _Row(Protocol):
    @property
    def instruction(self) -> str: ...
    @property
    def input(self) -> str: ...
    @property
    def output(self) -> str: ...


@dataclass(frozen=True)
class LanguageCheck:
    """What was seen.

    Attributes:
        judged: rows with a field that is long enough to be told.
        fields: by field, how many of them are in another language.
        wrong: rows with such a field.
    """

    judged: int
    wrong: int
    fields: dict[str, int]


def check_language(rows: Iterable[_Row], language: str, detector: Detector) -> LanguageCheck:
    """Judge instruction, input and output of each row by itself."""
    limits = Limits()
    judged = wrong = 0
    fields: Counter[str] = Counter()
    for row in rows:
        texts = {name: translatable_prose(getattr(row, name)) for name in FIELDS}
        long = {
            name: text
            for name, text in texts.items()
            if english_size(normalise_words(text), language) >= limits.language_size
        }
        foreign = [
            name for name in texts if wrong_language_reason(texts[name], language, detector, limits)
        ]
        judged += bool(long or foreign)
        wrong += bool(foreign)
        fields.update(foreign)
    return LanguageCheck(judged, wrong, dict(fields))


def language_notice(check: LanguageCheck, language: str) -> str | None:
    """What a user should know: `most of es is not in Spanish ...`; None if all looks well."""
    if check.wrong < _FEWEST or check.wrong < _WORTH_SAYING * check.judged:
        return None
    name = languages.name(language)
    fields = ", ".join(f"{field} {count}" for field, count in check.fields.items())
    counts = f"{check.wrong:,} of {check.judged:,} rows whose language is clear; by field: {fields}"
    if 2 * check.wrong > check.judged:
        return f"most of {language} is not in {name} ({counts})"
    return f"part of {language} is not in {name} ({counts})"
