"""Answering on a CPU, polypaca beside llama.cpp's server: python benchmarks/llama_cpp.py (minutes).

    pip install xllamacpp      llama.cpp with its server, prebuilt
    python benchmarks/llama_cpp.py --base FOLDER --gguf FILE --threads 2 --new-tokens 40

The same weights (FOLDER holds what the 4-bit FILE says, in Transformers' form), the same prompts in
the model's own chat template or Alpaca's, greedy, at most as many new tokens; runs take turns. Each
side may end an answer where the model ends it.

  llama.cpp     its own server in another process, 4 bits, as many slots as prompts (or fewer,
                --slots), asked over HTTP all at once; prompts of earlier runs are not reused
  stock batch   Transformers' own `generate` on one left-padded batch, bf16
  polypaca      polypaca.generation on the same batch, bf16

  s             the median run
  x             llama.cpp's seconds over this row's
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.generate import Bench, ours, stock_batches
from benchmarks.peers import rows
from benchmarks.peers.common import versions
from benchmarks.peers.run import device_name

from polypaca.generation.batching import encode
from polypaca.generation.contract import Decoding
from polypaca.models.loading import load_model, load_tokenizer
from polypaca.models.templates import load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODELS = Path(os.environ.get("POLYPACA_TEST_MODELS", Path.home() / ".cache/polypaca-models"))
SERVER = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, slots, context, threads = sys.argv[1], *map(int, sys.argv[2:5])
params.port, params.n_parallel, params.n_ctx, params.n_gpu_layers = 0, slots, slots * context, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
params.cache_prompt = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Run:
    """What one contender wrote in one run."""

    seconds: float
    tokens: int


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=Path, default=MODELS / "smollm2-135m-instruct")
    parser.add_argument("--gguf", type=Path, default=MODELS / "smollm2-135m-instruct.gguf")
    parser.add_argument(
        "--data", type=Path, default=rows.SHARED / "instructions" / "mt_bench.en.jsonl"
    )
    parser.add_argument("--prompts", type=int, default=30)
    parser.add_argument("--slots", type=int, default=30)
    parser.add_argument("--new-tokens", default="8,40")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


@contextlib.contextmanager
def served(gguf: Path, slots: int, context: int, threads: int) -> Iterator[str]:
    """The URL of a llama.cpp server with the model."""
    command = [sys.executable, "-c", SERVER, str(gguf), str(slots), str(context), str(threads)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            address = next((line for line in process.stdout if line.startswith("http")), "")
            yield address.strip()
        finally:
            process.terminate()


def ask(url: str, prompt: list[int], new_tokens: int) -> int:
    """Ask the server to continue a prompt; how many tokens it wrote."""
    body = {
        "prompt": prompt, "n_predict": new_tokens, "temperature": 0, "cache_prompt": False,
        "return_tokens": True,
    }  # fmt: skip
    request = urllib.request.Request(
        f"{url}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as reply:
        return len(json.load(reply)["tokens"])


def ask_all(url: str, prompts: list[list[int]], new_tokens: int) -> int:
    """Ask everything at once; how many tokens came back in all."""
    with concurrent.futures.ThreadPoolExecutor(len(prompts)) as pool:
        return sum(pool.map(lambda prompt: ask(url, prompt, new_tokens), prompts))


def timed(works: dict[str, Callable[[], int]], repeats: int) -> dict[str, list[Run]]:
    """Each work's runs, which take turns."""
    found: dict[str, list[Run]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            begun = time.perf_counter()
            tokens = work()
            found[name].append(Run(time.perf_counter() - begun, tokens))
    return found


def table(found: dict[str, list[Run]], new_tokens: int) -> str:
    """The runs as a table of ratios."""
    medians = {name: statistics.median(run.seconds for run in runs) for name, runs in found.items()}
    lines = [
        f"\n{new_tokens} new tokens\n", "| | s | new tokens | x llama.cpp | spread |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, runs in found.items():
        seconds = [run.seconds for run in runs]
        spread = (max(seconds) - min(seconds)) / medians[name]
        lines.append(
            f"| {name} | {medians[name]:.2f} | {runs[-1].tokens} "
            f"| {medians['llama.cpp'] / medians[name]:.2f} | {spread:.0%} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the tables; 2 if something is missing."""
    import torch

    given = arguments()
    missing = next((p for p in (given.base, given.gguf, given.data) if not p.exists()), None)
    if missing:
        print(f"{missing} is not there", file=sys.stderr)
        return 2
    torch.set_num_threads(given.threads)
    tokenizer = load_tokenizer(given.base)
    template = load_template("chat" if tokenizer.chat_template else "alpaca", tokenizer)
    lines = given.data.read_text(encoding="utf-8").splitlines()[: given.prompts]
    asked = [json.loads(line) for line in lines]
    texts = [template.render(row.get("prompt") or row["instruction"]) for row in asked]
    prompts = encode(tokenizer, texts, template.special_tokens)
    lengths = sorted(map(len, prompts))
    report = {
        "machine": device_name("cpu"),
        "threads": given.threads,
        "versions": versions("torch", "transformers", "xllamacpp"),
        "model": given.base.name,
        "prompts": len(prompts),
        "prompt_tokens": [lengths[0], lengths[len(lengths) // 2], lengths[-1], sum(lengths)],
    }
    print("\n".join(f"{key}: {value}" for key, value in report.items()), flush=True)
    model: Any = load_model(given.base, dtype="bfloat16")
    for new_tokens in map(int, given.new_tokens.split(",")):
        decoding = Decoding(max_new_tokens=new_tokens, num_beams=1, no_repeat_ngram_size=0)
        bench = Bench(model, tokenizer, prompts, decoding, len(prompts))
        with served(given.gguf, given.slots, lengths[-1] + new_tokens, given.threads) as url:
            works: dict[str, Callable[[], int]] = {
                "llama.cpp": lambda: ask_all(url, prompts, new_tokens),  # noqa: B023
                "stock batch": lambda: sum(map(len, stock_batches(bench))),  # noqa: B023
                "polypaca": lambda: sum(map(len, ours(bench))),  # noqa: B023
            }
            for work in works.values():  # the first run of anything is slower
                work()
            print(table(timed(works, given.repeats), new_tokens), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
