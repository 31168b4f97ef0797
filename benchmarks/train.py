"""Training, polypaca beside its peers: python benchmarks/train.py (half an hour or so).

    python benchmarks/train.py --rows 256 --threads 2
    python benchmarks/train.py --only paper,polypaca --loss-on response --json out.json
    python benchmarks/train.py --trl-python PEER/bin/python --llamafactory-python PEER/bin/python
    python benchmarks/train.py --gpu-suite          the GPU's rows, about 10 minutes on an H200

All train a base model of a real shape with random weights on the same real Alpaca rows, each in a
process of its own: same tokens, labels, global batch, length grouping, adapters and schedule.

  paper         the paper's settings (arXiv 2309.08958) with Transformers' Trainer: LoRA of rank 8,
                micro-batches of 4, fp32 (on a GPU int8 or fp16); full: fp32 (GPU: bf16 autocast)
  plain-bf16    the same with weights in bf16
  trl           TRL's SFTTrainer with its own precision, checkpointing and micro-batch
  trl-packing   the same with packing, which makes other batches (only by name: --only)
  llamafactory  LLaMA-Factory in bf16
  polypaca      polypaca.training

Peers that are not to share polypaca's environment have their own: give their interpreters.

  tokens/s       without padding, from the end of the last untimed step to the end of the last one;
                 the median of all repeats, whose order alternates
  x paper        that divided by the paper's
  spread         the largest difference of two repeats, as a share of the median
  MFU            tokens/s x 4N (LoRA) or 6N (full) over the rate of square matrix products that was
                 measured in the same run in that dtype; N leaves out an input embedding that is not
                 tied, and recomputation is not counted
  peak GiB       CPU: resident memory of the process at most; GPU: what PyTorch allocated at most
  train loss     mean of the last quarter of steps, as the contender logs it
  held-out loss  of the saved weights in fp32, by one function for all
  padding        share of positions that are padding
  tokens         seen in all steps, without padding; supervised: predictions with a label
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.peers import rows, run, shapes, table
from benchmarks.peers.run import Options, Setup

GPU_CONTENDERS = ("paper", "trl", "polypaca")
GPU_SUITE = (
    Setup("pythia-6.9b", "lora", "all", GPU_CONTENDERS, 320, 32, 10, None, 1),
    Setup("bloom-7b1", "lora", "all", GPU_CONTENDERS, 320, 32, 10, None, 1),
    Setup("pythia-1b", "full", "response", GPU_CONTENDERS, 640, 64, 10, None, 1),
)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", default="pythia-70m", choices=sorted(shapes.shapes()))
    parser.add_argument("--method", default="lora", choices=("lora", "full"))
    parser.add_argument("--loss-on", default="all", choices=("all", "response"))
    parser.add_argument("--only", help="contenders, with commas between them")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--held-out", type=int, default=32, help="rows for the held-out loss")
    parser.add_argument("--batch", type=int, default=32, help="rows a step")
    parser.add_argument("--steps", type=int, help="default: once through the rows")
    parser.add_argument("--untimed", type=int, default=1, help="first steps left out of the time")
    parser.add_argument("--micro-batch", type=int, help="of all; default: each its own")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    parser.add_argument("--data", type=Path, default=rows.ALPACA, help="a JSON file of Alpaca rows")
    parser.add_argument("--tokenizer", type=Path, default=rows.TOKENIZER)
    parser.add_argument("--trl-python", default=sys.executable)
    parser.add_argument("--llamafactory-python", default=sys.executable)
    parser.add_argument("--gpu-suite", action="store_true")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    parser.add_argument("--profile", type=Path, help="file for a profile of polypaca's steps")
    return parser.parse_args()


def setups(given: argparse.Namespace) -> list[Setup]:
    """The tables that are asked for.

    Raises:
        ValueError: if the numbers do not go together.
    """
    only = tuple(given.only.split(",")) if given.only else ()
    if unknown := sorted(set(only) - set(run.MODULES)):
        known = ", ".join(run.MODULES)
        raise ValueError(f"--only: no contender is called {', '.join(unknown)}; there are {known}")
    if given.gpu_suite:
        return [replace(setup, contenders=only or setup.contenders) for setup in GPU_SUITE]
    steps = given.steps or given.rows // given.batch
    count = min(given.rows, steps * given.batch)
    if not count or count % given.batch or steps % (count // given.batch):
        raise ValueError("--rows must be a multiple of --batch, and --steps one of rows / batch")
    if not 0 <= given.untimed < steps:
        raise ValueError(f"--untimed {given.untimed}: of {steps} steps none is left to be timed")
    return [
        Setup(
            shape=given.shape,
            method=given.method,
            loss_on=given.loss_on,
            contenders=only or tuple(name for name in run.MODULES if name != table.PACKED),
            rows=count,
            batch=given.batch,
            steps=steps,
            micro=given.micro_batch,
            repeats=given.repeats,
        )
    ]


def absolute(python: str) -> str:
    """An interpreter's path; links are kept, since an environment's interpreter is one."""
    return str(Path(python).absolute()) if os.sep in python else python


def options(given: argparse.Namespace) -> Options:
    """What all tables have in common.

    Raises:
        ValueError: if a file that is needed is not there.
    """
    import torch

    for flag, path in (("--data", given.data), ("--tokenizer", given.tokenizer)):
        if not path.exists():
            raise ValueError(f"{path} is not there: give {flag} a file")
    for flag in ("--json", "--profile"):
        path = getattr(given, flag.removeprefix("--"))
        if path and not path.resolve().parent.is_dir():
            raise ValueError(f"{flag}: the folder of {path} is not there")
    cuda = torch.cuda.is_available()
    return Options(
        device=given.device or ("cuda" if cuda or given.gpu_suite else "cpu"),
        threads=given.threads,
        untimed=given.untimed,
        held_out=given.held_out,
        data=given.data,
        tokenizer=given.tokenizer,
        pythons={
            "trl": absolute(given.trl_python),
            "llamafactory": absolute(given.llamafactory_python),
        },
        profile=given.profile.resolve() if given.profile else None,
        measured=cuda or ((given.device or "cpu") == "cpu" and not given.gpu_suite),
    )


def main() -> int:
    """Print the tables; 0 if all went well, 1 if not, 2 if the command line is wrong."""
    given = arguments()
    try:
        chosen, common = setups(given), options(given)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    reports, well = [], True
    with tempfile.TemporaryDirectory(prefix="polypaca-benchmark-") as folder:
        for number, setup in enumerate(chosen):
            try:
                report, good = run.measure(setup, common, Path(folder) / str(number))
            except ValueError as error:
                print(error, file=sys.stderr)
                return 2
            reports.append(report)
            well = well and good
    if given.json:
        given.json.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
