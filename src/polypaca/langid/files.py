"""`polypaca langid`: the languages of the texts in a file, without a study."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from polypaca.core import languages
from polypaca.core.errors import DataError, UserError
from polypaca.core.names import nearest
from polypaca.langid import detectors
from polypaca.langid.cleaning import prose
from polypaca.langid.confusion import gates_inside, tally
from polypaca.langid.gate import check, detect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.langid.contract import Detector

TEXT_FIELDS = ("response", "completion", "output", "text")
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_DELIMITED = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Identified:
    """What there is to say of one text; gates are None where no language is expected."""

    line: int
    expected: str | None
    detected: str | None
    confidence: float
    gate: Literal[0, 1] | None = None
    reason: str | None = None
    line_gate: Literal[0, 1] | None = None
    word_gate: Literal[0, 1] | None = None


def identify(
    file: str,
    *,
    expect: str | None = None,
    detector: str = "lid176",
    model: Path | None = None,
    field: str | None = None,
) -> list[Identified]:
    """The language and the gate of every text of a file, in its order.

    Args:
        file: JSONL or CSV, by its ending, with a column of texts; any other file, and standard
            input (`-`), holds a text a line. With `field`, standard input is JSONL.
        expect: the language that all texts should be in; without it each row's `language`, if
            it has one.
        detector: a row of `detectors`.
        model: the detector's file, where it is not the one that comes with it.
        field: the column of texts; without it the first of `TEXT_FIELDS` that the file has. A
            column `prompt` is used too: passages of it do not count.

    Raises:
        UserError: if the detector cannot be loaded, or `expect` is no language.
        DataError: if the file cannot be read, or a row is not as it should be; with its line.
    """
    if expect is not None and not languages.is_language(expect):
        meant = languages.suggestion(expect)
        hint = f"; did you mean {meant}?" if meant else ""
        raise UserError(f"--expect: unknown language {expect!r}{hint}")
    loaded = detectors.load(detector, model)
    content = _read(file)
    suffix = "" if file == "-" else Path(file).suffix.lower()
    if suffix in _JSON_LINES or (file == "-" and field is not None):
        rows = _json_lines(content, file)
    elif suffix in _DELIMITED:
        rows = _delimited(content, file, _DELIMITED[suffix])
    elif field is not None:
        hint = "columns are in .csv, .tsv and .jsonl files"
        raise DataError("holds a text a line and no columns", path=file, field=field, hint=hint)
    else:
        lines = content.removesuffix("\n").split("\n") if content else []
        rows = ((number, {"text": line}) for number, line in enumerate(lines, 1))
    return [_identify(row, number, file, expect, field, loaded) for number, row in rows]


def to_text(found: Sequence[Identified]) -> str:
    """A line for each text, and a summary."""
    width = max([4, *(len(str(row.line)) for row in found)])
    lines = [f"{'line':>{width}}  detected  confidence  gate  reason"]
    for row in found:
        gate = "-" if row.gate is None else row.gate
        lines.append(
            f"{row.line:>{width}}  {row.detected or '-':<8}  {row.confidence:10.2f}  {gate:>4}  "
            f"{row.reason or ''}".rstrip()
        )
    return "\n".join([*lines, "", *_sentences(summary(found))])


def to_json(found: Sequence[Identified]) -> str:
    """The same for programs: `rows` and `summary`."""
    rows = [asdict(row) for row in found]
    return json.dumps({"rows": rows, "summary": summary(found)}, ensure_ascii=False, indent=1)


def summary(found: Sequence[Identified]) -> dict[str, Any]:
    """How many texts are in which language, and how many passed, in all and by reason."""
    return {
        "texts": len(found),
        "detected": dict(Counter(row.detected or "none" for row in found).most_common()),
        "expected": sum(row.gate is not None for row in found),
        **tally(found),
    }


def _sentences(counts: dict[str, Any]) -> Iterator[str]:
    detected = ", ".join(f"{code} {count}" for code, count in counts["detected"].items())
    yield f"{counts['texts']} texts" + (f": {detected}" if detected else "")
    if not counts["expected"]:
        return
    reasons = ", ".join(f"{reason} {count}" for reason, count in counts["reasons"].items())
    yield f"{counts['passed']} of {counts['expected']} pass the gate ({reasons})"
    for kind in ("line", "word"):
        if counts[f"{kind}_told"]:
            yield f"{counts[f'{kind}_passed']} of {counts[f'{kind}_told']} pass by {kind}"


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=file) from error
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError("is not UTF-8 text", path=file, line=line) from error


def _json_lines(content: str, file: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            hint = "one JSON object a line is expected"
            raise DataError(f"is not JSON: {error}", path=file, line=number, hint=hint) from error
        if not isinstance(row, dict):
            raise DataError("is not a JSON object", path=file, line=number)
        yield number, row


def _delimited(content: str, file: str, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line = 1
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise DataError(f"is not valid CSV: {error}", path=file, line=line) from error
        if values is None:
            return
        if header is None:
            header = values
        elif values:
            if len(values) != len(header):
                what = f"has {len(values)} columns, the first line {len(header)}"
                raise DataError(what, path=file, line=line)
            yield line, dict(zip(header, values, strict=True))


def _identify(
    row: dict[str, Any],
    line: int,
    file: str,
    expect: str | None,
    field: str | None,
    detector: Detector,
) -> Identified:
    text = _text(row, line, file, field)
    expected = expect or row.get("language") or None
    if expected is None:
        detected, confidence = detect(prose(text), detector)
        return Identified(line, None, detected, confidence)
    if not isinstance(expected, str) or not languages.is_language(expected):
        hint = "or give --expect"
        what = f"unknown language {expected!r}"
        raise DataError(what, path=file, line=line, field="language", hint=hint)
    prompt = row.get("prompt")
    found = check(text, expected, detector, prompt=prompt if isinstance(prompt, str) else None)
    inside = gates_inside(text, expected, detector, found.reason)
    return Identified(
        line, expected, found.detected, found.confidence, found.gate, found.reason, *inside
    )


def _text(row: dict[str, Any], line: int, file: str, field: str | None) -> str:
    names = [field] if field is not None else [name for name in TEXT_FIELDS if name in row]
    if not names:
        wanted = f"no column {', '.join(TEXT_FIELDS[:-1])} or {TEXT_FIELDS[-1]}"
        hint = f"name one with --field; there are: {', '.join(map(str, row))}"
        raise DataError(wanted, path=file, line=line, hint=hint)
    if names[0] not in row:
        raise DataError(f"no column {names[0]!r}{nearest(names[0], row)}", path=file, line=line)
    text = row[names[0]]
    if not isinstance(text, str):
        raise DataError(f"is not text: {text!r:.60}", path=file, line=line, field=names[0])
    return text
