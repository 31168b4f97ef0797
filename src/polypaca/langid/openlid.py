"""The detectors openlid and openlid-v3: 201 languages (v3: and a class for noise)."""

from __future__ import annotations

from polypaca.langid.hub_files import HubFile

OPENLID = HubFile("laurievb/OpenLID", "model.bin", "c3f6774ac2e2f7e15d643c653d0d0b5021c26685")
OPENLID_V3 = HubFile(
    "HPLT/OpenLID-v3", "openlid-v3.bin", "efea51d63fa6fbac23eb5ca7ae23dc601346ad8a"
)


def preprocess(line: str) -> str:
    """A line as OpenLID-v3 wants it: lower case, words and spaces only.

    Source: https://huggingface.co/HPLT/OpenLID-v3 ("How to use").
    """
    import regex

    return str(regex.sub(r"[^\p{Word}\p{Zs}]|\d", "", line.lower()))
