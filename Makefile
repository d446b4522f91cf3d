# setup: .venv with the tested versions, langfield and packages/synthetic in it (editable)
# test, lint, docs, demo, examples: what CI runs   demo: train on bundled photos, ask, draw
# examples: run the programs of examples/ on those photos   docs: the documentation, into site/
# lock: choose the newest versions that pyproject.toml allows
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKED := .venv/.locked

.PHONY: setup test lint docs demo examples lock

setup: $(LOCKED)

$(LOCKED): requirements.lock pyproject.toml packages/synthetic/pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "langfield needs Python 3.11 or newer as $(PYTHON); try: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" || \
		{ echo "$(PYTHON) cannot make environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing what requirements.lock pins into .venv; torch is large, the first time takes minutes"
	$(PIP) install --no-deps --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable . --editable packages/synthetic
	@touch $@

# One thread for each of the two workers: more only wait for each other.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

# Strictly: a broken link, a missing heading or a command without documentation fails.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

# In a terminal it goes on with the viewer, until Ctrl-C.
demo: setup
	@if [ -t 1 ]; then $(BIN)/langfield demo --view; else $(BIN)/langfield demo; fi

# Asks the demo's run, if it was left here, instead of training one.
examples: setup
	$(BIN)/python .ci/run_examples.py $(wildcard langfield-demo/run)

lock: setup
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --extra dev --extra docs --extra masks --extra view \
		--output-file requirements.lock pyproject.toml
