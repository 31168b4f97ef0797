"""The table of translation engines.

To add one, write a factory in a file of its own and give it a row; the contract test in
`tests/translation/test_engines.py` then covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.names import nearest
from polypaca.translation import apertium, bergamot, ctranslate2, dummy, llm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from polypaca.translation.contract import Engine


@dataclass(frozen=True)
class EngineSpec:
    """A row.

    Attributes:
        summary: what the engine is.
        make: `make(source, target, threads=..., cache=..., **settings)` gives the engine. Source
            and target are language codes; the settings are its own.
        needs_model: whether it takes the setting `model`, a folder.
        asks_server: whether translating sends the data to a server.
    """

    summary: str
    make: Callable[..., Engine]
    needs_model: bool = False
    asks_server: bool = False


ENGINES: dict[str, EngineSpec] = {
    "apertium": EngineSpec("Apertium's rule-based pairs, as installed", apertium.make),
    "bergamot": EngineSpec("Bergamot (Firefox) models, CPU", bergamot.make, needs_model=True),
    "ctranslate2": EngineSpec(
        "OPUS-MT and NLLB models in CTranslate2's format", ctranslate2.make, needs_model=True
    ),
    "llm": EngineSpec("a served model behind an OpenAI-compatible URL", llm.make, asks_server=True),
    "dummy": EngineSpec("no translation: a stand-in for tests, marks every word", dummy.make),
}


def load(
    name: str,
    source: str,
    target: str,
    *,
    threads: int = 1,
    cache: Path | None = None,
    **settings: Any,
) -> Engine:
    """Make the engine of that name for one pair of languages.

    Args:
        name: a name of the table.
        source: code of the language to translate from.
        target: code of the language to translate into.
        threads: CPU threads that the engine may use.
        cache: a folder in which an engine may keep what it need not ask twice.
        settings: the engine's own settings, as its `make` takes them.

    Raises:
        UserError: if there is no such engine, its settings are wrong, or its model, program or
            optional package (`MissingExtraError`) is not there.
    """
    if name not in ENGINES:
        raise UserError(f"no translation engine is called {name!r}{nearest(name, ENGINES)}")
    return ENGINES[name].make(source, target, threads=threads, cache=cache, **settings)
