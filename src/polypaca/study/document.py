"""Parse the YAML 1.2 document of a study file into plain Python values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from polypaca.core.errors import Problem, StudyError

if TYPE_CHECKING:
    from pathlib import Path

# A study nests about 6 deep and has a few hundred values; a few aliases can expand to billions.
DEEPEST = 50
MOST_VALUES = 100_000

_QUOTED_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|(?<!\S)#.*')
_TOO_DEEP = f"is nested more than {DEEPEST} levels deep, or contains itself through an alias"
_TOO_LARGE = f"expands to more than {MOST_VALUES:,} values through its aliases"


class TooLargeError(Exception):
    """A document too deep or too large to be a study; the message says which."""


def parse(path: Path) -> CommentedMap:
    """Parse a study file; the document knows the lines of its keys.

    Raises:
        StudyError: if it cannot be read, is not YAML, or holds no keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # YAML's scanner takes seconds for a thousand open brackets.
        if _bracket_depth(text) > DEEPEST:
            raise StudyError([Problem(str(path), _TOO_DEEP)])
        document = YAML(typ="rt").load(text)
    except OSError as error:
        hint = "give the path of a study file, such as studies/tiny.yaml"
        raise StudyError([Problem(str(path), f"cannot be read: {error.strerror}", hint)]) from error
    except UnicodeDecodeError as error:
        raise StudyError([Problem(str(path), "is not UTF-8 text")]) from error
    except RecursionError:
        raise StudyError([Problem(str(path), _TOO_DEEP)]) from None
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        what = (error.problem or "is not YAML").split("\n")[0]
        raise StudyError([Problem(f"{path}{line}", what)]) from error
    except YAMLError as error:
        raise StudyError([Problem(str(path), f"is not YAML: {error}".split("\n")[0])]) from error
    if not isinstance(document, CommentedMap):
        raise StudyError([Problem(str(path), "is not a study file: expected `key: value` lines")])
    return document


def parse_value(text: str) -> Any:
    """Parse a YAML value on one line, as in a file.

    Raises:
        ValueError: if it is not YAML.
        TooLargeError: if it is nested too deeply.
    """
    if _bracket_depth(text) > DEEPEST:
        raise TooLargeError(_TOO_DEEP)
    try:
        return to_plain(YAML(typ="safe", pure=True).load(text))
    except (YAMLError, RecursionError) as error:
        raise ValueError("is not a YAML value") from error


def to_plain(value: Any) -> Any:
    """Turn ruamel's containers and scalars into plain Python ones; aliases become copies.

    Raises:
        TooLargeError: if it is nested too deeply or becomes too large.
    """
    left = [MOST_VALUES]

    def copied(node: Any, depth: int) -> Any:
        left[0] -= 1
        if depth > DEEPEST:
            raise TooLargeError(_TOO_DEEP)
        if left[0] < 0:
            raise TooLargeError(_TOO_LARGE)
        if isinstance(node, CommentedMap | dict):
            return {str(key): copied(item, depth + 1) for key, item in node.items()}
        if isinstance(node, CommentedSeq | list):
            return [copied(item, depth + 1) for item in node]
        return _scalar(node)

    return copied(value, 0)


def _scalar(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def _bracket_depth(text: str) -> int:
    deepest = depth = 0
    for mark in re.findall(r"[\[\]{}]", _QUOTED_OR_COMMENT.sub("", text)):
        depth = depth + 1 if mark in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest
