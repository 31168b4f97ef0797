from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from polypaca.core.errors import StudyError
from polypaca.study import load_study
from polypaca.study.document import to_plain
from polypaca.study.overrides import apply

if TYPE_CHECKING:
    from pathlib import Path

    from polypaca.core.errors import Problem
    from polypaca.study import Study

STUDY = """\
name: lists
languages: {train: [en, es], test: [en, es]}
data: {instructions: "builtin:tiny"}
prompts: builtin:tiny
models: [{name: nano, source: "builtin:tiny-neox"}, "builtin:tiny-bloom"]
methods:
  small: &shared {kind: lora, rank: 8, learning_rate: 1e-3}
  big: *shared
  merged: {<<: *shared, alpha: 32}
  v1.5: {kind: lora}
recipes: [downsampled, english]
sweep: controls
judge:
  - {kind: llm, model: first, api_key_env: null}
  - {kind: llm, model: second, name: other, api_key_env: null}
"""


def loaded(folder: Path, *changes: str, text: str = STUDY) -> Study:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(path, changes)


def problems(folder: Path, *changes: str, text: str = STUDY) -> list[str]:
    with pytest.raises(StudyError) as caught:
        loaded(folder, *changes, text=text)
    return [str(problem) for problem in caught.value.problems]


class TestAliases:
    @pytest.mark.parametrize("name", ["small", "big", "merged"])
    def test_an_override_changes_the_section_that_it_names_alone(
        self, tmp_path: Path, name: str
    ) -> None:
        methods: Any = loaded(tmp_path, f"methods.{name}.rank=64").methods
        assert {key: m.rank for key, m in methods.items() if m.rank != 8} == {name: 64}
        assert methods["merged"].alpha == 32

    def test_what_a_merged_section_holds_is_its_own_too(self) -> None:
        text = "a: &a {inner: {x: 1}, list: [1]}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n"
        raw = to_plain(YAML(typ="rt").load(text))
        found: list[Problem] = []
        apply(raw, ["b.inner.x=9", "c.1.list.0=7"], found)
        assert not found
        assert raw == {
            "a": {"inner": {"x": 1}, "list": [1]},
            "b": {"inner": {"x": 9}, "list": [1], "y": 2},
            "c": [{"inner": {"x": 1}, "list": [1]}, {"inner": {"x": 1}, "list": [7]}],
        }

    TREES = st.recursive(
        st.integers(),
        lambda below: (
            st.lists(below, min_size=1, max_size=3)
            | st.dictionaries(st.text("abc", min_size=1, max_size=2), below, min_size=1, max_size=3)
        ),
        max_leaves=12,
    )

    @given(TREES, st.data())
    def test_one_place_changes_however_the_file_shares_its_parts(
        self, tree: Any, data: st.DataObject
    ) -> None:
        # The same object at three places, as an alias makes it.
        raw = to_plain({"one": tree, "two": tree, "more": [tree, tree]})
        before = to_plain(raw)
        start = data.draw(st.sampled_from([("one",), ("two",), ("more", 0), ("more", 1)]))
        place, node = list(start), tree
        while isinstance(node, dict | list):
            step: Any = data.draw(
                st.sampled_from(list(node) if isinstance(node, dict) else range(len(node)))
            )
            place, node = [*place, step], node[step]
        found: list[Problem] = []
        assert apply(raw, [f"{'.'.join(map(str, place))}=changed"], found) == {tuple(place)}
        assert not found
        expected = before
        for step in place[:-1]:
            expected = expected[step]
        expected[place[-1]] = "changed"
        assert raw == before


