from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from polypaca.core.tokens import Encoder, RenderedPrompt, TokenizedRow
from polypaca.models.templates import TEMPLATES, Template

from .tokenizer_kinds import KINDS, LOSSY, SPECIAL, id_of, tokenizer_of


def _template(before: str, after: str, closing: str) -> Template:
    text = before + "{instruction}" + after
    return Template(text, text, (), closing, special_tokens=False)


WORDINGS = {
    **TEMPLATES,
    "vicuna": _template("<s>USER: ", " ASSISTANT: ", "</s>"),
    "chatml": _template("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"),
    "llama 2": _template("<s>[INST] ", " [/INST] ", " </s>"),
    "no space": _template("[INST]", "[/INST]", "</s>"),
    "words": _template("Question: ", "\nAnswer:\t", "\n\n"),
    "wide": _template("问：", "\n答：\u3000", "</s>"),
    "two spaces": _template("Q: ", "\nA:  ", "\n</s>"),
    "thoughts": _template(
        "<|im_start|>user\n", "<|im_end|>\n<think>\n\n</think>\n\n", "<|im_end|>"
    ),
}
BEGINNINGS = [
    "Purple and green.", "purple", "42 is it.", "我喜欢猫。", "Да.", "السلام", "é", "e\u0301",
    "🙂 yes", '"Quoted"', "(so)", "- one\n- two", "\n\nLate", " spaced", "  twice", "\tTab",
    "```py\nx\n```", ":", "...", "### Look\nRed.", "</s>", "Write <s>word</s> here.",
    "a<|im_end|>\n<|im_start|>b", "", "[INST] no [/INST]", "<unk>", "\u3000wide",
]  # fmt: skip
replies = st.builds(
    "{}{}".format,
    st.sampled_from(BEGINNINGS),
    st.one_of(st.just(""), st.text(st.characters(exclude_categories=["Cs"]), max_size=12)),
)
requests = st.sampled_from(
    ["Say it.", "Name </s> it", "", "Ends in space ", "猫<|im_start|>", "A:\n"]
)


def _row(
    tokenizer: Tokenizer, wording: Template, request: str, reply: str
) -> tuple[TokenizedRow, list[int]]:
    encoder = Encoder(tokenizer, id_of(tokenizer, "</s>"), wording.special_tokens)
    prompt = wording.render(request)
    ((asked, _),) = encoder.prompts([prompt])
    (row,) = encoder.rows([(prompt, reply)], wording.closing)
    return row, asked


def _text_of(row: TokenizedRow, prompt: str, reply: str, tokenizer: Tokenizer) -> str:
    """What the labelled tokens of the response stand for."""
    end = len(prompt) + len(reply)
    ids = [
        token
        for token, (begin, _) in list(zip(row.ids, row.offsets, strict=True))[row.first :]
        if begin < end
    ]
    return tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", WORDINGS)
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(request_=requests, reply=replies)
def test_what_is_asked_for_stands_after_the_tokens_that_stood_before_it_in_training(
    kind: str, name: str, request_: str, reply: str
) -> None:
    tokenizer, wording = tokenizer_of(kind), WORDINGS[name]
    row, asked = _row(tokenizer, wording, request_, reply)
    assert row.ids[: row.first] == asked
    assert not row.special
    prompt = wording.render(request_)
    if kind in LOSSY:
        return
    # Every character of the reply is in a labelled token, and nothing of the prompt but white
    # space at its end is.
    learnt = _text_of(row, prompt, reply, tokenizer)
    assert learnt.rstrip().endswith(reply.rstrip().removeprefix(" "))
    # Some tokenizers put a space of their own before a text.
    most = prompt[len(prompt.rstrip()) :] + reply
    assert most.rstrip().endswith(learnt.rstrip().removeprefix(" "))
    # What users wrote has no special token; what the template wrote is still there.
    special = [id_of(tokenizer, word) for word in SPECIAL[1:]]
    own = [word for word in SPECIAL[1:] for _ in range(_own(wording).count(word))]
    found = [SPECIAL[1 + special.index(token)] for token in row.ids if token in special]
    end = ["</s>"] if wording.closing.endswith("</s>") else []
    beginning = ["<s>"] if wording.special_tokens else []
    assert sorted(found + end) == sorted(own + beginning)


