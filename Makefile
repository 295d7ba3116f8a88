# make run    a working desk on http://127.0.0.1:7860, from nothing but Python 3.11 or 3.12
# make test   every check: lint, types, tests (Chromium is found or fetched for the browser tests)
# Both make .venv first; both are quick the second time.

SHELL   := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/installed
PYTHON  ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
JOBS    ?= 2
# With the internet: TORCH_INDEX=https://download.pytorch.org/whl/cpu takes the small CPU wheel.
TORCH_INDEX ?=
ARGS    ?=

.DEFAULT_GOAL := help
.PHONY: help install run test lint clean

help:
	@sed -n '1,3p' Makefile | cut -c3-

install: $(STAMP)

# The stamp is written last, so that an interrupted install starts again. constraints.txt is the whole closure: no
# dependency is resolved, `pip check` proves that nothing is missing. Byte code is made on all cores, since an
# uncompiled MLflow takes ten seconds to import.
$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
		{ echo "Fraud Desk needs Python 3.11 or 3.12; $(PYTHON) is another. Try: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || { echo "[1/4] Virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "[2/4] PyTorch"
	@$(BIN)/pip install -qq --no-compile -c constraints.txt $(TORCH_INDEX:%=--extra-index-url %) torch
	@echo "[3/4] $$(grep -c '==' constraints.txt) pinned packages (two or three minutes the first time)"
	@$(BIN)/pip install -qq --no-compile --no-deps -r constraints.txt
	@$(BIN)/pip install -qq --no-compile --no-deps --no-build-isolation -e .
	@$(BIN)/pip check
	@echo "[4/4] Byte code"
	@$(BIN)/python -m compileall -q -j $(JOBS) $(VENV)/lib >/dev/null 2>&1 || true
	@touch $(STAMP)

run: $(STAMP)
	@$(BIN)/frauddesk up $(ARGS)

test: $(STAMP) lint
	@$(BIN)/python tests/find_browser.py
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
