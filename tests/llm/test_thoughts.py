from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.records import FinishReason, Response
from polypaca.llm.thoughts import (
    SplitReply,
    has_unopened_close,
    opens_thoughts,
    split_thoughts,
    strip_thoughts,
)

PAIRS = [
    ("<think>", "</think>"),
    ("<THINK>", "</THINK>"),
    ("<thinking>", "</thinking>"),
    ("<Thinking >", "</ thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<unused94>thought\n", "<unused95>"),
]
PAIR = st.sampled_from(PAIRS)
# Words that hold no mark, nor what makes a mark one that is spoken of.
WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="<>[]&|◁▷＜＞`'\"“”‘’„«»「」~"), max_size=40
)
ANSWER = WORDS.map(str.strip).filter(lambda text: bool(text) and not text.startswith("analysis"))


@given(PAIR, WORDS, ANSWER)
def test_what_stands_between_the_marks_of_any_family_is_no_word_of_the_answer(
    pair: tuple[str, str], thought: str, answer: str
) -> None:
    opening, closing = pair
    assert split_thoughts(f"{opening}{thought}{closing}{answer}").text == answer
    assert split_thoughts(f"\n{opening}\n{thought}\n{closing}\n\n{answer}\n").text == answer
    assert not split_thoughts(f"{opening}{thought}{closing}{answer}").unfinished


@given(PAIR, WORDS, ANSWER)
def test_the_template_may_have_written_the_opening_mark(
    pair: tuple[str, str], thought: str, answer: str
) -> None:
    assert split_thoughts(f"{thought}{pair[1]}{answer}") == SplitReply(answer, thought.strip())


@given(PAIR, WORDS, WORDS, ANSWER)
def test_of_two_closings_the_last_ends_the_thoughts(
    pair: tuple[str, str], first: str, second: str, answer: str
) -> None:
    opening, closing = pair
    assert split_thoughts(f"{opening}{first}{closing}{second}{closing}{answer}").text == answer
    assert split_thoughts(f"{first}{closing}{second}{closing}{answer}").text == answer


@given(PAIR, WORDS, WORDS, WORDS, ANSWER)
def test_thoughts_may_be_nested_or_mention_an_opening_mark(
    pair: tuple[str, str], a: str, b: str, c: str, answer: str
) -> None:
    opening, closing = pair
    assert split_thoughts(f"{opening}{a}{opening}{b}{closing}{c}{closing}{answer}").text == answer
    assert split_thoughts(f"{opening}{a}{opening}{b}{closing}{answer}").text == answer


@given(PAIR, PAIR, WORDS, ANSWER, ANSWER)
def test_thoughts_may_stand_in_several_places(
    one: tuple[str, str], other: tuple[str, str], thought: str, first: str, second: str
) -> None:
    text = f"{one[0]}{thought}{one[1]}\n{first}\n{other[0]}{thought}{other[1]}\n{second}"
    assert split_thoughts(text).text.split() == [*first.split(), *second.split()]


@given(PAIR, WORDS, WORDS)
def test_an_end_within_the_thoughts_is_no_answer(
    pair: tuple[str, str], thought: str, before: str
) -> None:
    opening, closing = pair
    assert split_thoughts(f"{opening}{thought}").unfinished
    assert split_thoughts(f"{opening}{thought}").text == ""
    assert split_thoughts(f"{opening}{thought}{closing}{before}\n{opening}{thought}").unfinished
    assert split_thoughts(f"{before} {opening}{thought}", truncated=True).unfinished


@given(WORDS)
def test_without_marks_a_reply_is_left_as_it_is(text: str) -> None:
    assert split_thoughts(text) == split_thoughts(text, truncated=True) == SplitReply(text)


@pytest.mark.parametrize(
    "text",
    [
        "It writes <think>, so [[2]]",
        "Use `<think>` and `</think>`.",
        'The tags are "<think>" and "</think>".',
        "An example:\n```xml\n<think>\nx\n</think>\n```\nThat is all.",
        "I think </b> therefore <i>am</i>.",
        "Think [again], reasoning is hard.",
        "analysis of the assistantfinal word",
    ],
)
def test_marks_that_are_spoken_of_stay(text: str) -> None:
    assert split_thoughts(text) == SplitReply(text)


