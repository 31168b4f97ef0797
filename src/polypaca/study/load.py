"""Load a study file: YAML 1.2, overrides, and every problem reported at once."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from polypaca.core.errors import Problem, StudyError
from polypaca.core.files import write_text
from polypaca.core.names import suggest
from polypaca.core.settings import Choice, Settings
from polypaca.judging.judges import JUDGES
from polypaca.llm.endpoint import ServedModel
from polypaca.study import document, methods, overrides, system_entries, translate
from polypaca.study.check import cross_checks
from polypaca.study.paths import with_absolute_fields, with_absolute_paths
from polypaca.study.schema import Study
from polypaca.translation.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.rows import HasSettings

Location = overrides.Location


def load_study(path: Path, changes: Sequence[str] = ()) -> Study:
    """The study in `path`, with `section.key=value` changes applied; paths made absolute.

    Precedence: changes, then the file, then the defaults of `polypaca.study.schema`.

    Raises:
        StudyError: with all problems of the file and the changes.
    """
    parsed = document.parse(path)
    try:
        raw = document.to_plain(parsed)
    except document.TooLargeError as error:
        raise StudyError([Problem(str(path), str(error))]) from None
    problems: list[Problem] = []
    overridden = overrides.apply(raw, changes, problems)
    locate = _Locator(path, parsed, overridden)
    raw = with_absolute_paths(raw, path.parent)
    study = _validate(raw, locate, problems)
    if study is not None:
        study = with_absolute_fields(study, path.parent)
        for location, what, hint in cross_checks(study):
            problems.append(Problem(locate(location), what, hint))
    if problems or study is None:
        raise StudyError(sorted(problems, key=locate.order))
    return study


def save_study(study: Study, path: Path) -> None:
    """Write the frozen study, defaults and all, atomically; `load_study` reads it back."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(study.model_dump(), stream)
    write_text(
        path,
        "# The study as it was run, frozen; edit the study file instead.\n" + stream.getvalue(),
    )


def _validate(raw: dict[str, Any], locate: _Locator, problems: list[Problem]) -> Study | None:
    """The study; on errors, what is left of it without the invalid parts, for the cross-checks."""
    for attempt in range(3):
        try:
            return Study.model_validate(raw)
        except ValidationError as error:
            details = error.errors()
        locations = [_yaml_location(raw, detail) for detail in details]
        if attempt == 0:
            for detail, location in zip(details, locations, strict=True):
                problems.append(_problem(detail, location, raw, locate))
        for location in reversed(locations):  # removing an item of a list moves those after it
            _remove(raw, location)
    return None


def _yaml_location(raw: Any, detail: Any) -> Location:
    """The location of a pydantic error, without the tags of unions, which are not in the file."""
    steps: list[str | int] = []
    node: Any = raw
    parts = _in_list_of_judges(raw, detail["loc"])
    names_key = detail["type"] in ("missing", "extra_forbidden")
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            # A union's tag is no key of the file; a missing or unknown last key is one to name.
            if not (last and names_key and isinstance(node, dict)):
                continue
        steps.append(part)
    return tuple(steps)


def _in_list_of_judges(raw: Any, location: Iterable[str | int]) -> list[str | int]:
    """A location in `judge` or `other_judges`, where the file has one list of them."""
    parts = list(location)
    if not (isinstance(raw, dict) and isinstance(raw.get("judge"), list)):
        return parts
    if parts[:1] == ["judge"]:
        return ["judge", 0, *parts[1:]]
    if parts[:1] == ["other_judges"] and len(parts) > 1:
        return ["judge", int(parts[1]) + 1, *parts[2:]]
    return parts


