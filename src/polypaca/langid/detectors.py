"""The table of language detectors.

To add one, write a loader in a file of its own and give it a row; the contract test in
`tests/langid/test_detectors.py` then covers it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.core.files import sha256_file
from polypaca.core.names import nearest
from polypaca.langid import fasttext_models, lingua_models
from polypaca.langid.hub_files import HubFile, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polypaca.langid.contract import Detector


@dataclass(frozen=True)
class DetectorSpec:
    """A row: what the detector is, and where it comes from.

    Attributes:
        summary: one line for users.
        file: finds or downloads the fastText model; None where a package has all.
        labels: language codes for those of its labels that are not language codes.
        prepare: what is done to a line before the model is asked.
        load: for a detector that is no fastText model.
    """

    summary: str
    file: Callable[[], Path] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[str], str] | None = None
    load: Callable[[], Detector] | None = None


def _on_hub(name: str, file: HubFile) -> Callable[[], Path]:
    return lambda: fetch(file, name)


OPENLID = HubFile("laurievb/OpenLID", "model.bin", "c3f6774ac2e2f7e15d643c653d0d0b5021c26685")
OPENLID_V3 = HubFile(
    "HPLT/OpenLID-v3", "openlid-v3.bin", "efea51d63fa6fbac23eb5ca7ae23dc601346ad8a"
)
GLOTLID = HubFile("cis-lmu/glotlid", "model_v3.bin", "74cb50b709c9eefe0f790030c6c95c461b4e3b77")

DETECTORS: dict[str, DetectorSpec] = {
    "lid176": DetectorSpec(
        "fastText lid.176 (compressed), 176 languages, offline",
        file=fasttext_models.packaged_lid176,
        labels=fasttext_models.LID176_LABELS,
    ),
    "openlid": DetectorSpec(
        "OpenLID, 201 languages, the paper's; 1.2 GB from the Hub",
        file=_on_hub("openlid", OPENLID),
    ),
    "openlid-v3": DetectorSpec(
        "OpenLID-v3, with a class for noise; 1.2 GB from the Hub",
        file=_on_hub("openlid-v3", OPENLID_V3),
        prepare=fasttext_models.openlid_text,
    ),
    "glotlid": DetectorSpec(
        "GlotLID v3, 2,102 languages and scripts; 1.7 GB from the Hub",
        file=_on_hub("glotlid", GLOTLID),
    ),
    "lingua": DetectorSpec(
        "lingua, 75 languages, slow; extra `lingua`", load=lingua_models.load_lingua
    ),
}


def load(name: str, model: Path | str | None = None) -> Detector:
    """Load the detector of that name, once for each model file.

    Args:
        name: a row of the table.
        model: the fastText file to use for it, instead of the one that comes with it or is
            downloaded; `ensure` gives one.

    Raises:
        UserError: if there is no such detector, or its model file is missing or unreadable.
        MissingExtraError: if its package is not installed.
    """
    return _loaded(name, ensure(name, model))


def ensure(name: str, model: Path | str | None = None) -> Path | None:
    """Make ready what the detector needs, from the Hub if it must be.

    To be called while the network may be used; `load` then works without it.

    Returns:
        The fastText file; None for a detector that needs none.

    Raises:
        UserError: if there is no such detector, or no file; says where to get it.
        MissingExtraError: if its package is not installed.
    """
    spec = _row(name)
    if spec.file is None:
        if model is not None:
            raise UserError(f"the language detector {name} takes no `model` file: leave it out")
        signature(name)
        return None
    if model is None:
        return spec.file()
    if not Path(model).is_file():
        raise UserError(f"no model file for the language detector {name}: {model} is not a file")
    return Path(model)


def signature(name: str, model: Path | str | None = None) -> str:
    """What makes the detector's results: its name and the hash of its file, or its version.

    The same as that of the loaded detector, without loading it. `model` is what `ensure` gave.

    Raises:
        UserError: as `ensure` does.
        MissingExtraError: if its package is not installed.
    """
    if _row(name).file is None:
        return lingua_models.signature()
    path = ensure(name, model)
    return f"{name}-{sha256_file(path)[:12]}" if path else name


def known_languages(name: str) -> frozenset[str] | None:
    """The canonical codes that a detector may say; None where that takes a large file to know."""
    if name == "lid176":
        return fasttext_models.LID176_LANGUAGES
    return lingua_models.LANGUAGES if name == "lingua" else None


def unknown_script(name: str, code: str) -> str | None:
    """The script of a code such as `hi_Latn` that no label of a detector stands for; else None."""
    (script, *others) = languages.scripts(code) or ("",)
    usual = languages.scripts(languages.canonical(code))
    if others or script in usual or name in _OF_ANY_SCRIPT:
        return None
    return script


# Detectors that have labels for languages in scripts that they are not usually written in.
_OF_ANY_SCRIPT = frozenset({"glotlid"})


@lru_cache(maxsize=4)
def _loaded(name: str, path: Path | None) -> Detector:
    spec = _row(name)
    if spec.load is not None:
        return spec.load()
    assert path is not None
    return fasttext_models.load_model(name, path, spec.labels, spec.prepare)


def _row(name: str) -> DetectorSpec:
    if name not in DETECTORS:
        raise UserError(f"no language detector is called {name!r}{nearest(name, DETECTORS)}")
    return DETECTORS[name]
