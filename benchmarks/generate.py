"""Answering prompts, polypaca beside the paper's loop: python benchmarks/generate.py (minutes).

    python benchmarks/generate.py --threads 2 --json out.json
    python benchmarks/generate.py --only decoding --new-tokens 256
    python benchmarks/generate.py --base FOLDER      real weights; answers then end by themselves
    python benchmarks/generate.py --gpu              Pythia 1.4B's shape on a GPU

A base model of a real shape with random weights, which never end an answer, so that all write as
many tokens; the same real prompts in the Alpaca template; runs take turns.

  paper         arXiv 2309.08958's way: Transformers' own `generate`, one prompt at a time, no
                6-gram twice; in fp32 (on a GPU in bf16)
  stock batch   Transformers' own `generate` on one left-padded batch
  polypaca      polypaca.generation in bf16, on batches of like lengths

The second table has several LoRA adapters of rank 8 on one base, each asked all prompts:

  each in turn  polypaca, an adapter after the other, loaded before the clock starts
  mixed         polypaca, prompts of all adapters in the same batches
  PEFT mixed    PEFT's `adapter_names` and Transformers' own `generate` on those batches

  tokens/s      new ones, in the median run
  x             the first row's seconds over this row's
  spread        the largest difference of two runs, as a share of the median

The third table compares polypaca's tokens in bf16, and in fp32 in a batch, with fp32's one prompt
at a time: how many answers differ, and after how many tokens that are the same (the median).
With random weights likely tokens are nearly as likely as others: real ones differ less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.peers import rows, shapes
from benchmarks.peers.common import versions
from benchmarks.peers.run import device_name

from polypaca.generation.adapters import Adapters, with_adapters
from polypaca.generation.batching import encode, pad_left, plan_batches
from polypaca.generation.contract import Decoding
from polypaca.generation.transformers_backend import answer_batch, end_tokens
from polypaca.models.loading import load_model, load_tokenizer
from polypaca.models.templates import load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Tokens = list[list[int]]

PROMPTS = rows.SHARED / "prompts" / "test_en.jsonl"
RANK = 8


@dataclass(frozen=True)
class Bench:
    """One loaded base, and what it is asked."""

    model: Any
    tokenizer: Any
    prompts: Tokens
    decoding: Decoding
    batch: int


@dataclass
class Timed:
    """One row of a table: what was run, and how long each time."""

    name: str
    dtype: str
    tokens: int
    seconds: list[float]

    @property
    def median(self) -> float:
        """Seconds of the median run."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """The largest difference of two runs, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=sorted(shapes.shapes()))
    parser.add_argument("--base", type=Path, help="a folder with a real model, in place of --shape")
    parser.add_argument("--only", default="decoding,adapters,precision")
    parser.add_argument("--beams", default="4,1", help="of the first two tables; 1 is greedy")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--adapters", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--mixed-batch", type=int, default=64, help="a second size, for `mixed`")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--data", type=Path, default=PROMPTS)
    parser.add_argument("--tokenizer", type=Path, default=rows.TOKENIZER)
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    return parser.parse_args()


def generate(bench: Bench, batch: Tokens, model: Any = None, **more: Any) -> Tokens:
    """Transformers' own `generate`."""
    import torch
    from transformers import GenerationConfig

    model = bench.model if model is None else model
    ends = end_tokens(bench.model, bench.tokenizer)
    ids, mask = (part.to(bench.model.device) for part in pad_left(batch))
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=bench.decoding.max_new_tokens,
        num_beams=bench.decoding.num_beams,
        no_repeat_ngram_size=bench.decoding.no_repeat_ngram_size,
        do_sample=False,
        pad_token_id=ends[0],
        eos_token_id=ends,
    )
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids, attention_mask=mask, generation_config=config, **more
        )
    found = [row.tolist() for row in output[:, ids.shape[1] :]]
    cuts = [next((n for n, token in enumerate(row) if token in ends), len(row)) for row in found]
    return [row[:cut] for row, cut in zip(found, cuts, strict=True)]


def one_at_a_time(bench: Bench) -> Tokens:
    """The paper's loop."""
    return [generate(bench, [prompt])[0] for prompt in bench.prompts]


def stock_batches(bench: Bench) -> Tokens:
    """Batches of Transformers' own `generate`."""
    found: dict[int, list[int]] = {}
    for batch in plan_batches([len(prompt) for prompt in bench.prompts], bench.batch):
        answers = generate(bench, [bench.prompts[index] for index in batch])
        found.update(zip(batch, answers, strict=True))
    return [found[index] for index in range(len(found))]


def ours(
    bench: Bench, adapters: Adapters | None = None, names: Sequence[str | None] = ()
) -> Tokens:
    """Batches of polypaca."""
    found: dict[int, list[int]] = {}
    for batch in plan_batches([len(prompt) for prompt in bench.prompts], bench.batch):
        answers = answer_batch(
            bench.model,
            bench.tokenizer,
            [bench.prompts[index] for index in batch],
            bench.decoding,
            adapters=adapters,
            names=[names[index] for index in batch] if names else (),
        )
        found.update((index, list(a.tokens)) for index, a in zip(batch, answers, strict=True))
    return [found[index] for index in range(len(found))]


