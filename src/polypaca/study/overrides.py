"""Overrides from the command line, `section.key=value`, written into a study as it was read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import Problem
from polypaca.study.document import TooLargeError, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Location = tuple[str | int, ...]

_INDEX = re.compile(r"\[(\d+)\]")


class _OverrideError(Exception):
    """An override that cannot be written; where it fails, what is wrong, and a hint."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


def apply(raw: dict[str, Any], overrides: Sequence[str], problems: list[Problem]) -> set[Location]:
    """Write overrides into a study, in their order; what is wrong with one goes to `problems`.

    Items of lists are named by their number, counted from 0: `models.0.source` or
    `models[0].source`. A section in its short form (`prompts: PATH`) is written out first.

    Args:
        raw: the study as plain values, changed in place. No two of its parts may be one object.
        overrides: as typed.
        problems: gets what cannot be written.

    Returns:
        The places that were set.
    """
    places: set[Location] = set()
    for override in overrides:
        dotted, equals, text = override.partition("=")
        words = _INDEX.sub(r".\1", dotted).split(".")
        if not equals or not all(words):
            what = f"{override!r} is not an override"
            problems.append(Problem("command line", what, "write section.key=value"))
            continue
        try:
            places.add(_set(raw, words, _value(text)))
        except _OverrideError as error:
            problems.append(Problem(f"command line, {dotted}", error.what, error.hint))
    return places


def _value(text: str) -> Any:
    try:
        return value_of(text)
    except ValueError:
        raise _OverrideError(f"{text!r} is not a YAML value") from None
    except TooLargeError as error:
        raise _OverrideError(str(error)) from None


def _set(raw: dict[str, Any], words: list[str], value: Any) -> Location:
    node: Any = raw
    place: Location = ()
    while True:
        key, count = _key(node, words, place)
        place = (*place, key)
        words = words[count:]
        if not words:
            node[key] = value
            return place
        below = node.get(key) if isinstance(node, dict) else node[key]
        above, node = node, _with_keys(below, place, words[0])
        above[key] = node


def _key(
    node: dict[str, Any] | list[Any], words: list[str], place: Location
) -> tuple[str | int, int]:
    """The next step down, and how many words it takes: names may have dots in them."""
    if isinstance(node, dict):
        joined = [".".join(words[:count]) for count in range(len(words), 0, -1)]
        name = next((name for name in joined if name in node), words[0])
        return name, name.count(".") + 1
    name = ".".join(map(str, place))
    if not words[0].isdecimal():
        hint = f"give the number of one, such as {name}.0, or the whole list: {name}=[...]"
        raise _OverrideError(f"{name} is a list, and {words[0]!r} is no number of an item", hint)
    index = int(words[0])
    if index >= len(node):
        there = f"0 to {len(node) - 1}" if node else "none"
        hint = f"its items are {there}; to add one, give the whole list: {name}=[...]"
        raise _OverrideError(f"{name} has no item {index}", hint)
    return index, 1


def _with_keys(value: Any, place: Location, word: str) -> dict[str, Any] | list[Any]:
    """What stands at `place` as something that has keys: short forms are written out."""
    if isinstance(value, list) and place == ("recipes",) and not word.isdecimal():
        return {str(recipe): {} for recipe in value}
    if isinstance(value, dict | list):
        return value
    name = ".".join(map(str, place))
    if value is None and word.isdecimal():
        raise _OverrideError(f"{name} has no items in the file", f"give the whole: {name}=[...]")
    if value is None:
        return {}
    key = _short_form(place) if isinstance(value, str) else None
    if key is None:
        raise _OverrideError(
            f"{name} is {value!r}, which has no keys", f"give the whole: {name}=..."
        )
    return {key: value}


def _short_form(place: Location) -> str | None:
    """The key that a mere text at a place stands for."""
    match place:
        case ("prompts",) | ("models", int()):
            return "source"
        case ("data", "translate", "engine") | ("data", "translate", "languages", _):
            return "kind"
    return None
