from __future__ import annotations

import io

from rich.console import Console

from polypaca.workflow.run import Outcome
from polypaca.workflow.run_text import print_failures


def test_many_tasks_that_fail_alike_are_said_once() -> None:
    same = {f"systems/{n}/verdicts": f"no server; see logs/{n}.log" for n in range(40)}
    failed = {"cells/a/train": "no [module] is there; see logs/a.log", **same}
    console = Console(file=io.StringIO(), width=80)
    print_failures(Outcome(["x"], 1, failed, {"analysis": "cells/a/train"}), console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "failed  cells/a/train: no [module] is there; see logs/a.log"
    assert lines[3] == "failed  systems/2/verdicts: no server; see logs/2.log"
    assert lines[4] == "failed  37 more for the same reason: no server"
    assert " ".join(" ".join(lines[5:]).split()) == (
        "41 tasks failed, 1 that depend on them were skipped, 1 were done"
    )
