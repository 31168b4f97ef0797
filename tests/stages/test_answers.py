from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polypaca.core.errors import DataError, StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import PromptsFolder, ResponsesFolder
from polypaca.core.manifest import seal
from polypaca.core.records import Prompt, Response
from polypaca.core.work import Context
from polypaca.generation.contract import Generate
from polypaca.llm.endpoint import ServedModel
from polypaca.stages.answers import AskServer, ShuffleAnswers, TakeAnswers
from polypaca.stages.prepare import PreparePrompts

from ..llm.mock_server import Answer, MockServer, serve  # noqa: TID252


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(2, 40), seed=st.integers(0, 5))
def test_shuffling_gives_everyone_somebody_elses_answer(
    count: int, seed: int, tmp_path: Path
) -> None:
    answers = [
        Response(
            system="s", prompt_id=str(n), language=code, response=f"{code}{n}", finish_reason="stop"
        )
        for code in ("en", "es")
        for n in range(count)
    ]
    write_jsonl(tmp_path / "responses.jsonl", answers)
    work = ShuffleAnswers(responses=ResponsesFolder(tmp_path), system="s.shuffled", seed=seed)
    work.run(Context(tmp_path / "out"))
    dealt = list(read_jsonl(tmp_path / "out" / "responses.jsonl", Response))
    assert sorted(a.response for a in dealt) == sorted(a.response for a in answers)
    for answer in dealt:
        assert answer.system == "s.shuffled"
        assert answer.response != f"{answer.language}{answer.prompt_id}"
        assert answer.response.startswith(answer.language)


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    for code in ("en", "es"):
        rows = [Prompt(id=str(n), language=code, prompt=f"{code} {n}") for n in range(3)]
        write_jsonl(tmp_path / "prompts" / f"{code}.jsonl", rows)
    return tmp_path / "prompts"


def _given(folder: Path, prompts: Path, en: list[object], es: list[object]) -> dict[str, object]:
    for code, rows in (("en", en), ("es", es)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"given.{code}.jsonl").write_text(text)
    work = TakeAnswers(
        prompts=PromptsFolder(prompts),
        source=str(folder / "given.{language}.jsonl"),
        system="theirs",
        languages=["en", "es"],
    )
    return work.run(Context(folder / "out")).recorded()


