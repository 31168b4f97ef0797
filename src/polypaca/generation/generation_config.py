"""Replace a model's own generation settings for a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def use_generation_config(model: Any, config: Any) -> Iterator[None]:
    """Replace the model's generation config: its own would fill in what `config` leaves open."""
    original, model.generation_config = model.generation_config, config
    try:
        yield
    finally:
        model.generation_config = original
