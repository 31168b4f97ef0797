"""What would fail, or cost money, only after hours of training, looked at before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.planning.at_hand import tokenizer_file
from polypaca.study.grid import base_models, judge_name, judges, systems, translated
from polypaca.study.judge import LlmJudge
from polypaca.study.system_entries import ServedSystem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.core.records import Prompt
    from polypaca.llm.served import Served
    from polypaca.study import Study
    from polypaca.workflow.steps import Task


def check(study: Study, pending: Sequence[Task], out: Path | None = None) -> None:
    """Check that what is asked will have its key, prompt, model file or references.

    `out` is the study's output folder, where tokenizers may be ready.

    Raises:
        UserError: if it will not.
    """
    from polypaca.llm.client import require_key
    from polypaca.llm.records import endpoint

    for served, _ in _asked(study, pending):
        require_key(endpoint(**served.model_dump(include=_REACH)))
    steps = {task.step for task in pending}
    if steps & {"judge", "pairs"}:
        _check_prompts(study)
        if any(judge.kind == "reference" for judge in judges(study).values()):
            _check_references(study)
    if "generate" in steps and study.generate.on_long_prompt == "error":
        _check_prompt_lengths(study, out or Path())
    if steps & {"judge", "gate", "translate"}:
        from polypaca.langid import detectors

        # Jobs work offline: a detector that has to be downloaded is, now.
        detectors.ensure(study.gate.detector, study.gate.model)


_REACH = {"model", "base_url", "api_key_env"}


def spending(study: Study, pending: Sequence[Task]) -> list[str]:
    """What the pending tasks would ask of served models, a phrase each."""
    return [phrase for _, phrase in _asked(study, pending)]


def _asked(study: Study, pending: Sequence[Task]) -> Iterator[tuple[Served, str]]:
    ids = {task.id for task in pending}
    for code, engine in translated(study).items():
        if engine.kind == "llm" and f"translations/{code}" in ids:
            yield engine, f"{_who(engine)} will translate into {code}"
    asked = [task for task in pending if task.step == "ask"]
    for system in systems(study):
        if isinstance(system.entry, ServedSystem) and f"systems/{system.id}/responses" in ids:
            yield system.entry.served, f"{_who(system.entry.served)} will answer as {system.id}"
    if study.generate.served and asked:
        yield study.generate.served, f"{_who(study.generate.served)} will answer for the cells"
    for judge in judges(study).values():
        if not isinstance(judge, LlmJudge):
            continue
        own = "" if judge is study.judge else f".{judge_name(judge)}"
        count = sum(i.startswith("systems/") and i.endswith(f"/verdicts{own}") for i in ids)
        if count:
            yield judge, f"{_who(judge)} will judge {count} systems"
        pairs = sum(task.step == "pairs" for task in pending)
        if pairs and judge is study.judge:
            yield judge, f"{_who(judge)} will compare {pairs} pairs of recipes"


def _who(served: Served) -> str:
    limit = served.money_limit
    most = f", spending {limit:g} at most," if limit is not None else ""
    return f"{served.model} at {served.base_url}{most}"


def _check_prompts(study: Study) -> None:
    for judge in judges(study).values():
        if isinstance(judge, LlmJudge):
            from polypaca.judging.prompts import load_pair_prompt, load_prompt

            load_prompt(judge.prompt)
            if judge.pairwise:
                load_pair_prompt(judge.pairwise.prompt)


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
    from polypaca.judging.reference import without_references

    prompts = _prompts(study)
    with_reference = {prompt.id for prompt in prompts if (prompt.reference or "").strip()}
    lacking = [prompt.id for prompt in prompts if prompt.id not in with_reference]
    if lacking:
        raise without_references(lacking)
