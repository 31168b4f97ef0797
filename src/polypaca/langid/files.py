"""`polypaca langid`: the languages of the texts in a file, without a study."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from polypaca.core import languages
from polypaca.core.csv_rows import csv_rows, decoded, divided, read_text
from polypaca.core.errors import DataError, UserError
from polypaca.core.names import suggest
from polypaca.core.readers import SUFFIXES, json_rows, read_rows, starts_with_object
from polypaca.langid import detectors
from polypaca.langid.cleaning import extract_prose
from polypaca.langid.confusion import line_and_word_gates, tally
from polypaca.langid.gate import check_response, detect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polypaca.core.readers import Row
    from polypaca.langid.contract import Detector

TEXT_FIELDS = ("response", "completion", "output", "text", "answer")


@dataclass(frozen=True)
class TextLanguage:
    """What there is to say of one text; gates are None where no language is expected."""

    line: int
    expected: str | None
    detected: str | None
    confidence: float
    gate: Literal[0, 1] | None = None
    reason: str | None = None
    line_gate: Literal[0, 1] | None = None
    word_gate: Literal[0, 1] | None = None
    missing: bool = False  # the row has no text: its column is null there, or not there at all


def identify(
    file: str,
    *,
    expect: str | None = None,
    detector: str = "lid176",
    model: Path | None = None,
    field: str | None = None,
) -> list[TextLanguage]:
    """The language and the gate of every text of a file, in its order.

    Args:
        file: JSON, JSON Lines, Parquet, CSV or TSV by its ending. Files of another ending and
            standard input (`-`) are JSON if they begin like it, or if `field` is given; else each
            line is a text.
        expect: the language that all texts should be in; without it each row's `language`, if
            it has one.
        detector: a row of `detectors`.
        model: the detector's file, where it is not the one that comes with it.
        field: the column of texts; without it the first of `TEXT_FIELDS` that a row has. A row
            without it counts as an empty text. A column `prompt` is used too: passages of it do
            not count.

    Raises:
        UserError: if the detector cannot be loaded, or `expect` is no language.
        DataError: if the file cannot be read, holds no texts, or a row is not as it should be; with
            its line.
    """
    if expect is not None and not languages.is_language(expect):
        meant = languages.suggest_language(expect)
        hint = f"; did you mean {meant}?" if meant else ""
        raise UserError(f"--expect: unknown language {expect!r}{hint}")
    rows = _rows(file, field)
    loaded = detectors.load(detector, model)
    column = _column([row for _, row in rows], file, field)
    return [_identify(row, number, file, expect, column, loaded) for number, row in rows]


def _rows(file: str, field: str | None) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a file, with their lines."""
    suffix = "" if file == "-" else Path(file).suffix.lower()
    if suffix in SUFFIXES:
        return _numbered(read_rows(Path(file)).rows)
    content = decoded(sys.stdin.buffer.read(), file) if file == "-" else read_text(file)
    if suffix in (".csv", ".tsv"):
        return list(_delimited(content, file, suffix, (field or "", *TEXT_FIELDS)))
    data = content.encode("utf-8")
    if content.lstrip().startswith("["):
        with suppress(DataError):  # a text may begin so too
            return _numbered(json_rows(data, file, array=True))
    if (file == "-" and field is not None) or starts_with_object(data):
        return _numbered(json_rows(data, file, array=False))
    if field is not None:
        hint = "use a .csv, .tsv, .json, .jsonl or .parquet file"
        raise DataError("has one text per line and no columns", path=file, field=field, hint=hint)
    lines = content.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return (
        [(number, {"text": line}) for number, line in enumerate(lines, 1)]
        if content.strip()
        else []
    )


def _numbered(rows: Iterable[Row]) -> list[tuple[int, dict[str, Any]]]:
    return [(row.line, row.fields) for row in rows]


def to_text(results: Sequence[TextLanguage]) -> str:
    """A line for each text, and a summary."""
    width = max([4, *(len(str(row.line)) for row in results)])
    lines = [f"{'line':>{width}}  detected  confidence  gate  reason"]
    for row in results:
        gate = "-" if row.gate is None else row.gate
        lines.append(
            f"{row.line:>{width}}  {row.detected or '-':<8}  {row.confidence:10.2f}  {gate:>4}  "
            f"{row.reason or ''}".rstrip()
        )
    return "\n".join([*lines, "", *_sentences(summarise(results))])


