from __future__ import annotations

from pathlib import Path

import pytest

from polypaca.core.errors import StudyError
from polypaca.core.settings import user_paths
from polypaca.study import Study, load_study
from polypaca.study.grid import judges, pairs
from polypaca.study.load import save_study

TEXT = """\
name: small
languages: {train: [en, es, de], test: [en, es, "no"]}
data: {instructions: "builtin:tiny"}
prompts: builtin:tiny
models: [builtin:tiny-neox]
methods: {lora: {}}
recipes: [monolingual, multilingual, english]
"""
FIRST = "{kind: llm, model: org/big, pairwise: PAIRS}"


def _load(folder: Path, judge: str, rest: str = "") -> Study:
    path = folder / "study.yaml"
    path.write_text(f"{TEXT}judge: {judge}\n{rest}")
    return load_study(path)


def test_the_first_of_several_judges_rates(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("${instruction} ${response}")
    study = _load(
        tmp_path,
        "[{kind: llm, model: org/big, prompt: own.txt}, {kind: llm, model: org/small}, "
        "{kind: llm, model: org/small, name: again}, {kind: reference}]",
    )
    assert list(judges(study)) == ["", "org-small", "again", "reference"]
    assert user_paths(study.judge) == {"prompt": str(tmp_path / "own.txt")}
    save_study(study, tmp_path / "frozen.yaml")
    assert load_study(tmp_path / "frozen.yaml") == study


def test_pairs_are_of_who_answers_in_each_language(tmp_path: Path) -> None:
    found = {pair.id: pair for pair in pairs(_load(tmp_path, FIRST.replace("PAIRS", "{}")))}
    base = "tiny-neox.lora"
    assert set(found) == {
        f"{base}.monolingual-vs-multilingual.s1",
        f"{base}.monolingual-vs-english.s1",
        f"{base}.multilingual-vs-english.s1",
    }
    both = found[f"{base}.monolingual-vs-multilingual.s1"]
    # No monolingual model answers in Norwegian.
    assert both.systems == {
        "en": (f"{base}.monolingual-en.s1", f"{base}.multilingual.s1"),
        "es": (f"{base}.monolingual-es.s1", f"{base}.multilingual.s1"),
    }
    assert both.rows == (f"{base}.monolingual", f"{base}.multilingual")
    # In English both recipes are one checkpoint, which is not compared with itself.
    assert set(found[f"{base}.monolingual-vs-english.s1"].systems) == {"es"}
    chosen = FIRST.replace("PAIRS", "{pairs: [[english, multilingual]]}")
    assert [pair.id for pair in pairs(_load(tmp_path, chosen))] == [
        f"{base}.english-vs-multilingual.s1"
    ]


@pytest.mark.parametrize(
    ("judge", "rest", "message"),
    [
        ("[{kind: none}, {kind: llm, model: m}, {kind: llm, model: m}]", "", "two judges are"),
        ("[{kind: llm, model: m}, {kind: llm, model: m}]", "", "judge[1]: two judges are called"),
        (
            "[{kind: reference}, {kind: llm, model: m, pairwise: {}}]",
            "",
            "judge[1].pairwise: only the first judge compares pairs",
        ),
        (
            FIRST.replace("PAIRS", "{pairs: [[english, mono]]}"),
            "",
            "judge.pairwise.pairs[0]: 'mono' is not in the study",
        ),
        (FIRST.replace("PAIRS", "{prompt: gone.txt}"), "", "judge.pairwise.prompt: no such file"),
        ("{kind: llm, model: m, prompt: gone.yaml}", "", "judge.prompt: no such file"),
        ("{kind: none}", "gate: {model: gone.bin}", "gate.model: no such file"),
        (
            FIRST.replace("PAIRS", "{pars: all}"),
            "",
            "pairwise.pars: unknown key; did you mean pairs?",
        ),
        ("{kind: reference, modl: m}", "", "judge.modl: unknown key; expected one of: kind"),
        ("{model: m}", "", "judge: needs `kind:`, one of reference, llm, none"),
        ("{kind: [a]}", "", "judge: unknown kind \"['a']\"; expected one of: reference, llm, none"),
        ("llm", "", "judge: input should be a valid dictionary or object"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, judge: str, rest: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        _load(tmp_path, judge, rest)
    assert message in str(caught.value)


def test_every_judge_of_a_list_is_checked_at_its_place(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        _load(
            tmp_path,
            "\n  - {kind: llm, model: a, votes: 3}\n  - {kind: llm, model: b, conurrency: 4}\n"
            "  - {kind: llm, model: c, temperature: 9}",
        )
    found = str(caught.value)
    assert "study.yaml:9, judge[0]: `votes` above 1 need a `temperature` above 0" in found
    assert "study.yaml:10, judge[1].conurrency: unknown key; did you mean concurrency?" in found
    assert "study.yaml:11, judge[2].temperature: input should be less than or equal to 2" in found