def test_given_answers_are_matched_by_id_or_by_their_order(tmp_path: Path, prompts: Path) -> None:
    facts = _given(
        tmp_path,
        prompts,
        [{"id": 2, "response": "c"}, {"prompt_id": "0", "response": ""}],
        [{"response": "x"}, {"response": "y"}, {"response": "z"}],
    )
    answers = list(read_jsonl(tmp_path / "out" / "responses.jsonl", Response))
    assert [(a.language, a.prompt_id, a.response) for a in answers] == [
        ("en", "0", ""), ("en", "2", "c"), ("es", "0", "x"), ("es", "1", "y"), ("es", "2", "z"),
    ]  # fmt: skip
    assert {a.finish_reason for a in answers} == {"given"}
    assert facts["missing"] == 1
    assert facts["summary"] == "5 answers, 1 prompts have none"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"id": "9", "response": "x"},
            r"given.es.jsonl:2, field id: '9' is not the id of a prompt",
        ),
        ({"id": "0", "response": "x"}, r"given.es.jsonl:2: prompt '0' is answered twice"),
        ({"id": "1"}, r"given.es.jsonl:2, field response: is missing"),
        ({"id": "1", "response": 7}, r"given.es.jsonl:2, field response: must be a string"),
        ({"response": "x"}, r"given.es.jsonl:2, field id: is missing, though other rows have"),
    ],
)
def test_given_answers_that_cannot_be_used_are_named(
    tmp_path: Path, prompts: Path, row: object, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _given(
            tmp_path, prompts, [{"id": "0", "response": "a"}], [{"id": "0", "response": ""}, row]
        )


class TestPilot:
    """A study of some prompts, and answers to all of them."""

    @pytest.fixture
    def pilot(self, tmp_path: Path) -> Path:
        """Two of five prompts, which stand in another order in each language."""
        for code, order in (("en", "01234"), ("es", "43210")):
            rows = [{"id": n, "prompt": f"{code} {n}"} for n in order]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / f"test.{code}.jsonl").write_text(text)
        folder = tmp_path / "prompts"
        folder.mkdir()
        work = PreparePrompts(
            source=str(tmp_path / "test.{language}.jsonl"), sha256={}, languages=["en", "es"],
            count=2, on_bad_row="error",
        )  # fmt: skip
        facts = work.run(Context(folder)).recorded()
        seal(folder, stage="prepare", format_number=1, settings={}, inputs={}, facts=facts)
        return folder

    @pytest.mark.parametrize("with_ids", [True, False])
    def test_the_matching_part_is_used_and_the_rest_counted(
        self, tmp_path: Path, pilot: Path, with_ids: bool
    ) -> None:
        rows = {
            code: [{"response": f"{code} {n}"} | ({"id": n} if with_ids else {}) for n in order]
            for code, order in (("en", "01234"), ("es", "43210"))
        }
        facts = _given(tmp_path, pilot, list(rows["en"]), list(rows["es"]))
        answers = read_jsonl(tmp_path / "out" / "responses.jsonl", Response)
        assert sorted((a.prompt_id, a.response) for a in answers) == [
            ("0", "en 0"), ("0", "es 0"), ("1", "en 1"), ("1", "es 1"),
        ]  # fmt: skip
        assert facts["not_asked"] == 6
        assert facts["summary"] == (
            "4 answers, 6 more are to prompts that prompts.count leaves out"
        )

    def test_answers_to_the_asked_prompts_alone_fit_too(self, tmp_path: Path, pilot: Path) -> None:
        two: list[object] = [{"response": "a"}, {"response": "b"}]
        facts = _given(tmp_path, pilot, two, two)
        assert (facts["not_asked"], facts["missing"]) == (0, 0)

    def test_an_id_of_no_prompt_is_still_named(self, tmp_path: Path, pilot: Path) -> None:
        with pytest.raises(DataError, match="'7' is not the id of a prompt"):
            _given(tmp_path, pilot, [{"id": "7", "response": "a"}], [])

    def test_a_part_without_ids_is_refused(self, tmp_path: Path, pilot: Path) -> None:
        with pytest.raises(DataError, match=r"3 answers without ids to 2 prompts \(of 5 in"):
            _given(tmp_path, pilot, [{"response": "a"}] * 3, [])


def test_rows_without_ids_must_be_as_many_as_prompts(tmp_path: Path, prompts: Path) -> None:
    with pytest.raises(DataError, match="2 answers without ids to 3 prompts"):
        _given(tmp_path, prompts, [{"response": "a"}, {"response": "b"}], [])


