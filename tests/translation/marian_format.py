"""A tiny Bergamot model for tests: trained here in seconds, written in the published format.

The network is Marian's `transformer` with an SSRU decoder, as browsermt/marian-dev has it in
src/models/transformer.h and src/rnn/cells.h (Kim et al. 2019, https://aclanthology.org/D19-5632,
section 3.1); the files are laid out as its src/common/binary.cpp, src/common/types.h,
src/tensors/cpu/expression_graph_packable.h and src/data/shortlist.h say.
"""

from __future__ import annotations

import io
import math
import random
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

INTGEMM8, FLOAT32, INT8 = 0x4101, 0x0404, 0x0101
SHORTLIST_MAGIC = 0xF11A48D5013417F5
DIM, FFN, HEADS, VOCABULARY = 64, 128, 4, 80

WORDS = {
    "the": "el",
    "a": "un",
    "cat": "gato",
    "dog": "perro",
    "horse": "caballo",
    "house": "casa",
    "red": "rojo",
    "big": "grande",
    "small": "pequeño",
    "old": "viejo",
    "sees": "ve",
    "has": "tiene",
    "likes": "quiere",
    "and": "y",
    "my": "mi",
    "your": "tu",
    "not": "no",
    "is": "es",
    "one": "uno",
    "two": "dos",
    "three": "tres",
    "man": "hombre",
    "woman": "mujer",
    "child": "niño",
    "bread": "pan",
    "water": "agua",
}

Item = tuple[int, tuple[int, ...], bytes]
Weights = dict[str, torch.Tensor]

CONFIG = f"""dec-cell: ssru
dec-cell-base-depth: 2
dec-cell-high-depth: 1
dec-depth: 1
dim-emb: {DIM}
dim-vocabs:
  - {VOCABULARY}
  - {VOCABULARY}
enc-depth: 1
tied-embeddings-all: true
transformer-decoder-autoreg: rnn
transformer-dim-ffn: {FFN}
transformer-ffn-activation: relu
transformer-ffn-depth: 2
transformer-guided-alignment-layer: last
transformer-heads: {HEADS}
transformer-postprocess: dan
transformer-postprocess-emb: d
transformer-preprocess: ""
transformer-train-position-embeddings: false
type: transformer
version: v1.9.56
"""


def translated(sentence: str) -> str:
    """What the model has learnt to say: word for word."""
    return " ".join(WORDS[word] for word in sentence.removesuffix(".").split()) + "."


def sentences(count: int, seed: int) -> list[str]:
    """Sentences of 1 to 8 words, each ended by a full stop."""
    draw = random.Random(seed)
    words = list(WORDS)
    return [" ".join(draw.choices(words, k=draw.randint(1, 8))) + "." for _ in range(count)]


def write_folder(folder: Path, steps: int = 400) -> None:
    """Train a model from `en` into `es` and write it as published; some 5 seconds."""
    from sentencepiece import SentencePieceProcessor

    lines = sentences(2000, seed=1)
    vocabulary = _vocabulary(lines + [translated(line) for line in lines])
    pieces = SentencePieceProcessor(model_proto=vocabulary)
    pairs = [([*pieces.encode(line), 0], [*pieces.encode(translated(line)), 0]) for line in lines]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more are slower at this size, and far slower on a busy machine
    weights, largest = _train(pairs, steps)
    torch.set_num_threads(threads)
    folder.mkdir(parents=True, exist_ok=True)
    items = quantised(weights, largest)
    (folder / "model.enes.intgemm.alphas.bin").write_bytes(model_bytes(items))
    (folder / "vocab.enes.spm").write_bytes(vocabulary)
    every = [list(range(VOCABULARY))] * VOCABULARY
    (folder / "lex.50.50.enes.s2t.bin").write_bytes(shortlist_bytes(every))


# --- files


def model_bytes(items: dict[str, Item]) -> bytes:
    """The binary format: version, headers, names, shapes, padding, data, all aligned to 256."""
    padded = {
        name: (code, shape, data + bytes(-len(data) % 256))
        for name, (code, shape, data) in items.items()
    }
    out = struct.pack("<QQ", 1, len(items))
    for name, (code, shape, data) in padded.items():
        out += struct.pack("<QQQQ", len(name) + 1, code, len(shape), len(data))
    out += b"".join(name.encode() + b"\0" for name in padded)
    out += b"".join(struct.pack(f"<{len(shape)}i", *shape) for _, shape, _ in padded.values())
    offset = -(len(out) + 8) % 256
    out += struct.pack("<Q", offset) + bytes(offset)
    return out + b"".join(data for *_, data in padded.values())


