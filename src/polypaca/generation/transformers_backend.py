"""Answer prompts with a Transformers model: batched by length, padded on the left.

The decoding is Transformers' `generate`. What is ours: prompts are read once and not once a beam,
with little padding (`prefill`), keys and values are written in place (`cache`), n-grams are looked
up at once (`ngrams`), rows end at the template's stop strings and leave the batch (`stopping`), and
adapters are mixed in a batch (`adapters`).
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError
from polypaca.generation.batching import pad_left
from polypaca.generation.contract import Answer, Decoding
from polypaca.generation.generation_config import use_generation_config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import torch

    from polypaca.generation.adapters import Adapters
    from polypaca.generation.contract import FinishReason

_log = logging.getLogger(__name__)


def end_tokens(model: Any, tokenizer: Any, ends: Sequence[int] = ()) -> list[int]:
    """Ids of the tokens that end an answer: the tokenizer's, the model's own, and the template's.

    A chat model's `generation_config.json` may list several, such as `<|eot_id|>` and
    `<|end_of_text|>`. Of these only tokens count that the tokenizer knows as special.
    """
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    special = set(tokenizer.all_special_ids)
    special |= {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return sorted({tokenizer.eos_token_id, *ends, *(token for token in listed if token in special)})


def answer_batch(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Sequence[int]],
    decoding: Decoding,
    *,
    adapters: Adapters | None = None,
    names: Sequence[str | None] = (),
    stop: str | Sequence[str] = (),
    ends: Sequence[int] = (),
    seed: int = 0,
) -> list[Answer]:
    """Generate the answers to the prompts of one batch, in their order.

    In float32 and without sampling the answers are those of one prompt at a time. In half precision
    rounding differs with the batch's shape, and answers with it. What is sampled depends on the
    seed, the rows and the machine. If memory does not suffice, the batch is halved.

    Args:
        model: a causal language model of Transformers.
        tokenizer: its tokenizer.
        rows: token ids of the prompts, as `encode` gives them.
        decoding: how to decode.
        adapters: what `with_adapters` gave; None without.
        names: with adapters, the one for each row, None for the base alone.
        stop: strings that end an answer in the prompt's template. Rows that write one end there
            unless there are beams, which it would let win that otherwise lose.
        ends: ids of the tokens that end an answer in the prompt's template.
        seed: for sampling: a different one for each batch.

    Raises:
        StageError: if memory does not suffice for one prompt alone.
    """
    if not rows:
        return []
    stop = (stop,) if isinstance(stop, str) else tuple(stop)
    ends_of_all = end_tokens(model, tokenizer, ends)
    batch = _Batch(rows, decoding, adapters, names, stop, ends_of_all)
    try:
        return _answer(model, tokenizer, batch, seed)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
    # After the handler, whose error keeps all tensors alive.
    _free_memory()
    if len(rows) == 1:
        raise StageError(
            f"out of memory for a single prompt of {len(rows[0])} tokens with "
            f"{decoding.num_beams} beams and {decoding.max_new_tokens} new tokens: lower "
            "num_beams or max_new_tokens"
        )
    half = (len(rows) + 1) // 2
    _log.warning("out of memory for %d prompts at a time: trying %d", len(rows), half)
    answers: list[Answer] = []
    for part in (slice(0, half), slice(half, None)):
        answers += answer_batch(
            model, tokenizer, rows[part], decoding, adapters=adapters, names=names[part],
            stop=stop, ends=ends, seed=seed + len(answers),
        )  # fmt: skip
    return answers


@dataclass(frozen=True)
class _Batch:
    """The arguments of `answer_batch`; `ends` are all tokens that end an answer."""

    rows: Sequence[Sequence[int]]
    decoding: Decoding
    adapters: Adapters | None
    names: Sequence[str | None]
    stop: Sequence[str]
    ends: list[int]

    def on_rows(self, places: Sequence[int]) -> AbstractContextManager[None]:
        """Let the model's adapters be those of these rows."""
        if self.adapters is None:
            return nullcontext()
        return self.adapters.on_rows([self.names[place] for place in places])


