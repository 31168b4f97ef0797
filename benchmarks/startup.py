"""How long the commands that only look at a study take: python benchmarks/startup.py.

Prints the median and range of several runs each, next to an empty Python process in the same run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7
TINY, PAPER = (Path(__file__).parent.parent / "studies" / f"{n}.yaml" for n in ("tiny", "paper"))


def seconds(arguments: list[str], folder: str) -> list[float]:
    """Wall time of each of several runs of a Python process."""
    taken = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=True)
        taken.append(time.perf_counter() - started)
    return taken


def main() -> None:
    """Print the table."""
    commands = {
        "python -c pass": ["-c", "pass"],
        "polypaca --help": ["-m", "polypaca.cli", "--help"],
        "polypaca validate": ["-m", "polypaca.cli", "validate", str(TINY)],
        "polypaca plan": ["-m", "polypaca.cli", "plan", str(TINY)],
        "polypaca plan, the paper's grid": ["-m", "polypaca.cli", "plan", str(PAPER)],
        "polypaca run --dry-run": ["-m", "polypaca.cli", "run", str(TINY), "--dry-run"],
    }
    print("| command | median s | min | max |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in commands.items():
            taken = seconds(arguments, folder)
            middle, low, high = statistics.median(taken), min(taken), max(taken)
            print(f"| `{name}` | {middle:.2f} | {low:.2f} | {high:.2f} |")


if __name__ == "__main__":
    main()
