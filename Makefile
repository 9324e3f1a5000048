# The verbs of this checkout; `make` alone lists them. Each can be run again at any time: finished work is kept by stamps.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTOC_VENV := .venv-protoc
# Seconds that the whole test run may take; over it, it fails.
TEST_LIMIT ?= 1800
# On a terminal Ctrl-C must reach pytest; without one the whole process group is ended at the limit.
TIMEOUT_FLAGS := $(if $(CI),,--foreground)

RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev
PROTOC := $(PROTOC_VENV)/.installed

PROJECTS := pyproject.toml clients/python/pyproject.toml constraints.txt
# Quiet: a page of package names would hide what is to be seen; errors and warnings are still shown.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo run test samples check format bench proto certs docs dist clean
.DELETE_ON_ERROR:

help: ## List these verbs
	@printf 'govcode 政务服务码节点\n\n'
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18
	@printf '\n  PYTHON=%s (3.11 or later; set PYTHON=... for another)\n' '$(PYTHON)'

setup: $(RUNTIME) ## Install the node and the client into .venv

demo: $(RUNTIME) ## Start a hub and three nodes, play 6.1 to 6.3, stop all; STEPS=file
	@$(BIN)/python -m govcode_node.demo play $(if $(STEPS),--steps $(STEPS))

run: $(RUNTIME) ## The same federation, kept running until Ctrl-C, with commands to paste
	@$(BIN)/python -m govcode_node.demo run

test: $(DEV) $(PROTOC) ## Run all tests (at most 30 minutes)
	@timeout $(TIMEOUT_FLAGS) --signal=INT --kill-after=30 $(TEST_LIMIT) $(BIN)/python -m pytest $(ARGS); status=$$?; \
	if [ $$status -eq 124 ] || [ $$status -eq 137 ]; then \
		echo "make test: over the limit of $(TEST_LIMIT) s, so it failed" >&2; \
	fi; exit $$status

samples: $(RUNTIME) ## Build and run the sample applications in Go, Java, Node.js; S=go,java for some
	@$(BIN)/python clients/run_samples.py $(if $(S),--only $(S))

check: $(DEV) ## Lint, types, layers and contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code

format: $(DEV) ## Put Python and protos into the house form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write

bench: $(DEV) ## Measure against floors of the same run; B=B1,B3 for some
	@$(BIN)/python tests/bench/run.py $(if $(B),--only $(B))

proto: $(PROTOC) ## Generate clients/python/src/govcode from the protos
	$(PROTOC_VENV)/bin/python protos/generate.py

certs: $(RUNTIME) ## Make the development certificates in certs/dev
	@$(BIN)/govcode pki init

docs: $(DEV) ## Write docs/requirements.md and docs/errors.md anew from what they describe
	@$(BIN)/python docs/generate_requirements.py
	@$(BIN)/python docs/generate_errors.py

dist: $(RUNTIME) $(PROTOC) ## Build protos, descriptor set, wheels and checksums into dist/
	@$(BIN)/python clients/dist.py --protoc $(PROTOC_VENV)/bin/python

clean: ## Remove all that these verbs made
	rm -rf clients/go/govcode clients/go/bin
	rm -rf $(VENV) $(PROTOC_VENV) .run certs/dev dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Python's venv module is needed (Debian: apt-get install python3-venv)" >&2; rm -rf $(VENV); exit 1; }

$(RUNTIME): $(PROJECTS) | $(BIN)/python
	@echo "installing the node and the client into $(VENV) (once; wait)"
	@$(PIP_INSTALL) -e clients/python -e .
	@touch $@

$(DEV): $(RUNTIME)
	@echo "installing the tools for tests and checks into $(VENV) (once; wait)"
	@$(PIP_INSTALL) -e clients/python -e '.[dev]'
	@touch $@

$(PROTOC): protos/requirements.txt
	@echo "installing the pinned generator into $(PROTOC_VENV) (once; wait)"
	@$(PYTHON) -m venv $(PROTOC_VENV)
	@$(PROTOC_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r protos/requirements.txt
	@touch $@
