"""The answers to read, as data for the page's script.

Everything here came out of a model, so it reaches the page as JSON that can hold no markup, and
the script writes it as text only.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from polypaca.core import languages
from polypaca.reporting.layout import (
    language_name,
    row_colours,
    row_groups,
    row_names,
    scores_by_key,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.results import Analysis, RowLabel, ScoredResponse

# What ends a script element or a line of JavaScript, and half characters, which have no UTF-8.
_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
_NO_COLOUR = "#8A8A8A"


def reader_data(
    analysis: Analysis, responses: Sequence[ScoredResponse], max_prompts: int
) -> dict[str, Any]:
    """Prompts per language with every system's answer, at most `max_prompts` per language.

    Keys are short because they repeat for every answer: `s` system, `t` text, `r` rating,
    `x` explanation, `u` status, `d` detected language, `g` gate, `c` score.
    """
    by_language: dict[str, list[ScoredResponse]] = {}
    for response in responses:
        by_language.setdefault(response.language, []).append(response)
    order = {code: number for number, code in enumerate(analysis.test_languages)}
    codes = sorted(by_language, key=lambda code: (order.get(code, len(order)), code))
    return {
        "rated": analysis.rated,
        "names": _names(analysis, responses),
        "languages": [_language(analysis, code, by_language[code], max_prompts) for code in codes],
    }


def _language(
    analysis: Analysis, code: str, responses: list[ScoredResponse], max_prompts: int
) -> dict[str, Any]:
    systems = _systems(analysis, code, {response.system for response in responses})
    place = {system["id"]: number for number, system in enumerate(systems)}
    prompts: dict[str, list[ScoredResponse]] = {}
    for response in responses:
        prompts.setdefault(response.prompt_id, []).append(response)
    return {
        "code": code,
        "name": language_name(analysis, code),
        "unseen": code not in analysis.train_languages,
        "total": len(prompts),
        "systems": systems,
        "prompts": [
            {
                "id": prompt_id,
                "t": answers[0].prompt,
                "ref": answers[0].reference,
                "answers": [
                    _answer(answer, place)
                    for answer in sorted(answers, key=lambda answer: place[answer.system])
                ],
            }
            for prompt_id, answers in list(prompts.items())[:max_prompts]
        ],
    }


def safe_json(value: Any) -> str:
    """JSON for inside a script element: no character in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _systems(analysis: Analysis, language: str, answered: set[str]) -> list[dict[str, Any]]:
    """The systems that answered in a language, under their rows' names, in table order.

    One checkpoint may stand in two rows: monolingual-en is `monolingual` in English and `english`
    everywhere. It goes by the rows that count it in this language.
    """
    colours = row_colours(analysis)
    scores = scores_by_key(analysis)
    found: dict[str, dict[str, Any]] = {}
    for group in row_groups(analysis):
        for row, name in zip(group.rows, row_names(group.rows), strict=True):
            if (row.id, "language", language) not in scores:
                continue
            for system in row.systems:
                if system in answered and _counts(row, system, language):
                    entry = found.setdefault(
                        system,
                        {
                            "id": system,
                            "rows": [],
                            "group": group.title,
                            "control": group.control,
                            "colour": colours[row.id],
                        },
                    )
                    entry["rows"].append(name)
    for system in sorted(answered - set(found)):
        found[system] = {
            "id": system,
            "rows": [system],
            "group": "Not in the table",
            "control": False,
            "colour": _NO_COLOUR,
        }
    return list(found.values())


def _counts(row: RowLabel, system: str, language: str) -> bool:
    # A monolingual row is one cell per language, each counted in its own language alone.
    return system not in row.answers_in or language in row.answers_in[system]


def _names(analysis: Analysis, responses: Sequence[ScoredResponse]) -> dict[str, str]:
    """Names of the languages that the gate detected, among them such as the study has not."""
    codes = {response.detected for response in responses if response.detected}
    names = dict(analysis.language_names)
    for code in sorted(codes - set(names)):
        names[code] = languages.name(code) if languages.is_language(code) else code
    return names


def _answer(answer: ScoredResponse, place: dict[str, int]) -> dict[str, Any]:
    return {
        "s": place[answer.system],
        "t": answer.response,
        "r": _finite(answer.rating),
        "x": answer.explanation,
        "u": answer.status,
        "d": answer.detected,
        "g": answer.gate,
        "c": _finite(answer.score),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
