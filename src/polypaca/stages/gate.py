"""gate: whether a system's answers are in the language of their prompts.

    systems/<system>/gate/       gate.jsonl

It has a folder apart from the verdicts, so that another detector asks no judge again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.files import read_jsonl, sha256_text, write_jsonl
from polypaca.core.records import GateResult, Response
from polypaca.data.prompts import by_id
from polypaca.langid import detectors
from polypaca.langid.gate import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
    asked = by_id(prompts)
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
