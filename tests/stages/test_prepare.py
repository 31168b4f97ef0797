from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from polypaca.core.errors import DataError, UserError
from polypaca.core.files import read_jsonl
from polypaca.core.folders import InstructionsFolder, PromptsFolder, TranslationFolder
from polypaca.core.records import Example, Prompt
from polypaca.core.work import Context
from polypaca.data.mixtures import Sampling
from polypaca.langid.settings import GateSettings
from polypaca.stages.mix import DrawMixture
from polypaca.stages.prepare import PrepareInstructions, PreparePrompts
from polypaca.stages.translate import PassOn


def _write(path: Path, ids: list[int]) -> None:
    rows = [{"id": n, "instruction": f"Say {n}.", "output": f"{n}.", "topic": "t"} for n in ids]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _prepare(folder: Path, source: str, **changes: Any) -> dict[str, Any]:
    folder.mkdir()
    settings: dict[str, Any] = {
        "languages": ["en", "es"],
        "validation": 3,
        "rows": None,
        "on_bad_row": "error",
        "format": "auto",
        "sha256": {},
        "align": "parallel",
        "contaminated": "drop",
        "duplicates": "flag",
        "truncated": "flag",
        "placeholders": "flag",
        "entities": "flag",
    }
    work = PrepareInstructions(source=source, **(settings | changes))
    return work.run(Context(folder)).recorded()


def _examples(folder: Path, code: str) -> list[Example]:
    return list(read_jsonl(folder / f"{code}.jsonl", Example))


def test_the_same_sources_are_held_out_in_every_language(tmp_path: Path) -> None:
    _write(tmp_path / "d.en.jsonl", list(range(12)))
    _write(tmp_path / "d.es.jsonl", list(range(11, 1, -1)))
    facts = _prepare(tmp_path / "out", str(tmp_path / "d.{language}.jsonl"))
    held = [
        {e.source for e in _examples(tmp_path / "out", code) if e.split == "validation"}
        for code in ("en", "es")
    ]
    assert held[0] == held[1]
    assert len(held[0]) == 3
    assert facts["rows"] == {"en": 12, "es": 10}


def test_a_limit_keeps_rows_that_every_language_has(tmp_path: Path) -> None:
    _write(tmp_path / "d.en.jsonl", list(range(12)))
    _write(tmp_path / "d.es.jsonl", list(range(11, 1, -1)))
    _prepare(tmp_path / "out", str(tmp_path / "d.{language}.jsonl"), rows=6)
    sources = [{e.source for e in _examples(tmp_path / "out", code)} for code in ("en", "es")]
    assert sources[0] == sources[1] == {"2", "3", "4", "5", "6", "7"}


def test_rejected_rows_are_kept_with_their_reason(tmp_path: Path) -> None:
    for code in ("en", "es"):
        _write(tmp_path / f"d.{code}.jsonl", list(range(8)))
    with (tmp_path / "d.es.jsonl").open("a") as file:
        file.write('{"id": 9, "instruction": "Say 9.", "output": ""}\n')
    source = str(tmp_path / "d.{language}.jsonl")
    with pytest.raises(DataError, match=r"d\.es\.jsonl:9, field output"):
        _prepare(tmp_path / "strict", source)
    facts = _prepare(tmp_path / "out", source, on_bad_row="reject")
    assert facts["rejected"] == 1
    (rejected,) = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    assert json.loads(rejected)["line"] == 9
    assert "output" in json.loads(rejected)["reason"]


def test_a_data_set_is_loaded_as_from_the_hub(tmp_path: Path) -> None:
    for code in ("en", "es"):
        _write(tmp_path / f"set-{code}" / "train.jsonl", list(range(8)))
    _prepare(tmp_path / "out", f"hf:{tmp_path}/set-{{language}}")
    (first, *_) = _examples(tmp_path / "out", "es")
    assert (first.language, first.id) == ("es", f"{first.source}.es")
    with pytest.raises(UserError, match="cannot load hf:"):
        _prepare(tmp_path / "none", f"hf:{tmp_path}/nothing-{{language}}")


