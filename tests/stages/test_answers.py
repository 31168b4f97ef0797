from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polypaca.core.errors import DataError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.manifest import seal
from polypaca.core.records import Prompt, Response
from polypaca.stages.answers import given as take_over
from polypaca.stages.answers import shuffle
from polypaca.stages.prepare import prepare_prompts


def _ignore(fraction: float, text: str) -> None:
    pass


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
    shuffle(tmp_path / "out", responses=tmp_path, system="s.shuffled", seed=seed, progress=_ignore)
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
    return take_over(
        folder / "out",
        prompts=prompts,
        source=str(folder / "given.{language}.jsonl"),
        system="theirs",
        languages=["en", "es"],
        progress=_ignore,
    )


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
        ({"id": "9", "response": "x"}, r"given.es.jsonl:2, field id: '9' is the id of no prompt"),
        ({"id": "0", "response": "x"}, r"given.es.jsonl:2: prompt '0' is answered twice"),
        ({"id": "1"}, r"given.es.jsonl:2, field response: is missing"),
        ({"id": "1", "response": 7}, r"given.es.jsonl:2, field response: must be text"),
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
        facts = prepare_prompts(
            folder, source=str(tmp_path / "test.{language}.jsonl"), languages=["en", "es"],
            count=2, on_bad_row="error", progress=_ignore,
        )  # fmt: skip
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
        with pytest.raises(DataError, match="'7' is the id of no prompt"):
            _given(tmp_path, pilot, [{"id": "7", "response": "a"}], [])

    def test_a_part_without_ids_is_refused(self, tmp_path: Path, pilot: Path) -> None:
        with pytest.raises(DataError, match=r"3 answers without ids to 2 prompts \(of 5 in"):
            _given(tmp_path, pilot, [{"response": "a"}] * 3, [])


def test_rows_without_ids_must_be_as_many_as_prompts(tmp_path: Path, prompts: Path) -> None:
    with pytest.raises(DataError, match="2 answers without ids to 3 prompts"):
        _given(tmp_path, prompts, [{"response": "a"}, {"response": "b"}], [])