def test_a_quoted_mark_within_thoughts_ends_nothing() -> None:
    text = "<think>I must close with `</think>`. So [[1]]?</think>[[2]]"
    assert split_thoughts(text).text == "[[2]]"


HARMONY = "<|channel|>analysis<|message|>Is it [[1]]?<|end|><|start|>assistant"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"{HARMONY}<|channel|>final<|message|>It is [[2]].<|return|>", "It is [[2]]."),
        (f"<|start|>assistant{HARMONY}<|channel|>final<|message|>It is [[2]].", "It is [[2]]."),
        (
            f"{HARMONY}<|channel|>commentary to=f <|constrain|>json<|message|>x<|call|>"
            "<|start|>assistant<|CHANNEL|>final<|message|>It is [[2]].",
            "It is [[2]].",
        ),
        ("Is it?<|end|><|start|>assistant<|channel|>final<|message|>Yes", "Yes"),
        ("analysisThe user asks.assistantfinalYes, it is.", "Yes, it is."),
    ],
)
def test_of_channels_the_final_one_is_spoken(text: str, answer: str) -> None:
    assert split_thoughts(text).text == answer
    assert not split_thoughts(text).unfinished


@pytest.mark.parametrize(
    "text", ["<|channel|>analysis<|message|>Is it [[1]]?", HARMONY, "analysisThe user asks"]
)
def test_channels_without_a_final_one_hold_no_answer(text: str) -> None:
    assert split_thoughts(text).text == ""
    assert split_thoughts(text).unfinished


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>x</think>\n<answer>\nYes\n</answer>", "Yes"),
        ("<think>x</think><answer>Yes, but", "Yes, but"),
        (
            "<|begin_of_thought|>x<|end_of_thought|>\n<|begin_of_solution|>Yes<|end_of_solution|>",
            "Yes",
        ),
        ("<answer>Yes</answer>", "<answer>Yes</answer>"),
    ],
)
def test_a_wrapper_of_the_answer_goes_with_the_thoughts_alone(text: str, answer: str) -> None:
    assert split_thoughts(text).text == answer


def test_a_prompt_that_opens_thoughts_makes_a_reply_without_a_closing_none() -> None:
    assert opens_thoughts("<|Assistant|><think>\n")
    assert not opens_thoughts("<think>x</think>\n\n")
    assert not opens_thoughts("Explain <think> to me.")
    assert split_thoughts("So let me weigh", opened=True) == SplitReply("", "So let me weigh", True)
    assert split_thoughts("So</think>Yes", opened=True) == SplitReply("Yes", "So")


def test_other_replies_tell_of_a_template_that_opens_thoughts() -> None:
    assert has_unopened_close(["No.", "So</think>Yes"])
    assert not has_unopened_close(["No.", "<think>So</think>Yes", "It ends with `</think>`."])


def test_of_a_systems_answers_those_that_end_within_thoughts_are_none() -> None:
    def answer(text: str, reason: FinishReason) -> Response:
        return Response(
            system="s", prompt_id="1", language="en", response=text, finish_reason=reason
        )

    given = [
        answer("Yes.", "stop"),
        answer("<think>Hm.</think>Yes.", "length"),
        answer("<think>Hm, let", "length"),
        answer("<think>\n\n</think>\n\nYes.", "stop"),
    ]
    told = strip_thoughts(given)
    assert [each.response for each in told.answers] == ["Yes."] * 3
    assert (told.unfinished, told.thoughts) == (1, 1)
    assert told.summary == "; thoughts left out of 1"
    assert strip_thoughts(
        [answer("Hm.</think>Yes.", "stop"), answer("Hm", "length")], opened=True
    ) == strip_thoughts([answer("<think>Hm.</think>Yes.", "stop"), answer("<think>Hm", "length")])
