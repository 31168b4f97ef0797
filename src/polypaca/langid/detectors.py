"""The table of language detectors.

To add one, write its class in a file of its own and give it a row; the contract test in
`tests/langid/test_detectors.py` then covers it. A fastText model needs a row alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.core.rows import Table
from polypaca.langid import fasttext_models, lid176, lingua_models, openlid
from polypaca.langid.hub_files import HubFile, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polypaca.langid.contract import Detector


@dataclass(frozen=True)
class DetectorRow:
    """A row: what the detector is, and where it comes from.

    Attributes:
        load: `load(file)` gives the detector.
        signature: `signature(file)` is the loaded detector's, without loading it.
        file: finds or downloads the model file; None where the detector takes none.
        languages: the canonical codes that it may say; None where that takes a large file to know.
        any_script: whether it has labels for languages in scripts that they are not usually
            written in.
    """

    load: Callable[[Path | None], Detector]
    signature: Callable[[Path | None], str]
    file: Callable[[], Path] | None = None
    languages: frozenset[str] | None = None
    any_script: bool = False


def _fasttext(
    name: str,
    file: HubFile | Callable[[], Path],
    *,
    labels: Mapping[str, str] | None = None,
    preprocess: Callable[[str], str] | None = None,
    languages: frozenset[str] | None = None,
    any_script: bool = False,
) -> DetectorRow:
    """The row of a fastText model; see `FastTextDetector` for labels and preparation."""

    def load(path: Path | None) -> Detector:
        assert path is not None
        return fasttext_models.FastTextDetector(name, path, labels or {}, preprocess)

    find = partial(fetch, file, name) if isinstance(file, HubFile) else file
    signature = partial(fasttext_models.signature, name)
    return DetectorRow(load, signature, find, languages, any_script)


_GLOTLID = HubFile("cis-lmu/glotlid", "model_v3.bin", "74cb50b709c9eefe0f790030c6c95c461b4e3b77")

DETECTORS: Table[DetectorRow] = Table(
    "language detector",
    "polypaca.detectors",
    DetectorRow,
    {
        "lid176": _fasttext(
            "lid176", lid176.model_path, labels=lid176.LABELS, languages=lid176.LANGUAGES
        ),
        # The paper's; 1.2 GB from the Hub, as is its successor with a class for noise.
        "openlid": _fasttext("openlid", openlid.OPENLID),
        "openlid-v3": _fasttext("openlid-v3", openlid.OPENLID_V3, preprocess=openlid.preprocess),
        # 2,102 languages and scripts; 1.7 GB.
        "glotlid": _fasttext("glotlid", _GLOTLID, any_script=True),
        "lingua": DetectorRow(
            lambda file: lingua_models.LinguaDetector(),
            lambda file: lingua_models.signature(),
            languages=lingua_models.LANGUAGES,
        ),
    },
)


def load(name: str, model: Path | str | None = None) -> Detector:
    """Load the detector of that name, once for each model file.

    Args:
        name: a row of the table.
        model: the model file to use for it, instead of the one that comes with it or is
            downloaded; `ensure_model` gives one.

    Raises:
        UserError: if there is no such detector, or its model file is missing or unreadable.
        MissingExtraError: if its package is not installed.
    """
    return _loaded(name, ensure_model(name, model))


def ensure_model(name: str, model: Path | str | None = None) -> Path | None:
    """Make ready what the detector needs, from the Hub if it must be.

    To be called while the network may be used; `load` then works without it.

    Returns:
        The model file; None for a detector that needs none.

    Raises:
        UserError: if there is no such detector, or no file; says where to get it.
        MissingExtraError: if its package is not installed.
    """
    row = DETECTORS.row(name)
    if row.file is None:
        if model is not None:
            raise UserError(f"the language detector {name} takes no model file: remove `model`")
        row.signature(None)
        return None
    if model is None:
        return row.file()
    if not Path(model).is_file():
        raise UserError(f"the model file of the language detector {name} does not exist: {model}")
    return Path(model)


def signature(name: str, model: Path | str | None = None) -> str:
    """What makes the detector's results: its name and the hash of its file, or its version.

    The same as that of the loaded detector, without loading it.

    Raises:
        UserError: as `ensure_model` does.
        MissingExtraError: if its package is not installed.
    """
    return _signed(name, DETECTORS.row(name).signature(ensure_model(name, model)))


def decided(name: str) -> str:
    """What of the choice of a detector decides results: its name, and the package it comes from."""
    package = DETECTORS.version_of(name)
    return f"{name} of {package}" if package else name


def supported_languages(name: str) -> frozenset[str] | None:
    """The canonical codes that a detector may say; None where that takes a large file to know."""
    return DETECTORS.row(name).languages


def unsupported_script(name: str, code: str) -> str | None:
    """The script of a code such as `hi_Latn` that no label of a detector stands for; else None."""
    (script, *others) = languages.scripts(code) or ("",)
    usual = languages.scripts(languages.canonical(code))
    if others or script in usual or DETECTORS.row(name).any_script:
        return None
    return script


@lru_cache(maxsize=4)
def _loaded(name: str, path: Path | None) -> Detector:
    detector = DETECTORS.row(name).load(path)
    signed = _signed(name, detector.signature)
    return detector if signed == detector.signature else _PluginDetector(detector, signed)


def _signed(name: str, signature: str) -> str:
    """A detector's signature, with the package that it comes from."""
    package = DETECTORS.version_of(name)
    return f"{signature}|package:{package}" if package else signature


class _PluginDetector:
    """A detector of another package, which signs with that package's version as well."""

    def __init__(self, detector: Detector, signature: str) -> None:
        self._detector = detector
        self.name, self.signature = detector.name, signature

    def predict(self, text: str, k: int) -> list[tuple[str, float]]:
        return self._detector.predict(text, k)
