"""Translating examples in shards that are kept: what is finished is never translated again.

A shard is a run of consecutive rows. Where one ends depends on the rows' own ids, so that a row
that comes or goes changes one shard and leaves the others as they are.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from polypaca.core.cache import append_hash, private_folder, set_aside, strip_hash
from polypaca.core.files import write_text
from polypaca.translation.filters import FIELDS
from polypaca.translation.texts import translate_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from polypaca.core.records import Example
    from polypaca.translation.contract import Engine

_FORMAT = 2  # raised when `translate_texts` makes something else of the same engine output
_MEAN_ROWS, _MOST_ROWS = 64, 256


@dataclass(frozen=True)
class TranslatedRow:
    """A translated row: its fields are None, with the reason, where a field has no translation."""

    source: str
    instruction: str | None
    input: str | None
    output: str | None
    reason: str = ""
    sentences: int = 0
    retried: int = 0
    pieces: int = 0


@dataclass
class Pace:
    """How the work goes: rows and sentences done, those of finished shards apart."""

    rows: int = 0
    kept_rows: int = 0  # taken from finished shards
    sentences: int = 0  # translated now
    seconds: float = 0.0  # spent on these

    def describe(self, total: int) -> str:
        """`1,200/52,000 rows, 310 sentences/s, 25 min left`."""
        text = f"{self.rows:,}/{total:,} rows"
        fresh = self.rows - self.kept_rows
        if not fresh or not self.seconds:
            return text
        left = (total - self.rows) * self.seconds / fresh
        return f"{text}, {self.sentences / self.seconds:,.0f} sentences/s, {_time(left)} left"


def split_into_shards(rows: Iterable[Example]) -> Iterator[list[Example]]:
    """Divide rows into consecutive shards of 64 on average and 256 at most."""
    shard: list[Example] = []
    for row in rows:
        shard.append(row)
        digest = hashlib.blake2b(row.source.encode("utf-8", "surrogatepass"), digest_size=4)
        ends = int.from_bytes(digest.digest(), "big") % _MEAN_ROWS == 0
        if ends or len(shard) == _MOST_ROWS:
            yield shard
            shard = []
    if shard:
        yield shard


def translate_rows(
    rows: Iterable[Example],
    total: int,
    engine: Engine,
    *,
    source_language: str,
    target_language: str,
    on_lost: Literal["pieces", "reject"],
    cache: Path,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
) -> Iterator[TranslatedRow]:
    """Translate rows in their order; finished shards are read from `cache`.

    Memory holds one shard at a time.

    Args:
        rows: what to translate.
        total: how many there are, for the progress.
        engine: what translates.
        source_language: code of the rows' language.
        target_language: code of the language translated into.
        on_lost: see `texts.translate_texts`.
        cache: the folder of finished shards, which studies and processes may share.
        progress: told the share that is done (0..1) and the pace in words.

    Raises:
        StageError: if the engine fails.
    """
    pace = Pace()
    for shard in split_into_shards(rows):
        key = _key(shard, engine, source_language, target_language, on_lost)
        path = cache / key[:2] / f"{key}.jsonl"
        done = _read(path, shard)
        if done is None:
            started = time.monotonic()
            done = _translate(shard, engine, source_language, on_lost)
            private_folder(path.parent)
            _write(path, done)
            pace.seconds += time.monotonic() - started
            pace.sentences += sum(row.sentences for row in done)
        else:
            pace.kept_rows += len(shard)
        pace.rows += len(shard)
        progress(pace.rows / max(total, 1), pace.describe(total))
        yield from done


def _translate(
    shard: Sequence[Example], engine: Engine, language: str, on_lost: Literal["pieces", "reject"]
) -> list[TranslatedRow]:
    texts = [getattr(row, name) for row in shard for name in FIELDS]
    translations = translate_texts(texts, engine, language, on_lost)
    rows = []
    for number, row in enumerate(shard):
        fields = translations[number * len(FIELDS) : (number + 1) * len(FIELDS)]
        reasons = [
            f"{name}: {field.reason}"
            for name, field in zip(FIELDS, fields, strict=True)
            if field.text is None
        ]
        instruction, context, output = (field.text for field in fields)
        rows.append(
            TranslatedRow(
                row.source,
                instruction,
                context,
                output,
                reason="; ".join(reasons),
                sentences=sum(field.sentences for field in fields),
                retried=sum(field.retried for field in fields),
                pieces=sum(field.pieces for field in fields),
            )
        )
    return rows


def _key(shard: Sequence[Example], engine: Engine, *languages_and_settings: str) -> str:
    rows = [{name: getattr(row, name) for name in ("source", *FIELDS)} for row in shard]
    content = [_FORMAT, engine.signature, *languages_and_settings, rows]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _read(path: Path, shard: Sequence[Example]) -> list[TranslatedRow] | None:
    """A finished shard; None where there is none. A damaged one is set aside."""
    try:
        lines = strip_hash(path.read_bytes().decode("ascii", "replace"))
    except FileNotFoundError:
        return None
    try:
        rows = [TranslatedRow(**json.loads(line)) for line in (lines or "").splitlines()]
    except (ValueError, TypeError):
        rows = []
    if [row.source for row in rows] == [row.source for row in shard]:
        return rows
    set_aside(path, [], "its rows will be translated again")
    return None


def _write(path: Path, rows: Sequence[TranslatedRow]) -> None:
    # ASCII, since a source may hold half a character, which has no UTF-8.
    text = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
    write_text(path, append_hash(text))


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
