from __future__ import annotations

import hashlib
import json

from polypaca import builtin
from polypaca.builtin.catalog import CORPORA, CORPUS_FORMAT, settings_of

# Of all rows and prompts of a corpus at its format number. If this differs, finished studies
# would take the old corpus for the new one: raise CORPUS_FORMAT with it (and the bases' format,
# if what they are pretrained on changed too).
CONTENT = {("tiny", 1): "5b7c3f74a092213e"}


def test_a_corpus_that_changed_has_another_format_number() -> None:
    for name, languages in CORPORA.items():
        digest = hashlib.sha256()
        for code in languages["instructions"]:
            for row in builtin.instruction_rows(name, code):
                digest.update(json.dumps(row, sort_keys=True).encode())
        for code in languages["prompts"]:
            for prompt in builtin.test_prompts(name, code):
                digest.update(prompt.model_dump_json().encode())
        assert digest.hexdigest()[:16] == CONTENT[name, CORPUS_FORMAT]


def test_settings_tell_parts_apart() -> None:
    names = ["tiny", "tiny-neox", "tiny-bloom", "tiny-llama"]
    settings = [json.dumps(settings_of(name), sort_keys=True) for name in names]
    assert len(set(settings)) == len(names)
