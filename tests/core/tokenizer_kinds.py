"""Small tokenizers of every kind that causal language models have, trained on a few sentences."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]"]
_TEXT = [
    "Name three animals. The cat, the dog and the horse are animals that people know well.",
    "Nombra tres animales. El gato, el perro y el caballo son animales que la gente conoce bien.",
    "USER: What is 17 + 25? ASSISTANT: The answer is 42.\n\n### Response:\nWrite <s>word</s> here.",
    "请写一句关于春天的诗。春天来了，花儿都开了。\nДа, это правда.\n\nالسلام عليكم",
] * 4
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _byte_level(**settings: Any) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(**settings)
    made.decoder = decoders.ByteLevel()
    return _trained(made, trainers.BpeTrainer, initial_alphabet=_bytes())


def _llama3() -> Tokenizer:
    made = Tokenizer(models.BPE(ignore_merges=True))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    return _trained(made, trainers.BpeTrainer, initial_alphabet=_bytes())


def _metaspace(scheme: str, split: bool) -> Tokenizer:
    """As SentencePiece's BPE, with bytes for what is not in the vocabulary."""
    made = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    made.decoder = _sentencepiece_decoder(scheme != "never")
    return _trained(made, trainers.BpeTrainer, extra=_byte_pieces())


def _llama_legacy() -> Tokenizer:
    made = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = _sentencepiece_decoder(True)
    return _trained(made, trainers.BpeTrainer, extra=_byte_pieces())


def _unigram() -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    return _trained(made, trainers.UnigramTrainer, unk_token="<unk>")


def _wordpiece() -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    return _trained(made, trainers.WordPieceTrainer)


def _byte_pieces() -> list[str]:
    return [f"<0x{number:02X}>" for number in range(256)]


def _bytes() -> list[str]:
    return pre_tokenizers.ByteLevel.alphabet()


def _sentencepiece_decoder(strip: bool) -> Any:
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] if strip else [])])


def _trained(made: Tokenizer, trainer: Any, extra: Any = (), **settings: Any) -> Tokenizer:
    size = 600 + len(extra)
    tokens = [*SPECIAL, *extra]
    made.train_from_iterator(
        _TEXT, trainer(vocab_size=size, special_tokens=tokens, show_progress=False, **settings)
    )
    if extra:
        made = _plain(made, set(extra))
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
    )
    return made


def _plain(made: Tokenizer, words: set[str]) -> Tokenizer:
    """With words that were added to be in the vocabulary as pieces of it alone."""
    import json

    content = json.loads(made.to_str())
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] not in words]
    return Tokenizer.from_str(json.dumps(content))


def _with_runs_of_spaces() -> Tokenizer:
    """As GPT-NeoX has: white space added to the vocabulary, and found first."""
    made = _byte_level(add_prefix_space=False)
    made.add_tokens([AddedToken(" " * count, normalized=True) for count in (2, 3, 4)])
    return made


_KINDS: dict[str, Callable[[], Tokenizer]] = {
    "byte level": lambda: _byte_level(add_prefix_space=False),
    "byte level, space before": lambda: _byte_level(add_prefix_space=True),
    "byte level, offsets untrimmed": lambda: _byte_level(add_prefix_space=False, trim_offsets=True),
    "runs of spaces": _with_runs_of_spaces,
    "llama 3": _llama3,
    "metaspace first": lambda: _metaspace("first", split=False),
    "metaspace always": lambda: _metaspace("always", split=True),
    "gemma": lambda: _metaspace("never", split=False),
    "llama legacy": _llama_legacy,
    "unigram": _unigram,
    "wordpiece": _wordpiece,
}
KINDS = list(_KINDS)
# What these do not know of a text, or of its white space, is lost.
LOSSY = ("unigram", "wordpiece")


@cache
def tokenizer_of(kind: str) -> Tokenizer:
    """The tokenizer of a kind."""
    return _KINDS[kind]()


def id_of(tokenizer: Tokenizer, word: str) -> int:
    """The id of a word that the tokenizer has."""
    number: int | None = tokenizer.token_to_id(word)
    assert number is not None
    return number
