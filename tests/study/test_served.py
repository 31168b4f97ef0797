from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from polypaca.core.errors import StudyError
from polypaca.core.settings import RUN_ONLY, deciding, marked_fields
from polypaca.judging.llm import LlmJudgeSettings, PairwiseSettings
from polypaca.judging.prompts import load_prompt
from polypaca.llm.endpoint import Endpoint
from polypaca.study.load import load_study
from polypaca.translation.llm import LlmTranslatorSettings


def test_every_setting_of_a_server_either_decides_answers_or_does_not() -> None:
    assert deciding(Endpoint(model="m", api_key_env=None, concurrency=2, max_retries=9)) == {
        "model": "m",
        "base_url": "https://api.openai.com/v1",
    }


@pytest.mark.parametrize("section", [LlmJudgeSettings, LlmTranslatorSettings])
def test_a_section_is_flat(section: type[LlmJudgeSettings | LlmTranslatorSettings]) -> None:
    made = section(
        model="m",
        base_url="http://h/v1",
        api_key_env=None,
        requests_per_minute=60,
        price_input=1,
        price_output=2,
        money_limit=5,
    )
    assert made.kind == "llm"
    assert set(marked_fields(Endpoint, RUN_ONLY)) < set(made.model_dump())


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"money_limit": 5}, "needs `price_input` and `price_output`"),
    ({"money_limit": 5, "price_input": 1}, "needs `price_input` and `price_output`"),
    ({"token_limit": 0}, "greater than or equal to 1"),
    ({"requests_per_minute": 0}, "greater than 0"),
    ({"concurrency": 0}, "greater than or equal to 1"),
    ({"api_key_env": "sk-very secret"}, "not the name of an environment variable"),
    ({"base_url": "http://me:x@h/v1"}, "must not contain a user"),
    ({"base_url": "http://h:sk-a-secret/v1"}, "a port from 1 to 65535"),
    ({"api_key_env": "gsk_Ab0123456789"}, "not the name of an environment variable"),
    ({"api_key_env": "Ab0123456789Ab0123456789"}, "not the name of an environment variable"),
    ({"votes": 3}, "`votes` above 1 need a `temperature` above 0"),
    ({"votes": 0, "temperature": 1}, "greater than or equal to 1"),
    ({"name": "a/b"}, "cannot name a folder"),
    ({"pairwise": {"pairs": [["english"]]}}, "pairs"),
    ({"pairwise": {"pairs": [["english", "english"]]}}, "compared with itself"),
    ({"prompts": "x"}, "Extra inputs"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_a_judge_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LlmJudgeSettings.model_validate({"model": "m", **settings})


def test_votes_and_pairs() -> None:
    judge = LlmJudgeSettings.model_validate(
        {
            "model": "m",
            "votes": 4,
            "temperature": 0.7,
            "pairwise": {"pairs": [("english", "multilingual")]},
        }
    )
    assert judge.pairwise == PairwiseSettings(pairs=[("english", "multilingual")], prompt="default")
    assert LlmJudgeSettings(model="m").pairwise is None
    assert PairwiseSettings().pairs == "all"


def test_the_examples_of_the_documentation_are_valid(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "judging.md").read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    kinds = []
    for block in blocks:
        # One block shows a section several times, for several servers.
        for part in re.split(r"\n\n", block):
            raw = YAML(typ="safe").load(part)
            kinds.append("judge" if "judge" in raw else "prompt")
            if "judge" in raw:
                several = raw["judge"] if isinstance(raw["judge"], list) else [raw["judge"]]
                for judge in several:
                    LlmJudgeSettings.model_validate(judge)
            else:
                (tmp_path / "own.yaml").write_text(part, encoding="utf-8")
                assert load_prompt(str(tmp_path / "own.yaml")).scale == (1.0, 5.0)
    assert (kinds.count("judge"), kinds.count("prompt")) == (7, 1)


SECRET = "sk-a-secret-of-mine"


@pytest.mark.parametrize(
    "judge",
    [
        f"{{kind: llm, model: m, base_url: 'http://h:{SECRET}/v1'}}",
        f"{{kind: llm, model: m, base_url: 'http://me:{SECRET}@h/v1'}}",
        f"{{kind: llm, model: m, base_url: 'http://h/v1?key={SECRET}'}}",
        f"{{kind: llm, model: m, api_key_env: {SECRET}}}",
    ],
)
def test_no_message_repeats_a_key(tmp_path: Path, judge: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"name: x\njudge: {judge}\n", encoding="utf-8")
    with pytest.raises(StudyError) as error:
        load_study(path)
    assert "study.yaml:2, judge." in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "override",
    [
        f"judge.base_url=http://h:{SECRET}/v1",
        f"judge.base_url=[http://{SECRET}",
        f"http://me:{SECRET}@h/v1",
        f"http://h/v1?key={SECRET}",
    ],
)
def test_no_message_repeats_a_key_of_the_command_line(tmp_path: Path, override: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("name: x\njudge: {kind: llm, model: m}\n", encoding="utf-8")
    with pytest.raises(StudyError, match="command line") as error:
        load_study(path, [override])
    assert SECRET not in str(error.value)