def test_rows_without_ids_match_by_number_only_in_files_of_one_length(tmp_path: Path) -> None:
    for code, count in (("en", 8), ("es", 7)):
        rows = [{"instruction": f"Say {n}.", "output": f"{n}."} for n in range(count)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"d.{code}.jsonl").write_text(text)
    source = str(tmp_path / "d.{language}.jsonl")
    with pytest.raises(DataError, match=r"no `id`.*differ in length"):
        _prepare(tmp_path / "out", source)
    (tmp_path / "d.en.jsonl").write_text((tmp_path / "d.es.jsonl").read_text())
    facts = _prepare(tmp_path / "again", source)
    assert (facts["matched_by"], facts["shared_sources"]) == ("row number", 7)


class TestMatching:
    """Which row of one language is the translation of which of another."""

    SAYS: ClassVar = {"en": "Name bird {n}.", "es": "Nombra pájaro {n}.", "fr": "Nomme oiseau {n}."}

    def write(self, folder: Path, **ids: list[Any] | None) -> str:
        """Six parallel rows a language, with the given ids or none."""
        for code, own in ids.items():
            rows = [
                {"instruction": self.SAYS[code].format(n=n), "output": f"{n}."}
                | ({} if own is None else {"id": own[n]})
                for n in range(6)
            ]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"m.{code}.jsonl").write_text(text)
        return str(folder / "m.{language}.jsonl")

    @pytest.mark.parametrize(
        ("en", "es", "what"),
        [
            (range(6), None, "en has ids, es has none: it is not known which rows"),
            (None, ["a", "b", "c", "d", "e", "f"], "es has ids, en has none"),
            (range(6), range(1, 7), "ids of en count its rows from 0, those of es from 1"),
            (range(1, 7), range(6), "ids of es count its rows from 0, those of en from 1"),
            (
                range(6),
                [f"{n:04}" for n in range(6)],
                r"\('0000' for '0'\): 0 .* 6 would be if written",
            ),
            ([f"q-{n}" for n in range(6)], [f"Q-{n}" for n in range(6)], "written differently"),
            ([f"{n}.en" for n in range(6)], [f"{n}.es" for n in range(6)], "written differently"),
            ([f"en_{n}" for n in range(6)], [f"es_{n}" for n in range(6)], "written differently"),
            ([f"a{n}" for n in range(6)], [f"b{n}" for n in range(6)], "es shares no id with en"),
        ],
    )
    def test_what_is_not_known_is_not_guessed(
        self, tmp_path: Path, en: Any, es: Any, what: str
    ) -> None:
        ids = {"en": en and list(en), "es": es and list(es)}
        source = self.write(tmp_path, **ids)
        with pytest.raises(DataError, match=what):
            _prepare(tmp_path / "out", source)

    def test_of_three_languages_the_one_without_ids_is_named(self, tmp_path: Path) -> None:
        source = self.write(tmp_path, en=list(range(6)), es=None, fr=list(range(6)))
        with pytest.raises(DataError, match="en and fr have ids, es has none"):
            _prepare(tmp_path / "out", source, languages=["en", "es", "fr"])

    def test_ids_may_be_numbers_in_one_file_and_texts_in_another(self, tmp_path: Path) -> None:
        source = self.write(tmp_path, en=[5, 3, 1, 9, 7, 8], es=["5", "3", "1", "9", "7", "8"])
        facts = _prepare(tmp_path / "out", source)
        assert (facts["matched_by"], facts["shared_sources"]) == ("id", 6)

    @drawn(
        order=st.permutations(range(6)),
        ids=st.lists(st.integers(0, 99), min_size=6, max_size=6, unique=True),
    )
    def test_matched_rows_are_translations_of_one_another(
        self, order: list[int], ids: list[int]
    ) -> None:
        with TemporaryDirectory() as name:
            folder = Path(name)
            source = self.write(folder, en=ids, es=[ids[n] for n in order])
            path = folder / "m.es.jsonl"
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            for row, n in zip(rows, order, strict=True):
                row["instruction"] = self.SAYS["es"].format(n=n)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            _prepare(folder / "out", source)
            said: dict[str, list[tuple[str, str]]] = {}
            for code in ("en", "es"):
                for row in _examples(folder / "out", code):
                    said.setdefault(row.source, []).append((row.instruction[-2:], row.split))
            assert all(one == other for one, other in said.values())

    def test_unaligned_languages_need_no_match(self, tmp_path: Path) -> None:
        source = self.write(tmp_path, en=list(range(6)), es=None)
        facts = _prepare(tmp_path / "out", source, align="none", validation=2)
        assert facts["matched_by"] == "nothing"
        read = {code: _examples(tmp_path / "out", code) for code in ("en", "es")}
        assert {e.source for e in read["en"]} == set("012345")
        assert not {e.source for e in read["en"]} & {e.source for e in read["es"]}