def test_thoughts_are_no_part_of_given_answers(tmp_path: Path, prompts: Path) -> None:
    facts = _given(
        tmp_path,
        prompts,
        [
            {"id": "0", "response": "<think>Hm.</think>\n\nYes."},
            {"id": "1", "response": "<think>Hm, let me"},
            {"id": "2", "response": "No."},
        ],
        [{"id": "0", "response": "Hm.</think>Sí."}],
    )
    answers = list(read_jsonl(tmp_path / "out" / "responses.jsonl", Response))
    assert [(a.language, a.prompt_id, a.response) for a in answers] == [
        ("en", "0", "Yes."), ("en", "2", "No."), ("es", "0", "Sí."),
    ]  # fmt: skip
    assert (facts["thoughts"], facts["unfinished"], facts["missing"]) == (2, 1, 3)
    assert facts["summary"] == (
        "3 answers, 3 prompts have none (1 end within thoughts); thoughts left out of 2"
    )


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten prompts in each of two languages."""
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    for code in ("en", "es"):
        rows = [Prompt(id=str(n), language=code, prompt=f"{code} {n}") for n in range(10)]
        write_jsonl(tmp_path / "many" / f"{code}.jsonl", rows)
    return tmp_path / "many"


def _ask(prompts: Path, server: MockServer, missing: float = 0.1) -> dict[str, Any]:
    work = AskServer(
        prompts=PromptsFolder(prompts), system="s", languages=["en", "es"], template=None,
        served=ServedModel(
            model="m", base_url=server.base_url, api_key_env=None, max_retries=0
        ),
        generate=Generate(max_new_tokens=64, missing=missing),
        account=prompts.parent / "spending.jsonl",
    )  # fmt: skip
    return work.run(Context(prompts.parent / "asked")).recorded()


def _asked(prompts: Path) -> list[Response]:
    return list(read_jsonl(prompts.parent / "asked" / "responses.jsonl", Response))


def test_two_prompts_of_twenty_that_are_never_answered_are_counted(many: Path) -> None:
    def answer(number: int, content: str) -> Answer:
        return Answer(status=400) if content in ("en 3", "es 7") else Answer("Yes.")

    with serve(answer) as server:
        facts = _ask(many, server)
    assert len(_asked(many)) == facts["responses"] == 18
    # Asking for them again will not help, so that the next run does not.
    assert (facts["missing"], facts["failed"]) == (2, 0)
    assert "run again" not in facts["summary"]
    assert "2 of them without an answer" in facts["summary"]


def test_what_may_be_answered_yet_is_asked_again_by_the_next_run_alone(many: Path) -> None:
    down = True

    def answer(number: int, content: str) -> Answer:
        return Answer(status=503) if down and content == "en 3" else Answer("Yes.")

    with serve(answer) as server:
        facts = _ask(many, server)
        assert (facts["missing"], facts["failed"]) == (1, 1)
        assert "run again to retry them" in facts["summary"]
        down, asked = False, len(server.requests)
        facts = _ask(many, server)
        assert (facts["missing"], facts["failed"], facts["responses"]) == (0, 0, 20)
        assert len(server.requests) == asked + 1


@pytest.mark.parametrize("tolerated", [0.0, 0.1])
def test_more_than_the_study_tolerates_is_an_error(many: Path, tolerated: float) -> None:
    def answer(number: int, content: str) -> Answer:
        return Answer(status=400) if content[-1] in "345" else Answer("Yes.")

    with (
        serve(answer) as server,
        pytest.raises(StageError, match=r"6 of 20 prompts got no answer.*generate\.missing"),
    ):
        _ask(many, server, missing=tolerated)


def test_a_language_without_any_answer_is_an_error_whatever_is_tolerated(many: Path) -> None:
    with (
        serve(lambda number, text: Answer(status=400 if "es" in text else 200)) as server,
        pytest.raises(StageError, match="no prompt in es got an answer"),
    ):
        _ask(many, server, missing=1.0)


def test_thoughts_are_no_part_of_a_served_answer(many: Path) -> None:
    def answer(number: int, content: str) -> Answer:
        return Answer("<think>\nIn English, hm.\n</think>\n\nSí." if "es" in content else "Yes.")

    with serve(answer) as server:
        facts = _ask(many, server)
    assert {a.response for a in _asked(many)} == {"Yes.", "Sí."}
    assert facts["thoughts"] == 10


def test_an_answer_that_ends_within_thoughts_is_none_even_without_a_mark(many: Path) -> None:
    def answer(number: int, content: str) -> Answer:
        cut = content in ("en 1", "es 2")
        said = "Let me weigh" if cut else "Hm.</think>Yes."
        choice = {"message": {"content": said}, "finish_reason": "length" if cut else "stop"}
        return Answer(body=json.dumps({"choices": [choice]}).encode())

    with serve(answer) as server:
        facts = _ask(many, server)
        # Cut off again: nothing to ask for again.
        asked = len(server.requests)
        assert _ask(many, server)["responses"] == 18
        assert len(server.requests) == asked
    assert (facts["responses"], facts["missing"], facts["failed"]) == (18, 2, 0)
    assert {a.response for a in _asked(many)} == {"Yes."}
