# Everything starts here. Needed: Python 3.11 or newer, make and the package registries; the rest is installed.
#
#   make demo          the product with both hosts' emulators, at http://127.0.0.1:8000/demo (PORT=… for another port,
#                      STREAM=1 for DingTalk's Stream mode)
#   make test          every check and test
#   make help          all targets

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PORT ?= 8000
# Tests that are to run, and how wide: make test-sqlite TESTS=tests/crm
TESTS ?=
WIDE ?= -n 4 --dist loadgroup

# Compiled modules are kept, whatever the machine says: else every process started would compile all of them anew.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.cache/pycache

BIN := .venv/bin
BASE := .venv/.installed
DEV := .venv/.installed-dev
PYTEST := $(BIN)/python -m pytest
UV := .cache/uv/bin/uv

.PHONY: help install demo dev test lint test-sqlite test-postgresql bench soak screenshots texts lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

# --- installing ---------------------------------------------------------------------------------------------------

install: $(BASE) ## the environment, with the program at .venv/bin/wsapp

$(BASE): requirements.lock scripts/install.sh scripts/link.py
	@scripts/install.sh requirements.lock
	@$(BIN)/python scripts/link.py
	@touch $@

$(DEV): $(BASE) requirements-dev.lock
	@scripts/install.sh requirements-dev.lock
	@touch $@

# --- running ------------------------------------------------------------------------------------------------------

demo: install ## the product, seeded, with the emulators of both hosts; Ctrl-C stops everything
	@exec $(BIN)/wsapp demo --port $(PORT) $(if $(STREAM),--stream)

dev: $(DEV) ## the demo, started again whenever a source file changes
	@exec $(BIN)/python scripts/dev.py --port $(PORT)

# --- checking -----------------------------------------------------------------------------------------------------

test: $(DEV) ## every check and test, on SQLite and on PostgreSQL
	@scripts/system-packages.sh
	@$(MAKE) lint
	@$(MAKE) test-sqlite
	@$(MAKE) test-postgresql

lint: $(DEV) ## style, types, templates, dependencies and the rules of the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/djlint --lint --quiet templates_h5
	$(BIN)/deptry .

test-sqlite: $(DEV)
	WSAPP_TEST_DATABASE=sqlite $(PYTEST) $(WIDE) $(TESTS)

test-postgresql: $(DEV)
	WSAPP_TEST_DATABASE=postgresql $(PYTEST) $(WIDE) $(TESTS)

soak: $(DEV) ## long runs under faults and load
	@scripts/system-packages.sh
	WSAPP_SOAK=1 WSAPP_FUZZ=50000 WSAPP_TEST_DATABASE=sqlite $(PYTEST) -m 'soak or long' --timeout=7200 $(TESTS)
	WSAPP_SOAK=1 WSAPP_FUZZ=50000 WSAPP_TEST_DATABASE=postgresql $(PYTEST) -m 'soak or long' --timeout=7200 $(TESTS)

bench: $(DEV) ## benchmarks, as ratios within one run
	@$(BIN)/python scripts/bench.py

screenshots: $(DEV) ## pictures of every page and message in both hosts' looks, under docs/screenshots/ and docs/messages/
	@scripts/system-packages.sh
	@$(BIN)/python scripts/screenshots.py
	@$(BIN)/python scripts/messages.py

# --- upkeep -------------------------------------------------------------------------------------------------------

texts: $(DEV) ## gather the words of all pages, then compile the English ones (messages.po says which are missing)
	@mkdir -p .cache
	$(BIN)/pybabel -q extract -F babel.cfg -k lazy -k mark --ignore-dirs='.*' --no-location --project=wsapp \
		--copyright-holder='the wsapp authors' -o .cache/messages.pot .
	$(BIN)/pybabel -q update --ignore-obsolete --no-fuzzy-matching --ignore-pot-creation-date -w 120 \
		-i .cache/messages.pot -d wsapp/translations -l en
	$(BIN)/pybabel -q compile -d wsapp/translations -l en

lock: $(UV) ## fix the versions of all packages again, after a change to pyproject.toml
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--python-version 3.11 pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--python-version 3.11 pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

$(UV):
	@python3 -m venv .cache/uv
	@.cache/uv/bin/pip install --quiet uv

clean: ## forget everything that was installed or built; data stays
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
