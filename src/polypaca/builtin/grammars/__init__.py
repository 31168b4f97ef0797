"""The grammars of the built-in corpus: one table per language, concepts and tasks in parallel.

To add a language: write its table beside the others and name it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.builtin.grammars import de, en, es, no, zh

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polypaca.builtin.grammars.model import Grammar

GRAMMARS: Mapping[str, Grammar] = {
    "en": en.GRAMMAR,
    "es": es.GRAMMAR,
    "de": de.GRAMMAR,
    "zh": zh.GRAMMAR,
    "no": no.GRAMMAR,
}
