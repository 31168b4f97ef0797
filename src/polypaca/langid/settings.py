"""The settings of the language gate, the section `gate` of a study file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from polypaca.core.names import nearest
from polypaca.core.settings import USER_PATH, Settings
from polypaca.langid.detectors import DETECTORS


def _known(name: str) -> str:
    if name not in DETECTORS:
        raise ValueError(f"unknown detector {name!r}{nearest(name, DETECTORS)}")
    return name


class Gate(Settings):
    """The language check: which detector, and its own model file if it is not the usual one."""

    detector: Annotated[str, AfterValidator(_known)] = "lid176"
    model: Annotated[str | None, USER_PATH] = Field(
        default=None, description="a model file of the detector's kind"
    )
