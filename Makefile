PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.clinfuse-installed
# One fit is one thread: two threads that compete are many times slower than one.
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1
export MKL_NUM_THREADS = 1

.PHONY: demo test test-fast lint venv bench results

demo: venv  ## write a synthetic cohort as real files, run the whole study on it, print the table
	$(BIN)/clinfuse demo --out demo

test: venv  ## every test, the laws and the lint included
	$(MAKE) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: venv  ## the tests that take seconds
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not browser"

lint: venv  ## style, types, and the one-way street between rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: venv  ## every script in benchmarks/, each printing its table
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

results: venv  ## the tables of docs/results.md, made anew
	$(BIN)/python pipelines/results.py

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "clinfuse needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: install the package python3-venv (Debian, Ubuntu) and run make again"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)
