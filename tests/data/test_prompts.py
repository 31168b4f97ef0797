from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from polypaca.core.errors import DataError
from polypaca.core.records import Prompt
from polypaca.data.prompts import LoadedPrompts, limit_prompts, load_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from polypaca.core.readers import OnBadRow

PUBLISHED = ["en", "es", "fr", "ru", "bg", "zh", "cs", "fi", "bn", "hi", "no"]


def write(folder: Path, **ids: Sequence[str | None]) -> Path:
    """A test set with these ids in each language; None is a broken line."""
    for language, names in ids.items():
        lines = (
            "broken" if name is None else json.dumps({"id": name, "prompt": f"{language} {n}"})
            for n, name in enumerate(names)
        )
        (folder / f"{language}.jsonl").write_text("\n".join(lines))
    return folder / "{language}.jsonl"


def ids(read: LoadedPrompts) -> dict[str, str]:
    return {code: "".join(p.id for p in prompts) for code, prompts in read.prompts.items()}


class TestRows:
    def load(self, folder: Path, row: dict[str, Any], on_bad_row: OnBadRow = "error") -> Any:
        rows = [{"id": "good", "prompt": "Why?"}, row]
        (folder / "en.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        return load_prompts(folder / "{language}.jsonl", ["en"], on_bad_row=on_bad_row)

    def test_all_fields(self, tmp_path: Path) -> None:
        row = {"id": 3, "prompt": "Say it.", "reference": "it", "category": "c", "gate": False}
        prompt = self.load(tmp_path, {**row, "turn": 1, "language": "English"}).prompts["en"][1]
        assert prompt.model_dump() == {
            **row,
            "id": "3",
            "language": "en",
            "turn": 1,
            "row_language": "English",
        }

    @pytest.mark.parametrize("on_bad_row", ["error", "reject", "repair"])
    def test_white_space_is_removed_on_record(self, tmp_path: Path, on_bad_row: OnBadRow) -> None:
        read = self.load(tmp_path, {"id": "a", "prompt": " Why?\n", "gate": None}, on_bad_row)
        assert read.prompts["en"][1].prompt == "Why?"
        assert [(r.line, r.repair) for r in read.repaired] == [
            (2, "white space around the prompt removed")
        ]

    @pytest.mark.parametrize(
        ("row", "field"),
        [
            ({"prompt": "Why?"}, "id"),
            ({"id": "a"}, "prompt"),
            ({"id": "a", "prompt": "  "}, "prompt"),
            ({"id": "a", "prompt": "Why?", "reference": 3}, "reference"),
            ({"id": "a", "prompt": "Why?", "gate": "no"}, "gate"),
            ({"id": "good", "prompt": "Why?"}, "id"),
        ],
    )
    def test_bad_fields_are_named(self, tmp_path: Path, row: dict[str, Any], field: str) -> None:
        with pytest.raises(DataError, match=rf"en\.jsonl:2, field {field}: "):
            self.load(tmp_path, row)
        read = self.load(tmp_path, row, "repair")
        assert [(r.line, r.reason.startswith(f"field {field}: ")) for r in read.rejected] == [
            (2, True)
        ]


class TestIds:
    def test_a_slip(self, tmp_path: Path) -> None:
        pattern = write(tmp_path, en="abc", es="abc", zh="aXc")
        with pytest.raises(DataError) as caught:
            load_prompts(pattern, ["zh", "en", "es"], on_bad_row="error")
        message = str(caught.value)
        assert "zh.jsonl:2, field id: is 'X' where 2 of 3 languages have 'b'" in message

        read = load_prompts(pattern, ["zh", "en", "es"], on_bad_row="reject")
        assert ids(read) == {"zh": "ac", "en": "abc", "es": "abc"}
        assert [r.line for r in read.rejected] == [2]

        read = load_prompts(pattern, ["zh", "en", "es"], on_bad_row="repair")
        assert ids(read) == {"zh": "abc", "en": "abc", "es": "abc"}
        assert read.prompts["zh"][1].prompt == "zh 1"
        assert [(r.line, r.repair) for r in read.repaired] == [
            (2, "id 'X' replaced by 'b', which 2 of 3 languages have there")
        ]

    def test_positions_survive_rejected_rows(self, tmp_path: Path) -> None:
        pattern = write(tmp_path, en=["a", None, "c", "d"], es="abcd", zh="abXd")
        read = load_prompts(pattern, ["en", "es", "zh"], on_bad_row="repair")
        assert ids(read) == {"en": "acd", "es": "abcd", "zh": "abcd"}

    def test_a_slip_that_repeats_another_id(self, tmp_path: Path) -> None:
        pattern = write(tmp_path, en="abc", es="abc", zh="aac")
        read = load_prompts(pattern, ["en", "es", "zh"], on_bad_row="repair")
        assert ids(read)["zh"] == "abc"

    def test_two_languages_follow_the_first(self, tmp_path: Path) -> None:
        pattern = write(tmp_path, en="abc", es="aXc")
        read = load_prompts(pattern, ["en", "es"], on_bad_row="repair")
        assert ids(read) == {"en": "abc", "es": "abc"}
        read = load_prompts(pattern, ["es", "en"], on_bad_row="repair")
        assert ids(read) == {"es": "aXc", "en": "aXc"}

    @pytest.mark.parametrize("on_bad_row", ["error", "reject", "repair"])
    def test_another_order_is_no_defect(self, tmp_path: Path, on_bad_row: OnBadRow) -> None:
        pattern = write(tmp_path, en="abcd", es="abcd", zh="dcba", fr="acdX")
        read = load_prompts(pattern, ["en", "es", "zh", "fr"], on_bad_row=on_bad_row)
        assert ids(read) == {"en": "abcd", "es": "abcd", "zh": "dcba", "fr": "acdX"}
        assert not read.repaired

    @pytest.mark.parametrize("on_bad_row", ["error", "reject", "repair"])
    def test_prompts_of_their_own(self, tmp_path: Path, on_bad_row: OnBadRow) -> None:
        pattern = write(tmp_path, en="abc", es="abc", zh="xyz")
        read = load_prompts(pattern, ["en", "es", "zh"], on_bad_row=on_bad_row)
        assert ids(read)["zh"] == "xyz"
        assert read.unrelated == ["zh"]
        assert not read.repaired

    def test_files_of_another_length_are_not_compared(self, tmp_path: Path) -> None:
        pattern = write(tmp_path, en="abc", es="abc", zh="bX")
        read = load_prompts(pattern, ["en", "es", "zh"], on_bad_row="error")
        assert ids(read)["zh"] == "bX"


def test_one_file_cannot_hold_several_languages(tmp_path: Path) -> None:
    write(tmp_path, en="a")
    with pytest.raises(DataError, match=r"a single file, but .* 2 languages.*\{language\}"):
        load_prompts(tmp_path / "en.jsonl", ["en", "es"], on_bad_row="error")
    read = load_prompts(tmp_path / "en.jsonl", ["en"], on_bad_row="error")
    assert ids(read) == {"en": "a"}


def test_nothing_usable(tmp_path: Path) -> None:
    pattern = write(tmp_path, en=[None, None])
    with pytest.raises(DataError, match="none of its 2 rows can be used"):
        load_prompts(pattern, ["en"], on_bad_row="repair")


@pytest.mark.parametrize(
    ("given", "count", "kept"),
    [
        (["abcd", "abcd"], 2, ["ab", "ab"]),
        (["abcd", "abcd"], 9, ["abcd", "abcd"]),
        (["abcd", "acd"], 2, ["ac", "ac"]),
        (["abcd", "acd"], 4, ["abcd", "acd"]),
        (["abcd", "dcba"], 2, ["ab", "ba"]),
        (["abcd", "wxyz"], 2, ["ab", "wx"]),
        (["abcd"], 0, [""]),
    ],
)
def test_limit(given: list[str], count: int, kept: list[str]) -> None:
    prompts = {
        str(n): [Prompt(id=name, language=str(n), prompt="?") for name in names]
        for n, names in enumerate(given)
    }
    limited = limit_prompts(prompts, count)
    assert ["".join(p.id for p in rows) for rows in limited.values()] == kept


def test_limit_of_nothing() -> None:
    assert limit_prompts({}, 3) == {}


@pytest.mark.data
class TestPublishedFiles:
    def load(self, folder: Path, languages: list[str], on_bad_row: OnBadRow) -> LoadedPrompts:
        pattern = folder / "prompts" / "test_{language}.jsonl"
        return load_prompts(pattern, languages, on_bad_row=on_bad_row)

    def test_repair_keeps_every_row(self, data_folder: Path) -> None:
        read = self.load(data_folder, PUBLISHED, "repair")
        assert {len(prompts) for prompts in read.prompts.values()} == {50}
        assert len({tuple(p.id for p in prompts) for prompts in read.prompts.values()}) == 1
        assert read.prompts["hi"][49].prompt.endswith("?")
        found = {(r.file.rpartition("_")[2], r.line, r.repair.split()[0]) for r in read.repaired}
        assert {("hi.jsonl", 50, "stray"), ("zh.jsonl", 13, "id"), ("es.jsonl", 1, "CRLF")} < found
        assert not read.rejected
        assert not read.unrelated

    def test_reject_sets_two_rows_aside(self, data_folder: Path) -> None:
        read = self.load(data_folder, PUBLISHED, "reject")
        sizes = {language: len(prompts) for language, prompts in read.prompts.items()}
        assert sizes == {language: 49 if language in ("hi", "zh") else 50 for language in PUBLISHED}
        assert [(r.file.rpartition("_")[2], r.line) for r in read.rejected] == [
            ("zh.jsonl", 13),
            ("hi.jsonl", 50),
        ]
        assert {len(prompts) for prompts in limit_prompts(read.prompts, 20).values()} == {20}

    def test_error_names_the_lines(self, data_folder: Path) -> None:
        with pytest.raises(DataError, match=r"test_hi\.jsonl:50: is not valid JSON"):
            self.load(data_folder, ["en", "hi"], "error")
        with pytest.raises(DataError, match=r"test_zh\.jsonl:13, field id: is 'bed57788.*'f2f5d9"):
            self.load(data_folder, ["en", "es", "zh"], "error")
        with pytest.raises(DataError, match=r"language 'de'.*bg, bn, cs, en, es, fi"):
            self.load(data_folder, ["en", "de"], "error")
