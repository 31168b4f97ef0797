from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import DataError
from polypaca.core.files import atomic_write, read_jsonl, sha256_text, to_line, write_jsonl
from polypaca.core.records import Prompt, Response


def _response(text: str) -> Response:
    return Response(system="s", prompt_id="1", language="en", response=text, finish_reason="stop")


@given(st.text())
def test_any_text_survives_a_line(text: str) -> None:
    line = to_line(_response(text))
    assert "\n" not in line
    assert Response.model_validate_json(line.encode()).response == text


def test_half_characters_become_replacement_characters() -> None:
    line = to_line(_response("a\ud800b"))
    assert Response.model_validate_json(line.encode()).response == "a\ufffdb"


def test_unknown_fields_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"id": "1", "language": "en", "prompt": "Hi", "mine": [1, 2]}))
    (prompt,) = read_jsonl(path, Prompt)
    write_jsonl(path, [prompt])
    assert json.loads(path.read_text())["mine"] == [1, 2]


def test_an_error_names_file_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(
        '{"id": "1", "language": "en", "prompt": "Hi"}\n\n{"id": 2, "language": "en"}\n'
    )
    with pytest.raises(DataError, match=r"p\.jsonl:3, field id"):
        list(read_jsonl(path, Prompt))


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="boom"), atomic_write(path) as file:
        file.write("new")
        raise RuntimeError("boom")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_hashes_are_sha256() -> None:
    # sha256sum of the three bytes "abc" (FIPS 180-2, B.1)
    assert sha256_text("abc").startswith("ba7816bf8f01cfea414140de5dae2223")
