"""Types of single fields of a study file, and the base of its sections."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from polypaca.core import languages
from polypaca.core.names import nearest
from polypaca.core.urls import wrong_server_url

_KEY = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])\w{20,}|(?:sk|gsk|hf|xai|r8)_\w{12,}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _language(code: str) -> str:
    if not languages.is_language(code):
        meant = languages.suggestion(code)
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
        same = languages.matching(code, codes[:index])
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


def _detector(value: str) -> str:
    from polypaca.langid.detectors import DETECTORS

    if value not in DETECTORS:
        raise ValueError(f"unknown detector {value!r}{nearest(value, DETECTORS)}")
    return value


Language = Annotated[str, AfterValidator(_language)]
LanguageList = Annotated[
    list[Language], Field(min_length=1), AfterValidator(distinct), AfterValidator(_of_one_spelling)
]
Name = Annotated[str, AfterValidator(_name)]
BadRows = Literal["error", "reject", "repair"]
Server = Annotated[str, AfterValidator(_server)]
Variable = Annotated[str, AfterValidator(_variable)]
DetectorName = Annotated[str, AfterValidator(_detector)]


class Section(BaseModel):
    """Base of all sections: immutable, unknown keys are errors.

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
