"""Settings: immutable, checked when they are read, and marked where they decide no result.

A component's settings class is the section of the study file, the argument of the component and
the part of a folder's identity, all in one. Two marks say what is special about a field:

    concurrency: Annotated[int, RUN_ONLY] = 8        how to run; no identity has it
    model: Annotated[str, USER_PATH]                 a file or folder of the user's: relative to
                                                     the study file, known by what it holds
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from polypaca.core import languages
from polypaca.core.urls import wrong_server_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEY = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])\w{20,}|(?:sk|gsk|hf|xai|r8)_\w{12,}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _language(code: str) -> str:
    if not languages.is_language(code):
        meant = languages.suggest_language(code)
        raise ValueError(
            f"unknown language {code!r}" + (f"; did you mean {meant}?" if meant else "")
        )
    return code


def distinct(values: list[Any]) -> list[Any]:
    """The values, if none comes twice; raises ValueError."""
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"listed twice: {', '.join(repeated)}")
    return values


def _of_one_spelling(codes: list[str]) -> list[str]:
    """The codes, if no two name one language; raises ValueError."""
    for index, code in enumerate(codes):
        same = languages.matching_language(code, codes[:index])
        if same is not None:
            raise ValueError(
                f"{code} and {same} are one language, for the gate cannot tell them apart; "
                "leave one of them out"
            )
    return codes


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} cannot name a folder; use letters, digits, dots, dashes and underscores"
        )
    return value


def _server(value: str) -> str:
    # What is wrong is not repeated: it may be a secret.
    wrong = wrong_server_url(value)
    if wrong:
        raise ValueError(wrong)
    return value


def _variable(value: str) -> str:
    # Some keys could be names: `gsk_...`, `hf_...`; they would be named where no such variable is.
    if _KEY.fullmatch(value) or not re.fullmatch(r"[A-Za-z_]\w*", value):
        raise ValueError("is not the name of an environment variable (the key itself stays there)")
    return value


Language = Annotated[str, AfterValidator(_language)]
LanguageList = Annotated[
    list[Language], Field(min_length=1), AfterValidator(distinct), AfterValidator(_of_one_spelling)
]
Name = Annotated[str, AfterValidator(_name)]
BadRows = Literal["error", "reject", "repair"]
Server = Annotated[str, AfterValidator(_server)]
Variable = Annotated[str, AfterValidator(_variable)]


class Mark(Enum):
    """What is special about a field."""

    RUN_ONLY = "says how to run, and changes no result"
    USER_PATH = "names a file or folder of the user's, or something packaged"


RUN_ONLY = Mark.RUN_ONLY
USER_PATH = Mark.USER_PATH


class Settings(BaseModel):
    """Base of all settings: immutable, unknown keys are errors.

    Defaults are validated too, so that a default of 16 and a 16 read from a file are one number.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, values: Any) -> Any:
        # Python, and so Pydantic, takes true for 1.
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        return {
            key: _marked(value)
            if key in fields and not _may_hold_truth(fields[key].annotation)
            else value
            for key, value in values.items()
        }


class Choice(Settings):
    """The settings of one row of a table; `kind` is the row's name."""

    kind: str


class _Truth:
    """A true or false where none can be: a value that no type of a field takes."""

    def __init__(self, value: bool) -> None:
        self._text = str(value).lower()

    def __repr__(self) -> str:
        return self._text


def _may_hold_truth(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True  # which looks at its own fields
    return annotation in (bool, Any) or any(map(_may_hold_truth, get_args(annotation)))


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return _Truth(value) if isinstance(value, bool) else value


Json = dict[str, JsonValue]  # a JSON object
S = TypeVar("S", bound=Settings)


def deciding(settings: Settings) -> Json:
    """What of settings decides results, as JSON: neither run-only fields nor the user's paths.

    A field for a path may hold the name of something packaged instead; that one is kept.
    """
    found: Json = {}
    for name, mark, value in _fields(settings):
        if mark is RUN_ONLY or (mark is USER_PATH and _is_path(value)):
            continue
        found[name] = _as_json(value)
    return found


def user_paths(settings: Settings) -> dict[str, str]:
    """The absolute paths of the user's files and folders, by field."""
    return {
        name: value
        for name, mark, value in _fields(settings)
        if mark is USER_PATH and _is_path(value)
    }


def with_slots(settings: S, values: Mapping[str, str]) -> S:
    """The settings with `{name}` replaced by its value in the user's paths."""
    filled = {}
    for name, path in user_paths(settings).items():
        for slot, value in values.items():
            path = path.replace(f"{{{slot}}}", value)  # noqa: PLW2901
        filled[name] = path
    return settings.model_copy(update=filled)


def marked_fields(kind: type[Settings], mark: Mark) -> list[str]:
    """The names of the fields that bear a mark."""
    return [name for name, field in kind.model_fields.items() if mark in field.metadata]


def _fields(settings: Settings) -> Iterator[tuple[str, Mark | None, Any]]:
    for name, field in type(settings).model_fields.items():
        marks = [mark for mark in field.metadata if isinstance(mark, Mark)]
        yield name, marks[0] if marks else None, getattr(settings, name)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute()


def _as_json(value: Any) -> Any:
    if isinstance(value, Settings):
        return deciding(value)
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return value
