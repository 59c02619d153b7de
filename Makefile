# These commands need only Python 3.10 to 3.13; they create a virtual environment first:
#   make quickstart   raw text -> vocabulary -> data -> pretraining -> hub modules (about 14 minutes)
#   make test         formatter, linter and test suite
#   make test-peers   tests that transformers and keras-hub can load converted models
#   make fuzz         read damaged files with new seeds for MINUTES minutes (10)
#   make docs         the documentation site, in build/site
#   make examples     run the notebooks in examples/ and store their outputs
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

PEERS := $(VENV)-peers

.PHONY: quickstart test test-peers fuzz docs examples lint clean
.DELETE_ON_ERROR:

$(INSTALLED): setup.py pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else "albert_tf needs Python 3.10 to 3.13. Received %d.%d. Choose another version: make PYTHON=python3.11" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[test]'
	@touch $@

quickstart: $(INSTALLED)
	$(BIN)/albert-tf quickstart

examples: $(INSTALLED)
	$(BIN)/python -m tests.support.notebooks

test: $(INSTALLED) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

MINUTES ?= 10
fuzz: $(INSTALLED)
	$(BIN)/python -m tests.support.fuzz $(MINUTES)

# torch is installed with pip, which uses a local index of CPU builds if one is configured.
$(PEERS)/.installed: $(INSTALLED)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet torch==2.13.0
	$(BIN)/uv pip install --quiet --python $(PEERS)/bin/python --constraint constraints.txt --editable '.[test,peers]'
	@touch $@

test-peers: $(PEERS)/.installed
	$(PEERS)/bin/python -m pytest tests/convert/peers_test.py

$(VENV)/.docs: $(INSTALLED)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[test,docs]'
	@touch $@

# Material for MkDocs announces MkDocs 2 at every build unless the variable is set.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info
