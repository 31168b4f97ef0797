"""What a plan assumes of data and tokenizers that are not at hand; docs/costs.md has the checks.

Tokens of a text are estimated from its bytes: how many tokens a tokenizer makes of a language's
bytes was counted on FLORES-200, whose sentences are the same in every language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.languages import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polypaca.models.templates import Template

# UTF-8 bytes of the 2,009 sentences of FLORES-200, dev and devtest, without line ends.
_BYTES: Mapping[str, int] = {
    "en": 257_386, "bg": 487_880, "bn": 674_254, "cs": 278_395, "de": 305_294, "es": 312_067,
    "fi": 285_011, "fr": 318_603, "hi": 659_364, "no": 264_738, "ru": 512_640, "zh": 238_065,
}  # fmt: skip
_FAIRNESS = (
    "tokens of FLORES-200 as published with arXiv 2305.15425 "
    "(github.com/AleksandarPetrov/tokenization-fairness, assets/tokenization_lengths.csv)"
)
_COUNTED = "tokens of FLORES-200, counted with the tokenizer, without special tokens"


@dataclass(frozen=True)
class Family:
    """Models that share a tokenizer: the tokens it makes of FLORES-200, by language."""

    models: tuple[str, ...]  # how their Hub ids begin
    tokens: Mapping[str, int]
    source: str


_LLAMA = {
    "en": 60_619, "bg": 107_852, "bn": 325_866, "cs": 102_615, "de": 85_591, "es": 88_190,
    "fi": 115_790, "fr": 89_025, "hi": 278_627, "no": 90_715, "ru": 99_171, "zh": 121_061,
}  # fmt: skip

FAMILIES: Mapping[str, Family] = {
    "pythia": Family(
        ("EleutherAI/pythia-", "EleutherAI/gpt-neox-"),
        {
            "en": 53_499, "bg": 140_769, "bn": 350_089, "cs": 114_913, "de": 97_059, "es": 91_932,
            "fi": 106_825, "fr": 93_366, "hi": 253_713, "no": 88_706, "ru": 142_127, "zh": 110_924,
        },
        _COUNTED,
    ),
    "llama": Family(
        ("huggyllama/llama-", "meta-llama/Llama-2-"),
        _LLAMA,
        _COUNTED,
    ),
    "openllama": Family(
        ("openlm-research/open_llama_3b", "openlm-research/open_llama_7b"),
        {
            "en": 56_547, "bg": 152_199, "bn": 674_938, "cs": 140_099, "de": 108_257,
            "es": 104_771, "fi": 124_200, "fr": 105_696, "hi": 659_874, "no": 102_082,
            "ru": 154_302, "zh": 235_564,
        },
        f"{_COUNTED}, with a third party's copy of 32,001 entries",
    ),
    "bloom": Family(
        ("bigscience/bloom",),
        {
            "en": 53_174, "bg": 132_248, "bn": 62_014, "cs": 107_754, "de": 89_320, "es": 64_466,
            "fi": 100_568, "fr": 63_881, "hi": 68_276, "no": 85_981, "ru": 132_062, "zh": 50_330,
        },
        _FAIRNESS,
    ),
    "qwen": Family(
        ("Qwen/",),
        {
            "en": 53_726, "bg": 118_445, "bn": 273_333, "cs": 111_243, "de": 83_400, "es": 81_882,
            "fi": 106_001, "fr": 84_385, "hi": 240_076, "no": 83_434, "ru": 94_237, "zh": 57_735,
        },
        f"{_FAIRNESS}, for the first Qwen",
    ),
    "baichuan2": Family(
        ("baichuan-inc/Baichuan2-",),
        # On CC-100 Baichuan 2 makes 4.07 / 3.89 as many tokens of English as BLOOM, and
        # 4.28 / 4.53 as many of Chinese. The rest is taken from LLaMA, whose vocabulary is a
        # quarter as large: rather too many tokens than too few.
        {**_LLAMA, "en": 55_635, "zh": 47_552},
        "English and Chinese: BLOOM's by the ratio of bytes a token on CC-100 "
        "(huggingface.co/spaces/xu-song/tokenizer-arena); other languages as with LLaMA, a guess",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class DataSet:
    """A published data set whose rows are not at hand.

    Attributes:
        rows: in each language.
        sizes: UTF-8 bytes of instruction, input and output together in English: the means of
            twenty equal parts of the rows, shortest first.
        with_input: the share of rows that have an input.
        byte_ratio: bytes in each language for a byte of English.
        source: where all this is from.
    """

    rows: int
    sizes: tuple[int, ...]
    with_input: float
    byte_ratio: Mapping[str, float]
    source: str


_ALPACA = DataSet(
    rows=51_760,
    sizes=(
        80, 113, 136, 159, 184, 222, 271, 339, 418, 518,
        630, 728, 868, 1031, 1208, 1366, 1543, 1716, 1898, 2318,
    ),
    with_input=0.41,
    byte_ratio={
        "en": 1.0, "bg": 1.872, "cs": 1.05, "de": 1.137, "es": 1.133, "fi": 1.07, "fr": 1.204,
        "ru": 1.899, "zh": 0.818,
    },
    source="rows: yahma/alpaca-cleaned, of which these are translations (their pages say 51.8k); "
    "sizes: a sample of 999 rows of Alpaca with GPT-4's answers (mean 788 bytes; the whole set has "
    "778, offsets included, by the card of jan-hq/alpaca_cleaned_subset); "
    "languages: Bergamot's translation of the FLORES-200 test set against the English",
)  # fmt: skip
DATA_SETS: Mapping[str, DataSet] = {
    "hf:pinzhenchen/alpaca-cleaned-{language}": _ALPACA,
    "hf:yahma/alpaca-cleaned": _ALPACA,
}


def tokenizer_family(model: str | None) -> str | None:
    """The tokenizer family of a model of the Hub, by its id."""
    for name, family in FAMILIES.items():
        if model and model.startswith(family.models):
            return name
    return None


def tokens_per_byte(family: str, language: str) -> float | None:
    """Tokens that a family's tokenizer makes of a byte; None for a language not in the table."""
    code = canonical(language)
    tokens = FAMILIES[family].tokens.get(code)
    return tokens / _BYTES[code] if tokens else None


def byte_ratio(source: str, target: str) -> float | None:
    """Bytes in one language for a byte in another, in human translations (FLORES-200)."""
    there, here = _BYTES.get(canonical(target)), _BYTES.get(canonical(source))
    return there / here if there and here else None


def estimated_tokens(
    sizes: Iterable[tuple[float, float]],
    *,
    family: str,
    language: str,
    template: Template,
    max_length: int,
) -> float | None:
    """Mean tokens of training rows: of the template, the row's text and the end of sequence.

    Args:
        sizes: bytes of each row's text, and the share of such rows that have an input.
        family: of the tokenizer.
        language: of the rows; the template is English.
        template: what goes around them.
        max_length: the limit in tokens that rows are cut to.
    """
    own, english = tokens_per_byte(family, language), tokens_per_byte(family, "en")
    if own is None or english is None:
        return None
    bare, full = len(template.render("").encode()), len(template.render("", " ").encode()) - 1
    lengths = [
        min(max_length, english * (bare + (full - bare) * share) + own * size + 1)
        for size, share in sizes
    ]
    return sum(lengths) / len(lengths) if lengths else None
