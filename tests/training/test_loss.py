from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from polypaca.training.loss import linear_cross_entropy, token_losses


def _inputs(kind: torch.dtype, *, bias: bool) -> list[torch.Tensor | None]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(13, 8, generator=generator)
    weight = torch.randn(50, 8, generator=generator)
    shift = torch.randn(50, generator=generator) if bias else None
    return [None if t is None else t.to(kind).requires_grad_() for t in (hidden, weight, shift)]


@pytest.mark.parametrize("chunk", [1, 4, 13, 100])
@pytest.mark.parametrize("bias", [True, False])
def test_loss_and_gradients_are_those_of_pytorch(chunk: int, bias: bool) -> None:
    labels = torch.arange(13) * 3
    inputs = _inputs(torch.float64, bias=bias)
    # float32 inside, so that this is compared to float32 accuracy.
    ours = linear_cross_entropy(inputs[0], inputs[1], labels, inputs[2], chunk=chunk)  # type: ignore[arg-type]
    (ours * 0.5).backward()  # type: ignore[no-untyped-call]
    own = [t.grad.clone() for t in inputs if t is not None and t.grad is not None]
    again = _inputs(torch.float64, bias=bias)
    logits = torch.nn.functional.linear(again[0], again[1], again[2])  # type: ignore[arg-type]
    theirs = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    (theirs * 0.5).backward()  # type: ignore[no-untyped-call]
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    assert len(own) == (3 if bias else 2)
    for gradient, tensor in zip(own, (t for t in again if t is not None), strict=True):
        assert tensor.grad is not None
        torch.testing.assert_close(gradient, tensor.grad, rtol=1e-5, atol=1e-6)


def test_bfloat16_keeps_the_loss_in_float32() -> None:
    labels = torch.arange(13) * 3
    hidden, weight, _ = _inputs(torch.bfloat16, bias=False)
    assert hidden is not None
    assert weight is not None
    loss = linear_cross_entropy(hidden, weight, labels)
    exact = torch.nn.functional.cross_entropy(
        hidden.double() @ weight.double().T, labels, reduction="sum"
    )
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=2e-3)
    loss.backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None
    assert hidden.grad.dtype == torch.bfloat16


def test_a_frozen_head_gets_no_gradient() -> None:
    hidden, weight, _ = _inputs(torch.float32, bias=False)
    assert hidden is not None
    assert weight is not None
    weight = weight.detach()
    linear_cross_entropy(hidden, weight, torch.zeros(13, dtype=torch.long)).backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None
    assert weight.grad is None


def test_no_label_is_no_loss_but_a_gradient_of_zero() -> None:
    hidden = torch.randn(5, 8, requires_grad=True)
    none = torch.empty(0, dtype=torch.long)
    loss = linear_cross_entropy(hidden[:0], torch.randn(50, 8), none)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert hidden.grad is not None
    assert not hidden.grad.any()


def test_losses_of_single_tokens_add_up() -> None:
    hidden, weight, bias = _inputs(torch.float32, bias=True)
    assert hidden is not None
    assert weight is not None
    labels = torch.arange(13) * 3
    each = token_losses(hidden, weight, labels, bias)
    assert each.shape == (13,)
    total = linear_cross_entropy(hidden, weight, labels, bias)
    assert each.sum().item() == pytest.approx(total.item(), rel=1e-6)


def test_the_memory_of_logits_is_bounded() -> None:
    """BLOOM's vocabulary: no tensor as large as all logits is ever made."""
    tokens, vocabulary = 600, 250_880
    hidden = torch.randn(tokens, 16, requires_grad=True)
    weight = torch.randn(vocabulary, 16)
    labels = torch.randint(vocabulary, (tokens,))
    largest = 0

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            output = func(*args, **(kwargs or {}))
            if isinstance(output, torch.Tensor):
                largest = max(largest, output.untyped_storage().nbytes())
            return output

    with Watch():  # type: ignore[no-untyped-call]
        linear_cross_entropy(hidden, weight, labels).backward()  # type: ignore[no-untyped-call]
    assert largest <= 2**26 < tokens * vocabulary * 4 / 8
