# make demo   the whole life of a model, in ten minutes, without a network after the install
# make test   the tests
# make check  style, types, layers, examples in docstrings
# make soak   the long tests
# make bench  the benchmarks

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: demo test check soak bench install dev format clean

demo: install
	$(BIN)/danlu demo $(ARGS)

install:
	@$(PYTHON) tools/install.py

dev:
	@$(PYTHON) tools/install.py dev

test: dev
	$(BIN)/pytest -n 2 --dist loadfile --cov=danlu --cov-report=term:skip-covered --cov-fail-under=90 $(ARGS)

check: dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q --doctest-modules src/danlu -p no:cacheprovider

soak: dev
	$(BIN)/pytest -m soak $(ARGS)

bench: dev
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/pretrain_cpu.py

format: dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .coverage*
