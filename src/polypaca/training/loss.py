"""Cross-entropy without logits that nobody needs: none where there is no label, few at a time.

The logits of one micro-batch over a vocabulary of 250,880 entries are larger than everything else
in memory together. Here they are made for some tokens at a time, and their gradient is taken at
once, so that neither they nor their probabilities are kept for the backward pass.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from polypaca.training.tokenize import IGNORED

if TYPE_CHECKING:
    import torch

# Bytes of float32 logits at a time: small beside a model on a GPU, and within a CPU's caches, where
# twice or half as much was slower (docs/performance.md).
_CHUNK_BYTES = {"cuda": 1 << 30, "cpu": 1 << 25}
_MORE_FOR_WEIGHTS = 4  # where each chunk also passes over the gradient of all weights


def linear_cross_entropy(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    labels: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    chunk: int | None = None,
) -> torch.Tensor:
    """The sum of cross-entropies of `hidden @ weight.T + bias`, in nats.

    Matrix products run in the precision of `hidden`; softmax, loss and sums in float32, which
    `torch.nn.functional.linear_cross_entropy` (PyTorch 2.13) does not do: in bfloat16 it rounds the
    loss itself.

    Args:
        hidden: shape (tokens, width).
        weight: shape (vocabulary, width).
        labels: shape (tokens,), all of them valid.
        bias: shape (vocabulary,), if any.
        chunk: tokens whose logits are made at a time; by default as many as fit a fixed memory.

    Returns:
        A float32 scalar.
    """
    if chunk is None:
        chunk = _chunk(hidden, weight) * (_MORE_FOR_WEIGHTS if weight.requires_grad else 1)
    loss: torch.Tensor = _function().apply(hidden, weight, bias, labels, chunk)
    return loss


def token_losses(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    labels: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """The cross-entropy of each token, float32 of shape (tokens,); it has no gradient."""
    import torch

    chunk = _chunk(hidden, weight)
    with torch.no_grad():
        parts = [
            torch.nn.functional.cross_entropy(
                torch.nn.functional.linear(own, weight.to(own.dtype), bias).float(),
                labels[start : start + chunk],
                reduction="none",
            )
            for start, own in zip(
                range(0, len(labels), chunk), torch.split(hidden, chunk), strict=True
            )
        ]
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)


def _chunk(hidden: torch.Tensor, weight: torch.Tensor) -> int:
    """Tokens whose logits are made at a time: a power of two."""
    tokens = _CHUNK_BYTES.get(hidden.device.type, 1 << 28) // (4 * weight.shape[0])
    return 1 << max(0, tokens.bit_length() - 1)


def _function() -> Any:
    """The autograd function; made on first use, so that importing this module needs no torch."""
    global _FUNCTION  # noqa: PLW0603
    if _FUNCTION is None:
        _FUNCTION = _make_function()
    return _FUNCTION


_FUNCTION: Any = None


def _make_function() -> Any:
    import torch

    class LinearCrossEntropy(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx: Any,
            hidden: torch.Tensor,
            weight: torch.Tensor,
            bias: torch.Tensor | None,
            labels: torch.Tensor,
            chunk: int,
        ) -> torch.Tensor:
            wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
            kind = (
                torch.get_autocast_dtype(hidden.device.type) if _autocast(hidden) else hidden.dtype
            )
            with torch.autocast(hidden.device.type, enabled=False):
                own_weight = weight.to(kind)
                own_bias = None if bias is None else bias.to(kind)
                total = hidden.new_zeros((), dtype=torch.float32)
                to_hidden = torch.empty_like(hidden) if wants_hidden else None
                to_weight = torch.zeros_like(weight) if wants_weight else None
                to_bias = torch.zeros_like(bias) if wants_bias and bias is not None else None
                for start in range(0, len(labels), chunk):
                    part = hidden[start : start + chunk].to(kind)
                    target = labels[start : start + chunk, None]
                    logits = torch.nn.functional.linear(part, own_weight, own_bias).float()
                    largest = logits.amax(dim=-1, keepdim=True)
                    of_target = logits.gather(1, target)
                    # From here on the logits' memory holds their softmax, and then their gradient.
                    softmax = logits.sub_(largest).exp_()
                    norm = softmax.sum(dim=-1, keepdim=True)
                    total += (largest + norm.log() - of_target).sum()
                    if not (wants_hidden or wants_weight):
                        continue
                    gradient = softmax.div_(norm)
                    gradient.scatter_add_(1, target, gradient.new_full(target.shape, -1.0))
                    if to_bias is not None:
                        to_bias += gradient.sum(0).to(to_bias.dtype)
                    small = gradient.to(kind)
                    if to_hidden is not None:
                        to_hidden[start : start + chunk] = small @ own_weight
                    if to_weight is not None:
                        to_weight += small.T @ part
            ctx.save_for_backward(to_hidden, to_weight, to_bias)
            return total

        @staticmethod
        def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
            scaled = [
                None if gradient is None else gradient * upstream[0].to(gradient.dtype)
                for gradient in ctx.saved_tensors
            ]
            return (*scaled, None, None)

    return LinearCrossEntropy


def _autocast(hidden: torch.Tensor) -> bool:
    import torch

    return torch.is_autocast_enabled(hidden.device.type)


def install(model: Any, *, fused: bool) -> None:
    """Let `model(input_ids=..., labels=...)` return the summed loss of its labels.

    The model keeps its interface: without `labels` it is what it was; with them its output has the
    key `loss`, the float32 sum over labels. It stays inside `forward`, so that the wrappers of DDP
    and FSDP2 see the pass. The output head is still called as a module, since FSDP2 gathers a
    module's weights when it is called.

    Args:
        model: a Transformers causal language model, adapters or not.
        fused: whether its logits are just the head applied to its last hidden state, which
            `proof.is_plain_head` finds out; else its own logits are taken.
    """
    head, plain_forward = model.get_output_embeddings(), model.forward
    if fused:
        head_forward = head.forward
        head.forward = partial(_head, head, head_forward)

    def forward(*arguments: Any, labels: Any = None, per_token: bool = False, **inputs: Any) -> Any:
        if labels is None:
            return plain_forward(*arguments, **inputs)
        given = {key: value for key, value in inputs.items() if value is not None}
        rows, columns, targets = _predicting(labels)
        if fused:
            hidden = model.base_model(**given, use_cache=False).last_hidden_state
            return {"loss": head(hidden[rows, columns], targets, per_token)}
        logits = plain_forward(**given, use_cache=False).logits[rows, columns].float()
        reduction = "none" if per_token else "sum"
        return {"loss": _cross_entropy(logits, targets, reduction)}

    model.forward = forward


def _head(
    head: Any, plain: Any, hidden: torch.Tensor, labels: Any = None, per_token: bool = False
) -> torch.Tensor:
    """An output head that takes labels: then it returns the loss in place of logits."""
    if labels is None:
        logits: torch.Tensor = plain(hidden)
        return logits
    loss = token_losses if per_token else linear_cross_entropy
    return loss(hidden, head.weight, labels, head.bias)


def _predicting(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows and columns of the positions that predict a label, and the labels: each the next one."""
    import torch

    following = labels[:, 1:]
    rows, columns = torch.nonzero(following != IGNORED, as_tuple=True)
    return rows, columns, following[rows, columns]


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor, reduction: str) -> torch.Tensor:
    import torch

    return torch.nn.functional.cross_entropy(logits, targets, reduction=reduction)
