# Two commands on a fresh machine: make demo, make test. They need Python 3.11 or newer, and make.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
export PYTHONDONTWRITEBYTECODE = # tests start hundreds of processes: modules stay compiled
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test soak bench bench-quick check torture docs clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: .venv/installed ## set up, copy a sample database, show the bill
	@$(BIN)/lading demo

test: .venv/installed-dev ## set up, start real servers, run every test but the long ones
	@sh tests/install.sh
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

soak: .venv/installed-dev ## run the long tests
	@sh tests/install.sh
	@$(BIN)/python -m pytest -m soak

bench: .venv/installed-dev ## measure copying and comparing beside physical limits and other tools: two hours
	@sh tests/install.sh pgloader
	@$(BIN)/python -m bench --write docs/reference/speed.md
	@$(BIN)/python -m bench.scaling --write docs/reference
	@$(BIN)/python -m bench.comparing

bench-quick: .venv/installed-dev ## copying on little data beside the limits alone: two minutes
	@sh tests/install.sh
	@$(BIN)/python -m bench --quick

check: .venv/installed-dev ## lint, format, types, rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

torture: .venv/installed-dev ## compare every type over every pair of systems, write what came of it
	@sh tests/install.sh
	@LADING_TEST_WRITE=1 $(BIN)/python -m pytest tests/torture
	@$(BIN)/python -m lading.docs

docs: .venv/installed-dev ## write docs/reference anew
	@$(BIN)/python -m lading.docs

clean: ## remove the environment and everything built
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@PYTHON='$(PYTHON)' sh .ci/venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Lading into .venv (once)."
	@$(PIP) --editable .
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing Lading, every connector's library and the tools into .venv (once)."
	@$(PIP) --editable '.[all,dev]'
	@touch .venv/installed $@
