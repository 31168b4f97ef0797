"""Tiny base models: real Transformers architectures, pretrained on the built-in corpus's raw text.

They know the corpus's five languages and what translates into what, but no template and no
response to any request: that is what the studies tune.
"""

from __future__ import annotations

import math
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from polypaca.builtin.corpus import pretraining_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import torch

# Raised whenever code below or the corpus changes what comes out.
_FORMAT = 1

_WIDTH, _LAYERS, _HEADS = 128, 4, 4
_BOS, _EOS, _PAD = "<s>", "</s>", "<pad>"
_POSITIONS = 512

_SETTINGS: Mapping[str, Any] = {
    "format": _FORMAT,
    "corpus": "tiny",
    "seed": 1,
    "vocabulary": 2000,
    "tokenizer_documents": 3000,
    "steps": 900,
    "batch": 8,
    "length": 128,
    "learning_rate": 3e-3,
    "warmup": 0.06,
    "weight_decay": 0.05,
}

# Transformers' class and its configuration, beside what all bases share.
_ARCHITECTURES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "tiny-neox": (
        "GPTNeoX",
        {
            "hidden_size": _WIDTH,
            "intermediate_size": 4 * _WIDTH,
            "num_hidden_layers": _LAYERS,
            "num_attention_heads": _HEADS,
            "max_position_embeddings": _POSITIONS,
            "use_parallel_residual": False,
        },
    ),
    "tiny-bloom": (
        "Bloom",
        {"hidden_size": _WIDTH, "n_layer": _LAYERS, "n_head": _HEADS},
    ),
    "tiny-llama": (
        "Llama",
        {
            "hidden_size": _WIDTH,
            "intermediate_size": 352,
            "num_hidden_layers": _LAYERS,
            "num_attention_heads": _HEADS,
            "max_position_embeddings": _POSITIONS,
        },
    ),
}
BASES: tuple[str, ...] = tuple(_ARCHITECTURES)


def base_settings(name: str) -> dict[str, Any]:
    """Everything that determines a base, as plain JSON: the key that it is cached under."""
    architecture, shape = _ARCHITECTURES[name]
    return {"base": name, "architecture": architecture, "shape": dict(shape), **_SETTINGS}


def build_base(
    name: str,
    folder: Path,
    *,
    threads: int,
    progress: Callable[[float, str], None],
    steps: int | None = None,
) -> dict[str, float]:
    """Pretrain a base model and save it, with its tokenizer, as Transformers reads it.

    Args:
        name: one of `BASES`.
        folder: where the model goes; made if missing.
        threads: CPU threads; results are the same for the same count on the same machine.
        progress: told the share done and what is being done.
        steps: fewer optimizer steps than the base deserves, for tests.

    Returns:
        The final loss (mean over the last steps), parameters and seconds.
    """
    import torch

    settings = base_settings(name) | ({"steps": steps} if steps else {})
    started = time.monotonic()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(settings["seed"])
            progress(0.0, "training the tokenizer")
            tokenizer = _train_tokenizer(settings)
            model = _new_model(settings, len(tokenizer))
            loss = _pretrain(model, _batches(tokenizer, settings), settings, progress)
        model.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)
    finally:
        torch.set_num_threads(before)
    return {
        "loss": loss,
        "parameters": float(sum(weights.numel() for weights in model.parameters())),
        "seconds": time.monotonic() - started,
    }


def _documents(settings: Mapping[str, Any]) -> Iterator[str]:
    return pretraining_documents(settings["corpus"], settings["seed"])


def _train_tokenizer(settings: Mapping[str, Any]) -> Any:
    """A byte-level BPE over the raw text, as a Transformers tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings["vocabulary"],
        special_tokens=[_PAD, _BOS, _EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    text = list(islice(_documents(settings), settings["tokenizer_documents"]))
    bpe.train_from_iterator(text + [_PLAIN_ENGLISH] * (len(text) // 20), trainer)
    wrapped: Any = PreTrainedTokenizerFast  # untyped upstream
    return wrapped(
        tokenizer_object=bpe,
        bos_token=_BOS,
        eos_token=_EOS,
        pad_token=_PAD,
        model_max_length=_POSITIONS,
        clean_up_tokenization_spaces=False,
    )


# The words of the Alpaca template become tokens of their own, so that prompts stay short; the
# model itself is not pretrained on them.
_PLAIN_ENGLISH = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n\n### Input:\n\n### Response:\n"
)


def _new_model(settings: Mapping[str, Any], vocabulary: int) -> Any:
    import transformers

    architecture = settings["architecture"]
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=vocabulary,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        **settings["shape"],
    )
    return getattr(transformers, f"{architecture}ForCausalLM")(config)


def _batches(tokenizer: Any, settings: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    """Documents packed end to end, each closed by EOS, cut into rows of equal length."""
    import torch

    documents = _documents(settings)
    size, length = settings["batch"], settings["length"]
    ids: list[int] = []
    while True:
        while len(ids) < size * length:
            texts = list(islice(documents, 64))
            for encoded in tokenizer(texts, add_special_tokens=False)["input_ids"]:
                ids += [*encoded, tokenizer.eos_token_id]
        yield torch.tensor(ids[: size * length]).view(size, length)
        ids = ids[size * length :]


def _pretrain(
    model: Any,
    batches: Iterator[torch.Tensor],
    settings: Mapping[str, Any],
    progress: Callable[[float, str], None] = lambda fraction, text: None,
) -> float:
    """AdamW with warm-up and cosine decay; the mean loss of the last steps."""
    import torch

    steps, warmup = settings["steps"], max(1, round(settings["steps"] * settings["warmup"]))
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings["learning_rate"],
        betas=(0.9, 0.98),
        weight_decay=settings["weight_decay"],
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(
            (step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)) * 0.97 + 0.03
        ),
    )
    model.train()
    losses: list[float] = []
    for step, rows in enumerate(islice(batches, steps), 1):
        logits = model(input_ids=rows).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses = [*losses[-19:], loss.item()]
        if step % 20 == 0 or step == steps:
            progress(step / steps, f"pretraining: loss {sum(losses) / len(losses):.2f}")
    model.eval()
    return sum(losses) / len(losses)