def peft_batches(bench: Bench, adapted: Any, names: Sequence[str]) -> Tokens:
    """PEFT's own mixed batches; beams it multiplies itself, if they are an argument."""
    found: dict[int, list[int]] = {}
    for batch in plan_batches([len(prompt) for prompt in bench.prompts], bench.batch):
        answers = generate(
            bench,
            [bench.prompts[index] for index in batch],
            model=adapted,
            adapter_names=[names[index] for index in batch],
            num_beams=bench.decoding.num_beams,
        )
        found.update(zip(batch, answers, strict=True))
    return [found[index] for index in range(len(found))]


def timed(works: dict[tuple[str, str], Callable[[], Tokens]], repeats: int) -> list[Timed]:
    """Run everything in turns."""
    import torch

    results: dict[tuple[str, str], Timed] = {}
    for _ in range(repeats):
        for key, work in works.items():
            started = time.perf_counter()
            answers = work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            taken = time.perf_counter() - started
            tokens = sum(map(len, answers))
            results.setdefault(key, Timed(*key, tokens, [])).seconds.append(taken)
            print(f"  {key[0]}, {key[1]}: {taken:.2f} s", file=sys.stderr)
    return list(results.values())


def table(title: str, results: list[Timed]) -> str:
    """One table; the first row is what others are compared with."""
    lines = [
        f"\n{title}\n",
        "| | dtype | seconds | tokens/s | x | spread |",
        "|---|---|---|---|---|---|",
    ]
    for row in results:
        lines.append(
            f"| {row.name} | {row.dtype} | {row.median:.2f} | {row.tokens / row.median:.0f} "
            f"| {results[0].median / row.median:.1f} | {row.spread:.0%} |"
        )
    return "\n".join(lines)


def decoding_table(
    bases: dict[str, Bench], paper: str, num_beams: int, repeats: int
) -> list[Timed]:
    """The paper's loop, stock batches and ours."""
    benches = {
        dtype: replace(bench, decoding=bench.decoding.model_copy(update={"num_beams": num_beams}))
        for dtype, bench in bases.items()
    }
    works: dict[tuple[str, str], Callable[[], Tokens]] = {
        ("paper", paper): partial(one_at_a_time, benches[paper]),
        ("stock batch", "bfloat16"): partial(stock_batches, benches["bfloat16"]),
    }
    for dtype, bench in benches.items():
        works["polypaca", dtype] = partial(ours, bench)
    return timed(works, repeats)


def write_adapters(folder: Path, bench: Bench, count: int) -> dict[str, Path]:
    """Adapters of random weights on queries, keys and values."""
    import torch
    from peft import LoraConfig, get_peft_model

    from polypaca.models.families import adapter_targets

    model = bench.model
    targets = adapter_targets(model, model.config.model_type, "attention-qkv")
    config = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, target_modules=targets, init_lora_weights=False
    )
    made = {}
    for number in range(count):
        torch.manual_seed(number)
        adapted: Any = get_peft_model(model, config)
        adapted.save_pretrained(str(folder / str(number)))
        adapted.unload()
        made[f"system.{number}"] = folder / str(number)
    return made


def adapters_table(bench: Bench, count: int, mixed_batch: int, repeats: int) -> list[Timed]:
    """Adapters in turn and mixed."""
    from peft import PeftModel

    with tempfile.TemporaryDirectory() as folder:
        folders = write_adapters(Path(folder), bench, count)
        names = [name for name in folders for _ in bench.prompts]
        every = replace(bench, prompts=bench.prompts * count)
        larger = replace(every, batch=mixed_batch)

        def in_turn(adapters: Adapters) -> Tokens:
            answers: Tokens = []
            for name in folders:
                answers += ours(bench, adapters, [name] * len(bench.prompts))
            return answers

        with with_adapters(bench.model, folders) as adapters:
            works: dict[tuple[str, str], Callable[[], Tokens]] = {
                (f"each in turn, {bench.batch} a batch", "bfloat16"): partial(in_turn, adapters),
                (f"mixed, {bench.batch} a batch", "bfloat16"): partial(
                    ours, every, adapters, names
                ),
                (f"mixed, {mixed_batch} a batch", "bfloat16"): partial(
                    ours, larger, adapters, names
                ),
            }
            results = timed(works, repeats)
        adapted: Any = None
        for name, path in folders.items():
            own = name.replace(".", "-")
            if adapted is None:
                adapted = PeftModel.from_pretrained(bench.model, str(path), adapter_name=own)
            else:
                adapted.load_adapter(str(path), adapter_name=own)
        adapted.eval()
        theirs = [name.replace(".", "-") for name in names]
        results += timed(
            {
                (f"PEFT mixed, {size} a batch", "bfloat16"): partial(
                    peft_batches, replace(every, batch=size), adapted, theirs
                )
                for size in (bench.batch, mixed_batch)
            },
            repeats,
        )
        adapted.unload()
    return results


