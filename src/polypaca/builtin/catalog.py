"""What is built in: corpora with their languages, and what determines each part's content."""

from __future__ import annotations

from typing import Any

from polypaca.builtin.bases import BASES, base_settings
from polypaca.builtin.corpus import INSTRUCTION_LANGUAGES
from polypaca.builtin.grammars.model import LANGUAGES

# Raised whenever a row or prompt of the corpus changes; a test compares it with their hash.
CORPUS_FORMAT = 1

CORPORA: dict[str, dict[str, tuple[str, ...]]] = {
    "tiny": {"instructions": INSTRUCTION_LANGUAGES, "prompts": LANGUAGES},
}


def settings_of(name: str) -> dict[str, Any]:
    """What determines the content of a built-in corpus or base model."""
    if name in BASES:
        return base_settings(name)
    return {"corpus": name, "format": CORPUS_FORMAT}
