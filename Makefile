# Two commands set up a fresh machine: `make demo` and `make test`.
# `make test-compat` runs what others wrote on our faces; it needs node, and fetches their packages.

# torch comes first, in one version: left to choose, pip takes the newest, which may be one for another machine.
# Where the index or the wheels at hand have one for the CPU alone (2.13.0+cpu), that is what is taken.
TORCH  ?= torch==2.13.0
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-compat clean

demo: $(VENV)/.installed
	$(BIN)/memstrata demo

test: $(VENV)/.installed-dev
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

test-compat: $(VENV)/.installed-compat
	$(BIN)/python -m pytest tests/compat
	$(BIN)/python tests/compat/inspector.py
	$(BIN)/python tests/compat/conformance.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

$(VENV)/.installed-compat: pyproject.toml $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --editable . --group compat
	touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
