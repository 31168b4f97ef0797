"""The reference judge: chrF++ against a parallel reference, on the scale of ratings.

It measures how much of the reference's wording an answer shares. It is not a quality rating by a
person or a model, and calls itself `chrF++` wherever it signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.judging.contract import Judge, verdict
from polypaca.langid import detectors
from polypaca.langid.gate import best_among

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from polypaca.core.records import Verdict
    from polypaca.judging.contract import Item, Progress
    from polypaca.langid.contract import Detector


def make(*, detector: str = "lid176", cache: Path | None = None) -> Judge:
    """The chrF++ reference judge.

    An answer is compared with the prompt's reference in the language that the answer was detected
    in (among those that have one), so that quality and language stay separate: an English answer
    to a Spanish prompt is rated as English, and the gate sees to the language. Rating =
    1 + 2 * chrF++ / 100, hence 1..3. chrF++ is sacrebleu's sentence score with word order 2
    (Popović 2017, https://aclanthology.org/W17-4770). An answer in no detectable language is
    compared with the reference in the prompt's language.

    Args:
        detector: which detector finds the language to compare in.
        cache: not needed.

    Raises:
        UserError: if the detector cannot be loaded; from `judge`, if a prompt has no reference.
    """
    from sacrebleu.metrics.chrf import CHRF

    identify = detectors.load(detector)
    metric = CHRF(word_order=2)
    # sacrebleu signs a metric only after its first score; a reference count is part of it.
    metric.sentence_score("", [""])
    signature = (
        f"chrF++ reference judge|{metric.get_signature().format()}|language:{identify.signature}"
    )

    def verdicts(items: Sequence[Item], progress: Progress) -> Iterator[Verdict]:
        lacking = [item.prompt_id for item in items if not _references(item)]
        if lacking:
            raise without_references(lacking)
        for done, item in enumerate(items, start=1):
            rating, explanation = _rate(item, metric, identify)
            yield verdict(
                item, judge=signature, status="ok", rating=rating, explanation=explanation
            )
            progress(done)

    return Judge(signature, verdicts)


def without_references(prompt_ids: Sequence[str]) -> UserError:
    """The error for prompts that have no reference in any language, with what to do about it."""
    distinct = sorted(set(prompt_ids))
    few = ", ".join(distinct[:5]) + (", …" if len(distinct) > 5 else "")
    prompts = "prompt has" if len(distinct) == 1 else "prompts have"
    return UserError(
        f"the reference judge compares answers with references, and {len(distinct)} {prompts} "
        f"none in any language: {few}; add a `reference` to each prompt, or set "
        "`judge: {kind: none}` to see gate pass rates alone"
    )


def _references(item: Item) -> dict[str, str]:
    return {language: text for language, text in item.references.items() if text.strip()}


def _rate(item: Item, metric: Any, identify: Detector) -> tuple[float, str]:
    response = item.response.strip()
    if not response:
        return 1.0, "empty answer"
    references = _references(item)
    language = best_among(response, references, identify) or _expected(item, references)
    score = float(metric.sentence_score(response, [references[language].strip()]).score)
    score = min(max(score, 0.0), 100.0)
    explanation = f"chrF++ {score:.1f} against the {languages.name(language)} reference"
    return 1 + 2 * score / 100, explanation


def _expected(item: Item, references: dict[str, str]) -> str:
    for language in references:
        if languages.same_language(language, item.language):
            return language
    return min(references)
