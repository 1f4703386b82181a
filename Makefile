# Every target creates .venv if needed. ARGS="..." adds arguments, PYTHON=... chooses the interpreter.
ARGS ?=
PYTHON ?=
export PYTHON

VENV := ./scripts/with-venv
PYTEST := $(VENV) python -m pytest --numprocesses=auto --maxprocesses=4

.PHONY: help run test test-all lint format types build

help: ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

run: ## Train two LSTM agents in Sorrel's treasurehunt: make run ARGS="model=gru_ppo seed=2"
	@$(VENV) sorrel-recurrent-ppo run environment=treasurehunt model=lstm_ppo experiment.epochs=200 seed=1 $(ARGS)

test: ## Run the tests that take seconds.
	@$(PYTEST) $(ARGS)

test-all: ## Run all tests, including the slow ones.
	@$(PYTEST) -m "slow or not slow" $(ARGS)

lint: ## Check style, format and the package's layers.
	@$(VENV) ruff check $(ARGS)
	@$(VENV) ruff format --check $(ARGS)
	@$(VENV) lint-imports

format: ## Fix style and format.
	@$(VENV) ruff check --fix $(ARGS)
	@$(VENV) ruff format $(ARGS)

types: ## Check types.
	@$(VENV) pyright $(ARGS)
	@$(VENV) pyright -p tools/pyright_strict.json

build: ## Build the source distribution and the wheel into dist/.
	@$(VENV) python -m build $(ARGS)
