"""Fixtures that several tests share."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from .models.tiny_families import FAMILIES, train_spm, write_baichuan, write_pickled
from .translation.serving import chat_model, transformers_serve

# Tiny models are no faster on several threads, and processes of pytest-xdist share the cores.
# Said before PyTorch is imported, here and in what tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SMALL_DISK_KB = 512

# The same examples in every run, so that a change fails for what it did. To look for new ones:
# HYPOTHESIS_PROFILE=search pytest
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

TEXT = [
    "Name three animals. The cat, the dog and the horse are animals that people know well.",
    "Nombra tres animales. El gato, el perro y el caballo son animales que la gente conoce bien.",
    "Below is an instruction that describes a task. Write a response.\n\n### Instruction:\n",
]


# Trained and real models, their servers, and whole runs: what takes long to make or to start.
SLOW_FIXTURES = {
    "bergamot_model", "ctranslate2_model", "finished", "models_folder", "transformers_server"
}  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need such a thing as slow."""
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for all tests but those that have their own: no test reads the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYPACA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Gives a folder that is filled once, for all processes of pytest-xdist.

    Their temporary folders lie beside each other.
    """
    top = tmp_path_factory.getbasetemp()
    top = top.parent if "PYTEST_XDIST_WORKER" in os.environ else top

    def folder(name: str, fill: Callable[[Path], None]) -> Path:
        made, done = top / name, top / f"{name}.done"
        with FileLock(top / f"{name}.lock"):
            if not done.exists():
                made.mkdir(exist_ok=True)
                fill(made)
                done.touch()
        return made

    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of public data files; tests that use it carry the marker `data`."""
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("POLYPACA_TEST_DATA", beside)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set POLYPACA_TEST_DATA")
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SMALL_DISK_KB}k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a full disk needs `mount`")
    if mounted.returncode:
        pytest.skip(f"a full disk needs leave to mount one: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """The folder of real small models."""
    default = Path.home() / ".cache" / "polypaca-models"
    folder = Path(os.environ.get("POLYPACA_TEST_MODELS", default))
    if not folder.is_dir():
        pytest.skip(f"no models at {folder}: set POLYPACA_TEST_MODELS")
    return folder


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small byte-level BPE tokenizer, as a bare tokenizer.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 5, trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="session")
def tiny_source(
    tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path
) -> Callable[..., Path]:
    """Writes tiny models of random weights as their authors would publish them, by family.

    `tokenizer` is a tokenizer.json, a SentencePiece file or a folder with one; without it a
    small one is used.
    """

    def folder(family: str, tokenizer: Path | None = None) -> Path:
        made = tmp_path_factory.mktemp(family)
        if family == "baichuan":
            write_baichuan(made, tokenizer)
            return made
        if family == "openllama":
            write_pickled(made, FAMILIES[family], tokenizer or train_spm(made, family).parent)
            return made
        from polypaca.models.bases import initialise

        initialise(made, FAMILIES[family], tokenizer or tokenizer_file, seed=1)
        return made

    return folder


@pytest.fixture(scope="session")
def tiny_model(
    tmp_path_factory: pytest.TempPathFactory, tiny_source: Callable[..., Path]
) -> Callable[[str], Path]:
    """Folders with tiny models of `FAMILIES`, made ready as those from the Hub are, once."""
    from polypaca.core.work import Context
    from polypaca.stages.prepare import PrepareBase

    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            base = tmp_path_factory.mktemp(f"{family}-base")
            with pytest.MonkeyPatch.context() as patch:
                # It may be a test's own cache that is set, which does not outlive the test.
                patch.setenv("POLYPACA_CACHE", str(tmp_path_factory.mktemp("cache")))
                PrepareBase(source=str(tiny_source(family))).run(Context(base))
            made[family] = base
        return made[family]

    return folder


@pytest.fixture(scope="session")
def transformers_server(
    tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The URL of a running `transformers serve` with a tiny model, and the model's name.

    The name is the model's folder.
    """
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("fastapi") is None:
        pytest.skip("no fastapi or uvicorn: pip install 'polypaca[test]'")
    folder = tmp_path_factory.mktemp("served")
    with transformers_serve(chat_model(tiny_model("llama"), folder), folder) as served:
        yield served
