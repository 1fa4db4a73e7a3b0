# Every target makes its own environment first; a second call finds the stamp and starts at once.
VENV ?= .venv
PY := $(VENV)/bin/python
STAMPS := $(VENV)/.stamps
DEMO_DIR ?= .sluiceway/demo
# two workers; a module's tests, or a class's, stay together and share what they set up
PYTEST := $(PY) -m pytest -n 2 --dist loadscope
FAST := not slow and not chaos

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format bench chaos docs constraints clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

$(STAMPS)/%: pyproject.toml constraints.txt scripts/env.sh
	@VENV=$(VENV) scripts/env.sh $*
	@mkdir -p $(STAMPS) && touch $@

demo: $(STAMPS)/demo ## a real pipeline over real data, gated, into a lake that you can query
	@$(VENV)/bin/sluiceway demo $(DEMO_DIR) --force

lint: $(STAMPS)/dev ## ruff check and format, mypy --strict, import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

test: lint ## lint and the tests that take seconds; says what was skipped and why
	$(PYTEST) -m "$(FAST)"
	@echo "made: lint (ruff, mypy --strict, import-linter), tests and doctests."
	@echo "left out: tests marked slow and chaos (make test-all runs them); skips and their reasons stand above."

test-all: lint ## lint and every test
	$(PYTEST)

chaos: $(STAMPS)/dev ## kills runs at every node and compares the destination
	$(PYTEST) -m chaos

bench: $(STAMPS)/dev ## measures against peers in one run and prints ratios
	$(PY) -m bench

docs: $(STAMPS)/dev ## writes the pages of commands, keys, dialects, rules and steps from the code
	$(PY) scripts/docs.py

format: $(STAMPS)/dev ## ruff format and the fixes that change no meaning
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

constraints: $(STAMPS)/dev ## writes constraints.txt from what is installed
	@{ sed -n 1p constraints.txt; $(PY) -m pip freeze --exclude-editable | grep '=='; } > constraints.tmp
	@mv constraints.tmp constraints.txt

clean: ## removes the environment and what the tools keep
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
