# One line per verb. Each makes .venv and installs what it needs if it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
ARGS ?=

.PHONY: run test check bench docs clean

run: $(INSTALLED)  ## the main job: train, compare, write results/comparison.md; a run of its own beside the committed ones
	$(BIN)/python -m bench run --name first --models alstm,tcn $(ARGS)

# Whole files to each of two processes, in the order of the files: a file's tests share what takes long to make.
test: $(INSTALLED)  ## the test suite, on two cores
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(INSTALLED)  ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(INSTALLED)  ## the speed tables
	$(BIN)/python -m pytest --benchmark-only $(ARGS)

docs: $(INSTALLED)-docs  ## the pages of docs/ as a site, in build/docs
	$(BIN)/mkdocs build --strict --config-file docs/mkdocs.yml

$(INSTALLED)-docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt --editable '.[docs]'
	touch $@

$(INSTALLED): pyproject.toml .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache
