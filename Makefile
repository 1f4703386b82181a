# Every target creates .venv if needed. ARGS="..." adds arguments, PYTHON=... chooses the interpreter.
ARGS ?=
PYTHON ?=
export PYTHON

VENV := ./scripts/with-venv
PYTEST := $(VENV) python -m pytest --numprocesses=auto --maxprocesses=4

.PHONY: help run test test-all lint format types docs build

help: ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

run: ## Train two LSTM agents in Sorrel's treasurehunt: make run ARGS="model=gru_ppo seed=2"
	@$(VENV) sorrel-recurrent-ppo run environment=treasurehunt model=lstm_ppo experiment.epochs=200 seed=1 $(ARGS)

test: ## Run the tests that take seconds.
	@$(PYTEST) $(ARGS)

test-all: ## Run all tests, including the slow ones.
	@$(PYTEST) -m "slow or not slow" $(ARGS)

lint: ## Check style, format, the package's layers and spelling.
	@$(VENV) ruff check $(ARGS)
	@$(VENV) ruff format --check $(ARGS)
	@$(VENV) lint-imports
	@$(VENV) codespell

format: ## Fix style and format.
	@$(VENV) ruff check --fix $(ARGS)
	@$(VENV) ruff format $(ARGS)

types: ## Check types.
	@$(VENV) pyright $(ARGS)
	@$(VENV) pyright -p tools/pyright_strict.json

docs: ## Build the site into docs/_build/html; ARGS="-D nb_execution_mode=off" leaves the notebooks out.
	@EXTRAS=docs $(VENV) python -m sphinx -W -n --keep-going $(ARGS) docs docs/_build/html

build: ## Build the source distribution and the wheel into dist/.
	@$(VENV) python -m build $(ARGS)
