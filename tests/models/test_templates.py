from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from tokenizers import AddedToken

from polypaca.core.errors import UserError
from polypaca.models.loading import load_tokenizer
from polypaca.models.templates import TEMPLATES, load_template


@pytest.mark.data
def test_the_alpaca_template_is_quoted_to_the_letter(data_folder: Path) -> None:
    published = json.loads((data_folder.parent / "paper" / "alpaca_template.json").read_text())
    assert TEMPLATES["alpaca"].with_input == published["prompt_input"]
    assert TEMPLATES["alpaca"].without_input == published["prompt_no_input"]


def test_rendering_puts_texts_in_as_they_are() -> None:
    text = TEMPLATES["alpaca"].render("Say {input} and {instruction}.", "{instruction} {0}")
    assert "### Instruction:\nSay {input} and {instruction}.\n\n" in text
    assert "### Input:\n{instruction} {0}\n\n### Response:\n" in text
    assert "### Input:" not in TEMPLATES["alpaca"].render("Say hello.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" An answer.\n", "An answer."),
        ("An answer.\n\n### Instruction:\nAnother", "An answer."),
        ("# Title\n## Section\n#### deep", "# Title\n## Section\n#### deep"),
        ("### Look\nRed.\n\n### Use\nPlay.", "### Look\nRed.\n\n### Use\nPlay."),
        ("\n### Input\nis a heading of its own", "### Input\nis a heading of its own"),
        ("Text.\n\n### Response:\nMore\n\n### Instruction:\nNo", "Text."),
        ("\n### Input:\nnothing before", ""),
    ],
)
def test_an_answer_ends_where_the_next_section_begins(text: str, expected: str) -> None:
    assert TEMPLATES["alpaca"].cut(text) == expected


def test_the_template_of_full_fine_tuning_ends_without_a_newline() -> None:
    for name in ("with_input", "without_input"):
        whole = getattr(TEMPLATES["alpaca"], name)
        assert getattr(TEMPLATES["alpaca-no-newline"], name) + "\n" == whole


# Forms of well-known chat templates: ChatML with a thinking block as Qwen3's, Llama 2's, Zephyr's.
CHATS = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}</s>\n{% endfor %}",
    "llama2": "{% for m in messages %}{% if m.role == 'user' %}<s>[INST] {{ m.content.strip() }} "
    "[/INST]{% else %} {{ m.content }} </s>{% endif %}{% endfor %}",
    "zephyr": "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}\n{% endfor %}",
}


@pytest.mark.parametrize("name", CHATS)
def test_a_chat_template_is_the_text_around_the_messages(name: str, tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    tokenizer.chat_template = CHATS[name]
    try:
        template = load_template("chat", tokenizer)
        messages = [
            {"role": "user", "content": "Say {input}."},
            {"role": "assistant", "content": "Hello."},
        ]
        whole = tokenizer.apply_chat_template(messages, tokenize=False)
        rendered = template.render("Say {input}.") + "Hello." + template.closing
        # What a template puts behind the end of the answer is for the turn that follows.
        assert rendered.startswith(whole.rstrip("\n")) or whole.startswith(rendered)
        assert template.closing.endswith("</s>")
        assert template.closing.count("</s>") == 1
        assert not template.special_tokens
        assert "Say {input}.\n\nthis" in template.render("Say {input}.", "this")
        assert template.cut(" Hello.\n### more") == "Hello.\n### more"
    finally:
        tokenizer.chat_template = None


def test_a_model_without_a_chat_template_says_so(tokenizer_file: Path) -> None:
    with pytest.raises(UserError, match="no chat template"):
        load_template("chat", load_tokenizer(tokenizer_file))


def test_a_chat_template_that_changes_the_messages_is_refused(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    tokenizer.chat_template = "{% for m in messages %}{{ m.content | lower }}{% endfor %}"
    try:
        with pytest.raises(UserError, match="changes the messages"):
            load_template("chat", tokenizer)
    finally:
        tokenizer.chat_template = None


TURNS = {
    # template: (tokens that end an answer, texts that do)
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}": (
        ("<|im_end|>",), (),
    ),
    "{% for m in messages %}{% if m.role == 'user' %}USER: {{ m.content }} {% else %}"
    "ASSISTANT: {{ m.content }}</s>{% endif %}{% endfor %}": (("</s>",), ()),
    # Marks that the tokenizer has not: the text of the turn that follows.
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}\n{% endfor %}": (
        (), ("\n<|user|>",),
    ),
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}[end]\n{% endfor %}": ((), ("[end]",)),
    "{% for m in messages %}{% if m.role == 'user' %}### Human: {{ m.content }}\n{% else %}"
    "### Assistant: {{ m.content }}\n{% endif %}{% endfor %}": ((), ("\n### Human:",)),
    # Some allow no second question; their answers end with the sequence.
    "{% if messages | length > 2 %}{{ raise_exception('one') }}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.content }}\n{% endfor %}": ((), ()),
}  # fmt: skip


@pytest.mark.parametrize("chat", TURNS)
def test_a_chat_template_knows_how_an_answer_ends(chat: str, tokenizer_file: Path) -> None:
    # A copy, since the marks of turns become special tokens of it.
    tokenizer = copy.deepcopy(load_tokenizer(tokenizer_file))
    tokenizer.add_tokens([AddedToken("<|im_start|>"), AddedToken("<|im_end|>")])
    tokenizer.chat_template = chat
    template = load_template("chat", tokenizer)
    assert (template.ends, template.stop) == TURNS[chat]
    for mark in template.ends:
        number = tokenizer.convert_tokens_to_ids(mark)
        assert tokenizer.added_tokens_decoder[number].special
        assert tokenizer.decode([number], skip_special_tokens=True) == ""


def test_todays_date_is_the_same_on_every_day(tokenizer_file: Path) -> None:
    tokenizer = copy.deepcopy(load_tokenizer(tokenizer_file))
    chat = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    tokenizer.chat_template = chat
    assert load_template("chat", tokenizer).date is None
    tokenizer.chat_template = "It is {{ strftime_now('%A, %-d %B %Y') }}.\n" + chat
    template = load_template("chat", tokenizer)
    assert template.without_input == "It is Friday, 26 July 2024.\nuser: {instruction}\nassistant: "
    assert template.date == "2024-07-26"
