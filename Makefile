# These commands need only Python 3.10 to 3.13; they create a virtual environment first:
#   make quickstart   raw text -> vocabulary -> data -> pretraining -> hub modules (about 14 minutes)
#   make test         formatter, linter and test suite
#   make test-peers   tests that transformers and keras-hub can load converted models
#   make test-install whether pip can install what constraints.txt names
#   make fuzz         read damaged files with new seeds for MINUTES minutes (10)
#   make kill         end commands at random moments, by COUNT signals (100)
#   make docs         the documentation site, in build/site
#   make sbom         the components of an installation, as CycloneDX JSON, in build/sbom.json
#   make lock         requirements.lock, anew, after a change of constraints.txt or setup.py
#   make examples     run the notebooks in examples/ and store their outputs
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

PEERS := $(VENV)-peers

.PHONY: quickstart test test-peers test-install fuzz kill docs examples lint sbom lock clean
.DELETE_ON_ERROR:

# Each file that is downloaded must have a hash of requirements.lock, that of uv itself included.
LOCKED := --require-hashes --requirement

$(INSTALLED): setup.py pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else "albert_tf needs Python 3.10 to 3.13. Received %d.%d. Choose another version: make PYTHON=python3.11" % v)'
	$(PYTHON) -m venv $(VENV)
	awk '/^[^ ]/ {found = /^uv==/} found' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet $(LOCKED) $(VENV)/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --build-constraint requirements.lock $(LOCKED) requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
	@touch $@

# constraints.txt decides the versions, and the lock adds the hashes of their files.
lock: $(INSTALLED)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --extra test --extra docs --constraint constraints.txt --generate-hashes --no-annotate --custom-compile-command 'make lock' --output-file requirements.lock setup.py

# The packages that `pip install albert-tf` brings, without those of the tests. direct_url.json would
# add the path of this folder.
sbom: $(INSTALLED)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/runtime
	$(BIN)/uv pip install --quiet --python build/runtime --build-constraint requirements.lock --constraint requirements.lock --editable .
	rm build/runtime/lib/python*/site-packages/albert_tf-*.dist-info/direct_url.json
	$(BIN)/cyclonedx-py environment --output-reproducible --output-file build/sbom.json build/runtime

quickstart: $(INSTALLED)
	$(BIN)/albert-tf quickstart

examples: $(INSTALLED)
	$(BIN)/python -m tests.support.notebooks

test: $(INSTALLED) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

MINUTES ?= 10
fuzz: $(INSTALLED)
	$(BIN)/python -m tests.support.fuzz $(MINUTES)

COUNT ?= 100
SEED ?= 0
kill: $(INSTALLED)
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.support.killed_commands KILL,TERM,INT $(COUNT) $(SEED)

# torch is installed with pip, which uses a local index of CPU builds if one is configured.
$(PEERS)/.installed: $(INSTALLED)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet torch==2.13.0
	$(BIN)/uv pip install --quiet --python $(PEERS)/bin/python --constraint constraints.txt --editable '.[test,peers]'
	@touch $@

test-peers: $(PEERS)/.installed
	$(PEERS)/bin/python -m pytest tests/convert/peers_test.py

# pip follows limits of the Python version that uv, which installs everything else here, does not.
test-install: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --dry-run --ignore-installed --constraint constraints.txt .

# Material for MkDocs announces MkDocs 2 at every build unless the variable is set.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info
