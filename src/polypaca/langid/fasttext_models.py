"""Detectors that are fastText models, read by the `fasttext-predict` wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.core.files import sha256_file
from polypaca.langid.contract import NO_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_PREFIX = "__label__"

# Classes of OpenLID-v3 and GlotLID for noise and for scripts of no known language.
_NO_LANGUAGE_LABELS = frozenset({"und", "zxx", "mis", "mul"})

# fastText drops labels whose log-probability is below log(threshold + 1e-5), and is twice as fast
# for it. A negative threshold makes that bound NaN, which drops none: for comparing languages
# however improbable they are.
_KEEP_ALL = -1.0
_ALL = 10_000
_FEW = 20
_LIKELY = 0.1


def signature(name: str, path: Path | None) -> str:
    """What makes the results of a detector: its name and the hash of its file."""
    return f"{name}-{sha256_file(path)[:12]}" if path else name


class FastTextDetector:
    """A fastText language identification model."""

    def __init__(
        self,
        name: str,
        path: Path,
        labels: Mapping[str, str],
        preprocess: Callable[[str], str] | None,
    ) -> None:
        """Load it.

        Args:
            name: what to call the detector.
            path: the `.bin` or `.ftz` file. Its labels are language codes, with or without a
                script (`en`, `eng_Latn`).
            labels: language codes for the labels that are not themselves language codes.
            preprocess: what the model's authors do with a text before they ask the model.

        Raises:
            UserError: if the file cannot be read as a fastText model.
        """
        import fasttext

        try:
            self.name, self.signature = name, signature(name, path)
            self._model = fasttext.load_model(str(path))
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"cannot read {path} as a fastText model: {error}") from error
        self._labels, self._preprocess = labels, preprocess
        self._codes: dict[str, str] = {}

    def predict(self, text: str, k: int) -> list[tuple[str, float]]:
        """At most `k` languages and their probabilities."""
        # One line, and no half character: the binding refuses both.
        line = (text if text.isascii() else text.encode("utf-8", "replace").decode()).replace(
            "\n", " "
        )
        if self._preprocess is not None:
            line = self._preprocess(line)
        few = k <= _FEW
        # To find one language that is beyond doubt, the unlikely ones need no look.
        bound = _LIKELY if k == 1 else 0.0
        arguments = (k + 3, bound) if few else (_ALL, _KEEP_ALL)
        probabilities, total = self._merged(line, *arguments)
        ranked = sorted(probabilities.items(), key=lambda item: -item[1])
        # Labels of one language add up, so that a label not asked for could still change the
        # order: not if all the probability that is left could not.
        missing = 1.0 - total
        gaps = zip(ranked[:k], [*ranked[1:], ("", 0.0)], strict=False)
        unsure = len(ranked) < k or any(one[1] - next_[1] <= missing for one, next_ in gaps)
        if few and unsure:
            probabilities, _ = self._merged(line, _ALL, 0.0)
            if len(probabilities) < k:
                probabilities, _ = self._merged(line, _ALL, _KEEP_ALL)
            ranked = sorted(probabilities.items(), key=lambda item: -item[1])
        # Float rounding inside fastText gives probabilities such as 1.00002.
        return [(language, min(probability, 1.0)) for language, probability in ranked[:k]]

    def _merged(self, line: str, count: int, threshold: float) -> tuple[dict[str, float], float]:
        """The probabilities of so many labels, added up by language, and all together."""
        probabilities: dict[str, float] = {}
        total = 0.0
        pairs = zip(*self._model.predict(line, k=count, threshold=threshold), strict=True)
        for label, probability in pairs:
            code = self._code(label)
            probabilities[code] = probabilities.get(code, 0.0) + float(probability)
            total += float(probability)
        return probabilities, total

    def _code(self, label: str) -> str:
        if label not in self._codes:
            short = label.removeprefix(_PREFIX)
            self._codes[label] = _language(self._labels.get(short, short))
        return self._codes[label]


def _language(label: str) -> str:
    if label.partition("_")[0] in _NO_LANGUAGE_LABELS:
        return NO_LANGUAGE
    try:
        return languages.canonical(label)
    except ValueError:
        return label  # a retired code, `eml`: no prompt can be declared in it
