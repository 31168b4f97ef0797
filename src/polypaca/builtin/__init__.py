"""The built-in corpus and tiny base models.

A corpus that the package writes itself, from grammars in five languages, and base models small
enough to be pretrained on it in a minute or two: what the offline studies and tests run on.
"""

from __future__ import annotations

from polypaca.builtin.bases import BASES, base_settings, build_base
from polypaca.builtin.corpus import instruction_rows, pretraining_documents, test_prompts
from polypaca.builtin.grammars.model import LANGUAGES

CORPUS_LANGUAGES: tuple[str, ...] = LANGUAGES

__all__ = [
    "BASES",
    "CORPUS_LANGUAGES",
    "base_settings",
    "build_base",
    "instruction_rows",
    "pretraining_documents",
    "test_prompts",
]
