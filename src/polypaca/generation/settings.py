"""A model's own generation settings, put aside while ours hold."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def only_settings(model: Any, config: Any) -> Iterator[None]:
    """Let `config` be the model's settings: its own would fill in what ours leave open."""
    own, model.generation_config = model.generation_config, config
    try:
        yield
    finally:
        model.generation_config = own