def different(found: Tokens, exact: Tokens) -> tuple[int, float | None]:
    """How many answers differ, and the median of how many tokens these have in common first."""
    common = [
        next(
            (n for n, (one, other) in enumerate(zip(a, b, strict=False)) if one != other),
            min(len(a), len(b)),
        )
        for a, b in zip(found, exact, strict=True)
        if a != b
    ]
    return len(common), statistics.median(common) if common else None


def precision_rows(bases: dict[str, Bench]) -> list[dict[str, Any]]:
    """What rounding changes."""
    out = []
    for beams in (1, 4):
        benches = {
            dtype: replace(bench, decoding=bench.decoding.model_copy(update={"num_beams": beams}))
            for dtype, bench in bases.items()
        }
        exact = ours(replace(benches["float32"], batch=1))
        for dtype, bench in benches.items():
            count, first = different(ours(bench), exact)
            out.append(
                {
                    "beams": beams, "dtype": dtype, "answers": len(exact), "different": count,
                    "tokens_before": first,
                }
            )  # fmt: skip
    return out


def precision_table(found: list[dict[str, Any]]) -> str:
    """The third table."""
    lines = [
        "\nBatches against fp32, one prompt at a time\n",
        "| beams | dtype | answers | different | same tokens before |",
        "|---|---|---|---|---|",
    ]
    for row in found:
        before = "-" if row["tokens_before"] is None else f"{row['tokens_before']:g}"
        lines.append(
            f"| {row['beams']} | {row['dtype']} | {row['answers']} | {row['different']} "
            f"| {before} |"
        )
    return "\n".join(lines)


def load(given: argparse.Namespace) -> tuple[str, dict[str, Bench]]:
    """The base in both precisions, and its name."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    name = given.shape or ("pythia-1.4b" if given.gpu else "pythia-70m")
    if given.base:
        name, folder = given.base.name, given.base
    else:
        tokenizer = load_tokenizer(given.tokenizer)
        shape = shapes.shapes()[name]
        shapes.check(name, shape, tokenizer)
        folder = shapes.write_base(name, shape, tokenizer, seed=1)
    tokenizer = load_tokenizer(folder)
    template = load_template("alpaca")
    lines = given.data.read_text(encoding="utf-8").splitlines()[: given.prompts]
    prompts = encode(tokenizer, [template.render(json.loads(line)["prompt"]) for line in lines])
    decoding = Decoding(max_new_tokens=given.new_tokens)
    return name, {
        dtype: Bench(load_model(folder, dtype=dtype), tokenizer, prompts, decoding, given.batch)
        for dtype in ("float32", "bfloat16")
    }


def wrong(given: argparse.Namespace) -> str:
    """What is wrong with the command line, if anything is."""
    import torch

    if unknown := sorted(set(given.only.split(",")) - {"decoding", "adapters", "precision"}):
        return f"--only: there is no table called {', '.join(unknown)}"
    if given.gpu and not torch.cuda.is_available():
        return "--gpu: PyTorch sees no CUDA device"
    files = (given.data,) if given.base else (given.data, given.tokenizer)
    missing = next((path for path in files if not path.exists()), None)
    return f"{missing} is not there" if missing else ""


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Print the tables as they come, and return all that was measured."""
    name, bases = load(given)
    half = bases["bfloat16"]
    device = half.model.device.type
    lengths = sorted(map(len, half.prompts))
    report: dict[str, Any] = {
        "machine": device_name(device),
        "threads": given.threads,
        "versions": versions("torch", "transformers", "peft"),
        "model": name,
        "prompts": len(lengths),
        "prompt_tokens": [lengths[0], lengths[len(lengths) // 2], lengths[-1]],
        "new_tokens": given.new_tokens,
    }
    print("\n".join(f"{key}: {value}" for key, value in report.items()), flush=True)
    paper = "bfloat16" if device == "cuda" else "float32"
    only = given.only.split(",")
    for bench in bases.values():  # the first run of anything is slower
        ours(replace(bench, prompts=bench.prompts[:2], decoding=Decoding(max_new_tokens=4)))
    widths = [int(width) for width in given.beams.split(",")]
    for beams in widths if "decoding" in only else ():
        results = decoding_table(bases, paper, beams, given.repeats)
        print(table(f"{beams} beams" if beams > 1 else "greedy", results), flush=True)
        report[f"beams_{beams}"] = [asdict(row) for row in results]
    for beams in widths if "adapters" in only else ():
        bench = replace(half, decoding=half.decoding.model_copy(update={"num_beams": beams}))
        results = adapters_table(bench, given.adapters, given.mixed_batch, given.repeats)
        how = f"{beams} beams" if beams > 1 else "greedy"
        print(table(f"{given.adapters} adapters, {how}", results), flush=True)
        report[f"adapters_{beams}"] = [asdict(row) for row in results]
    if "precision" in only:
        report["precision"] = precision_rows(bases)
        print(precision_table(report["precision"]))
    return report


def main() -> int:
    """Print the tables; 2 if the command line is wrong."""
    import torch

    given = arguments()
    if problem := wrong(given):
        print(problem, file=sys.stderr)
        return 2
    torch.set_num_threads(given.threads)
    report = measure(given)
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
