# Two commands do everything on a fresh machine: `make demo` and `make test`. Each sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
EXAMPLES ?= 30
# What sets up speaks on standard error: standard output belongs to the command (`make demo ARGS=--json`).

.DEFAULT_GOAL := help
# Its own environment: the auditor needs many packages that nothing else does.
AUDITOR := pip-audit==2.10.1
ADVISORIES ?= https://api.osv.dev/docs/

.PHONY: chromium-if-possible help demo test test-fuzz test-contract test-faults lint audit serve setup setup-dev browser format migration openapi screenshots lock clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Crashscout needs Python 3.11 or newer; name one with PYTHON=..." >&2; exit 2; }
	@echo "setting up $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV) >&2 || { echo "Install the package python3-venv, then try again." >&2; rm -rf $(VENV); exit 2; }

$(VENV)/.setup: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the locked dependencies" >&2
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[worker,embedded,tdms]' >&2
	@touch $@

$(VENV)/.setup-dev: $(VENV)/.setup
	@echo "installing the locked dependencies" >&2
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[worker,embedded,tdms,dev]' >&2
	@touch $@

setup: $(VENV)/.setup ## Virtual environment with the locked dependencies

setup-dev: $(VENV)/.setup-dev ## The same with the tools for tests and linting

demo: setup ## The whole thread on one machine, then serve (ARGS="--no-serve --json")
	@$(BIN)/crashscout demo $(ARGS)

serve: setup ## Engines, API, dashboard and one worker on 127.0.0.1:8000
	@$(BIN)/crashscout serve $(ARGS)

lint: setup-dev ## Style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

audit: ## Known vulnerabilities of the locked dependencies, by the advisories of osv.dev; says so when it cannot ask
	@if $(PYTHON) -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=10)' $(ADVISORIES) 2>/dev/null; then \
	  $(PYTHON) -m venv .audit-venv && .audit-venv/bin/pip install --quiet $(AUDITOR) && \
	  .audit-venv/bin/pip-audit --vulnerability-service osv --no-deps --disable-pip --requirement constraints.txt; \
	  status=$$?; rm -rf .audit-venv; exit $$status; \
	else echo "audit: $(ADVISORIES) cannot be reached, nothing was asked" >&2; fi

browser: ## Chromium for the browser tests (Debian or Ubuntu; needs root)
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }

chromium-if-possible: setup-dev
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then $(MAKE) --no-print-directory browser \
	  || echo "Chromium cannot be installed: the browser tests are skipped" >&2; fi

test: lint chromium-if-possible ## Linters, contracts and all tests on a real Postgres and Redis
	$(BIN)/pytest -n 2 $(ARGS)

test-fuzz: setup-dev ## 10,000 damaged crash-test files through all readers (test has 500); ARGS=-s shows the outcomes
	FUZZ_FILES=10000 $(BIN)/pytest tests/service/ingest/test_fuzz.py $(ARGS)

test-contract: setup-dev ## The long run against openapi.json: 30 requests per operation and phase (test has 2); EXAMPLES=200 for hours
	CONTRACT_EXAMPLES=$(EXAMPLES) $(BIN)/pytest tests/functional/test_schemathesis.py -s $(ARGS)

test-faults: setup-dev ## All faults, with 100 kills under load; prints the table (about 10 minutes; test has some of them)
	FAULTS=all $(BIN)/pytest tests/functional/faults -s $(ARGS)

format: setup-dev ## Rewrite the code in the house style
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

migration: setup-dev ## New migration from the models: make migration NAME="add x" (CRASHSCOUT_DATABASE_URL set)
	$(BIN)/alembic revision --autogenerate -m "$(NAME)"

screenshots: setup-dev ## Pictures of every page in build/screenshots to look at; four of them into docs/images
	BROWSER_SCREENSHOTS=build/screenshots $(BIN)/pytest tests/browser/test_every_page.py $(ARGS); status=$$?; \
	for name in build/screenshots/readme-*.png; do cp "$$name" "docs/images/$${name##*/readme-}"; done; exit $$status

openapi: setup ## Write openapi.json from the routes
	$(BIN)/python -m service.openapi openapi.json

lock: ## Pin the newest versions that fit pyproject.toml, in a fresh environment
	rm -rf .lock-venv && $(PYTHON) -m venv .lock-venv
	.lock-venv/bin/pip install --quiet '.[worker,embedded,benchmarks,tdms,dev]'
	{ echo '# Locked dependencies: `pip install -c constraints.txt`. Made by `make lock` in a fresh environment.'; \
	  echo '# async-timeout: needed by redis and valkey on Python before 3.11.3 only (Debian 12).'; \
	  echo 'async-timeout==5.0.1'; \
	  .lock-venv/bin/pip freeze | grep -vE '^(crashscout|async-timeout)' | sed 's/+cpu$$//'; } > constraints.txt
	rm -rf .lock-venv

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .lock-venv .audit-venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
