# Every habit of this repository. Nothing here needs Pants; `./pants` runs the tests in sandboxes.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
LOCKS := 3rdparty/python/default.lock 3rdparty/python/tools.lock

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo './pants test ::    all tests, in sandboxes'
	@echo './pants package :: wheels of both products, in dist'
	@echo '.ci/run            everything that a change must pass'

.PHONY: venv
venv: $(VENV)/.made  ## .venv with everything that editors, pytest and the checks need
ifneq ($(shell [ -L $(VENV) ] && echo linked),)  # another checkout's: it is used as it is, with the sources of this one
export PYTHONPATH := $(CURDIR)/src
$(VENV)/.made: ;
else
$(VENV)/.made: $(LOCKS)
	@source build-support/bin/pythons.sh && \
	python=$$(find_python 3.11) || { echo 'CPython 3.11 is needed: on the PATH, in pyenv, or by `uv python install 3.11`' >&2; exit 1; }; \
	make_venv "$$python" $(VENV) 3rdparty/python/uv.lock && uv_install $(VENV) $(LOCKS) && \
	link_sources $(VENV) src && touch $@
endif

.PHONY: fmt
fmt: venv  ## format the code, sort imports
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: lint
lint: venv  ## style rules and formatting, changing nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: types
types: venv  ## mypy, strict
	$(BIN)/mypy

.PHONY: arch layers
arch: layers  ## import layers, and the tidy rules
	$(BIN)/pytest -q tests/unit/repo
layers: venv
	$(BIN)/lint-imports --no-logo

.PHONY: workflows
workflows: venv  ## schema of the GitHub workflows
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

.PHONY: unit component integration test
unit: venv  ## milliseconds: no I/O
	$(BIN)/pytest tests/unit
component: venv  ## one real process with real services
	$(BIN)/pytest tests/component
integration: venv  ## the whole system
	$(BIN)/pytest tests/integration
test: venv  ## all of them, in one pytest
	$(BIN)/pytest

.PHONY: gate
gate: venv  ## after ./pants test ::, were there as many tests as tests/manifest.toml lists?
	$(BIN)/python -m shakeout.gate

.PHONY: report
report: venv  ## a page of all test sessions in dist/shakeout
	$(BIN)/python -m shakeout.report

.PHONY: up
up: venv  ## run Quarterdeck on this machine until Ctrl-C
	$(BIN)/shakeout up quarterdeck.testing.system:system

.PHONY: bench
bench: venv  ## each headline figure against its peer
	PYTHONPATH=src $(BIN)/python -m benchmarks

COMPILE := $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-annotate --no-header
.PHONY: lock
lock: venv  ## resolve 3rdparty/python/*.txt anew
	cd 3rdparty/python && set -e; compile() { ../../$(COMPILE) --custom-compile-command 'make lock' "$$@"; }; \
	compile --python-version 3.11 requirements.txt -o default.lock; \
	compile --python-version 3.11 -c default.lock pytest.txt -o pytest.lock; \
	compile --python-version 3.11 -c default.lock tools.txt -o tools.lock; \
	compile --python-version 3.11 uv.txt -o uv.lock; \
	compile --python-version 3.11 -c default.lock wheels.txt -o wheels.lock; \
	compile --python-version 3.9 pants.txt -o pants.lock; \
	compile --python-version 3.9 pex.txt -o pex.lock; \
	peers=../../benchmarks/peer_programs/requirements; \
	compile --python-version 3.11 --overrides ../../benchmarks/peer_programs/overrides.txt $$peers.txt -o $$peers.lock; \
	example=../../examples/celery_orders/requirements; \
	compile --python-version 3.11 -c default.lock $$example.txt -o $$example.lock
