"""Whether a loaded model can take the fast paths, found by trying them on the model itself.

Nothing here trusts a list of families: a model that packs, or whose loss is its head applied to its
last hidden state, shows it on a few tokens; one that does not is trained on padded batches or with
its own logits, and the log says why.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import first_line
from polypaca.training import attention, distributed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

_LENGTHS = (17, 9, 24)  # of the examples that are tried; unequal, and no multiple of one another
# Relative errors of hidden states that rounding explains; a wrong mask is off by far more.
_TOLERANCE = {"torch.float32": 1e-3, "torch.float16": 2e-2, "torch.bfloat16": 6e-2}
# An example that sees its neighbours changes by so much more than one that does not.
_CLEARLY = 0.25


def is_plain_head(model: Any) -> bool:
    """Whether the logits are a linear layer without more, applied to the last hidden state."""
    import torch

    head = model.get_output_embeddings()
    if not isinstance(head, torch.nn.Linear):
        return False
    with _quiet(model):
        ids = _tokens(model, _LENGTHS[0])
        output = model(input_ids=ids, use_cache=False).logits
        hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        own = head(hidden)
    return own.shape == output.shape and _error(own, output) < 1e-5


def can_pack(model: Any) -> tuple[attention.Layout | None, str]:
    """Prepare the model for packed lines, if it keeps the examples of one apart.

    Its packed attention must give one example alone what the model itself gives, and must give
    each of several what it gives it alone.

    Returns:
        The layout to set before each forward pass, and why there is none. Without one the model is
        left as it was.
    """
    before = model.config._attn_implementation
    with _quiet(model):
        examples = [_tokens(model, length) for length in _LENGTHS]
        own = [_hidden(model, ids) for ids in examples]
        try:
            layout = attention.install(model)
        except (ValueError, KeyError, AttributeError) as error:
            return None, str(error)
        reason = _fault(model, layout, examples, own)
    if not reason:
        return layout, ""
    attention.restore(model, before)
    return None, reason


def _fault(
    model: Any, layout: attention.Layout, examples: list[torch.Tensor], own: list[torch.Tensor]
) -> str:
    import torch

    tolerance = _TOLERANCE.get(str(own[0].dtype), 1e-3)
    try:
        alone = torch.cat([_hidden(model, ids, layout, [ids.shape[1]]) for ids in examples], dim=1)
        line = torch.cat(examples, dim=1)
        packed = _hidden(model, line, layout, list(_LENGTHS))
        leaking = _hidden(model, line, layout, [sum(_LENGTHS)])
    except (ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        return first_line(error)
    expected = torch.cat(own, dim=1)
    if _error(alone, expected) > tolerance:
        return "its attention is computed in another way"
    leak = _error(leaking, expected)
    if _error(packed, expected) > min(tolerance, _CLEARLY * leak):
        return "its layers see across the borders of packed examples"
    return ""


def _hidden(
    model: Any,
    ids: torch.Tensor,
    layout: attention.Layout | None = None,
    lengths: list[int] | None = None,
) -> torch.Tensor:
    inputs = {"input_ids": ids, "use_cache": False}
    if layout is not None and lengths is not None:
        layout.set(lengths, ids.device)
        if takes_positions(model):
            inputs["position_ids"] = layout.positions[None]
    hidden: torch.Tensor = model.base_model(**inputs).last_hidden_state
    return hidden


def takes_positions(model: Any) -> bool:
    """Whether the model is told each token's position; ALiBi models read it off the layout."""
    import inspect

    return "position_ids" in inspect.signature(model.base_model.forward).parameters


def _tokens(model: Any, count: int) -> torch.Tensor:
    """Tokens that differ from one another, the same for every call."""
    import torch

    vocabulary = model.get_input_embeddings().num_embeddings
    # 7919 is a prime larger than most steps between tokens that mean something.
    ids = [(3 + 7919 * (index + count)) % vocabulary for index in range(count)]
    return torch.tensor([ids], device=distributed.device())


def _error(found: torch.Tensor, expected: torch.Tensor) -> float:
    difference = (found.float() - expected.float()).norm()
    return float(difference / expected.float().norm().clamp_min(1e-12))


@contextmanager
def _quiet(model: Any) -> Iterator[None]:
    """No dropout and no gradients; the model's mode is as before when it is over."""
    import torch

    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
