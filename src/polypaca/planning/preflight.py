"""Checks before a run of what would otherwise fail, or cost money, after hours of training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.judging.judges import JUDGES
from polypaca.llm.endpoint import Endpoint
from polypaca.planning.local_files import tokenizer_file
from polypaca.stages.answers import AskServer
from polypaca.stages.gate import CheckLanguage
from polypaca.stages.generate import AnswerPrompts
from polypaca.stages.judge import JudgeAnswers
from polypaca.stages.pairs import ComparePairs
from polypaca.stages.translate import PassOn, TranslateRows
from polypaca.study.grid import base_models, judges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.records import Prompt
    from polypaca.core.work import Facts, SealedFolder, Work
    from polypaca.study import Study
    from polypaca.workflow.steps import Task


def check(study: Study, pending: Sequence[Task], out: Path | None = None) -> None:
    """Check that pending tasks will have their API keys, judge's prompts, models and references.

    `out` is the study's output folder, where tokenizers may be ready.

    Raises:
        UserError: if one is missing.
    """
    from polypaca.llm.client import require_key

    for served, _ in _served_requests(pending):
        require_key(served)
    works = [task.work for task in pending]
    if any(isinstance(work, (JudgeAnswers, ComparePairs)) for work in works):
        for judge in judges(study).values():
            JUDGES.row(judge.kind).check(judge)
        if any(JUDGES.row(judge.kind).needs_references for judge in judges(study).values()):
            _check_references(study)
    generates = any(isinstance(work, AnswerPrompts) for work in works)
    if generates and study.generate.on_long_prompt == "error":
        _check_prompt_lengths(study, out or Path())
    need_detector = (JudgeAnswers, CheckLanguage, PassOn, TranslateRows)
    if any(isinstance(work, need_detector) for work in works):
        from polypaca.langid import detectors

        # Jobs work offline, so a detector is downloaded now.
        detectors.ensure_model(study.gate.detector, study.gate.model)


def paid_requests(pending: Sequence[Task]) -> list[str]:
    """The requests of pending tasks to served models, a phrase each."""
    return [phrase for _, phrase in _served_requests(pending)]


def _served_requests(pending: Sequence[Task]) -> list[tuple[Endpoint, str]]:
    """Served models and what is requested of them; equal requests are counted together."""
    counts: dict[str, tuple[Endpoint, int]] = {}
    for task in pending:
        request = _served_request(task.work)
        if request:
            served, phrase = request
            counts[phrase] = (served, counts.get(phrase, (served, 0))[1] + 1)
    return [(served, phrase.format(count=count)) for phrase, (served, count) in counts.items()]


def _served_request(work: Work[SealedFolder[Facts]]) -> tuple[Endpoint, str] | None:
    """A task's served model and the request; `{count}` stands for the number of such tasks."""
    if isinstance(work, TranslateRows) and isinstance(work.engine, Endpoint):
        return work.engine, f"{_address(work.engine)} will translate into {work.language}"
    if isinstance(work, AskServer) and work.checkpoint:
        # A server may have a model for each cell.
        server = f"{work.served.base_url}{_limit(work.served)}"
        return work.served, f"{server} will answer for {{count}} cells"
    if isinstance(work, AskServer):
        return work.served, f"{_address(work.served)} will answer as {work.system}"
    if isinstance(work, JudgeAnswers) and isinstance(work.judge, Endpoint):
        return work.judge, f"{_address(work.judge)} will judge {{count}} systems"
    if isinstance(work, ComparePairs):
        return work.judge, f"{_address(work.judge)} will compare {{count}} pairs of recipes"
    return None


def _address(served: Endpoint) -> str:
    model = served.model.replace("{", "").replace("}", "")
    return f"{model} at {served.base_url}{_limit(served)}"


def _limit(served: Endpoint) -> str:
    limit = served.money_limit
    return f", spending {limit:g} at most," if limit is not None else ""


def _prompts(study: Study) -> list[Prompt]:
    """The test prompts; none where `prepare` has yet to download them."""
    from polypaca.data.sources import read_prompts

    settings = study.prompts
    if settings.source.startswith(("http://", "https://")):
        return []
    codes = study.languages.test
    read = read_prompts(settings.source, codes, settings.count, settings.on_bad_row)
    return [prompt for prompts in read.prompts.values() for prompt in prompts]


def _check_prompt_lengths(study: Study, out: Path) -> None:
    """Refuse before training prompts that `generate` would refuse.

    Only tokenizers that are on disk are used, and the template's tokens are not counted; `generate`
    checks all prompts again.
    """
    limit = study.generate.max_prompt_tokens
    # A token is a byte at least.
    long = [prompt for prompt in _prompts(study) if len(prompt.prompt.encode()) > limit]
    files = [tokenizer_file(model, out) for model in base_models(study)]
    for file in {file for file in files if file and long}:
        from tokenizers import Tokenizer

        from polypaca.generation.prompts import prompt_limit, prompts_too_long

        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception:  # noqa: BLE001, S112  # `prepare` says what is wrong with it
            continue
        counts = {f"{p.id} ({p.language})": len(tokenizer.encode(p.prompt)) for p in long}
        over = {name: count for name, count in counts.items() if count > limit}
        if over:
            raise prompts_too_long(over, prompt_limit(limit, "error"))


def _check_references(study: Study) -> None:
    from polypaca.judging.reference import missing_references_error

    prompts = _prompts(study)
    with_reference = {prompt.id for prompt in prompts if (prompt.reference or "").strip()}
    lacking = [prompt.id for prompt in prompts if prompt.id not in with_reference]
    if lacking:
        raise missing_references_error(lacking)
