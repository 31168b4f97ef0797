from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.core.errors import StageError
from polypaca.core.records import Example
from polypaca.translation import engines
from polypaca.translation.contract import Engine, Untranslated
from polypaca.translation.dummy import DummySettings
from polypaca.translation.shards import Pace, split_into_shards, translate_rows

from .fakes import FakeEngine


def _row(n: int) -> Example:
    return Example(
        id=f"s{n}.en", source=f"s{n}", split="train", language="en",
        instruction=f"Name the animal {n}.", output=f"A cat, with `code {n}`.\n\n- It is {n}.",
    )  # fmt: skip


ROWS = [_row(n) for n in range(700)]


class _Counting:
    """The dummy engine, counting the texts it gets and failing when told to."""

    def __init__(self, fail_after: int | None = None, reject: str = "") -> None:
        self.texts: list[str] = []
        self._inner, self._left, self._reject = (
            engines.load(DummySettings(), "en", "es"),
            fail_after,
            reject,
        )

    def engine(self) -> FakeEngine:
        return FakeEngine("dummy", self._inner.signature, self._translate)

    def _translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise StageError("the engine died")
        self.texts += texts
        found = self._inner.translate(texts)
        return [
            Untranslated("poison") if self._reject and self._reject in text else one
            for text, one in zip(texts, found, strict=True)
        ]


def _translate(engine: Engine, cache: Path, rows: Sequence[Example] = ROWS) -> list[object]:
    done = translate_rows(
        rows,
        len(rows),
        engine,
        source_language="en",
        target_language="es",
        on_lost="pieces",
        cache=cache,
        progress=lambda fraction, text: None,
    )
    return list(done)


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=600))
@settings(deadline=None, max_examples=30)
def test_shards_are_all_rows_in_order(numbers: list[int]) -> None:
    rows = [_row(n) for n in numbers]
    found = list(split_into_shards(rows))
    assert [row for shard in found for row in shard] == rows
    assert all(1 <= len(shard) <= 256 for shard in found)


def _sources(rows: Sequence[Example]) -> set[tuple[str, ...]]:
    return {tuple(row.source for row in shard) for shard in split_into_shards(rows)}


def test_a_row_that_goes_changes_one_shard() -> None:
    before = _sources(ROWS)
    assert len(before) > 5
    after = _sources([*ROWS[:300], *ROWS[301:]])
    assert len(before - after) <= 2
    assert len(after - before) <= 2


def test_order_and_structure_are_kept(tmp_path: Path) -> None:
    done = _translate(_Counting().engine(), tmp_path)
    assert [row.source for row in done] == [row.source for row in ROWS]  # type: ignore[attr-defined]
    first = done[0]
    assert first.instruction == "Name-es the-es animal-es 0."  # type: ignore[attr-defined]
    assert "`code 0`" in first.output  # type: ignore[attr-defined]
    assert "\n\n- " in first.output  # type: ignore[attr-defined]


def test_a_killed_run_goes_on_behind_its_finished_shards(tmp_path: Path) -> None:
    undisturbed = _translate(_Counting().engine(), tmp_path / "a")
    first = _Counting(fail_after=3)
    with pytest.raises(StageError, match="died"):
        _translate(first.engine(), tmp_path / "b")
    second = _Counting()
    assert _translate(second.engine(), tmp_path / "b") == undisturbed
    # "A cat, with {0}." is in every shard.
    done, left = ({t for t in e.texts if "animal" in t} for e in (first, second))
    assert done
    assert left
    assert not done & left
    third = _Counting(fail_after=0)
    assert _translate(third.engine(), tmp_path / "b") == undisturbed


def test_damaged_shards_and_other_engines_are_not_used(tmp_path: Path) -> None:
    undisturbed = _translate(_Counting().engine(), tmp_path)
    paths = sorted(tmp_path.rglob("*.jsonl"))
    paths[0].write_text(paths[0].read_text()[:-40])
    paths[1].write_text(paths[2].read_text())
    again = _Counting()
    assert _translate(again.engine(), tmp_path) == undisturbed
    assert again.texts
    other = replace(_Counting(fail_after=0).engine(), signature="another model")
    with pytest.raises(StageError):
        _translate(other, tmp_path)


def test_a_shard_whose_words_were_changed_is_translated_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = _translate(_Counting().engine(), tmp_path)
    path = sorted(tmp_path.rglob("*.jsonl"))[0]
    kept = path.read_text()
    path.write_text(kept.replace("code", "core", 1))
    assert _translate(_Counting().engine(), tmp_path) == done
    assert path.read_text() == kept
    assert f"damaged in the cache: {path}" in caplog.text
    # As shards were kept before there were hashes.
    path.write_text("".join(f"{line}\n" for line in kept.splitlines()[:-1]))
    assert _translate(_Counting().engine(), tmp_path) == done
    assert path.read_text() == kept


def test_a_field_without_translation_gives_its_reason(tmp_path: Path) -> None:
    done = _translate(_Counting(reject="animal 5.").engine(), tmp_path, ROWS[:10])
    assert [row.reason for row in done if row.reason] == ["instruction: poison"]  # type: ignore[attr-defined]
    assert done[5].instruction is None  # type: ignore[attr-defined]


def test_the_pace_in_words() -> None:
    pace = Pace(rows=1200, kept_rows=200, sentences=5000, seconds=20.0)
    # 1,000 fresh rows in 20 s; 50,800 more take 1,016 s.
    assert pace.describe(52_000) == "1,200/52,000 rows, 250 sentences/s, 17 min left"
    assert Pace(rows=200, kept_rows=200).describe(400) == "200/400 rows"
