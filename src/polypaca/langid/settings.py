"""The settings of the language gate, the section `gate` of a study file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from polypaca.core.rows import name_in
from polypaca.core.settings import USER_PATH, Settings
from polypaca.langid.detectors import DETECTORS


class GateSettings(Settings):
    """The language check: which detector, and optionally its model file."""

    detector: Annotated[str, name_in(DETECTORS, "detector")] = "lid176"
    model: Annotated[str | None, USER_PATH] = Field(
        default=None, description="a model file to use in place of the detector's usual one"
    )
