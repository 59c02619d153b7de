# Two commands do everything on a machine that has nothing but Python 3.10 to 3.12:
#   make quickstart   raw text -> vocabulary -> data -> pretraining -> hub modules (about 14 minutes)
#   make test         formatter, linter and the test suite
#   make examples     the notebooks of examples/, executed again, with their outputs
#   make test-peers   what this package writes, loaded by transformers and keras-hub
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

PEERS := $(VENV)-peers

.PHONY: quickstart examples test test-peers lint clean
.DELETE_ON_ERROR:

$(INSTALLED): setup.py pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 12) else "albert_tf needs Python 3.10 to 3.12. Received %d.%d. Name another one: make PYTHON=python3.11" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[test]'
	@touch $@

quickstart: $(INSTALLED)
	$(BIN)/albert-tf quickstart

examples: $(INSTALLED)
	$(BIN)/python -m tests.support.notebooks

test: $(INSTALLED) lint
	$(BIN)/python -m pytest

# pip takes torch, as it honours a local index of CPU builds where one is configured.
$(PEERS)/.installed: $(INSTALLED)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet torch==2.13.0
	$(BIN)/uv pip install --quiet --python $(PEERS)/bin/python --constraint constraints.txt --editable '.[test,peers]'
	@touch $@

test-peers: $(PEERS)/.installed
	$(PEERS)/bin/python -m pytest tests/convert/peers_test.py

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info
