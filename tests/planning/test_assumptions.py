from __future__ import annotations

import json
from pathlib import Path

import pytest

from polypaca.models.catalog import SHAPES
from polypaca.models.templates import TEMPLATES, Template
from polypaca.planning.assumptions import (
    DATA_SETS,
    FAMILIES,
    byte_ratio,
    estimated_tokens,
    tokenizer_family,
    tokens_per_byte,
)

BARE = Template(with_input="{instruction}{input}", without_input="{instruction}", stop=())


def test_tokens_by_hand() -> None:
    # All of FLORES in English: 53,499 tokens of 257,386 bytes; the template is 4 and 8 bytes.
    template = Template(
        with_input="abcd{instruction}efgh{input}", without_input="ab{instruction}cd", stop=()
    )
    sizes = [(257_386.0, 0.0), (0.0, 0.5)]
    found = estimated_tokens(
        sizes, family="pythia", language="en", template=template, max_length=10**9
    )
    each = 53_499 / 257_386
    assert found == pytest.approx(((53_499 + 4 * each + 1) + (6 * each + 1)) / 2)
    cut = estimated_tokens(sizes, family="pythia", language="en", template=BARE, max_length=512)
    assert cut == pytest.approx((512 + 1) / 2)


def test_what_is_not_in_the_table_is_not_estimated() -> None:
    assert tokenizer_family("someone/model") is None
    assert tokenizer_family(None) is None
    assert tokens_per_byte("bloom", "sw") is None
    assert byte_ratio("en", "sw") is None
    for language in ("nb", "no"):
        assert byte_ratio("en", language) == pytest.approx(264_738 / 257_386)
    assert (
        estimated_tokens([(9, 0)], family="bloom", language="sw", template=BARE, max_length=9)
        is None
    )


def test_the_papers_models_and_languages_are_all_known() -> None:
    hub = [name for name in SHAPES if name.split("/")[0] not in ("meta-llama", "google")]
    assert {tokenizer_family(name) for name in hub} == set(FAMILIES)
    for family in FAMILIES:
        for code in ("en", "bg", "cs", "zh", "de", "fi", "fr", "ru", "es"):
            assert 0.1 < (tokens_per_byte(family, code) or 0) < 1.01
            assert code in DATA_SETS["hf:pinzhenchen/alpaca-cleaned-{language}"].byte_ratio


@pytest.mark.data
@pytest.mark.parametrize("family", ["pythia", "openllama"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("max_length", [256, 512])
def test_real_rows_are_as_long_as_estimated(
    family: str, language: str, max_length: int, data_folder: Path
) -> None:
    from tokenizers import Tokenizer

    (file,) = (data_folder / "tokenizers" / family).glob("*tokenizer.json")
    tokenizer, template = Tokenizer.from_file(str(file)), TEMPLATES["alpaca"]
    rows = json.loads((data_folder / f"instructions/alpaca.{language}.json").read_text())
    texts = [template.render(row["instruction"], row["input"]) + row["output"] for row in rows]
    counted = [
        min(max_length, len(encoding.ids) + 1)
        for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)
    ]
    sizes = [
        (len((row["instruction"] + row["input"] + row["output"]).encode()), bool(row["input"]))
        for row in rows
    ]
    found = estimated_tokens(
        sizes, family=family, language=language, template=template, max_length=max_length
    )
    assert found == pytest.approx(sum(counted) / len(counted), rel=0.05)


@pytest.mark.data
def test_the_table_is_what_the_tokenizer_makes_of_flores(data_folder: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(data_folder / "tokenizers/pythia/20B_tokenizer.json"))
    for code in ("en", "zh"):
        lines = [
            line
            for part in ("dev", "test")
            for line in (data_folder / f"flores/flores-{part}.{code}").read_text().splitlines()
        ]
        tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(lines))
        assert tokens == FAMILIES["pythia"].tokens[code]
        assert byte_ratio("en", code) == pytest.approx(
            sum(len(line.encode()) for line in lines) / 257_386
        )
