"""Notices on a study: what its user should know before it runs, though nothing is wrong."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.langid import detectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polypaca.study.schema import Study


def notices(study: Study) -> list[str]:
    """Languages of the study that its detector cannot tell, a sentence each."""
    return [*_unknown(study), *_sisters(study)]


def _unknown(study: Study) -> Iterator[str]:
    name = study.gate.detector
    known = None if study.gate.model else detectors.supported_languages(name)
    for code in study.languages.test:
        script = detectors.unsupported_script(name, code)
        if script is not None:
            yield (
                f"{name} does not know {code} in {languages.script_name(script)} script: "
                "nearly all responses will fail the gate"
            )
        elif known is not None and not any(_same(label, code) for label in known):
            yield f"{name} does not know {code}: responses of more than three words fail the gate"


def _sisters(study: Study) -> Iterator[str]:
    codes = dict.fromkeys(study.languages.test)
    for one, other in combinations(codes, 2):
        first, second = languages.canonical(one), languages.canonical(other)
        passes = "a response in either language passes the gate of both"
        if languages.are_indistinguishable(first, second, short=False):
            yield f"no detector can tell {one} from {other}: {passes}"
        elif languages.are_indistinguishable(first, second, short=True):
            yield f"no detector can tell {one} from {other} in short texts: there {passes}"


def _same(label: str, code: str) -> bool:
    expected = languages.canonical(code)
    return languages.same_canonical(label, expected) or languages.are_indistinguishable(
        label, expected, short=False
    )
