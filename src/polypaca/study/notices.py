"""What a study's user should know before it runs, though nothing is wrong with the file."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.langid import detectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polypaca.study.schema import Study


def notices(study: Study) -> list[str]:
    """What the study's detector cannot tell of its languages, a sentence each."""
    return [*_unknown(study), *_sisters(study)]


def _unknown(study: Study) -> Iterator[str]:
    name = study.gate.detector
    known = None if study.gate.model else detectors.known_languages(name)
    for code in study.languages.test:
        script = detectors.unknown_script(name, code)
        if script is not None:
            yield (
                f"no label of {name} means {code}, the language in {languages.script_name(script)} "
                "script: nearly all answers will fail the gate"
            )
        elif known is not None and not any(_same(label, code) for label in known):
            yield f"{name} does not know {code}: answers of more than three words fail the gate"


def _sisters(study: Study) -> Iterator[str]:
    codes = dict.fromkeys(study.languages.test)
    for one, other in combinations(codes, 2):
        first, second = languages.canonical(one), languages.canonical(other)
        if languages.sisters(first, second, short=False):
            what = "an answer in one passes for the other, as undetermined"
            yield f"no detector tells {one} from {other}: {what}"
        elif languages.sisters(first, second, short=True):
            what = "an answer in one passes for the other, as undetermined"
            yield f"no detector tells {one} from {other} in short texts: there {what}"


def _same(label: str, code: str) -> bool:
    expected = languages.canonical(code)
    return languages.same_canonical(label, expected) or languages.sisters(
        label, expected, short=False
    )
