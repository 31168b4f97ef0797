"""judge, in pairs: which of two recipes' answers to one prompt the judge prefers.

    pairs/<model>.<method>.<recipe>-vs-<recipe>.s<seed>/   pairs.jsonl

A scale of three points saturates where answers are good; a preference does not. Each pair is asked
in both orders.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from polypaca.core.cache import cache_folder
from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import PairFacts, PairsFolder
from polypaca.core.missing import Missing, Wanted, failures, missing_words
from polypaca.core.records import Response
from polypaca.core.settings import deciding
from polypaca.core.work import HOW_TO_RUN, Context, SharedWork
from polypaca.data.prompts import prompts_by_id, references_by_language
from polypaca.judging import pairwise
from polypaca.judging.contract import PairItem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from polypaca.core.folders import PromptsFolder, ResponsesFolder
    from polypaca.core.records import PairVerdict
    from polypaca.core.settings import Json
    from polypaca.core.work import Outcomes
    from polypaca.judging.llm import LlmJudgeSettings


@dataclass(frozen=True, kw_only=True)
class ComparePairs(SharedWork[PairsFolder]):
    """The verdicts on one pair of recipes.

    `responses` are by system; `systems` tell by language who answers for the first recipe and who
    for the second.
    """

    step, stage, format_number = "pairs", "judge", 2
    makes = PairsFolder

    prompts: PromptsFolder
    responses: Mapping[str, ResponsesFolder]
    systems: Mapping[str, Sequence[str]]
    judge: LlmJudgeSettings
    account: Path = field(metadata=HOW_TO_RUN)

    def decides(self) -> Json:
        """The judge's settings for pairs, and who answers."""
        systems: Json = {language: list(both) for language, both in self.systems.items()}
        return {"judge": deciding(self.judge), "systems": systems}

    @classmethod
    def run_all(cls, parts: Sequence[tuple[ComparePairs, Context]]) -> Outcomes:
        """Compare the answers of all parts.

        A study has one judge of pairs. As with ratings, a few failures are kept and tried again by
        the next run.
        """
        first, context = parts[0]
        judge = pairwise.load(first.judge, cache=cache_folder() / "llm", account=first.account)
        items = [_items(work) for work, _ in parts]
        total = sum(map(len, items))

        def compared(done: int) -> None:
            context.progress(done / max(1, total), f"{done}/{total} compared")

        verdicts = judge.compare([item for part in items for item in part], compared)
        for index, part in enumerate(items):
            written = list(islice(verdicts, len(part)))
            write_jsonl(parts[index][1].folder / "pairs.jsonl", written)
            yield index, _outcome(written, judge.signature, first.judge.missing)


def _items(work: ComparePairs) -> list[PairItem]:
    by_prompt = prompts_by_id(work.prompts.path)
    answers = {
        system: {
            (answer.language, answer.prompt_id): answer.response
            for answer in read_jsonl(folder.file, Response)
        }
        for system, folder in work.responses.items()
    }
    items = []
    for language, (a, b) in work.systems.items():
        for prompt_id, prompts in by_prompt.items():
            key = (language, prompt_id)
            if language in prompts and key in answers[a] and key in answers[b]:
                items.append(
                    PairItem(
                        system_a=a,
                        system_b=b,
                        prompt_id=prompt_id,
                        language=language,
                        prompt=prompts[language].prompt,
                        response_a=answers[a][key],
                        response_b=answers[b][key],
                        references=references_by_language(prompts),
                    )
                )
    return items


def _outcome(
    verdicts: Sequence[PairVerdict], signature: str, tolerated: float
) -> PairFacts | Exception:
    missing = [
        Missing("; ".join(v.explanations), v.lasting) for v in verdicts if v.status == "failed"
    ]
    wanted = Wanted("comparisons failed", len(verdicts), "judge.missing")
    thoughts = sum(verdict.thoughts for verdict in verdicts)
    summary = f"{len(verdicts)} comparisons{missing_words(missing, 'failed')}"
    summary += f"; thoughts left out of {thoughts}" if thoughts else ""
    try:
        failed = failures(wanted, missing, tolerated)
    except StageError as error:
        return error
    return PairFacts(
        judge=signature,
        pairs=len(verdicts),
        missing=len(missing),
        failed=failed,
        thoughts=thoughts,
        summary=summary,
    )
