from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.langid import detectors
from polypaca.langid.blocks import is_program, read_fences, without_code
from polypaca.langid.gate import check_response

if TYPE_CHECKING:
    from collections.abc import Callable

ENGLISH = "The old house stands by the river, and the children play in its garden all day."
SPANISH = "La casa vieja está junto al río, y los niños juegan en su jardín todo el día."


def as_json(text: str) -> str:
    return json.dumps({"answer": text, "score": 3, "tags": ["a1"]}, ensure_ascii=False, indent=2)


BLOCKS: dict[str, Callable[[str], str]] = {
    "json fence": lambda text: f"```json\n{as_json(text)}\n```",
    "untagged json": lambda text: f"```\n{as_json(text)}\n```",
    "json on its own": as_json,
    "json in a line": lambda text: json.dumps({"answer": text}),
    "escaped json": lambda text: f"```json\n{json.dumps([text, text])}\n```",
    "json cut off": lambda text: f"```json\n{as_json(text)[:-40]}",
    "list in json": lambda text: "[\n" + ",\n".join(f'  "{text}"' for _ in range(3)) + "\n]",
    "yaml": lambda text: f"```yaml\nanswer: {text}\nscore: 3\n```",
    "markdown": lambda text: f"```markdown\n# {text[:20]}\n\n{text}\n```",
    "text": lambda text: f"~~~text\n{text}\n~~~",
    "untagged": lambda text: f"```\n{text}\n```",
    "named by the language": lambda text: f"```spanish\n{text}\n```",
    "fence in a fence": lambda text: f"````md\n{text[:30]}\n```\n{text}\n```\n````",
    "html": lambda text: f"```html\n<p>{text}</p>\n```",
    "inline": lambda text: f"`{text}`",
    "not closed": lambda text: f"```\n{text}",
    "latex": lambda text: f"\\begin{{document}}\\section{{{text}}} {text}\\end{{document}}",
}


@pytest.mark.parametrize("block", BLOCKS)
def test_an_answer_in_a_block_is_in_the_language_of_its_words(block: str) -> None:
    detector = detectors.load("lid176")
    assert check_response(BLOCKS[block](SPANISH), "es", detector)[:3:2] == ("es", 1)
    assert check_response(BLOCKS[block](ENGLISH), "es", detector)[:3:2] == ("en", 0)


@pytest.mark.parametrize("block", [name for name in BLOCKS if name not in ("html", "latex")])
def test_a_line_before_the_block_does_not_decide(block: str) -> None:
    detector = detectors.load("lid176")
    assert check_response(f"Here you go:\n\n{BLOCKS[block](SPANISH)}", "es", detector).gate == 1
    assert check_response(f"Aquí está:\n\n{BLOCKS[block](ENGLISH)}", "es", detector).gate == 0


PROGRAMS = {
    "python": '```python\ndef total(values):\n    """Return the sum of them."""\n```',
    "untagged": "```\ndef total(values):\n    # add all the values there are\n    return 0\n```",
    "unknown tag": "```mylang\nlet total = sum(values);\nlet mean = total / n;\n```",
    "shell": "```sh\nsudo apt install the-package # and then run the tests again\n```",
    "not fenced": "def total(values):\n    # add all the values that are there\n    return 0",
    "inline": "`for (int i = 0; i < n; i++) { total += values[i]; }`",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_in_no_language(program: str) -> None:
    detector = detectors.load("lid176")
    for target in ("es", "ru", "zh"):
        assert check_response(PROGRAMS[program], target, detector)[2:] == (1, "undetermined")
    assert check_response(f"{SPANISH}\n\n{PROGRAMS[program]}", "es", detector)[::2] == ("es", 1)
    assert check_response(f"{ENGLISH}\n\n{PROGRAMS[program]}", "es", detector)[::2] == ("en", 0)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"a": "uno", "b": ["dos", 3]}', "uno\ndos"),
        ('{"b": "\\u00e9l dijo \\"no\\"\\n"}', 'él dijo "no" '),
        ("Uno\nx = f(1)\ndos", "Uno\n\ndos"),
        ("Nada de código aquí (de verdad).", "Nada de código aquí (de verdad)."),
        # Keys are read where nothing else has words.
        ('{"puntos del primer equipo": 8}', '{"puntos del primer equipo": 8}'),
    ],
)
def test_what_is_left_of_code(text: str, left: str) -> None:
    assert without_code(text) == left


def test_what_is_a_program() -> None:
    assert is_program("x = 1\nprint(x)")
    assert not is_program("Me gusta la casa.\nx = 1\nY el jardín también.")
    assert not is_program("")


@given(st.text(st.sampled_from('`~ab\n "{}:,[]\\'), max_size=80))
def test_reading_fences_never_fails(text: str) -> None:
    assert len(read_fences(without_code(text))) <= len(text) + 4 * text.count("\n") + 8


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "piece", ["```\n", "~~~a\n", '"', '"a":', "{", '{"a": "b"}\n', "[\n", "` "]
)
def test_long_runs_take_time_in_proportion(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    without_code(read_fences(text))