def _problem(detail: Any, location: Location, raw: Any, locate: _Locator) -> Problem:
    kind, where = detail["type"], locate(location)
    if kind == "extra_forbidden":
        return Problem(
            where, f"unknown key{suggest(str(location[-1]), _keys_beside(raw, location))}"
        )
    if kind == "missing":
        return Problem(where, "is missing")
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in detail["ctx"]["expected_tags"].split(",")]
        return Problem(
            where, f"unknown kind {detail['ctx']['tag']!r}{suggest(detail['ctx']['tag'], tags)}"
        )
    if kind == "union_tag_not_found":
        return Problem(where, _missing_kind(str(location[0])))
    if kind == "literal_error":
        valid = [
            word.strip(" '") for word in detail["ctx"]["expected"].replace(" or ", ",").split(",")
        ]
        given = str(detail["input"])
        return Problem(where, f"{given!r} is not valid{suggest(given, valid)}")
    message = str(detail["msg"]).removeprefix("Value error, ")
    may_be_secret = location[-1:] and location[-1] in ("api_key_env", "base_url", "url")
    if kind != "value_error" and not (isinstance(detail["input"], dict | list) or may_be_secret):
        message = f"{message[0].lower()}{message[1:]}, got {detail['input']!r}"
    return Problem(where, message)


def _missing_kind(section: str) -> str:
    """What decides which of several settings classes an entry is."""
    if section == "systems":
        return f"needs one of {', '.join(system_entries.KEYS)}"
    if section == "methods":
        kinds = [kind.model_fields["kind"].default for kind in _classes(methods.Method)]
    else:
        kinds = list(_table(section))
    return f"needs `kind:`, one of {', '.join(kinds)}"


def _keys_beside(raw: Any, location: Location) -> list[str]:
    """The valid keys of the section that a location is in."""
    if location[0] == "systems" and len(location) > 1:
        shared = ["name", "revision", "template"]
        return [*system_entries.KEYS, *shared, *ServedModel.model_fields]
    classes: list[type[Settings]] = [Study]
    for part in location[:-1]:
        raw = raw[part]
        fields = [kind.model_fields[part] for kind in classes if part in kind.model_fields]
        if fields:  # else it is the index of a list, or the key of a dictionary
            classes = [kind for field in fields for kind in _classes(field.annotation)]
        if Choice in classes and isinstance(raw, dict) and "kind" in raw:
            table = _table(str(location[0]))
            classes = [table[raw["kind"]].settings if raw["kind"] in table else translate.Given]
    return list(dict.fromkeys(name for kind in classes for name in kind.model_fields))


def _table(section: str) -> Mapping[str, HasSettings]:
    return ENGINES if section == "data" else JUDGES


def _classes(annotation: Any) -> list[type[Settings]]:
    """The settings classes in a type."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in _classes(part)]


def _remove(raw: Any, location: Location) -> None:
    """Remove what is at `location`, if it is there."""
    node: Any = raw
    try:
        for part in location[:-1]:
            node = node[part]
    except (KeyError, IndexError, TypeError):
        return
    last = location[-1] if location else None
    if isinstance(node, dict):
        node.pop(last, None)
    elif isinstance(node, list) and isinstance(last, int) and last < len(node):
        node[last] = None
        node.remove(None)


class _Locator:
    """Tells where in the file, or on the command line, a part of the study was set."""

    def __init__(self, path: Path, document: CommentedMap, overridden: set[Location]) -> None:
        self._path, self._document, self._overridden = path, document, overridden

    def __call__(self, location: Location) -> str:
        field = _dotted(location)
        if any(location[: len(place)] == place for place in self._overridden):
            return f"command line, {field}"
        line, whole = self._line(location)
        if not whole and any(place[: len(location)] == location for place in self._overridden):
            return f"command line, {field}"
        return f"{self._path}{f':{line}' if line else ''}" + (f", {field}" if field else "")

    def order(self, problem: Problem) -> int:
        """Problems in the order of the file's lines, those without a line last."""
        line = problem.where.removeprefix(f"{self._path}:").partition(",")[0]
        return int(line) if line.isdigit() else sys.maxsize

    def _line(self, location: Location) -> tuple[int | None, bool]:
        """The line of what is nearest to a location, and whether all of it is in the file."""
        line: int | None = None
        node: Any = self._document
        for part in location:
            try:
                if isinstance(node, CommentedMap) and part in node:
                    line = node.lc.key(part)[0] + 1
                elif isinstance(node, CommentedSeq) and isinstance(part, int):
                    line = node.lc.item(part)[0] + 1
                else:
                    return line, False
                node = node[part]
            except (KeyError, IndexError, TypeError, AttributeError):
                return line, False
        return line, True


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
