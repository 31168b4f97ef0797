"""How many requests served judges will get, and what they cost at most."""

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


def judging_notes(study: Study, responses: int) -> list[str]:
    """A sentence on each judge: its requests and, where its prices are known, their cost.

    The cost assumes responses and verdicts of full length, in tokens of the answering model, so
    it is seldom reached; languages that a judge's tokenizer splits finely may exceed it.
    """
    notes = []
    for judge in judges(study).values():
        if not isinstance(judge, LlmJudgeSettings):
            continue
        what = f"{judge.model} judges {responses:,} responses"
        what += f", {judge.votes} times each" if judge.votes > 1 else ""
        notes.append(what + _cost(study, judge, judge.prompt, responses * judge.votes, 1))
        if judge is study.judge and (compared := pairs(study)):
            # Prompts are parallel: a pair has its share of the responses in each language.
            tested = sum(len(system.languages) for system in systems(study))
            requests = 2 * round(responses * sum(len(pair.systems) for pair in compared) / tested)
            prompt = judge.pairwise.prompt if judge.pairwise else ""
            what = f"{judge.model} compares {len(compared)} pairs of recipes, {requests:,} requests"
            notes.append(what + _cost(study, judge, prompt, requests, 2))
    return notes


def _cost(study: Study, judge: LlmJudgeSettings, prompt: str, requests: int, responses: int) -> str:
    if judge.price_input is None or judge.price_output is None:
        return "; set `price_input` and `price_output` of the judge to estimate the cost"
    prompt_tokens = _length(prompt) / _CHARACTERS_A_TOKEN
    tokens = prompt_tokens + _INSTRUCTION_TOKENS + responses * study.generate.max_new_tokens
    money = requests * (tokens * judge.price_input + judge.max_tokens * judge.price_output) / 1e6
    limit = f"; it stops at {judge.money_limit:g}" if judge.money_limit is not None else ""
    return f", for about {money:,.2f} if all texts are of maximum length{limit}"


def _length(prompt: str) -> int:
    """Characters of a judge's prompt without its slots; of the longest where there are several."""
    from polypaca.judging.prompts import load_prompt

    name = "pairwise" if prompt == "default" else prompt
    return max(len(text) for text in load_prompt(name, ()).texts.values())
