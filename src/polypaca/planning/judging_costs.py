"""What served judges will be asked, and what that costs at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.judging.llm import LlmJudgeSettings
from polypaca.study.grid import judges, pairs, systems

if TYPE_CHECKING:
    from polypaca.study import Study

# A judge's prompt in its own tokens; English text has about four characters a token
# (help.openai.com, "What are tokens and how to count them?"). The instruction is allowed as much as
# the longest of the paper's 50 prompts has in English, about 100 tokens.
_CHARACTERS_A_TOKEN = 4
_INSTRUCTION_TOKENS = 100


def judging(study: Study, responses: int) -> list[str]:
    """A sentence on each judge: how often it is asked and, where its prices are known, for what.

    The cost supposes answers and judgements of full length, in tokens of the answering model, so
    that it is seldom reached; languages that a judge's tokenizer cuts finely may pass it.
    """
    notes = []
    for judge in judges(study).values():
        if not isinstance(judge, LlmJudgeSettings):
            continue
        questions = responses * judge.votes
        what = f"{judge.model} judges {responses:,} responses"
        what += f", {judge.votes} times each" if judge.votes > 1 else ""
        notes.append(what + _cost(study, judge, judge.prompt, questions, 1))
        if judge is study.judge and (compared := pairs(study)):
            # Prompts are parallel: a pair has its share of the responses in each language.
            tested = sum(len(system.languages) for system in systems(study))
            asked = 2 * round(responses * sum(len(pair.systems) for pair in compared) / tested)
            prompt = judge.pairwise.prompt if judge.pairwise else ""
            what = f"{judge.model} compares {len(compared)} pairs of recipes, {asked:,} questions"
            notes.append(what + _cost(study, judge, prompt, asked, 2))
    return notes


def _cost(study: Study, judge: LlmJudgeSettings, prompt: str, questions: int, answers: int) -> str:
    if judge.price_input is None or judge.price_output is None:
        return "; its price is not counted (`price_input`, `price_output`)"
    own = _length(prompt) / _CHARACTERS_A_TOKEN
    read = own + _INSTRUCTION_TOKENS + answers * study.generate.max_new_tokens
    money = questions * (read * judge.price_input + judge.max_tokens * judge.price_output) / 1e6
    limit = f"; it stops at {judge.money_limit:g}" if judge.money_limit is not None else ""
    return f", for about {money:,.2f} if all is as long as it may be{limit}"


def _length(prompt: str) -> int:
    """Characters of a judge's prompt without what is filled in: those of the longest of several."""
    from polypaca.judging.prompts import load_prompt

    name = "pairwise" if prompt == "default" else prompt
    return max(len(text) for text in load_prompt(name, ()).texts.values())
