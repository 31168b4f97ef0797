"""Links from a number, or a mark of a figure, to the answers behind it."""

from __future__ import annotations

from urllib.parse import urlencode


def answers_link(**filters: str | int | float) -> str:
    """The address of the page's answers, filtered: `#answers?language=es&row=...`.

    The page's reader (`templates/answers.js`) knows the filters `language`, `row` (a row label's
    id), `model`, `recipe`, `prompt` (its id), `gate` (0 or 1), `detected` (a language), `rating`
    (a value), `cut` (1: cut off at the token limit), and `other` (a second row's id, side by side
    with the first).
    """
    return f"#answers?{urlencode(filters)}"
