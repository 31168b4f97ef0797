"""What would fail, or cost money, only after hours of training, looked at before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.judging.judges import JUDGES
from polypaca.llm.endpoint import Endpoint
from polypaca.planning.at_hand import tokenizer_file
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
    """Check that what is asked will have its key, prompt, model file or references.

    `out` is the study's output folder, where tokenizers may be ready.

    Raises:
        UserError: if it will not.
    """
    from polypaca.llm.client import require_key

    for served, _ in _asked(pending):
        require_key(served)
    works = [task.work for task in pending]
    if any(isinstance(work, (JudgeAnswers, ComparePairs)) for work in works):
        for judge in judges(study).values():
            JUDGES.row(judge.kind).check(judge)
        if any(JUDGES.row(judge.kind).needs_references for judge in judges(study).values()):
            _check_references(study)
    asks_cells = any(isinstance(work, AnswerPrompts) for work in works)
    if asks_cells and study.generate.on_long_prompt == "error":
        _check_prompt_lengths(study, out or Path())
    detecting = (JudgeAnswers, CheckLanguage, PassOn, TranslateRows)
    if any(isinstance(work, detecting) for work in works):
        from polypaca.langid import detectors

        # Jobs work offline: a detector that has to be downloaded is, now.
        detectors.ensure(study.gate.detector, study.gate.model)


def spending(pending: Sequence[Task]) -> list[str]:
    """What the pending tasks would ask of served models, a phrase each."""
    return [phrase for _, phrase in _asked(pending)]


def _asked(pending: Sequence[Task]) -> list[tuple[Endpoint, str]]:
    """Who would be asked, and for what; equal requests are counted together."""
    found: dict[str, tuple[Endpoint, int]] = {}
    for task in pending:
        request = _request(task.work)
        if request:
            served, words = request
            found[words] = (served, found.get(words, (served, 0))[1] + 1)
    return [(served, words.format(count=count)) for words, (served, count) in found.items()]


def _request(work: Work[SealedFolder[Facts]]) -> tuple[Endpoint, str] | None:
    """Whom a task asks, and for what: `{count}` stands for how many tasks do."""
    if isinstance(work, TranslateRows) and isinstance(work.engine, Endpoint):
        return work.engine, f"{_who(work.engine)} will translate into {work.language}"
    if isinstance(work, AskServer) and work.checkpoint:
        # A server may have a model for each cell.
        server = f"{work.served.base_url}{_limit(work.served)}"
        return work.served, f"{server} will answer for {{count}} cells"
    if isinstance(work, AskServer):
        return work.served, f"{_who(work.served)} will answer as {work.system}"
    if isinstance(work, JudgeAnswers) and isinstance(work.judge, Endpoint):
        return work.judge, f"{_who(work.judge)} will judge {{count}} systems"
    if isinstance(work, ComparePairs):
        return work.judge, f"{_who(work.judge)} will compare {{count}} pairs of recipes"
    return None


def _who(served: Endpoint) -> str:
    model = served.model.replace("{", "").replace("}", "")
    return f"{model} at {served.base_url}{_limit(served)}"


def _limit(served: Endpoint) -> str:
    limit = served.money_limit
    return f", spending {limit:g} at most," if limit is not None else ""


def _prompts(study: Study) -> list[Prompt]:
    """The test prompts; none where `prepare` has yet to download them."""
    from polypaca.data.sources import read_prompts

    asked = study.prompts
    if asked.source.startswith(("http://", "https://")):
        return []
    read = read_prompts(asked.source, study.languages.test, asked.count, asked.on_bad_row)
    return [prompt for part in read.prompts.values() for prompt in part]


def _check_prompt_lengths(study: Study, out: Path) -> None:
    """Refuse before training what would be refused when it is asked.

    Only tokenizers at hand can tell, and a template's own tokens are left out: whatever is let
    through is looked at again.
    """
    most = study.generate.max_prompt_tokens
    # A token is a byte at least.
    long = [one for one in _prompts(study) if len(one.prompt.encode()) > most]
    files = [tokenizer_file(model, out) for model in base_models(study)]
    for file in {file for file in files if file and long}:
        from tokenizers import Tokenizer

        from polypaca.generation.prompts import study_limit, too_long

        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception:  # noqa: BLE001, S112  # `prepare` says what is wrong with it
            continue
        counts = {f"{one.id} ({one.language})": len(tokenizer.encode(one.prompt)) for one in long}
        over = {name: count for name, count in counts.items() if count > most}
        if over:
            raise too_long(over, study_limit(most, "error"))


def _check_references(study: Study) -> None:
    from polypaca.judging.reference import missing_references_error

    prompts = _prompts(study)
    with_reference = {prompt.id for prompt in prompts if (prompt.reference or "").strip()}
    lacking = [prompt.id for prompt in prompts if prompt.id not in with_reference]
    if lacking:
        raise missing_references_error(lacking)
