from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import DataError, UserError
from polypaca.judging.prompts import (
    PAIR_SLOTS,
    RATING_SLOTS,
    fill,
    load_pair_prompt,
    load_prompt,
)

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "Rate ${response} to ${instruction}"
SLOTTED = st.lists(st.sampled_from(["${instruction}", "${response}", "$", "\\1", "x"])).map("".join)


@given(SLOTTED, SLOTTED)
def test_slots_in_what_is_judged_stay_as_they_are(instruction: str, response: str) -> None:
    values = {"instruction": instruction, "response": response}
    filled = fill("a ${instruction} b ${response} c $ ${other}", values)
    assert filled == f"a {instruction} b {response} c $ ${{other}}"


def test_the_packaged_prompts() -> None:
    paper, pairwise = load_prompt("paper"), load_prompt("pairwise", PAIR_SLOTS)
    assert (paper.scale, paper.name) == ((1.0, 3.0), "paper")
    assert paper.signature == "paper-b5c5d949bc69"
    assert paper.text("es") == paper.text("zh")
    assert all(mark in pairwise.text("en") for mark in ("[[A]]", "[[B]]", "[[C]]"))


def test_slots_may_be_left_unchecked(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(f"scale: [1, 5]\nprompt: {GOOD} ${{more}}", encoding="utf-8")
    assert load_prompt(str(path), ()).text("en") == f"{GOOD} ${{more}}"
    assert load_prompt("pairwise", ()) == load_pair_prompt()


def test_a_file_of_each_form(tmp_path: Path) -> None:
    plain, single, many = (tmp_path / name for name in ("a.txt", "b.yaml", "c.yml"))
    plain.write_text(f"{GOOD}\n", encoding="utf-8")
    single.write_text(f"scale: [1, 5]\nprompt: |\n  {GOOD}\n", encoding="utf-8")
    many.write_text(
        f"prompts:\n  default: {GOOD}\n  no: Gi ${{response}} ${{instruction}}\n", "utf-8"
    )
    texts = [load_prompt(str(path)) for path in (plain, single, many)]
    assert [each.text("en") for each in texts] == [GOOD] * 3
    assert [each.scale for each in texts] == [(1.0, 3.0), (1.0, 5.0), (1.0, 3.0)]
    # YAML 1.2: `no` is Norwegian.
    assert texts[2].text("no").startswith("Gi")
    assert len({each.signature.partition("-")[2] for each in texts}) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scale: [1, 5", r"own\.yaml:\d: is not valid YAML"),
        ("prompt: \x07", "is not valid YAML"),
        ("- a", "must be a mapping"),
        ("", "must be a mapping"),
        ("scale: [1, 5]", "needs exactly one of `prompt` and `prompts`"),
        (f"prompt: {GOOD}\nprompts: {{default: x}}", "needs exactly one"),
        (f"prompt: {GOOD}\nskale: [1, 5]", r"own\.yaml:2, field skale: unknown key"),
        (f"prompt: {GOOD}\nscale: [5, 1]", r"own\.yaml:2, field scale: must be the lowest rating"),
        (f"prompt: {GOOD}\nscale: [1, 2, 3]", "must be the lowest rating"),
        (f"prompt: {GOOD}\nscale: [-1, 1]", "must be the lowest rating"),
        (f"prompt: {GOOD}\nscale: [1, .inf]", "must be the lowest rating"),
        (f"prompt: {GOOD}\nscale: [.nan, 3]", "must be the lowest rating"),
        (f"prompt: {GOOD}\nscale: [false, true]", "must be the lowest rating"),
        (f"prompt: {GOOD}\nscale: 5", "must be the lowest rating"),
        ("prompt: 5", r"own\.yaml:1, field prompt: must be a string"),
        ("prompts: x", "`default` for all other languages"),
        (f"prompts:\n  es: {GOOD}", "`default` for all other languages"),
        (f"prompts:\n  default: {GOOD}\n  xx: {GOOD}", r":3, field prompts\.xx: is not a language"),
        (
            f"prompts:\n  default: {GOOD}\n  es: hm",
            r"prompts\.es: .* lacks \$\{instruction\} and",
        ),
        (f"scale: [1, 5]\nprompt: {GOOD} ${{refrence}}", r":2, field prompt: .*\$\{refrence\}"),
    ],
)
def test_a_yaml_file_that_cannot_be_used_says_where(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_prompt(str(path))


def test_a_text_file_that_cannot_be_used_says_where(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("Rate ${response}", encoding="utf-8")
    with pytest.raises(DataError, match=r"own\.txt: .* lacks \$\{instruction\}"):
        load_prompt(str(path))
    path.write_text(f"{GOOD}\n\n${{answer}}", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"own\.txt:3: .* unknown slot \$\{answer\}.*\$\{reference\}"
    ):
        load_prompt(str(path))


def test_a_prompt_for_ratings_is_none_for_pairs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks \$\{response_a\} and \$\{response_b\}"):
        load_prompt("paper", PAIR_SLOTS)
    path = tmp_path / "own.yaml"
    path.write_text(
        "prompt: ${instruction} ${response_a} ${response_b}\nscale: [1, 2]", encoding="utf-8"
    )
    with pytest.raises(DataError, match="field scale: unknown key"):
        load_prompt(str(path), PAIR_SLOTS)


@pytest.mark.parametrize("name", ["missing", "/nowhere/own.yaml", "../paper"])
def test_a_prompt_that_is_not_there(name: str) -> None:
    with pytest.raises(UserError, match=r"cannot read the judge's prompt .* use `paper`"):
        load_prompt(name)


@given(st.text(max_size=200))
def test_any_text_is_a_prompt_or_the_users_error(text: str) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.yaml"
        path.write_bytes(text.encode("utf-8", "replace"))
        try:
            prompt = load_prompt(str(path), RATING_SLOTS)
        except UserError:
            return
        assert "${response}" in prompt.text("en")
