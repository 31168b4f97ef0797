"""Load a study file: YAML 1.2, overrides, and every problem reported at once."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from polypaca.core.errors import Problem, StudyError
from polypaca.core.files import write_text
from polypaca.core.names import nearest
from polypaca.study import gate, judge, methods, schema, served, system_entries, translate
from polypaca.study.check import cross_checks
from polypaca.study.paths import with_absolute_paths
from polypaca.study.schema import Study

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Location = tuple[str | int, ...]


def load_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """The study in `path`, with `section.key=value` overrides applied; paths made absolute.

    Precedence: overrides, then the file, then the defaults of `polypaca.study.schema`.

    Raises:
        StudyError: with all problems of the file and the overrides.
    """
    document = _parse(path)
    problems: list[Problem] = []
    overridden = _apply(document, overrides, problems)
    locate = _Locator(path, document, overridden)
    raw = with_absolute_paths(_plain(document), path.parent)
    study = _validate(raw, locate, problems)
    if study is not None:
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


def _parse(path: Path) -> CommentedMap:
    try:
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "name a study file, such as studies/tiny.yaml"
        raise StudyError([Problem(str(path), f"cannot be read: {error.strerror}", hint)]) from error
    except UnicodeDecodeError as error:
        raise StudyError([Problem(str(path), "is not UTF-8 text")]) from error
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        what = (error.problem or "is not YAML").split("\n")[0]
        raise StudyError([Problem(f"{path}{line}", what)]) from error
    except YAMLError as error:
        raise StudyError([Problem(str(path), f"is not YAML: {error}".split("\n")[0])]) from error
    if not isinstance(document, CommentedMap):
        raise StudyError([Problem(str(path), "is not a study: expected `key: value` lines")])
    return document


def _apply(
    document: CommentedMap, overrides: Sequence[str], problems: list[Problem]
) -> set[Location]:
    """Write `a.b=value` overrides into the document; returns the places that they set."""
    places: set[Location] = set()
    for override in overrides:
        dotted, equals, text = override.partition("=")
        keys = tuple(dotted.split("."))
        if not equals or not all(keys) or "://" in dotted:
            # A URL may hold a key: it is not repeated.
            shown = "a URL" if "://" in override else repr(override)
            problems.append(
                Problem("command line", f"{shown} is not an override", "write section.key=value")
            )
            continue
        try:
            value = YAML(typ="safe", pure=True).load(text)
        except YAMLError:
            # A value that cannot be read may be a key in a URL: it is not repeated.
            problems.append(Problem(f"command line, {dotted}", "the value is not YAML"))
            continue
        target: Any = document
        for key in keys[:-1]:
            if not isinstance(target.get(key), CommentedMap):
                # A short form (`prompts: path`, `recipes: [...]`) has no keys to override.
                target[key] = _long_form(keys, target.get(key))
            target = target[key]
        target[keys[-1]] = value
        places.add(keys)
    return places


def _long_form(keys: tuple[str, ...], value: Any) -> CommentedMap:
    if keys[0] == "prompts" and isinstance(value, str):
        return CommentedMap(source=value)
    if keys[:2] == ("data", "translate") and isinstance(value, str):
        return CommentedMap(kind=value)
    if keys[0] == "recipes" and isinstance(value, list):
        return CommentedMap((recipe, CommentedMap()) for recipe in value)
    return CommentedMap()


def _plain(value: Any) -> Any:
    """Ruamel's containers and numbers as Python's own."""
    if isinstance(value, CommentedMap | dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, CommentedSeq | list):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def _validate(raw: dict[str, Any], locate: _Locator, problems: list[Problem]) -> Study | None:
    """The study; on errors what is left of it without the faulty parts, for the cross-checks."""
    for attempt in range(3):
        try:
            return Study.model_validate(raw)
        except ValidationError as error:
            details = error.errors()
        locations = [_yaml_location(raw, detail) for detail in details]
        if attempt == 0:
            for detail, location in zip(details, locations, strict=True):
                problems.append(_problem(detail, location, locate))
        for location in reversed(locations):  # what is taken out of a list moves what is behind
            _remove(raw, location)
    return None


def _yaml_location(raw: Any, detail: Any) -> Location:
    """Where pydantic found an error, without the tags of unions, which the YAML file has not."""
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


def _problem(detail: Any, location: Location, locate: _Locator) -> Problem:
    kind, where = detail["type"], locate(location)
    if kind == "extra_forbidden":
        return Problem(where, f"unknown key{nearest(str(location[-1]), _keys_beside(location))}")
    if kind == "missing":
        return Problem(where, "is required")
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in detail["ctx"]["expected_tags"].split(",")]
        return Problem(
            where, f"unknown kind {detail['ctx']['tag']!r}{nearest(detail['ctx']['tag'], tags)}"
        )
    if kind == "union_tag_not_found":
        return Problem(where, _lacking(str(location[0])))
    if kind == "literal_error":
        valid = [
            word.strip(" '") for word in detail["ctx"]["expected"].replace(" or ", ",").split(",")
        ]
        given = str(detail["input"])
        return Problem(where, f"{given!r} is not valid{nearest(given, valid)}")
    message = str(detail["msg"]).removeprefix("Value error, ")
    may_be_secret = location[-1:] and location[-1] in ("api_key_env", "base_url", "url")
    if kind != "value_error" and not (isinstance(detail["input"], dict | list) or may_be_secret):
        message = f"{message[0].lower()}{message[1:]}, got {detail['input']!r}"
    return Problem(where, message)


def _lacking(section: str) -> str:
    """What must be said before it is known which of several sections is meant."""
    if section == "systems":
        return f"needs one of {', '.join(system_entries.KEYS)}"
    kinds = {
        "methods": "lora, full",
        "data": "apertium, bergamot, ctranslate2, llm, dummy",
    }
    return f"needs `kind:`, one of {kinds.get(section, 'reference, llm, none')}"


def _keys_beside(location: Location) -> list[str]:
    """The valid keys of the section that a location is in."""
    sections: dict[str, Any] = {
        "languages": schema.Languages,
        "data": schema.Data,
        "prompts": schema.Prompts,
        "models": schema.Model,
        "recipes": schema.Recipe,
        "sweep": schema.Sweep,
        "budget": schema.Budget,
        "train": methods.Train,
        "generate": schema.Generate,
        "gate": gate.Gate,
        "analyze": schema.Analyze,
        "judge": judge.LlmJudge,
    }
    if len(location) == 1:
        return list(Study.model_fields)
    if location[:3] == ("data", "translate", "engine") or location[:3] == (
        "data",
        "translate",
        "languages",
    ):
        return ["kind", *translate.CTranslate2.model_fields, *translate.LlmTranslator.model_fields]
    if location[:2] == ("data", "translate") and len(location) > 2:
        return list(translate.Translate.model_fields)
    if location[0] == "methods":
        return list({**methods.Lora.model_fields, **methods.Full.model_fields})
    if location[0] == "systems":
        return [
            *system_entries.KEYS,
            "name",
            "revision",
            "template",
            *served.ServedModel.model_fields,
        ]
    return list(sections[str(location[0])].model_fields)


def _remove(raw: Any, location: Location) -> None:
    """Drop the part of `raw` at `location`; what cannot be found is left alone."""
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
    """Where in the file, or on the command line, a part of the study was said."""

    def __init__(self, path: Path, document: CommentedMap, overridden: set[Location]) -> None:
        self._path, self._document, self._overridden = path, document, overridden

    def __call__(self, location: Location) -> str:
        field = _dotted(location)
        if any(location[: len(place)] == place for place in self._overridden):
            return f"command line, {field}"
        line = self._line(location)
        return f"{self._path}{f':{line}' if line else ''}" + (f", {field}" if field else "")

    def order(self, problem: Problem) -> int:
        """Problems in the order of the file's lines, those without a line last."""
        line = problem.where.removeprefix(f"{self._path}:").partition(",")[0]
        return int(line) if line.isdigit() else sys.maxsize

    def _line(self, location: Location) -> int | None:
        line: int | None = None
        node: Any = self._document
        for part in location:
            try:
                if isinstance(node, CommentedMap) and part in node:
                    line = node.lc.key(part)[0] + 1
                elif isinstance(node, CommentedSeq) and isinstance(part, int):
                    line = node.lc.item(part)[0] + 1
                else:
                    break
                node = node[part]
            except (KeyError, IndexError, TypeError, AttributeError):
                break
        return line


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
