from __future__ import annotations

import json
from pathlib import Path

import pytest

from polypaca.models.templates import TEMPLATES


@pytest.mark.data
def test_the_alpaca_template_is_quoted_to_the_letter(data_folder: Path) -> None:
    published = json.loads((data_folder.parent / "paper" / "alpaca_template.json").read_text())
    assert TEMPLATES["alpaca"].with_input == published["prompt_input"]
    assert TEMPLATES["alpaca"].without_input == published["prompt_no_input"]


def test_rendering_puts_texts_in_as_they_are() -> None:
    text = TEMPLATES["alpaca"].render("Say {input} and {instruction}.", "{instruction} {0}")
    assert "### Instruction:\nSay {input} and {instruction}.\n\n" in text
    assert "### Input:\n{instruction} {0}\n\n### Response:\n" in text
    assert "### Input:" not in TEMPLATES["alpaca"].render("Say hello.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" An answer.\n", "An answer."),
        ("An answer.\n\n### Instruction:\nAnother", "An answer."),
        ("# Title\n## Section\n#### deep", "# Title\n## Section\n#### deep"),
        ("\n### Input:\nnothing before", ""),
    ],
)
def test_an_answer_ends_where_the_next_section_begins(text: str, expected: str) -> None:
    assert TEMPLATES["alpaca"].cut(text) == expected
