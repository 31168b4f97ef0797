"""The table of translation engines.

To add one, write its settings and its class in a file of its own and give it a row; the contract
test in `tests/translation/test_engines.py` then covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.rows import Table
from polypaca.core.settings import Choice, with_slots
from polypaca.translation.apertium import Apertium, ApertiumSettings
from polypaca.translation.bergamot import Bergamot, BergamotSettings
from polypaca.translation.contract import EngineContext
from polypaca.translation.ctranslate2 import CTranslate2, CTranslate2Settings
from polypaca.translation.dummy import Dummy, DummySettings
from polypaca.translation.llm import LlmTranslator, LlmTranslatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from polypaca.translation.contract import Engine, Untranslated


@dataclass(frozen=True)
class EngineRow:
    """A row.

    Attributes:
        settings: the class of the engine's settings.
        make: `make(settings, context)` gives the engine.
    """

    settings: type[Choice]
    make: Callable[[Any, EngineContext], Engine]


ENGINES: Table[EngineRow] = Table(
    "translation engine",
    "polypaca.engines",
    EngineRow,
    {
        "apertium": EngineRow(ApertiumSettings, Apertium),
        "bergamot": EngineRow(BergamotSettings, Bergamot),
        "ctranslate2": EngineRow(CTranslate2Settings, CTranslate2),
        "llm": EngineRow(LlmTranslatorSettings, LlmTranslator),
        "dummy": EngineRow(DummySettings, Dummy),
    },
)


def load(
    settings: Choice,
    source: str,
    target: str,
    *,
    threads: int = 1,
    cache: Path | None = None,
    account: Path | None = None,
) -> Engine:
    """Make the engine of these settings for one pair of languages.

    `{source}` and `{language}` in the settings' paths stand for the languages' codes; the arguments
    are those of `EngineContext`.

    Raises:
        UserError: if there is no such engine, or its model, program or optional package
            (`MissingExtraError`) is not there.
    """
    row = ENGINES.row(settings.kind)
    filled = with_slots(settings, {"source": source, "language": target})
    engine = row.make(filled, EngineContext(source, target, threads, cache, account))
    package = ENGINES.version_of(settings.kind)
    return _PluginEngine(engine, package) if package else engine


class _PluginEngine:
    """An engine of another package, which signs with that package's version as well."""

    def __init__(self, engine: Engine, package: str) -> None:
        self._engine = engine
        self.name, self.unit = engine.name, engine.unit
        self.signature = f"{engine.signature}|package:{package}"

    def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        return self._engine.translate(texts)

    def placeholder(self, n: int) -> str:
        return self._engine.placeholder(n)

    def close(self) -> None:
        self._engine.close()
