"""Apply overrides from the command line, `section.key=value`, to a study as it was read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import Problem
from polypaca.study.document import TooLargeError, parse_value

if TYPE_CHECKING:
    from collections.abc import Sequence

Location = tuple[str | int, ...]

_INDEX = re.compile(r"\[(\d+)\]")


class _OverrideError(Exception):
    """An override that cannot be applied: what is wrong, and a hint."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


def apply(raw: dict[str, Any], overrides: Sequence[str], problems: list[Problem]) -> set[Location]:
    """Apply overrides to a study, in order; problems are added to `problems`.

    Items of lists are indexed from 0: `models.0.source` or `models[0].source`. A section in its
    short form (`prompts: PATH`) is expanded first.

    Args:
        raw: the study as plain values, changed in place. No two of its parts may be one object.
        overrides: as typed.
        problems: gets one for each override that cannot be applied.

    Returns:
        The locations that were set.
    """
    locations: set[Location] = set()
    for override in overrides:
        dotted, equals, text = override.partition("=")
        words = _INDEX.sub(r".\1", dotted).split(".")
        if not equals or not all(words) or "://" in dotted:
            # A URL may hold a key: it is not repeated.
            shown = "a URL" if "://" in override else repr(override)
            what = f"{shown} is not an override"
            problems.append(Problem("command line", what, "write section.key=value"))
            continue
        try:
            locations.add(_set(raw, words, _value(text)))
        except _OverrideError as error:
            problems.append(Problem(f"command line, {dotted}", error.what, error.hint))
    return locations


def _value(text: str) -> Any:
    try:
        return parse_value(text)
    except ValueError:
        shown = "a URL" if "://" in text else repr(text)
        raise _OverrideError(f"{shown} is not valid YAML") from None
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
    """The next key or index, and how many words it takes, since names may contain dots."""
    if isinstance(node, dict):
        joined = [".".join(words[:count]) for count in range(len(words), 0, -1)]
        name = next((name for name in joined if name in node), words[0])
        return name, name.count(".") + 1
    name = ".".join(map(str, place))
    if not words[0].isdecimal():
        hint = f"write an index, such as {name}.0, or the whole list: {name}=[...]"
        raise _OverrideError(f"{name} is a list, and {words[0]!r} is not an index", hint)
    index = int(words[0])
    if index >= len(node):
        valid = f"has items 0 to {len(node) - 1}" if node else "is empty"
        hint = f"the list {valid}; to add an item, write the whole list: {name}=[...]"
        raise _OverrideError(f"{name} has no item {index}", hint)
    return index, 1


def _with_keys(value: Any, place: Location, word: str) -> dict[str, Any] | list[Any]:
    """The value at `place` as something that has keys: short forms are expanded."""
    if isinstance(value, list) and place == ("recipes",) and not word.isdecimal():
        return {str(recipe): {} for recipe in value}
    if isinstance(value, dict | list):
        return value
    name = ".".join(map(str, place))
    if value is None and word.isdecimal():
        hint = f"write the whole list: {name}=[...]"
        raise _OverrideError(f"{name} has no items in the file", hint)
    if value is None:
        return {}
    key = _short_form(place) if isinstance(value, str) else None
    if key is None:
        hint = f"override all of it: {name}=..."
        raise _OverrideError(f"{name} is {value!r}, which has no keys", hint)
    return {key: value}


def _short_form(place: Location) -> str | None:
    """The key that the short form at a place sets."""
    match place:
        case ("prompts",) | ("models", int()):
            return "source"
        case ("data", "translate", "engine") | ("data", "translate", "languages", _):
            return "kind"
    return None
