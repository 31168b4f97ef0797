"""The section `gate`: the language check."""

from __future__ import annotations

from pydantic import Field

from polypaca.study.fields import DetectorName, Section


class Gate(Section):
    """The language check."""

    detector: DetectorName = "lid176"
    model: str | None = Field(default=None, description="a model file of the detector's kind")