def test_tasks_about_different_texts_are_no_duplicates(tmp_path: Path) -> None:
    rows = [{"prompt": "Sum up.", "context": f"Text {n}.", "completion": f"{n}."} for n in range(4)]
    (tmp_path / "d.en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = str(tmp_path / "d.{language}.jsonl")
    facts = _prepare(tmp_path / "out", source, languages=["en"], duplicates="drop", validation=1)
    assert (facts["rows"], facts["rejected"]) == ({"en": 4}, 0)


def test_answers_that_say_there_is_none_are_flagged_or_dropped(tmp_path: Path) -> None:
    outputs = ["<nooutput>", "N/A", "Two.", "It&#39;s three.", "4.", "`&lt;`"]
    rows = [{"instruction": f"Say {n}.", "output": text} for n, text in enumerate(outputs)]
    (tmp_path / "d.en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings: dict[str, Any] = {"languages": ["en"], "validation": 1, "contaminated": "keep"}
    source = str(tmp_path / "d.{language}.jsonl")
    facts = _prepare(tmp_path / "flag", source, **settings)
    assert facts["noticed"] == {"duplicate": 0, "truncated": 0, "placeholder": 2, "entities": 1}
    assert {e.source: e.flags for e in _examples(tmp_path / "flag", "en") if e.flags} == {
        "1": ["placeholder: says '<nooutput>' as its output"],
        "2": ["placeholder: says 'N/A' as its output"],
        "4": ["entities: holds HTML entities (&#39;)"],
    }
    changes = {"placeholders": "drop", "entities": "repair"}
    facts = _prepare(tmp_path / "drop", source, **settings, **changes)
    assert facts["rejected_by_kind"] == {"en": {"placeholder": 2}}
    assert [e.output for e in _examples(tmp_path / "drop", "en")][1] == "It's three."
    assert "HTML entities replaced" in (tmp_path / "drop" / "repaired.jsonl").read_text()
    assert _prepare(tmp_path / "keep", source, **settings, placeholders="keep", entities="keep")[
        "noticed"
    ] == {"duplicate": 0, "truncated": 0}


def test_columns_that_were_not_read_are_said(tmp_path: Path) -> None:
    _write(tmp_path / "d.en.jsonl", list(range(6)))
    facts = _prepare(tmp_path / "out", str(tmp_path / "d.{language}.jsonl"), languages=["en"])
    assert facts["columns_not_read"] == {"en": ["topic"]}
    assert facts["summary"] == "6 rows in 1 languages; columns not read: topic"


def test_what_matches_a_test_prompt_is_dropped_in_every_language(tmp_path: Path) -> None:
    source = str(tmp_path / "d.{language}.jsonl")
    for code in ("en", "es"):
        _write(tmp_path / f"d.{code}.jsonl", list(range(12)))
    # The fifth row's Spanish version is a test prompt, but for case and punctuation.
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    asked = Prompt(id="p", language="es", prompt="say 5")
    (prompts / "es.jsonl").write_text(asked.model_dump_json() + "\n")
    (tmp_path / "d.en.jsonl").write_text(
        (tmp_path / "d.en.jsonl").read_text().replace("Say", "Tell me")
    )
    facts = _prepare(tmp_path / "out", source, prompts=PromptsFolder(prompts))
    assert facts["rows"] == {"en": 11, "es": 11}
    assert facts["noticed"]["contaminated"] == 1
    rejected = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").open()]
    assert [(json.loads(r["row"])["id"], r["line"]) for r in rejected] == [("5.en", 6), ("5.es", 6)]
    assert {r["reason"] for r in rejected} == {"contaminated: in es, it is test prompt p (es)"}

    facts = _prepare(
        tmp_path / "flagged", source, prompts=PromptsFolder(prompts), contaminated="flag"
    )
    assert facts["rows"] == {"en": 12, "es": 12}
    flags = {e.id: e.flags for e in _examples(tmp_path / "flagged", "es") if e.flags}
    assert flags == {"5.es": ["contaminated: is test prompt p (es)"]}


def test_duplicates_and_cut_outputs_are_flagged_or_dropped(tmp_path: Path) -> None:
    rows = [{"id": n, "instruction": f"Say {n}.", "output": f"{n}."} for n in range(9)]
    rows[7]["instruction"] = "say 2!"
    rows[8]["output"] = "Here is a list of many things that you may want to see:\n```\n" + "x " * 60
    (tmp_path / "d.en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = str(tmp_path / "d.en.jsonl")
    _prepare(tmp_path / "flag", source, languages=["en"])
    flags = {e.source: e.flags for e in _examples(tmp_path / "flag", "en") if e.flags}
    assert flags == {
        "7": ["duplicate: asks what 2 asks"],
        "8": ["truncated: seems to be cut off"],
    }
    dropped = _prepare(
        tmp_path / "drop", source, languages=["en"], duplicates="drop", truncated="drop"
    )
    assert dropped["rows"] == {"en": 7}
    assert dropped["rejected_by_kind"] == {"en": {"duplicate": 1, "truncated": 1}}
    kept = _prepare(
        tmp_path / "keep", source, languages=["en"], duplicates="keep", truncated="keep"
    )
    assert kept["noticed"] == {"contaminated": 0, "placeholder": 0, "entities": 0}


def test_unaligned_files_without_ids_share_no_source(tmp_path: Path) -> None:
    for code, count in (("en", 9), ("zh", 7)):
        rows = [{"instruction": f"{code} {n}.", "output": f"{n}."} for n in range(count)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"d.{code}.jsonl").write_text(text)
    source = str(tmp_path / "d.{language}.jsonl")
    facts = _prepare(tmp_path / "out", source, languages=["en", "zh"], align="none", validation=2)
    assert facts["rows"] == {"en": 9, "zh": 7}
    read = {code: _examples(tmp_path / "out", code) for code in ("en", "zh")}
    assert not {e.source for e in read["en"]} & {e.source for e in read["zh"]}
    for part in read.values():
        assert sum(e.split == "validation" for e in part) == 2


@pytest.mark.data
def test_the_papers_prompts_load_with_their_defects_on_record(
    tmp_path: Path, data_folder: Path
) -> None:
    languages = ["en", "es", "fr", "bg", "ru", "zh", "bn", "no", "hi"]
    work = PreparePrompts(
        source=str(data_folder / "prompts" / "test_{language}.jsonl"), sha256={},
        languages=languages, count=None, on_bad_row="repair",
    )  # fmt: skip
    assert set(work.run(Context(tmp_path)).prompts.values()) == {50}
    ids = [[p.id for p in read_jsonl(tmp_path / f"{c}.jsonl", Prompt)] for c in languages]
    assert all(own == ids[0] for own in ids)
    repairs = (tmp_path / "repaired.jsonl").read_text()
    assert "test_zh.jsonl" in repairs
    assert "CRLF" in repairs
    assert "test_hi.jsonl" in repairs


def test_from_files_to_mixtures(tmp_path: Path) -> None:
    for code in ("en", "es"):
        _write(tmp_path / f"d.{code}.jsonl", list(range(13)))
    _prepare(tmp_path / "data", str(tmp_path / "d.{language}.jsonl"))
    for code in ("en", "es"):
        work = PassOn(
            instructions=InstructionsFolder(tmp_path / "data"), language=code, gate=GateSettings()
        )
        work.run(Context(tmp_path / code))
    translations = {code: TranslationFolder(tmp_path / code) for code in ("en", "es")}
    rows = {}
    for name, languages, budgets in (
        ("multilingual", ["en", "es"], 2.0), ("downsampled", ["en", "es"], 1.0), ("es", ["es"], 1.0)
    ):  # fmt: skip
        folder = tmp_path / name
        mix = DrawMixture(
            translations=translations, languages=languages, budgets=budgets, seed=1,
            sampling=Sampling(), align="parallel", random_validation=None, unit="examples",
        )  # fmt: skip
        assert mix.run(Context(folder)).budgets == budgets
        rows[name] = list(read_jsonl(folder / "train.jsonl", Example))
        validation = list(read_jsonl(folder / "validation.jsonl", Example))
        assert len(validation) == 3
        assert not {e.source for e in validation} & {e.source for e in rows[name]}
    assert [len(rows[name]) for name in ("multilingual", "downsampled", "es")] == [20, 10, 10]
    assert {e.language for e in rows["es"]} == {"es"}
    assert {e.id for e in rows["downsampled"]} < {e.id for e in rows["multilingual"]}
    # A user's own columns come through.
    assert rows["es"][0].model_dump()["topic"] == "t"