def quantised(weights: Weights, largest: dict[str, float]) -> dict[str, Item]:
    """Matrices as int8 with their scale behind them, transposed but for the embeddings.

    `largest` is the largest activation that each matrix has seen; its scale is `..._QuantMultA`.
    """
    items: dict[str, Item] = {}
    for name, weight in weights.items():
        values = weight.detach().numpy().astype(np.float32)
        if name in largest:
            items[name] = _int8(values.T, values.shape)
            items[f"{name}_QuantMultA"] = _scale(largest[name])
        elif name.endswith("Wemb"):
            items[name] = _int8(values, values.shape)
        else:
            items[name] = (FLOAT32, values.shape, values.tobytes())
    for name in ("none_QuantMultA", "Wemb_QuantMultA"):  # the output's, with and without shortlist
        items[name] = _scale(largest["none"])
    config = CONFIG.encode() + b"\0"
    return dict(sorted(items.items())) | {"special:model.yml": (INT8, (len(config),), config)}


def read_items(data: bytes) -> dict[str, Item]:
    """The items of a model file, as `model_bytes` takes them."""
    (count,) = struct.unpack_from("<Q", data, 8)
    headers = [struct.unpack_from("<QQQQ", data, 16 + 32 * item) for item in range(count)]
    at = 16 + 32 * count
    names, shapes, items = [], [], {}
    for length, *_ in headers:
        names.append(data[at : at + length - 1].decode())
        at += length
    for _, _, dimensions, _ in headers:
        shapes.append(struct.unpack_from(f"<{dimensions}i", data, at))
        at += 4 * dimensions
    at += 8 + struct.unpack_from("<Q", data, at)[0]
    for name, shape, (_, code, _, size) in zip(names, shapes, headers, strict=True):
        items[name] = (code, shape, data[at : at + size])
        at += size
    return items


def shortlist_bytes(lists: Sequence[Sequence[int]], first: int = 2) -> bytes:
    """A binary shortlist: for each source piece, the sorted target pieces to choose from.

    The `first` target pieces can always be chosen. The lists together must hold an even number.
    """
    offsets = np.cumsum([0, *map(len, lists)]).astype("<u8")
    entries = np.concatenate([np.asarray(targets, "<u4") for targets in lists])
    body = struct.pack("<QQQQ", first, 50, len(offsets), len(entries))
    body += offsets.tobytes() + entries.tobytes()
    seed = 0
    for (word,) in struct.iter_unpack("<Q", body):
        seed ^= (word + 0x9E3779B9 + (seed << 6) + (seed >> 2)) % 2**64
    return struct.pack("<QQ", SHORTLIST_MAGIC, seed) + body


def _int8(values: NDArray[np.float32], shape: tuple[int, ...]) -> Item:
    scale = np.float32(127 / np.abs(values).max())
    return INTGEMM8, shape, np.rint(values * scale).astype(np.int8).tobytes() + scale.tobytes()


def _scale(largest: float) -> Item:
    return FLOAT32, (1, 1), np.float32(127 / largest).tobytes()


def _vocabulary(lines: list[str]) -> bytes:
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=VOCABULARY,
        eos_id=0,
        unk_id=1,
        bos_id=-1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


# --- network


def _initial() -> Weights:
    draw = torch.Generator().manual_seed(1)
    weights: Weights = {
        "Wemb": torch.randn(VOCABULARY, DIM, generator=draw) / math.sqrt(DIM),
        "decoder_ff_logit_out_b": torch.zeros(1, VOCABULARY),
    }

    def matrix(name: str, rows: int, columns: int) -> None:
        bound = math.sqrt(6 / (rows + columns))
        weights[name] = (torch.rand(rows, columns, generator=draw) * 2 - 1) * bound

    def norm(name: str) -> None:
        weights[f"{name}_ln_scale"] = torch.ones(1, DIM)
        weights[f"{name}_ln_bias"] = torch.zeros(1, DIM)

    for name in ("encoder_l1_self", "decoder_l1_context"):
        for side in "qkvo":
            matrix(f"{name}_W{side}", DIM, DIM)
            weights[f"{name}_b{side}"] = torch.zeros(1, DIM)
        norm(f"{name}_Wo")
    for name in ("encoder_l1_ffn", "decoder_l1_ffn"):
        matrix(f"{name}_W1", DIM, FFN)
        weights[f"{name}_b1"] = torch.zeros(1, FFN)
        matrix(f"{name}_W2", FFN, DIM)
        weights[f"{name}_b2"] = torch.zeros(1, DIM)
        norm(f"{name}_ffn")
    for gate in ("W", "Wf"):
        matrix(f"decoder_l1_rnn_{gate}", DIM, DIM)
    weights["decoder_l1_rnn_bf"] = torch.zeros(1, DIM)
    norm("decoder_l1_rnn_ffn")
    return {name: weight.requires_grad_() for name, weight in weights.items()}


