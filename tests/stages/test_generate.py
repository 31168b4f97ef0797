from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.records import Prompt, Response
from polypaca.stages.generate import generate, shuffle


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


def _prompts(folder: Path) -> Path:
    for code in ("en", "es"):
        rows = [Prompt(id=str(n), language=code, prompt=f"{code} animal {n}") for n in range(6)]
        write_jsonl(folder / f"{code}.jsonl", rows)
    return folder


def _generate(
    folder: Path, base: Path, prompts: Path, progress: Callable[[float, str], None]
) -> list[Response]:
    folder.mkdir(exist_ok=True)
    generate(
        folder, prompts=prompts, base=base, system="m.base", languages=["en", "es"],
        template="alpaca", max_new_tokens=8, num_beams=1, no_repeat_ngram_size=0, batch_size=4,
        progress=progress,
    )  # fmt: skip
    return list(read_jsonl(folder / "responses.jsonl", Response))


def test_a_killed_run_goes_on_and_gives_the_same_answers(
    tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    prompts, base = _prompts(tmp_path / "prompts"), tiny_model("gpt_neox")
    whole = _generate(tmp_path / "a", base, prompts, _ignore)
    assert [(r.language, r.prompt_id) for r in whole] == [
        (code, str(n)) for code in ("en", "es") for n in range(6)
    ]

    def kill(fraction: float, text: str) -> None:
        if fraction >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _generate(tmp_path / "b", base, prompts, kill)
    with (tmp_path / "b" / "partial.jsonl").open("ab") as file:
        file.write(b'{"system": "m.base", "prompt_id"')  # cut off in the middle of a line
    done: list[str] = []
    again = _generate(tmp_path / "b", base, prompts, lambda fraction, text: done.append(text))
    assert again == whole
    # Six and a half line were there, which is one whole batch.
    assert done[0] == "5/12 answers"
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["responses.jsonl"]
