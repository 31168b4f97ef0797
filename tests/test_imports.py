"""The import rule, and that looking at a study loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import polypaca

ROOT = Path(polypaca.__file__).parent
STUDIES = Path(__file__).parent.parent / "studies"

COMPONENTS = {
    "builtin", "data", "generation", "judging", "langid", "llm", "models", "rating", "reporting",
    "stats", "training", "translation",
}  # fmt: skip
# What may be imported from where; a folder may always import itself.
SHARED = {"core", "llm", "langid"}
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    **{component: set(SHARED) for component in COMPONENTS},
    "data": SHARED | {"builtin"},  # one of its sources
    "stages": COMPONENTS | {"core"},
    # A study is made of the components' own settings, and names their rows; it calls none.
    "study": COMPONENTS | {"core"},
    "workflow": COMPONENTS | {"core", "study", "stages"},
    "planning": COMPONENTS | {"core", "study", "stages", "workflow"},
    "__init__": {"api", "core", "study"},  # when it is first asked for
    "__main__": {"cli"},
    "api": COMPONENTS | {"core", "study", "workflow", "planning"},
    "cli": {
        "core", "study", "workflow", "planning", "stages", "langid", "reporting", "rating", "stats",
    },
}  # fmt: skip
HEAVY = (
    "torch", "transformers", "peft", "accelerate", "datasets", "snakemake", "altair", "pandas",
    "numpy", "scipy", "sacrebleu", "openai", "fasttext", "jinja2", "fastapi", "vl_convert",
)  # fmt: skip


def _imports(path: Path) -> set[str]:
    """Parts of polypaca that a module imports, at the top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module == "polypaca":
                names = [f"polypaca.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("polypaca.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    forbidden = _imports(path) - ALLOWED[part] - {part}
    assert not forbidden, f"{path.relative_to(ROOT)} must not import {sorted(forbidden)}"


def test_stages_do_not_import_one_another() -> None:
    for path in (ROOT / "stages").glob("*.py"):
        assert "polypaca.stages" not in path.read_text(encoding="utf-8"), path.name


def test_the_engine_is_known_to_one_module() -> None:
    knowing = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if "from snakemake" in path.read_text(encoding="utf-8")
    ]
    assert knowing == ["workflow/engine.py"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["validate", str(STUDIES / "tiny.yaml")],
        ["plan", str(STUDIES / "tiny.yaml"), "--json"],
        ["plan", str(STUDIES / "paper.yaml"), "--gpu", "h100", "--price", "3"],
        ["run", str(STUDIES / "tiny.yaml"), "--dry-run"],
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_looking_at_a_study_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import sys\n"
        f"sys.argv = ['polypaca', *{arguments!r}]\n"
        "from polypaca.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "HEAVY []" in result.stderr, result.stderr