def _own(wording: Template) -> str:
    return wording.without_input + wording.closing


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_is_learnt_with_the_space_before_it(kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    row, asked = _row(tokenizer, WORDINGS["vicuna"], "Name animals.", "The cat.")
    whole = "<s>USER: Name animals. ASSISTANT: The cat.</s>"
    assert [*row.ids, id_of(tokenizer, "</s>")] == tokenizer.encode(
        whole, add_special_tokens=False
    ).ids
    assert tokenizer.decode(asked).rstrip().endswith(":")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_rows_that_nothing_straddles_are_the_tokens_of_their_text(kind: str, name: str) -> None:
    tokenizer = tokenizer_of(kind)
    row, _ = _row(tokenizer, TEMPLATES[name], "Name animals.", "The cat and the dog.")
    text = TEMPLATES[name].render("Name animals.") + "The cat and the dog."
    assert row.ids == tokenizer.encode(text).ids
    assert row.offsets == tokenizer.encode(text).offsets


def test_what_a_user_wrote_is_known_from_what_the_template_wrote() -> None:
    text = TEMPLATES["alpaca"].render("Say {input}.", "{instruction}")
    assert [text[start:end] for start, end in text.user] == ["Say {input}.", "{instruction}"]
    # A text without a template is its author's: what reads special in it is.
    tokenizer = tokenizer_of("byte level")
    end = id_of(tokenizer, "</s>")
    encoder = Encoder(tokenizer, end, special_tokens=False)
    written = list(encoder.prompts(["a</s>b", RenderedPrompt("a</s>b", [(0, 6)])]))
    assert [end in ids for ids, _ in written] == [True, False]


def test_a_tokenizer_that_cannot_keep_text_text_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tokenizer_of("byte level")
    monkeypatch.setattr("polypaca.core.tokens.without_specials", lambda *_: None)
    encoder = Encoder(tokenizer, id_of(tokenizer, "</s>"), special_tokens=False)
    rows = encoder.rows([("Q: ", "all good"), ("Q: ", "<s>struck</s> out")])
    assert [row.special for row in rows] == [False, True]


def test_limits_of_the_tokenizers_file_do_not_count() -> None:
    limited = Tokenizer.from_str(tokenizer_of("llama 3").to_str())
    limited.enable_truncation(3)
    limited.enable_padding(length=50)
    row, _ = _row(limited, WORDINGS["vicuna"], "Name animals.", "The cat.")
    assert row == _row(tokenizer_of("llama 3"), WORDINGS["vicuna"], "Name animals.", "The cat.")[0]
    assert limited.truncation is not None


@pytest.mark.data
@pytest.mark.parametrize("name", WORDINGS)
@pytest.mark.parametrize("folder", ["pythia/20B_tokenizer.json", "openllama", "llama"])
def test_real_tokenizers_learn_what_they_are_asked(
    folder: str, name: str, data_folder: Path
) -> None:
    from polypaca.models.loading import load_tokenizer

    loaded = load_tokenizer(data_folder / "tokenizers" / folder)
    tokenizer, wording = loaded.backend_tokenizer, WORDINGS[name]
    encoder = Encoder(tokenizer, loaded.eos_token_id, wording.special_tokens)
    for request in ("Say it.", "What is </s>?"):
        prompt = wording.render(request)
        ((asked, _),) = encoder.prompts([prompt])
        for reply, row in zip(
            BEGINNINGS, encoder.rows([(prompt, one) for one in BEGINNINGS]), strict=True
        ):
            assert row.ids[: row.first] == asked
            learnt = tokenizer.decode(row.ids[row.first :], skip_special_tokens=False)
            assert learnt.strip() == reply.strip() or "e\u0301" in reply
