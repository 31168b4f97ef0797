from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polypaca.core.errors import StudyError
from polypaca.study import load_study
from polypaca.study.document import DEEPEST

if TYPE_CHECKING:
    from pathlib import Path

VALID = """\
name: small
languages: {train: [en, es], test: [en]}
data: {instructions: "builtin:tiny"}
prompts: builtin:tiny
models: [builtin:tiny-neox]
methods: {lora: {}}
recipes: [english]
"""
LAUGHS = "".join(
    f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10 if n else ['ha'] * 10)}]\n" for n in range(10)
)
MERGED = "".join(
    f"l{n}: &l{n} {{{f'<<: *l{n - 1}, ' if n else ''}"
    + ", ".join(f"k{n}{i}: {f'*l{n - 1}' if n else 1}" for i in range(10))
    + "}\n"
    for n in range(10)
)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param(LAUGHS, "aliases", id="a list of lists of lists"),
        pytest.param(MERGED, "aliases", id="merged mappings"),
        pytest.param("name: " + "[" * 3000 + "]" * 3000, "deep", id="brackets"),
        pytest.param("name: " + "{a: " * 3000 + "}" * 3000, "deep", id="braces"),
        pytest.param("name: " + "[" * 100_000, "deep", id="open brackets"),
        pytest.param("".join(f"{' ' * n}a:\n" for n in range(2000)), "deep", id="indents"),
    ],
)
def test_what_would_never_end_is_refused(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(VALID + text if text.startswith("l0") else text, encoding="utf-8")
    with pytest.raises(StudyError, match=what):
        load_study(path)


@pytest.mark.parametrize("value", ["[" * 3000 + "]" * 3000, "&a [*a]", "{a: " * 60 + "}" * 60])
def test_an_override_is_held_to_the_same(tmp_path: Path, value: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(VALID, encoding="utf-8")
    with pytest.raises(StudyError, match="command line, seeds: is nested more than"):
        load_study(path, [f"seeds={value}"])


def test_brackets_in_texts_and_comments_nest_nothing(tmp_path: Path) -> None:
    many = "[" * (DEEPEST + 1)
    path = tmp_path / "study.yaml"
    path.write_text(f"# {many}\n{VALID}gate: {{model: '/{many}'}}\n", encoding="utf-8")
    with pytest.raises(StudyError, match="no such file"):
        load_study(path)
