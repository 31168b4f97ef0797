"""Join responses, verdicts and gate results into scores: score = rating x gate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, sha256_text
from polypaca.core.records import GateResult, PairVerdict, Prompt, Response, Verdict
from polypaca.core.results import ScoredResponse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.folders import GateFolder, ResponsesFolder, VerdictsFolder

R = TypeVar("R", Verdict, GateResult)


def join(
    responses: Mapping[str, ResponsesFolder],
    verdicts: Mapping[str, VerdictsFolder],
    gates: Mapping[str, GateFolder],
    prompts: Mapping[tuple[str, str], Prompt],
) -> JoinedScores:
    """Every answer of every system with its verdict and gate.

    Args:
        responses: by system.
        verdicts: of the judge whose ratings count, by system.
        gates: by system.
        prompts: by id and language.

    Raises:
        StageError: if an answer has no verdict or gate, or a rating is beyond the scale.
    """
    scale = scale_of(verdicts.values())
    scored = {
        system: list(_scored(folder, verdicts[system], gates[system], prompts, scale))
        for system, folder in responses.items()
    }
    ids = list(dict.fromkeys(prompt_id for prompt_id, _ in prompts))
    return JoinedScores(scored, ids, scale)


@dataclass(frozen=True)
class JoinedScores:
    """Scored answers by system, the prompts' ids in order, and the judge's scale."""

    scored: Mapping[str, list[ScoredResponse]]
    ids: Sequence[str]
    scale: tuple[float, float]

    def answers(self) -> Iterator[ScoredResponse]:
        """The answers of all systems, one after the other."""
        for part in self.scored.values():
            yield from part

    def check(self, system: str, verdict: Verdict | PairVerdict, sha256: str, folder: Path) -> None:
        """Raise StageError if a verdict is on another text than the system's answer."""
        if self._hashes.get((system, verdict.language, verdict.prompt_id)) != sha256:
            raise _mismatch(folder, system, verdict.language, verdict.prompt_id)

    @cached_property
    def _hashes(self) -> dict[tuple[str, str, str], str]:
        return {
            (answer.system, answer.language, answer.prompt_id): sha256_text(answer.response)
            for answer in self.answers()
        }

    @property
    def rated(self) -> bool:
        """Whether there is any rating."""
        return any(answer.rating is not None for answer in self.answers())


def scale_of(verdicts: Collection[VerdictsFolder]) -> tuple[float, float]:
    """The judge's scale, as its verdicts' manifests say; the paper's where none says."""
    return next(iter(verdicts)).facts.scale


def _scored(
    responses: ResponsesFolder,
    verdicts: VerdictsFolder,
    gate: GateFolder,
    prompts: Mapping[tuple[str, str], Prompt],
    scale: tuple[float, float],
) -> Iterator[ScoredResponse]:
    """Every answer of a system with its verdict and gate."""
    rated = {(v.prompt_id, v.language): v for v in read_jsonl(verdicts.file, Verdict)}
    gated = {(g.prompt_id, g.language): g for g in read_jsonl(gate.file, GateResult)}
    for answer in read_jsonl(responses.file, Response):
        verdict, result = (
            _record_of(answer, rated, verdicts.path),
            _record_of(answer, gated, gate.path),
        )
        # What failed has no score, whatever else its record says.
        rating = None if verdict.status == "failed" else verdict.rating
        if rating is not None and not scale[0] <= rating <= scale[1]:
            raise StageError(
                f"{verdicts.path}: prompt {answer.prompt_id} in {answer.language} is rated "
                f"{rating:g}, outside the scale of {scale[0]:g} to {scale[1]:g}; set the judge's "
                "scale"
            )
        prompt = prompts[answer.prompt_id, answer.language]
        yield ScoredResponse(
            system=answer.system,
            prompt_id=answer.prompt_id,
            language=answer.language,
            prompt=prompt.prompt,
            reference=prompt.reference,
            response=answer.response,
            rating=rating,
            explanation=verdict.explanation,
            status=verdict.status,
            detected=result.detected,
            gate=result.gate,
            reason=result.reason,
            line_gate=result.line_gate,
            word_gate=result.word_gate,
            score=None if rating is None else rating * result.gate,
        )


def _record_of(answer: Response, records: Mapping[tuple[str, str], R], folder: Path) -> R:
    """The record of this answer; raises StageError if it is of another text."""
    record = records.get((answer.prompt_id, answer.language))
    if record is None or record.response_sha256 != sha256_text(answer.response):
        raise _mismatch(folder, answer.system, answer.language, answer.prompt_id)
    return record


def _mismatch(folder: Path, system: str, language: str, prompt_id: str) -> StageError:
    return StageError(
        f"{folder}: no record of the answer to prompt {prompt_id} in {language} by {system}; "
        "delete that folder and run again"
    )
