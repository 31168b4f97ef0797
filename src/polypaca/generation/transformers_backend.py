"""Answer prompts with a Transformers model: batched by length, padded on the left.

The decoding is Transformers' `generate`. What is ours: prompts are read once and not once a beam,
keys and values are written in place (`cache`), n-grams are looked up at once (`ngrams`), rows end
at the template's stop strings (`stopping`), and adapters are mixed in a batch (`adapters`).
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError
from polypaca.generation.batching import pad_left
from polypaca.generation.contract import Answer, Decoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from polypaca.generation.adapters import Adapters
    from polypaca.generation.contract import FinishReason

_log = logging.getLogger(__name__)


def end_tokens(model: Any, tokenizer: Any, ends: Sequence[int] = ()) -> list[int]:
    """Ids of the tokens that end an answer: the tokenizer's, the model's own, and the template's.

    A chat model's `generation_config.json` may list several, such as `<|eot_id|>` and
    `<|end_of_text|>`. Of these only tokens count that the tokenizer knows as special.
    """
    own = model.generation_config.eos_token_id
    listed = own if isinstance(own, list) else [own]
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
    """Continue the prompts of one batch; answers come in their order.

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
    try:
        return _answer(model, tokenizer, rows, decoding, adapters, names, stop, ends, seed)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
    # After the handler, whose error keeps all tensors alive.
    _free_memory()
    if len(rows) == 1:
        raise StageError(
            f"memory does not suffice for one prompt of {len(rows[0])} tokens with "
            f"{decoding.num_beams} beams and {decoding.max_new_tokens} new tokens: lower them"
        )
    half = (len(rows) + 1) // 2
    _log.warning("memory does not suffice for %d prompts at a time: now %d", len(rows), half)
    answers: list[Answer] = []
    for part in (slice(0, half), slice(half, None)):
        answers += answer_batch(
            model, tokenizer, rows[part], decoding, adapters=adapters, names=names[part],
            stop=stop, ends=ends, seed=seed + len(answers),
        )  # fmt: skip
    return answers


def _answer(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Sequence[int]],
    decoding: Decoding,
    adapters: Adapters | None,
    names: Sequence[str | None],
    stop: Sequence[str],
    end_ids: Sequence[int],
    seed: int,
) -> list[Answer]:
    import torch
    from transformers import LogitsProcessorList, StoppingCriteriaList

    from polypaca.generation.ngrams import NoRepeatedNgrams
    from polypaca.generation.stopping import StopAt

    ends = end_tokens(model, tokenizer, end_ids)
    # Padding is masked and finished rows are cut, so any token will do.
    ids, mask = (part.to(model.device) for part in pad_left(rows, ends[0]))
    width = ids.shape[1]
    config = _config(decoding, ends)
    processors = LogitsProcessorList()
    if decoding.no_repeat_ngram_size:
        padding = width - mask.sum(dim=1)
        processors.append(NoRepeatedNgrams(decoding.no_repeat_ngram_size, padding))
    criteria = StoppingCriteriaList()
    if stop and decoding.num_beams == 1:
        criteria.append(StopAt(tokenizer, stop, width))
    model.eval()
    own = adapters.on_rows(names) if adapters else nullcontext()
    seeded = torch.random.fork_rng([model.device] if model.device.type == "cuda" else [])
    with torch.inference_mode(), own, seeded, _settings(model, config):
        torch.manual_seed(seed)
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=config,
            logits_processor=processors,
            stopping_criteria=criteria,
            **_read(model, ids, mask, decoding),
        )
    return [_cut(tokenizer, tokens, ends, stop) for tokens in output[:, width:].tolist()]


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


@contextmanager
def _settings(model: Any, config: Any) -> Iterator[None]:
    """Put the model's own generation settings aside: they would fill in what ours leave open."""
    own, model.generation_config = model.generation_config, config
    try:
        yield
    finally:
        model.generation_config = own


def _read(model: Any, ids: torch.Tensor, mask: torch.Tensor, decoding: Decoding) -> dict[str, Any]:
    """Keys and values of all but the prompts' last tokens, which `generate` reads itself.

    Without, it would read each prompt once a beam.
    """
    from transformers import DynamicCache, GenerationConfig

    from polypaca.generation.cache import for_beams

    if ids.shape[1] == 1:
        return {}
    # No padding token: rows of one token are nothing but padding here, which would be warned of.
    once = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=1, do_sample=False, return_dict_in_generate=True
    )
    with _settings(model, once):
        read = model.generate(
            input_ids=ids[:, :-1], attention_mask=mask[:, :-1], generation_config=once
        )
    cache = getattr(read, "cache", None)
    if not isinstance(cache, DynamicCache):
        return {}
    return {"cache": for_beams(cache, decoding.num_beams, decoding.max_new_tokens + 1)}


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