class TestItemsOfLists:
    @pytest.mark.parametrize("place", ["judge.0.model", "judge[0].model"])
    def test_an_item_is_named_by_its_number(self, tmp_path: Path, place: str) -> None:
        study: Any = loaded(tmp_path, f"{place}=changed")
        assert (study.judge.model, study.other_judges[0].model) == ("changed", "second")

    def test_a_whole_item_can_be_given(self, tmp_path: Path) -> None:
        study = loaded(tmp_path, "languages.test.1=de", "models.0=builtin:tiny-llama")
        assert study.languages.test == ["en", "de"]
        assert [model.name for model in study.models] == ["tiny-llama", "tiny-bloom"]

    def test_an_item_in_its_short_form_is_written_out(self, tmp_path: Path) -> None:
        model = loaded(tmp_path, "models.1.name=flower").models[1]
        assert (model.name, model.source) == ("flower", "builtin:tiny-bloom")

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            ("judge.model=x", "judge is a list, and 'model' is not an index (write an"),
            (
                "models.2.source=x",
                "models has no item 2 (the list has items 0 to 1; to add an item, write",
            ),
            ("models.-1.source=x", "models is a list, and '-1' is not an index"),
            ("languages.test.first=fr", "languages.test is a list"),
            (
                "sweep.english=[2]",
                "sweep is 'controls', which has no keys (override all of it: sweep=",
            ),
            ("seeds.0=4", "seeds has no items in the file (write the whole list: seeds=[...])"),
            ("name.first=x", "name is 'lists', which has no keys"),
        ],
    )
    def test_what_cannot_be_set_is_said(self, tmp_path: Path, change: str, what: str) -> None:
        (problem,) = problems(tmp_path, change)
        assert problem.startswith(f"command line, {change.partition('=')[0]}: {what}")

    def test_problems_of_items_are_those_of_the_command_line(self, tmp_path: Path) -> None:
        (problem,) = problems(tmp_path, "judge.1.max_tokens=2")
        assert problem.startswith("command line, judge[1].max_tokens: ")

    def test_an_unknown_section_is_the_command_lines_too(self, tmp_path: Path) -> None:
        (problem,) = problems(tmp_path, "method.small.rank=3")
        assert problem == "command line, method: unknown key; did you mean methods?"


def test_names_may_have_dots_in_them(tmp_path: Path) -> None:
    methods: Any = loaded(tmp_path, "methods.v1.5.rank=2").methods
    assert {name: method.rank for name, method in methods.items()} == {
        "small": 8,
        "big": 8,
        "merged": 8,
        "v1.5": 2,
    }


@pytest.mark.parametrize(
    ("text", "value"), [("010", 10), ("1e2", 100), (" 16", 16), ("16.0", 16), ("0o10", 8)]
)
def test_numbers_are_read_as_in_the_file(tmp_path: Path, text: str, value: int) -> None:
    by_override: Any = loaded(tmp_path, f"methods.small.rank={text}").methods["small"]
    in_file: Any = loaded(tmp_path, text=STUDY.replace("rank: 8", f"rank: {text}")).methods["small"]
    assert by_override.rank == in_file.rank == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("methods.small.batch_size", "true"),
        ("methods.small.learning_rate", "false"),
        ("methods.small.warmup_steps", "true"),
        ("seeds", "[true]"),
        ("prompts.count", "true"),
        ("analyze.margin", "true"),
        ("judge.0.votes", "true"),
        ("judge.0.price_input", "false"),
        ("sweep", "{english: [true]}"),
        ("recipes.downsampled", "{weights: {en: true, es: 1}}"),
        ("name", "true"),
    ],
)
def test_true_and_false_are_no_numbers(tmp_path: Path, key: str, value: str) -> None:
    where = key.replace(".0.", "[0].")
    said = problems(tmp_path, f"{key}={value}")
    assert all(where in problem for problem in said)
    assert any("got true" in problem or "got false" in problem for problem in said), said


def test_true_and_false_are_values_where_they_are_meant(tmp_path: Path) -> None:
    study = loaded(
        tmp_path, "methods.small.group_by_length=true", "recipes.downsampled.stratified=true"
    )
    assert study.methods["small"].group_by_length
    assert study.recipes["downsampled"].stratified
