# handsel: `make run` and you have a marketplace; `make test` and you know that it holds.
# PORT and HANDSEL_HOME are honoured by every target, so that copies can run side by side.

PYTHON ?= python3
PORT ?= 8000
HANDSEL_HOME ?= .handsel
export PORT HANDSEL_HOME
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install run demo test lint types contracts bench soak lives reset lock clean

help: ## What there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

install: ## The environment .venv, as requirements.lock says
	@$(PYTHON) .ci/install.py

run: install ## Start all of it; Ctrl-C stops it
	@exec $(BIN)/handsel run

demo: install ## Drive the running service through the main job
	@exec $(BIN)/handsel demo

# Every command is a process, and uv installs no bytecode: where none may be written, each of them
# would compile all that it imports.
test: lint types contracts ## Lint, types, import contracts, all tests
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib src ml search tests
	$(BIN)/pytest -q -n 2 --dist loadfile

lint: install ## Style and likely faults
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install ## mypy --strict
	$(BIN)/mypy

contracts: install ## Who may import whom
	$(BIN)/lint-imports --no-cache

bench: install ## Figures against fixed baselines, one JSON line each
	@exec $(BIN)/python -m tests.bench

STEPS ?= 1000000
soak: install ## A million money commands against the auditor (STEPS, SEED)
	@exec $(BIN)/python -m tests.money.proof.soak --steps $(STEPS) $(if $(SEED),--seed $(SEED))

LIVES ?= 500
lives: install ## Random orders on PostgreSQL and on the pure engine, step by step (LIVES, SEED)
	@HANDSEL_LIVES=$(LIVES) HANDSEL_SEED=$(or $(SEED),1) $(BIN)/pytest -q tests/deals/process/test_lives.py

reset: install ## Delete the embedded database with all its data
	@exec $(BIN)/handsel db reset --yes

lock: install ## Resolve the dependencies anew into requirements.lock
	@$(PYTHON) .ci/install.py --uv
	.venv/installer/bin/uv pip compile pyproject.toml --extra dev --extra train --extra scale --extra bench --python-version 3.11 --universal --generate-hashes --upgrade -o requirements.lock

clean: ## Remove the environment and caches; the data stays
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
