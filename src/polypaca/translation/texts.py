"""Translating whole texts with an engine that knows sentences only."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from polypaca.core.errors import StageError
from polypaca.translation import spans
from polypaca.translation.contract import Untranslated
from polypaca.translation.numbers import find_lost_number
from polypaca.translation.sentences import split_sentences
from polypaca.translation.spans import find_spans
from polypaca.translation.structure import (
    DIGITS,
    NUMBER,
    count_contents,
    find_blocks,
    has_words,
    is_special,
    outline,
    split_segments,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from polypaca.translation.contract import Engine


@dataclass(frozen=True)
class Translation:
    """What became of one text.

    Attributes:
        text: the translation; None where there is none.
        reason: why there is none; empty if there is one.
        sentences: how many of its sentences (or lines, if that is the engine's unit) went to the
            engine.
        retried: how many of them came back without a placeholder or with another number and were
            sent again with their numbers hidden.
        pieces: how many of them were cut at their spans and numbers in the end.
    """

    text: str | None
    reason: str
    sentences: int
    retried: int
    pieces: int


@dataclass(frozen=True)
class _Masked:
    """A unit as the engine gets it: `masks` are the placeholders and what each stands for."""

    text: str
    masks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Outcome:
    """What became of one unit; one of `text` and `problem` is empty."""

    text: str
    problem: str = ""
    final: bool = False
    retried: bool = False
    pieces: bool = False


# A number with the Latin letters that stick to it: "H2O" and "5pm" are masked and cut as a whole.
_NUMBER_WORD = re.compile(
    rf"[A-Za-z]*[{DIGITS}][A-Za-z{DIGITS}]*(?:[.,:/٫٬][{DIGITS}][A-Za-z{DIGITS}]*)*"
)


# "15. elokuuta" and "– Hän": looks like a marker, and is grammar. No new number comes so far.
_NO_MARKER = re.compile(r"(?:\d{1,3}\.\s?|[–—]\s)")
# A sentence with more spans is none that an engine could carry over: it is cut at them at once.
_MOST_MASKS = 64


def translate_texts(
    texts: Sequence[str],
    engine: Engine,
    language: str,
    on_lost: Literal["pieces", "reject"] = "pieces",
) -> list[Translation]:
    """Translate texts so that all but their prose stays as it is.

    Code, addresses, formulas, tags, placeholders, list markers and white space of a translation are
    those of the text, in number and to the byte, and its numbers have their values (`1.000` may be
    what was `1,000`), or there is no translation.
    All texts share at most three calls of the engine, and equal units are sent once.

    A unit first goes out with its spans behind placeholders. If one is lost or a number has
    changed, its numbers are hidden too. If that fails, `on_lost` decides.

    Args:
        texts: what to translate; may be empty or blank.
        engine: what translates.
        language: code of the texts' language, for splitting into sentences.
        on_lost: `pieces` translates what lies between the spans and numbers piece by piece, which
            cannot lose them but reads worse; `reject` gives the text up.

    Raises:
        StageError: if the engine does not give one outcome a text.
    """
    plans = [_plan(text, engine, language) for text in texts]
    units = {stretch: None for plan in plans for stretch, sent in plan if sent}
    outcomes = _translate_units(list(units), engine, language, on_lost)
    return [_assemble(text, plan, outcomes) for text, plan in zip(texts, plans, strict=True)]


def _plan(text: str, engine: Engine, language: str) -> list[tuple[str, bool]]:
    """The text in order, each stretch with whether it is a unit to be sent."""
    plan: list[tuple[str, bool]] = []
    for segment in split_segments(text):
        if not segment.prose:
            plan.append((segment.text, False))
            continue
        whole = engine.unit == "line"
        for unit in [segment.text] if whole else split_sentences(segment.text, language):
            _add_unit(plan, unit)
    return plan


def _add_unit(plan: list[tuple[str, bool]], unit: str) -> None:
    core = unit.strip()
    if not has_words(core):
        plan.append((unit, False))
        return
    if core == unit:
        stretches = find_spans(unit)
        plan += _cut(unit, stretches) if len(stretches) > _MOST_MASKS else [(unit, True)]
        return
    start = unit.index(core)
    plan.append((unit[:start], False))
    _add_unit(plan, core)
    plan.append((unit[start + len(core) :], False))


def _translate_units(
    units: list[str], engine: Engine, language: str, on_lost: str
) -> dict[str, _Outcome]:
    """The outcome of each of the units, which are all different."""
    first = {unit: _mask(unit, engine, find_spans(unit)) for unit in units}
    answers = _run_engine(engine, [masked.text for masked in first.values()])
    outcomes = {
        unit: _restore(unit, masked, answers[masked.text], language)
        for unit, masked in first.items()
    }

    failed = [unit for unit in units if outcomes[unit].problem and not outcomes[unit].final]
    second = {unit: _mask(unit, engine, _fixed_stretches(unit)) for unit in failed}
    # Where there is no number to hide, the same text would give the same answer.
    again = {
        unit: masked
        for unit, masked in second.items()
        if masked != first[unit] and len(masked.masks) <= _MOST_MASKS
    }
    answers = _run_engine(engine, [masked.text for masked in again.values()])
    for unit, masked in again.items():
        outcome = _restore(unit, masked, answers[masked.text], language)
        outcomes[unit] = replace(outcome, retried=True)

    if on_lost == "pieces":
        _translate_in_pieces(failed, outcomes, engine, language)
    return outcomes


def _translate_in_pieces(
    units: list[str], outcomes: dict[str, _Outcome], engine: Engine, language: str
) -> None:
    """Put into `outcomes` what becomes of those failed units that can be cut."""
    cuts = {
        unit: _cut(unit, _fixed_stretches(unit))
        for unit in units
        if outcomes[unit].problem and not outcomes[unit].final
    }
    cuts = {unit: cut for unit, cut in cuts.items() if len(cut) > 1}
    answers = _run_engine(engine, [piece for cut in cuts.values() for piece, sent in cut if sent])
    for unit, cut in cuts.items():
        outcome = _join(unit, cut, answers, language)
        outcomes[unit] = replace(outcome, retried=outcomes[unit].retried, pieces=True)


def _join(
    unit: str,
    cut: list[tuple[str, bool]],
    answers: dict[str, str | Untranslated],
    language: str,
) -> _Outcome:
    done = []
    for piece, sent in cut:
        answer = answers[piece] if sent else piece
        if isinstance(answer, Untranslated):
            return _Outcome("", answer.reason, final=True)
        done.append(answer)
    text = "".join(done)
    problem = _difference(unit, text, language)
    return _Outcome("" if problem else text, problem)


def _fixed_stretches(unit: str) -> list[tuple[int, int]]:
    """The spans of a unit and the numbers between them, in order."""
    spans = find_spans(unit)
    stretches = list(spans)
    done = 0
    for start, end in [*spans, (len(unit), len(unit))]:
        stretches += [
            (done + match.start(), done + match.end())
            for match in _NUMBER_WORD.finditer(unit[done:start])
        ]
        done = end
    return sorted(stretches)


def _cut(unit: str, stretches: list[tuple[int, int]]) -> list[tuple[str, bool]]:
    """The unit in order, each stretch with whether it is a piece of prose to be sent."""
    cut: list[tuple[str, bool]] = []
    done = 0
    for start, end in stretches:
        _add_unit(cut, unit[done:start])
        cut.append((unit[start:end], False))
        done = end
    _add_unit(cut, unit[done:])
    return [(piece, sent) for piece, sent in cut if piece]


def _mask(unit: str, engine: Engine, stretches: list[tuple[int, int]]) -> _Masked:
    """Put a placeholder in the place of each stretch; none of them is in the unit already."""
    if not stretches:
        return _Masked(unit)
    squashed = _squash(unit)
    masks: list[tuple[str, str]] = []
    text = []
    done = number = 0
    for start, end in stretches:
        while _squash(engine.placeholder(number)) in squashed:
            number += 1
        masks.append((engine.placeholder(number), unit[start:end]))
        number += 1
        text += [unit[done:start], masks[-1][0]]
        done = end
    return _Masked("".join(text) + unit[done:], tuple(masks))


def _squash(text: str) -> str:
    """The text as `_placeholder_pattern` compares it."""
    return "".join(text.split()).casefold()


@lru_cache(maxsize=4096)
def _placeholder_pattern(placeholders: tuple[str, ...]) -> re.Pattern[str]:
    """Matches any of the placeholders, a group each, as engines may write them.

    Letter case and a space between characters do not matter; but "X1" is not found in "X12".
    """
    ordered = sorted(enumerate(placeholders), key=lambda item: -len(item[1]))
    forms = []
    for number, placeholder in ordered:
        form = r"\s?".join(map(re.escape, placeholder))
        before = r"(?<!\w)" if placeholder[:1].isalnum() else ""
        after = r"(?!\d)" if placeholder[-1:].isdigit() else ""
        forms.append(f"{before}(?P<p{number}>{form}){after}")
    return re.compile("|".join(forms), re.IGNORECASE)


def _run_engine(engine: Engine, texts: Iterable[str]) -> dict[str, str | Untranslated]:
    """The engine's outcome for each different text, white space at its edges taken off."""
    different = list(dict.fromkeys(texts))
    if not different:
        return {}
    answers = engine.translate(different)
    if len(answers) != len(different):
        raise StageError(
            f"the engine {engine.name} gave {len(answers)} translations of {len(different)} texts, "
            "which is a bug in the engine"
        )
    return {text: _clean(answer) for text, answer in zip(different, answers, strict=True)}


def _clean(answer: str | Untranslated) -> str | Untranslated:
    if isinstance(answer, Untranslated):
        return answer
    lines = answer.splitlines()
    answer = (lines[0] if len(lines) == 1 else " ".join(lines)).strip()
    return answer or Untranslated("the engine returned an empty translation")


def _restore(unit: str, masked: _Masked, answer: str | Untranslated, language: str) -> _Outcome:
    """Put back what the placeholders stand for, and see that nothing is lost or new."""
    if isinstance(answer, Untranslated):
        return _Outcome("", answer.reason, final=True)
    if not masked.masks:
        text = answer
    else:
        pattern = _placeholder_pattern(tuple(placeholder for placeholder, _ in masked.masks))
        counts = Counter(match.lastgroup for match in pattern.finditer(answer))
        for number, (_, original) in enumerate(masked.masks):
            if counts[f"p{number}"] != 1:
                return _Outcome("", f"lost placeholder: {original}")
        originals = {f"p{number}": mask[1] for number, mask in enumerate(masked.masks)}
        text = pattern.sub(lambda match: originals[match.lastgroup or ""], answer)
    problem = _difference(unit, text, language)
    return _Outcome("" if problem else text, problem)


def _difference(unit: str, text: str, language: str) -> str:
    """What the translation lost of the unit's spans and numbers; empty if it is nothing.

    A span that is new is an invention, unless it looks like prose. A new number need not be one:
    "fourteen schools" is `14所学校`.
    """
    if text == unit or not (is_special(unit) or is_special(text)):
        return ""
    old_spans, numbers = count_contents(unit)
    new_spans, new_numbers = count_contents(text)
    if old_spans != new_spans:
        made_up = [span for span in new_spans - old_spans if spans.is_invention(span)]
        if lost := [*(old_spans - new_spans), *made_up]:
            return f"lost placeholder: {lost[0]}"
    if numbers - new_numbers:
        return _changed_number(unit, text, language)
    return ""


def _changed_number(unit: str, text: str, language: str) -> str:
    number = find_lost_number(spans.blank_spans(unit), spans.blank_spans(text), NUMBER, language)
    return f"changed number: {number}" if number else ""


def _assemble(
    text: str, plan: list[tuple[str, bool]], outcomes: dict[str, _Outcome]
) -> Translation:
    used = [outcomes[stretch] for stretch, sent in plan if sent]
    counts = (
        len(used),
        sum(outcome.retried for outcome in used),
        sum(outcome.pieces for outcome in used),
    )
    reason = next((outcome.problem for outcome in used if outcome.problem), "")
    if reason:
        return Translation(None, reason, *counts)
    translated = "".join(outcomes[stretch].text if sent else stretch for stretch, sent in plan)
    reason = _changed_structure(text, translated)
    return Translation(None if reason else translated, reason, *counts)


def _changed_structure(text: str, translated: str) -> str:
    """How the lines or blocks of a translation differ from the text's; empty if they do not."""
    if text == translated:
        return ""
    before, after = outline(text), outline(translated)
    if len(before) != len(after):
        return f"changed structure: {len(after)} lines instead of {len(before)}"
    for number, (old, new) in enumerate(zip(before, after, strict=True), start=1):
        if old != new and not _same_line(old, new):
            return f"changed structure: line {number} begins or ends differently"
    if find_blocks(text) != find_blocks(translated):
        return "changed structure: blocks of code or formulas differ"
    return ""


def _same_line(old: tuple[str, str, int], new: tuple[str, str, int]) -> bool:
    """Whether a line differs only by an ordinal or a dash of speech that now begins its prose."""
    lead, rest = new[0][: len(old[0])], new[0][len(old[0]) :]
    return (lead, *new[1:]) == old and _NO_MARKER.fullmatch(rest) is not None
