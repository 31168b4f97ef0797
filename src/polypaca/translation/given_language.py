"""Whether rows that were given for a language are in it: a sample is looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from polypaca.core import languages
from polypaca.translation.filters import Limits, prose_of
from polypaca.translation.sizes import size
from polypaca.translation.words import letters
from polypaca.translation.wrong_language import foreign

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polypaca.langid.contract import Detector

MOST = 1000  # rows of a language that are looked at: some 0.2 s
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
class GivenLanguage:
    """What was seen.

    Attributes:
        judged: rows with a field that is long enough to be told.
        fields: by field, how many of them are in another language.
        wrong: rows with such a field.
    """

    judged: int
    wrong: int
    fields: dict[str, int]


def look(rows: Iterable[_Row], language: str, detector: Detector) -> GivenLanguage:
    """Judge instruction, input and output of each row by itself."""
    limits = Limits()
    judged = wrong = 0
    fields: Counter[str] = Counter()
    for row in rows:
        texts = {name: prose_of(getattr(row, name)) for name in ("instruction", "input", "output")}
        long = {
            name: text
            for name, text in texts.items()
            if size(letters(text), language) >= limits.language_size
        }
        elsewhere = [name for name in texts if foreign(texts[name], language, detector, limits)]
        judged += bool(long or elsewhere)
        wrong += bool(elsewhere)
        fields.update(elsewhere)
    return GivenLanguage(judged, wrong, dict(fields))


def notice(found: GivenLanguage, language: str) -> str | None:
    """What a user should know: `most of es is not in Spanish ...`; None if all looks well."""
    if found.wrong < _FEWEST or found.wrong < _WORTH_SAYING * found.judged:
        return None
    name = languages.name(language)
    fields = ", ".join(f"{field} {count}" for field, count in found.fields.items())
    where = f"{found.wrong:,} of {found.judged:,} rows that could be told; by field: {fields}"
    if 2 * found.wrong > found.judged:
        return f"most of {language} is not in {name} ({where})"
    return f"a part of {language} is not in {name} ({where})"
