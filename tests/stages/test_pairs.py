from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import PairFacts, PromptsFolder, ResponsesFolder
from polypaca.core.records import PairVerdict, Prompt, Response
from polypaca.core.work import Context
from polypaca.judging.llm import LlmJudgeSettings
from polypaca.stages.pairs import ComparePairs

from ..llm.mock_server import Answer, serve  # noqa: TID252


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComparePairs:
    """One model for both languages against one for each; q has no answer to the last prompt."""
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    for code in ("en", "es"):
        prompts = [
            Prompt(id=str(n), language=code, prompt=f"{code} question {n}") for n in range(3)
        ]
        write_jsonl(tmp_path / "prompts" / f"{code}.jsonl", prompts)
    for system, codes, count in (("m", ("en", "es"), 3), ("p", ("en",), 3), ("q", ("es",), 2)):
        answers = [
            Response(
                system=system, prompt_id=str(n), language=code, finish_reason="stop",
                response="the same" if n == 0 else f"{system} says {code} {n}",
            )
            for code in codes
            for n in range(count)
        ]  # fmt: skip
        write_jsonl(tmp_path / system / "responses.jsonl", answers)
    return ComparePairs(
        prompts=PromptsFolder(tmp_path / "prompts"),
        responses={system: ResponsesFolder(tmp_path / system) for system in "mpq"},
        systems={"en": ["m", "p"], "es": ["m", "q"]},
        judge=LlmJudgeSettings(model="j", prompt="default"),
        account=tmp_path / "spending.jsonl",
    )


def _run(work: ComparePairs, base_url: str) -> PairFacts:
    served = {"base_url": base_url, "api_key_env": None}
    asked = replace(work, judge=work.judge.model_copy(update=served))
    context = Context(work.account.parent / "out")
    ((index, result),) = ComparePairs.run_all([(asked, context)])
    assert index == 0
    if isinstance(result, Exception):
        raise result
    assert isinstance(result, PairFacts)
    return result


def test_each_language_compares_who_answers_for_it(work: ComparePairs) -> None:
    def prefers_m(number: int, message: str) -> Answer:
        first = message.index("m says")
        others = [message.find(f"{other} says") for other in "pq"]
        return Answer(text=f"Better. [[{'A' if first < max(others) else 'B'}]]")

    with serve(prefers_m) as server:
        facts = _run(work, server.base_url)
        # Three pairs that differ, in two orders; what is identical is not asked about.
        assert len(server.requests) == 6
    assert (facts.pairs, facts.failed) == (5, 0)
    found = list(read_jsonl(work.account.parent / "out" / "pairs.jsonl", PairVerdict))
    assert [(v.language, v.prompt_id, v.system_b, v.outcome) for v in found] == [
        ("en", "0", "p", "tie"), ("en", "1", "p", "a"), ("en", "2", "p", "a"),
        ("es", "0", "q", "tie"), ("es", "1", "q", "a"),
    ]  # fmt: skip


def test_a_judge_that_will_not_say_fails_the_stage(work: ComparePairs) -> None:
    with (
        serve(lambda number, message: Answer(text="Both are fine.")) as server,
        pytest.raises(StageError, match=r"3 of 5 comparisons failed, the first: no \[\[A\]\]"),
    ):
        _run(work, server.base_url)
