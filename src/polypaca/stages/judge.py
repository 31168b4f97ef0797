"""judge: what the judge says of a system's answers, and what the language gate says.

    systems/<system>/verdicts/   verdicts.jsonl
    systems/<system>/gate/       gate.jsonl

They are separate folders, so that another detector asks no judge again. Answers that fail the
gate are judged too: robustness is the difference that the gate makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, sha256_text, write_jsonl
from polypaca.core.records import GateResult, Prompt, Response
from polypaca.judging import judges
from polypaca.judging.contract import Item
from polypaca.langid import detectors
from polypaca.langid.gate import check
from polypaca.models.bases import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def judge(
    folder: Path,
    *,
    responses: Path,
    prompts: Path,
    kind: str,
    threads: int = 1,
    progress: Callable[[float, str], None],
    **settings: Any,
) -> dict[str, Any]:
    """Judge every answer; `settings` are the judge's own.

    Raises:
        StageError: if a judgement failed. What was judged stays in the cache, and the folder
            stays unsealed, so that the next run tries the failed ones again.
    """
    answers = list(read_jsonl(responses / "responses.jsonl", Response))
    asked = _prompts(prompts)
    items = [
        Item(
            system=answer.system,
            prompt_id=answer.prompt_id,
            language=answer.language,
            prompt=asked[answer.prompt_id][answer.language].prompt,
            response=answer.response,
            references={
                language: prompt.reference
                for language, prompt in asked[answer.prompt_id].items()
                if prompt.reference
            },
        )
        for answer in answers
    ]
    chosen = judges.load(kind, cache=cache_folder() / "llm", **settings)

    def judged(done: int) -> None:
        progress(done / max(1, len(items)), f"{done}/{len(items)} judged")

    verdicts = list(chosen.judge(items, judged))
    write_jsonl(folder / "verdicts.jsonl", verdicts)
    failed = [verdict for verdict in verdicts if verdict.status == "failed"]
    if failed:
        raise StageError(
            f"{len(failed)} of {len(verdicts)} judgements failed, the first: "
            f"{failed[0].explanation}; run again to retry them"
        )
    return {
        "judge": chosen.signature,
        "verdicts": len(verdicts),
        "summary": f"{len(verdicts)} {'verdicts' if kind != 'none' else 'answers, unrated'}",
    }


def gate(
    folder: Path,
    *,
    responses: Path,
    prompts: Path,
    detector: str,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Detect the language of every answer and compare it with the prompt's."""
    progress(0.0, "detecting")
    identify = detectors.load(detector)
    asked = _prompts(prompts)
    results = []
    for answer in read_jsonl(responses / "responses.jsonl", Response):
        prompt = asked[answer.prompt_id][answer.language]
        found = check(answer.response, answer.language, identify, required=prompt.gate)
        results.append(
            GateResult(
                system=answer.system,
                prompt_id=answer.prompt_id,
                language=answer.language,
                response_sha256=sha256_text(answer.response),
                detector=identify.signature,
                detected=found.detected,
                confidence=min(1.0, found.confidence),
                gate=found.gate,
            )
        )
    write_jsonl(folder / "gate.jsonl", results)
    passed = sum(result.gate for result in results)
    return {
        "detector": identify.signature,
        "passed": passed,
        "summary": f"{passed} of {len(results)} answers in the prompt's language",
    }


def _prompts(folder: Path) -> dict[str, dict[str, Prompt]]:
    """Prompts by id and language; translations of one prompt share its id."""
    found: dict[str, dict[str, Prompt]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        if path.stem not in ("rejected", "repaired"):
            for prompt in read_jsonl(path, Prompt):
                found.setdefault(prompt.id, {})[prompt.language] = prompt
    return found
