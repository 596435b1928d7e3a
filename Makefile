# Parterre. `make` shows what there is; no target needs Docker, root, or a step by hand.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
UV_VERSION := 0.13.8
BIN := .venv/bin
UV := .tools/bin/uv

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# --- the environment -------------------------------------------------------------------------
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Parterre needs Python 3.11 or newer; '$(PYTHON)' is older. Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .tools || \
	  { echo "Python's venv module is missing (Debian: apt install python3-venv)." >&2; exit 1; }
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || \
	  { echo "uv could not be downloaded: check this machine's package index and network." >&2; exit 1; }

.venv/.runtime: $(UV) requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock || \
	  { echo "The packages could not be installed: check this machine's package index and network, then run make again." >&2; exit 1; }
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: setup
setup: .venv/.dev ## Install everything a developer needs into .venv

.PHONY: lock
lock: $(UV) ## Pin the dependencies anew (names, versions and hashes only)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --group local -o requirements.lock pyproject.toml $(LOCK_FLAGS)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml $(LOCK_FLAGS)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  -c requirements.lock -o requirements-image.lock pyproject.toml $(LOCK_FLAGS)
	@echo 'uv==$(UV_VERSION)' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate -o requirements-builder.lock - $(LOCK_FLAGS)
	@$(MAKE) .venv/.dev
	@$(BIN)/python -m clients lock

# --- the running system ----------------------------------------------------------------------
.PHONY: up
up: .venv/.runtime ## Run the whole system here (DETACH=1: in the background; PARTERRE_PORT=8080)
	@$(BIN)/python -m deploy up $(if $(DETACH),--detach)

.PHONY: down
down: .venv/.runtime ## Stop a detached system
	@$(BIN)/python -m deploy down

.PHONY: status
status: .venv/.runtime ## Show what runs, with addresses and accounts
	@$(BIN)/python -m deploy status

.PHONY: logs
logs: .venv/.runtime ## Follow the logs (SERVICE=booking for one)
	@$(BIN)/python -m deploy logs $(SERVICE)

.PHONY: demo
demo: .venv/.runtime ## Play the whole story once: buy, decline, give up, race, crash
	@$(BIN)/python -m deploy demo

# With Docker and nothing else: docs/operations.md, "With Compose". DOCKER names the program.
.PHONY: compose-up
compose-up: ## Build the image, make the secrets, run everything in containers (PARTERRE_PORT=8443)
	@bash deploy/compose.sh up

.PHONY: compose-down
compose-down: ## Stop the containers (VOLUMES=1: and forget their data)
	@bash deploy/compose.sh down

.PHONY: compose-demo
compose-demo: ## Play the whole story in the containers, through HAProxy
	@bash deploy/compose.sh demo

.PHONY: bench
bench: .venv/.dev ## Measure what things cost (SCENARIO=login for one)
	@$(BIN)/python -m bench $(SCENARIO)

.PHONY: clean
clean: ## Stop the system and forget its data
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m deploy clean; else rm -rf .parterre; fi

# Three processes, each with servers of its own: the tests wait more than they work. A file's tests
# stay together, those that start servers come first. WORKERS= runs them all in one.
WORKERS ?= -n 3 --dist loadfile --no-loadscope-reorder

# --- the checks ------------------------------------------------------------------------------
.PHONY: test
test: .venv/.dev ## Run the tests on real PostgreSQL and RabbitMQ (under 8 minutes on two cores)
	@$(BIN)/python -m pytest $(WORKERS) -m "not slow and not engine" $(ARGS)

.PHONY: test-all
test-all: .venv/.dev ## Run the heavy rounds too
	@$(BIN)/python -m pytest $(WORKERS) -m "not engine" $(ARGS)

.PHONY: test-engine
test-engine: .venv/.dev ## Run the deployment files in containers (starts an engine: root on Debian)
	@bash deploy/engine/test.sh $(ARGS)

.PHONY: format
format: .venv/.dev ## Format the code
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

.PHONY: lint
lint: .venv/.dev ## Check format and lint
	@$(BIN)/ruff format --check --quiet . || { echo "Some files are not formatted: run make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .

.PHONY: types
types: .venv/.dev ## Check the types
	@$(BIN)/mypy

.PHONY: imports
imports: .venv/.dev ## Check who may import whom
	@$(BIN)/lint-imports --no-cache

.PHONY: protos
protos: .venv/.dev ## Generate the stubs from protos/
	@$(BIN)/python protos/generate.py

.PHONY: protos-check
protos-check: .venv/.dev ## Lint the protos and check that the committed stubs are current
	@cd protos && ../$(BIN)/buf lint
	@cd protos && ../$(BIN)/buf breaking --against ../tests/upgrade/released/contract.binpb || \
	  { echo "Processes of the last release could not read that: see docs/operations.md, Upgrading" >&2; exit 1; }
	@$(BIN)/python protos/generate.py --check

.PHONY: released
released: .venv/.dev ## Take down that this revision is released, for the next ones to be held to
	@$(BIN)/python -m deploy.released

.PHONY: manifests
manifests: .venv/.dev ## Generate the Kubernetes files of processes, networks and alerts, and dashboards
	@$(BIN)/python -m deploy.manifests
	@$(BIN)/python -m deploy.dashboards

.PHONY: docs
docs: .venv/.dev ## Generate what docs/ and the code have of each other
	@$(BIN)/python -m ops.diagrams
	@$(BIN)/python -m clients write
	@$(BIN)/python -m ops.catalogues

.PHONY: examples
examples: .venv/.dev ## Play the story of every route, and write its examples into the API's description
	@RECORD_EXAMPLES=1 $(BIN)/python -m pytest -q -n 0 tests/contract/test_description_examples.py

.PHONY: outages
outages: .venv/.dev ## Measure what customers see while something is away, for docs/reliability.md (12 minutes; ARGS="-k broker")
	@RECORD_OUTAGES=1 $(BIN)/python -m pytest -v -n 0 tests/system/test_outages.py $(ARGS)

.PHONY: docs-check
docs-check: .venv/.dev ## Check that the generated pages are current
	@$(BIN)/python -m ops.diagrams --check
	@$(BIN)/python -m clients write --check
	@$(BIN)/python -m ops.catalogues --check

.PHONY: api-check
api-check: .venv/.dev ## Validate and lint the API's description, and generate clients from it
	@$(BIN)/python -m clients check

.PHONY: web-check
web-check: .venv/.dev ## Check the web page's modules: types, lint, texts, vendored libraries
	@$(BIN)/python -m clients check-web

.PHONY: web-vendor
web-vendor: .venv/.dev ## Copy the web page's libraries anew from the packages that are pinned
	@$(BIN)/python -m clients vendor

.PHONY: web-screenshots
web-screenshots: .venv/.dev ## Take pictures of every page (DARK=1: in dark colours, too)
	@$(BIN)/python -m clients screenshots $(if $(DARK),--dark)

.PHONY: lock-check
lock-check: ## Check that no file of ours names a package index or its host
	@bash deploy/lock-check.sh

.PHONY: audit
audit: .venv/.dev ## List known vulnerabilities of the locked packages, write dist/sbom.cdx.json
	@$(BIN)/python -m deploy.audit

.PHONY: deploy-check
deploy-check: .venv/.dev ## Check the deployment files without an engine
	@bash deploy/check.sh

.PHONY: check
check: lint types imports protos-check docs-check api-check web-check lock-check deploy-check test ## What CI runs
