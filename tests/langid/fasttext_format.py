"""Writes small fastText models, as its C++ program saves them, without training any.

Source: saveModel and what it calls, https://github.com/facebookresearch/fastText/tree/main/src
(fasttext.cc, args.cc, dictionary.cc, densematrix.cc; file version 12).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MAGIC, _VERSION = 793712314, 12
_SOFTMAX, _SUPERVISED = 3, 3
_SURE = 6.0  # a label's score for each of its words; the others have 0


def write_model(path: Path, words: Mapping[str, str]) -> Path:
    """A classifier that knows a text by its words: label -> words, with a space between them.

    A text has the label that most of its words belong to; other words count for nothing.
    """
    labels = list(words)
    belongs = [(word, label) for label, text in words.items() for word in sorted(set(text.split()))]
    entries = [(word, 0) for word, _ in belongs] + [(f"__label__{label}", 1) for label in labels]
    one_hot = [[float(other == label) for other in labels] for _, label in belongs]
    bucket = 1  # of n-grams, which are not used
    inputs = [*one_hot, [0.0] * len(labels)]
    outputs = [
        [_SURE * (row == column) for column in range(len(labels))] for row in range(len(labels))
    ]
    arguments = struct.pack(
        "<12id", len(labels), 5, 5, 1, 5, 1, _SOFTMAX, _SUPERVISED, bucket, 0, 0, 100, 1e-4
    )
    dictionary = struct.pack("<3i2q", len(entries), len(belongs), len(labels), len(entries), -1)
    for entry, kind in entries:
        dictionary += entry.encode() + b"\0" + struct.pack("<qb", 1, kind)
    header = struct.pack("<2i", _MAGIC, _VERSION)
    path.write_bytes(
        header + arguments + dictionary + b"\0" + _matrix(inputs) + b"\0" + _matrix(outputs)
    )
    return path


def _matrix(rows: list[list[float]]) -> bytes:
    values = [value for row in rows for value in row]
    return struct.pack(f"<2q{len(values)}f", len(rows), len(rows[0]), *values)
