"""The section `gate`: the language check."""

from __future__ import annotations

from polypaca.study.fields import DetectorName, Section


class Gate(Section):
    """The language check."""

    detector: DetectorName = "lid176"