class _Network:
    """The forward pass; keeps the largest activation that meets each matrix."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.largest: dict[str, float] = {}

    def logits(
        self, source: torch.Tensor, mask: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        weights = self.weights
        memory = self._embed(weights["Wemb"][source])
        memory = self._attend(memory, memory, mask, "encoder_l1_self")
        memory = self._feed(memory, "encoder_l1_ffn")
        before = weights["Wemb"][target[:, :-1]]  # the first step sees an embedding of zeros
        before = torch.cat([torch.zeros_like(before[:, :1]), before], 1)
        states = self._recur(self._embed(before))
        out = self._feed(self._attend(states, memory, mask, "decoder_l1_context"), "decoder_l1_ffn")
        self._note(out, "none")
        return out @ weights["Wemb"].T + weights["decoder_ff_logit_out_b"]

    def _embed(self, vectors: torch.Tensor) -> torch.Tensor:
        rates = torch.exp(-math.log(1e4) / (DIM // 2 - 1) * torch.arange(DIM // 2))
        angles = torch.arange(vectors.shape[1])[:, None] * rates[None]
        return vectors * math.sqrt(DIM) + torch.cat([angles.sin(), angles.cos()], 1)

    def _recur(self, inputs: torch.Tensor) -> torch.Tensor:
        name = "decoder_l1_rnn"
        forget = torch.sigmoid(self._times(inputs, f"{name}_Wf") + self.weights[f"{name}_bf"])
        update = (1 - forget) * self._times(inputs, f"{name}_W")
        cells = [torch.zeros_like(inputs[:, 0])]
        for step in range(inputs.shape[1]):
            cells.append(forget[:, step] * cells[-1] + update[:, step])
        return self._norm(torch.stack(cells[1:], 1).relu() + inputs, f"{name}_ffn")

    def _attend(
        self, query: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor, name: str
    ) -> torch.Tensor:
        def heads(inputs: torch.Tensor, side: str) -> torch.Tensor:
            out = self._times(inputs, f"{name}_W{side}") + self.weights[f"{name}_b{side}"]
            return out.view(len(out), -1, HEADS, DIM // HEADS).transpose(1, 2)

        out = functional.scaled_dot_product_attention(
            heads(query, "q"), heads(memory, "k"), heads(memory, "v"), mask[:, None, None, :]
        )
        joined = out.transpose(1, 2).reshape(query.shape)
        projected = self._times(joined, f"{name}_Wo") + self.weights[f"{name}_bo"]
        return self._norm(projected + query, f"{name}_Wo")

    def _feed(self, inputs: torch.Tensor, name: str) -> torch.Tensor:
        inner = (self._times(inputs, f"{name}_W1") + self.weights[f"{name}_b1"]).relu()
        outer = self._times(inner, f"{name}_W2") + self.weights[f"{name}_b2"]
        return self._norm(outer + inputs, f"{name}_ffn")

    def _norm(self, inputs: torch.Tensor, name: str) -> torch.Tensor:
        scale, bias = self.weights[f"{name}_ln_scale"][0], self.weights[f"{name}_ln_bias"][0]
        return functional.layer_norm(inputs, (DIM,), scale, bias, 1e-6)

    def _times(self, inputs: torch.Tensor, name: str) -> torch.Tensor:
        self._note(inputs, name)
        return inputs @ self.weights[name]

    def _note(self, inputs: torch.Tensor, name: str) -> None:
        self.largest[name] = max(self.largest.get(name, 0.0), float(inputs.detach().abs().max()))


def _train(
    pairs: list[tuple[list[int], list[int]]], steps: int
) -> tuple[Weights, dict[str, float]]:
    draw = random.Random(1)
    weights = _initial()
    network = _Network(weights)
    optimizer = torch.optim.Adam(weights.values(), betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(steps):
        network.largest.clear()  # of the last batch, that is
        batch = draw.sample(pairs, 64)
        source, mask = _padded([ids for ids, _ in batch])
        target, real = _padded([ids for _, ids in batch])
        logits = network.logits(source, mask, target)
        loss = functional.cross_entropy(logits[real], target[real], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return weights, network.largest


def _padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    return ids, torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in rows])
