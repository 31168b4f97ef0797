"""Cross-entropy without logits that nobody needs: none where there is no label, few at a time.

The logits of one micro-batch over a vocabulary of 250,880 entries are larger than everything else
in memory together. Here they are made for some tokens at a time, and their gradient is taken at
once, so that neither they nor their probabilities are kept for the backward pass.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from polypaca.training.tokenize import IGNORED

if TYPE_CHECKING:
    import torch

# Bytes of logits that one matrix product makes: enough for it to run at full speed, and small
# beside a model on a GPU. Of float32 at a time in the softmax: what a CPU's caches hold.
_CHUNK_BYTES = {"cuda": 1 << 30, "cpu": 1 << 26}
_PIECE_BYTES = {"cuda": 1 << 28, "cpu": 1 << 22}
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
        size = weight.shape[0] * _computed_in(hidden).itemsize
        chunk = _rows(_CHUNK_BYTES, hidden, size)
        chunk *= _MORE_FOR_WEIGHTS if weight.requires_grad else 1
    piece = _rows(_PIECE_BYTES, hidden, weight.shape[0] * 4)
    loss: torch.Tensor = _function().apply(hidden, weight, bias, labels, chunk, piece)
    return loss


def token_losses(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    labels: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """The cross-entropy of each token, float32 of shape (tokens,); it has no gradient."""
    import torch

    chunk = _rows(_PIECE_BYTES, hidden, weight.shape[0] * 4)
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


def _rows(memory: dict[str, int], hidden: torch.Tensor, row_bytes: int) -> int:
    """Rows of logits that fit into the memory of a kind of device: a power of two."""
    rows = memory.get(hidden.device.type, 1 << 28) // row_bytes
    return 1 << max(0, rows.bit_length() - 1)


@cache
def _function() -> Any:
    """The autograd function; made on first use, so that importing this module needs no torch."""
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
            piece: int,
        ) -> torch.Tensor:
            wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
            kind = _computed_in(hidden)
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
                    logits = torch.nn.functional.linear(part, own_weight, own_bias)
                    for row in range(0, len(part), piece):
                        rows = slice(row, row + piece)
                        total += _to_gradient(logits[rows], target[rows])
                    if to_hidden is not None:
                        to_hidden[start : start + chunk] = logits @ own_weight
                    if to_weight is not None:
                        to_weight += logits.T @ part
                    if to_bias is not None:
                        to_bias += logits.sum(0, dtype=torch.float32).to(to_bias.dtype)
            ctx.save_for_backward(to_hidden, to_weight, to_bias)
            return total

        @staticmethod
        def backward(ctx: Any, *upstream: torch.Tensor) -> Any:
            scaled = [
                None if gradient is None else gradient * upstream[0].to(gradient.dtype)
                for gradient in ctx.saved_tensors
            ]
            return (*scaled, None, None, None)

    return LinearCrossEntropy


def _to_gradient(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The summed loss of some rows of logits, which become the loss's gradient in place."""
    exact = logits.float()  # a copy in half precision, the logits themselves in float32
    largest = exact.amax(dim=-1, keepdim=True)
    of_target = exact.gather(1, target)
    softmax = exact.sub_(largest).exp_()
    norm = softmax.sum(dim=-1, keepdim=True)
    gradient = softmax.div_(norm)
    gradient.scatter_add_(1, target, gradient.new_full(target.shape, -1.0))
    if gradient.dtype != logits.dtype:
        logits.copy_(gradient)
    return (largest + norm.log() - of_target).sum()


def _computed_in(hidden: torch.Tensor) -> torch.dtype:
    """The type of matrix products: autocast's where that is on."""
    import torch

    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


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