def to_json(results: Sequence[TextLanguage]) -> str:
    """The same for programs: `rows` and `summary`."""
    rows = [asdict(row) for row in results]
    return json.dumps({"rows": rows, "summary": summarise(results)}, ensure_ascii=False, indent=1)


def summarise(results: Sequence[TextLanguage]) -> dict[str, Any]:
    """How many texts are in which language, and how many passed, in all and by reason."""
    return {
        "texts": len(results),
        "missing": sum(row.missing for row in results),
        "detected": dict(Counter(row.detected or "none" for row in results).most_common()),
        "expected": sum(row.gate is not None for row in results),
        **tally(results),
    }


def _sentences(counts: dict[str, Any]) -> Iterator[str]:
    detected = ", ".join(f"{code} {count}" for code, count in counts["detected"].items())
    yield f"{counts['texts']} texts" + (f": {detected}" if detected else "")
    if counts["missing"]:
        yield f"{counts['missing']} of them are null or missing, and count as empty"
    if not counts["expected"]:
        return
    reasons = ", ".join(f"{reason} {count}" for reason, count in counts["reasons"].items())
    yield f"{counts['passed']} of {counts['expected']} pass the gate ({reasons})"
    for kind in ("line", "word"):
        if counts[f"{kind}_told"]:
            yield f"{counts[f'{kind}_passed']} of {counts[f'{kind}_told']} pass by {kind}"


def _delimited(
    content: str, file: str, suffix: str, columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    delimiter, body, above = divided(content, columns)
    rows = csv_rows(body, "\t" if suffix == ".tsv" else delimiter, file, above)
    _, header = next(rows, (1, []))
    for line, fields in rows:
        if not fields:
            continue
        if len(fields) != len(header):
            message = f"has {len(fields)} fields, but the header has {len(header)}"
            raise DataError(message, path=file, line=line)
        yield line, dict(zip(header, fields, strict=True))


def _identify(
    row: Mapping[str, Any],
    line: int,
    file: str,
    expect: str | None,
    column: str,
    detector: Detector,
) -> TextLanguage:
    text = row.get(column)
    missing = text is None
    if missing:
        text = ""
    if not isinstance(text, str):
        raise DataError(f"must be a string, not {text!r:.60}", path=file, line=line, field=column)
    expected = expect or row.get("language") or None
    if expected is None:
        detected, confidence = detect(extract_prose(text), detector)
        return TextLanguage(line, None, detected, confidence, missing=missing)
    if not isinstance(expected, str) or not languages.is_language(expected):
        hint = "correct it, or use --expect"
        message = f"unknown language {expected!r}"
        raise DataError(message, path=file, line=line, field="language", hint=hint)
    prompt = row.get("prompt")
    decision = check_response(
        text, expected, detector, prompt=prompt if isinstance(prompt, str) else None
    )
    by_line, by_word = line_and_word_gates(text, expected, detector, decision.reason)
    return TextLanguage(
        line,
        expected,
        decision.detected,
        decision.confidence,
        decision.gate,
        decision.reason,
        by_line,
        by_word,
        missing=missing,
    )


def _column(rows: Sequence[Mapping[str, Any]], file: str, field: str | None) -> str:
    """The column of texts: one and the same in all rows."""
    if not rows:
        raise DataError("has no texts", path=file)
    columns = dict.fromkeys(str(name) for row in rows for name in row)
    if field is not None:
        if field not in columns:
            raise DataError(f"has no column {field!r}{suggest(field, columns)}", path=file)
        return field
    column = next((name for name in TEXT_FIELDS if name in columns), None)
    if column is None:
        message = f"has no column {', '.join(TEXT_FIELDS[:-1])} or {TEXT_FIELDS[-1]}"
        hint = f"name one with --field; its columns: {', '.join(columns)}"
        raise DataError(message, path=file, hint=hint)
    return column
