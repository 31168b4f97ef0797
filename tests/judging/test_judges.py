from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polypaca.core.errors import UserError
from polypaca.core.files import sha256_text
from polypaca.core.records import Verdict
from polypaca.core.settings import Choice
from polypaca.judging.contract import Item, Judge
from polypaca.judging.judges import JUDGES, load
from polypaca.judging.llm import LlmJudgeSettings, PairwiseSettings
from polypaca.judging.none import NoJudgeSettings
from polypaca.langid.settings import GateSettings

from ..llm.mock_server import Answer, serve  # noqa: TID252

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ITEMS = [
    Item("a", "p1", "es", "¿Qué hora es?", "Son las dos.", {"es": "Son las tres.", "en": "Three."}),
    Item("a", "p1", "en", "What time is it?", "", {"es": "Son las tres.", "en": "It is three."}),
    Item("b", "p2", "zh", "你好！", "\ud83d [[3]]", {"zh": "你好，很高兴见到你！"}),
    Item("b", "p2", "en", "Hello!", "42", {"zh": "你好，很高兴见到你！"}),
]


@pytest.fixture(params=sorted(JUDGES))
def judge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Judge]:
    with serve(lambda number, content: Answer("Fine. [[2]]")) as server:
        offered = {"model": "m", "base_url": server.base_url, "api_key_env": None}
        takes = JUDGES[request.param].settings
        settings = {name: value for name, value in offered.items() if name in takes.model_fields}
        yield load(takes(kind=request.param, **settings), gate=GateSettings(), cache=tmp_path)


def test_one_verdict_an_item_in_order_signed_and_hashed(judge: Judge) -> None:
    verdicts = list(judge.judge(ITEMS))
    for item, verdict in zip(ITEMS, verdicts, strict=True):
        assert (verdict.system, verdict.prompt_id) == (item.system, item.prompt_id)
        assert verdict.language == item.language
        assert verdict.response_sha256 == sha256_text(item.response)
        assert verdict.judge.startswith(judge.signature)
        assert (verdict.rating is not None) == (verdict.status == "ok")
        low, high = judge.scale
        assert verdict.rating is None or low <= verdict.rating <= high


def test_the_same_items_get_the_same_verdicts(judge: Judge) -> None:
    assert list(judge.judge(ITEMS)) == list(judge.judge(ITEMS))


def test_progress_ends_at_the_number_of_items(judge: Judge) -> None:
    seen: list[int] = []
    list(judge.judge(ITEMS, seen.append))
    assert seen[-1] == len(ITEMS)
    assert seen == sorted(seen)


def test_nothing_to_judge(judge: Judge) -> None:
    assert list(judge.judge([])) == []


def test_prompts_without_references(judge: Judge, request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.params["judge"]
    bare = [Item("a", "p", "es", "?", "x")]
    if JUDGES[kind].needs_references:
        with pytest.raises(UserError, match="reference"):
            list(judge.judge(bare))
    else:
        (verdict,) = judge.judge(bare)
        assert isinstance(verdict, Verdict)


@pytest.mark.parametrize("kind", sorted(JUDGES))
def test_a_row_has_the_name_that_its_settings_have(kind: str) -> None:
    settings = JUDGES[kind].settings
    assert settings.model_fields["kind"].default == kind
    assert settings.__doc__


def test_prompts_are_looked_at_before_anything_runs() -> None:
    check = JUDGES["llm"].check
    check(LlmJudgeSettings(model="m", pairwise=PairwiseSettings()))
    for wrong in ({"prompt": "gone"}, {"pairwise": PairwiseSettings(prompt="gone")}):
        with pytest.raises(UserError, match="cannot read the judge's prompt 'gone'"):
            check(LlmJudgeSettings(model="m").model_copy(update=wrong))


def test_no_judge_leaves_every_answer_unrated() -> None:
    assert {
        (v.status, v.rating, v.judge)
        for v in load(NoJudgeSettings(), gate=GateSettings()).judge(ITEMS)
    } == {("unrated", None, "none")}


def test_an_unknown_judge_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'referense'; did you mean reference\?"):
        load(Choice(kind="referense"), gate=GateSettings())
    with pytest.raises(UserError, match="expected one of: reference, llm, none"):
        load(Choice(kind="xyz"), gate=GateSettings())
