# Two commands do all set-up: `make demo` and `make test`. Python 3.11+ and make are all they need.
PYTHON ?= python3
# Installed first, unless the environment has a torch already. For PyTorch's CPU build alone:
# make install TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
SOURCES := src tests benchmarks
# A process a core. Each takes whole files, for the sake of what a file's tests share, in order:
# the longest ones come early.
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.PHONY: help install install-dev demo test test-quick check real format clean

help:
	@echo "make demo        run studies/tiny.yaml: the whole pipeline, offline, CPU, minutes"
	@echo "make test        run the test suite"
	@echo "make test-quick  without training, whole runs, a browser, real models and data"
	@echo "make check       ruff (lint and format) and mypy --strict"
	@echo "make real        run studies/real.yaml on the real data in ../shared/data"
	@echo "make format      let ruff format the code"
	@echo "make clean       remove the environment, caches and the studies' output"

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[dev]"
	@touch $@

demo: install
	$(BIN)/polypaca run studies/tiny.yaml

real: install
	$(BIN)/polypaca run studies/real.yaml

test: install-dev
	$(PYTEST)

test-quick: install-dev
	$(PYTEST) -m "not (slow or browser or data or gpu)"

check: install-dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: install-dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

clean:
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis build src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
