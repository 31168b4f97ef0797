"""What would fail only after hours of training, checked before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.study.judge import LlmJudge, ReferenceJudge

if TYPE_CHECKING:
    from polypaca.study import Study


def check_judge(study: Study) -> None:
    """Check that the judge will have its key, or the references that it compares with.

    Raises:
        UserError: if it will not.
    """
    if isinstance(study.judge, LlmJudge):
        from polypaca.llm.client import require_key
        from polypaca.llm.records import Endpoint

        judge = study.judge
        require_key(Endpoint(judge.base_url, judge.model, judge.api_key_env))
    elif isinstance(study.judge, ReferenceJudge):
        _check_references(study)


def _check_references(study: Study) -> None:
    from polypaca.judging.reference import without_references
    from polypaca.stages.prepare import read_prompts

    asked = study.prompts
    if asked.source.startswith(("http://", "https://")):
        return  # `prepare` downloads them; then the judge looks
    read = read_prompts(asked.source, study.languages.test, asked.count, asked.on_bad_row)
    prompts = [prompt for part in read.prompts.values() for prompt in part]
    with_reference = {prompt.id for prompt in prompts if (prompt.reference or "").strip()}
    lacking = [prompt.id for prompt in prompts if prompt.id not in with_reference]
    if lacking:
        raise without_references(lacking)