def _answer(model: Any, tokenizer: Any, batch: _Batch, seed: int) -> list[Answer]:
    import torch

    model.eval()
    seeded = torch.random.fork_rng([model.device] if model.device.type == "cuda" else [])
    with torch.inference_mode(), seeded:
        torch.manual_seed(seed)
        decoded = _decode(model, tokenizer, batch)
    return [_cut(tokenizer, tokens, batch.ends, batch.stop) for tokens in decoded]


def _decode(model: Any, tokenizer: Any, batch: _Batch) -> list[list[int]]:
    """Each row's new tokens; anything may follow an end token."""
    import torch

    from polypaca.generation.cache import expand_for_beams, supports_row_removal
    from polypaca.generation.prefill import prefill_prompts
    from polypaca.generation.stopping import EnoughFinished, StopStrings

    decoding, ends = batch.decoding, torch.tensor(batch.ends, device=model.device)
    ids, mask = (part.to(model.device) for part in pad_left(batch.rows))
    width, left = ids.shape[1], decoding.max_new_tokens
    cache: Any = prefill_prompts(model, batch.rows, batch.on_rows)
    if cache is not None:
        cache = expand_for_beams(cache, decoding.num_beams, left + 1)
    may_leave = decoding.num_beams == 1 and supports_row_removal(cache)
    decoded: list[list[int]] = [[] for _ in batch.rows]
    live = list(range(len(batch.rows)))
    # Not with beams: to end one early makes another win.
    stops = bool(batch.stop) and decoding.num_beams == 1
    while live and left:
        config = _config(decoding.model_copy(update={"max_new_tokens": left}), batch.ends)
        stop_at = StopStrings(tokenizer, batch.stop, width) if stops else None
        ended = EnoughFinished(ends, stop_at)
        with batch.on_rows(live), use_generation_config(model, config):
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=config,
                logits_processor=_processors(decoding, mask),
                stopping_criteria=_criteria(ended if may_leave else stop_at),
                **({} if cache is None else {"cache": cache}),
            )
        for row, tokens in zip(live, output[:, ids.shape[1] :].tolist(), strict=True):
            decoded[row] += tokens
        if not may_leave:
            break
        left -= output.shape[1] - ids.shape[1]
        staying = (~ended.ended).nonzero().flatten()
        cache.batch_select_indices(staying)
        live = [live[place] for place in staying.tolist()]
        ids = output[staying]
        mask = torch.nn.functional.pad(mask[staying], (0, ids.shape[1] - mask.shape[1]), value=1)
    return decoded


def _criteria(criterion: Any) -> Any:
    from transformers import StoppingCriteriaList

    return StoppingCriteriaList([] if criterion is None else [criterion])


def _processors(decoding: Decoding, mask: torch.Tensor) -> Any:
    from transformers import LogitsProcessorList

    from polypaca.generation.ngrams import NoRepeatedNgrams

    processors = LogitsProcessorList()
    if decoding.no_repeat_ngram_size:
        padding = (mask == 0).sum(dim=1)
        processors.append(NoRepeatedNgrams(decoding.no_repeat_ngram_size, padding))
    return processors


def _config(decoding: Decoding, ends: list[int]) -> Any:
    from transformers import GenerationConfig

    sampling = {}
    if decoding.temperature > 0:
        sampling = {
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "top_k": decoding.top_k,
        }
    if decoding.num_beams > 1:
        sampling["length_penalty"] = decoding.length_penalty
    return GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=decoding.max_new_tokens,
        num_beams=decoding.num_beams,
        repetition_penalty=decoding.repetition_penalty,
        do_sample=decoding.temperature > 0,
        pad_token_id=ends[0],
        eos_token_id=ends,
        **sampling,
    )


def _cut(tokenizer: Any, tokens: list[int], ends: list[int], stop: Sequence[str]) -> Answer:
    end = next((place for place, token in enumerate(tokens) if token in ends), None)
    kept = tokens[:end]
    text = tokenizer.decode(kept, skip_special_tokens=True)
    ended = end is not None or any(string in text for string in stop)
    reason: FinishReason = "stop" if ended else "length"
    return Answer(text, reason, tuple(kept))


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error)


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
