"""Training rows that hold a test prompt, in any of its languages.

An index is built once from the test prompts, which are few; rows then pass it one by one. What it
cannot see is a test prompt in other words, or in a language that the prompts do not have.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from polypaca.core.errors import DataError
from polypaca.data.normalisation import split_tokens, tokens_per_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from polypaca.core.records import Prompt

MatchKind = Literal["exact", "contained", "overlap"]
Gram = tuple[str, ...]

# As with Tulu 3 (arXiv 2411.15124, github.com/allenai/open-instruct, decontamination): a token of
# a prompt counts as found if it stands in an n-gram of 8 words that one training row has too, and
# half of the tokens are a match. GPT-3 took 13 words, for long texts (arXiv 2005.14165, appendix
# C); the median prompt of an instruction test has hardly more than that.
NGRAM_WORDS = 8
THRESHOLD = 0.5

# A prompt of fewer words is too common a phrase to be looked for inside other texts.
MIN_WORDS = 5


@dataclass(frozen=True)
class PromptMatch:
    """A test prompt in a training row.

    Attributes:
        prompt_id: of the test prompt.
        language: the test prompt's, which need not be the row's.
        kind: `exact`: the instruction, the input or both together are the prompt; `contained`: the
            whole prompt stands inside the row; `overlap`: a large part of it does.
        share: of the prompt's tokens that the row has in common n-grams with it, in 0..1.
    """

    prompt_id: str
    language: str
    kind: MatchKind
    share: float


@dataclass(frozen=True)
class ContaminationIndex:
    """Test prompts, ready to be looked for. Made by `index_prompts`.

    Attributes:
        prompts: id, language and tokens of each.
        exact: the place in `prompts` of the first with these tokens.
        grams: by n, for each n-gram, the prompts and the positions in them where it starts; prompts
            that are too short to be looked for inside other texts have none.
        threshold: the share of a prompt from which on an overlap is a match.
    """

    prompts: Sequence[tuple[str, str, Gram]]
    exact: Mapping[Gram, int]
    grams: Mapping[int, Mapping[Gram, Sequence[tuple[int, int]]]]
    threshold: float


def index_prompts(
    prompts: Iterable[Prompt], n: int = NGRAM_WORDS, threshold: float = THRESHOLD
) -> ContaminationIndex:
    """Make the index of test prompts, of one language or several.

    Args:
        prompts: where several match a row equally well, the first of them is reported.
        n: length of n-grams in words, at least 1; in scripts without spaces as many characters as
            make up so many words. A shorter prompt is one n-gram.
        threshold: the share of a prompt's tokens, above 0 and at most 1, that must be found.

    Raises:
        DataError: if `n` or `threshold` is out of its range.
    """
    if n < 1 or not 0 < threshold <= 1:
        raise DataError(
            f"n-grams of {n} words and a threshold of {threshold:g} cannot match anything",
            hint="n must be at least 1, and the threshold above 0 and at most 1",
        )
    indexed: list[tuple[str, str, Gram]] = []
    exact: dict[Gram, int] = {}
    grams: dict[int, dict[Gram, list[tuple[int, int]]]] = {}
    for prompt in prompts:
        words = tuple(split_tokens(prompt.prompt))
        if not words:
            continue  # nothing but punctuation: there is nothing to be recognised by
        number = len(indexed)
        a_word = tokens_per_word(words)
        indexed.append((prompt.id, prompt.language, words))
        exact.setdefault(words, number)
        if len(words) < round(min(n, MIN_WORDS) * a_word):
            continue
        length = min(round(n * a_word), len(words))
        of_length = grams.setdefault(length, {})
        for start, gram in enumerate(_grams(words, length)):
            of_length.setdefault(gram, []).append((number, start))
    return ContaminationIndex(indexed, exact, grams, threshold)


def find_match(
    index: ContaminationIndex, instruction: str, context: str, output: str
) -> PromptMatch | None:
    """The test prompt that a training row holds the most of, or None.

    Exact matches come before contained ones, and these before overlaps, the largest share first.
    Instruction and input are read as one text, the output as another.

    Args:
        index: the test prompts.
        instruction: the row's instruction.
        context: the row's input; may be empty.
        output: the row's output: a test prompt in it counts as contained, even if it is all.
    """
    instruction_tokens, input_tokens = split_tokens(instruction), split_tokens(context)
    task, answer = [*instruction_tokens, *input_tokens], split_tokens(output)
    same = [
        index.exact[key]
        for key in map(tuple, (task, instruction_tokens, input_tokens))
        if key in index.exact
    ]
    if same:
        prompt_id, language, _ = index.prompts[min(same)]
        return PromptMatch(prompt_id, language, "exact", 1.0)
    covered = _covered(index, (task, answer))
    shares = {number: len(at) / len(index.prompts[number][2]) for number, at in covered.items()}
    enough = [number for number, share in shares.items() if share >= index.threshold]
    if not enough:
        return None
    whole = [number for number in enough if _holds((task, answer), index.prompts[number][2])]
    best = min(whole or enough, key=lambda number: (-shares[number], number))
    prompt_id, language, _ = index.prompts[best]
    return PromptMatch(prompt_id, language, "contained" if whole else "overlap", shares[best])


def _covered(index: ContaminationIndex, texts: Iterable[Sequence[str]]) -> dict[int, set[int]]:
    """By prompt, the positions in it that stand in an n-gram of one of the texts."""
    covered: dict[int, set[int]] = {}
    for text, (length, known) in itertools.product(texts, index.grams.items()):
        # Most rows share nothing with any prompt: one pass, without keeping the n-grams.
        if known.keys().isdisjoint(_grams(text, length)):
            continue
        for number, start in (at for gram in _grams(text, length) for at in known.get(gram, ())):
            covered.setdefault(number, set()).update(range(start, start + length))
    return covered


def _holds(texts: Iterable[Sequence[str]], prompt: Gram) -> bool:
    """Whether the whole prompt stands in one of the texts."""
    return any(prompt in _grams(text, len(prompt)) for text in texts)


def _grams(text: Sequence[str], length: int) -> Iterable[Gram]:
    return zip(*(text[start:] for start in range(length)), strict=False)
