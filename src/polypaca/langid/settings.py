"""The settings of the language gate, the section `gate` of a study file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from polypaca.core.rows import name_in
from polypaca.core.settings import USER_PATH, Settings
from polypaca.langid.detectors import DETECTORS


class Gate(Settings):
    """The language check: which detector, and its own model file if it is not the usual one."""

    detector: Annotated[str, name_in(DETECTORS, "detector")] = "lid176"
    model: Annotated[str | None, USER_PATH] = Field(
        default=None, description="a model file of the detector's kind"
    )
