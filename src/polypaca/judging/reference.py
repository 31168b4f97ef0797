"""The reference judge: chrF++ against a parallel reference, on the scale of ratings.

It measures how much of the reference's wording an answer shares. It is not a quality rating by a
person or a model, and calls itself `chrF++` wherever it signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.core.settings import Choice
from polypaca.judging.contract import make_verdict, no_progress
from polypaca.langid import detectors
from polypaca.langid.gate import most_probable_among

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.core.records import Verdict
    from polypaca.judging.contract import Item, JudgeContext, Progress


class ReferenceJudgeSettings(Choice):
    """chrF++ against the reference in the language that the answer was detected in."""

    kind: Literal["reference"] = "reference"


class ReferenceJudge:
    """The chrF++ reference judge.

    An answer is compared with the prompt's reference in the language that the answer was detected
    in (among those that have one), so that quality and language stay separate: an English answer
    to a Spanish prompt is rated as English, and the gate sees to the language. Rating =
    1 + 2 * chrF++ / 100, hence 1..3. chrF++ is sacrebleu's sentence score with word order 2
    (Popović 2017, https://aclanthology.org/W17-4770). An answer in no detectable language is
    compared with the reference in the prompt's language.
    """

    scale = (1.0, 3.0)

    def __init__(self, settings: ReferenceJudgeSettings, context: JudgeContext) -> None:
        """Load the gate's detector, which finds the language to compare in.

        Raises:
            UserError: if the detector cannot be loaded.
        """
        from sacrebleu.metrics.chrf import CHRF

        self._detector = detectors.load(context.gate.detector, context.gate.model)
        self._metric = CHRF(word_order=2)
        # sacrebleu signs a metric only after its first score; a reference count is part of it.
        self._metric.sentence_score("", [""])
        self.signature = (
            f"chrF++ reference judge|{self._metric.get_signature().format()}"
            f"|language:{self._detector.signature}"
        )

    def judge(self, items: Sequence[Item], progress: Progress = no_progress) -> Iterator[Verdict]:
        """One verdict an item.

        Raises:
            UserError: if a prompt has no reference.
        """
        missing = [item.prompt_id for item in items if not _references(item)]
        if missing:
            raise missing_references_error(missing)
        for done, item in enumerate(items, start=1):
            rating, explanation = self._rate(item)
            yield make_verdict(
                item, judge=self.signature, status="ok", rating=rating, explanation=explanation
            )
            progress(done)

    def _rate(self, item: Item) -> tuple[float, str]:
        response = item.response.strip()
        if not response:
            return 1.0, "empty answer"
        references = _references(item)
        language = most_probable_among(response, references, self._detector) or _expected(
            item, references
        )
        score = float(self._metric.sentence_score(response, [references[language].strip()]).score)
        score = min(max(score, 0.0), 100.0)
        explanation = f"chrF++ {score:.1f} against the {languages.name(language)} reference"
        return 1 + 2 * score / 100, explanation


def missing_references_error(prompt_ids: Sequence[str]) -> UserError:
    """The error for prompts that have no reference in any language, with what to do about it."""
    distinct = sorted(set(prompt_ids))
    few = ", ".join(distinct[:5]) + (", …" if len(distinct) > 5 else "")
    prompts = "prompt has" if len(distinct) == 1 else "prompts have"
    return UserError(
        f"the reference judge compares answers with references, but {len(distinct)} {prompts} "
        f"none in any language: {few}; add a `reference` to each prompt, or set "
        "`judge: {kind: none}` to see gate pass rates alone"
    )


def _references(item: Item) -> dict[str, str]:
    return {language: text for language, text in item.references.items() if text.strip()}


def _expected(item: Item, references: dict[str, str]) -> str:
    for language in references:
        if languages.same_language(language, item.language):
            return language
    return min(references)
