# Two commands do everything for a newcomer: `make rehearse` and `make test`.
# They need python3 (3.11 or 3.12), make and git; uv is used where it is, else brought into .venv.
SHELL := /bin/sh
.DEFAULT_GOAL := help
export UV_PYTHON_DOWNLOADS = never
export UV_LINK_MODE ?= hardlink
# Where it is set, every process compiles its imports anew: minutes over a test run.
unexport PYTHONDONTWRITEBYTECODE
# Ends page-fault storms in training on small virtual machines (docs/benchmarks.md).
test test-all: export MALLOC_MMAP_MAX_ = 0
test test-all: export MALLOC_TRIM_THRESHOLD_ = 17179869184
test test-all: export MALLOC_TOP_PAD_ = 268435456
# Several tests train at once: more threads than cores would wait for one another (1.8 times as long).
test test-all: export OMP_NUM_THREADS = 1

VENV := .venv
BIN := $(VENV)/bin
# Files side by side, each in its order: most of a test is waiting for an Azure's or an engine's next
# step. Of the slow ones two at a time, as they kill at exact moments.
PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

.PHONY: help setup rehearse test test-all check lint bench engine actionlint docs clean

help:
	@echo 'make rehearse   the whole way on this machine: stack, training, endpoint, chat, teardown'
	@echo 'make test       the tests (about 10 minutes); make test-all adds the slow ones'
	@echo 'make check      format, lint, types and tests, as CI does'
	@echo 'make docs       write the generated documents again; make bench runs the benchmarks'
	@echo 'make engine     find or bring the pulumi command, which cloud stacks are worked with'
	@echo 'make actionlint check the workflow that `tunestack ci init` writes; builds actionlint with go'
	@echo 'make clean      remove the environment and the rehearsal'"'"'s state'

setup: $(VENV)/.rehearse

$(VENV)/bin/python:
	@.ci/make-venv $(VENV)

$(VENV)/.rehearse: pyproject.toml | $(VENV)/bin/python
	@.ci/sync $(VENV) --no-dev --extra local
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@.ci/sync $(VENV) --extra data --extra local --extra rehearsal
	@touch $@ $(VENV)/.rehearse

rehearse: $(VENV)/.rehearse
	@$(BIN)/python cli.py rehearse

test: $(VENV)/.test
	$(PYTEST) -n 3 -m "not slow"

test-all: test
	$(PYTEST) -n 2 -m slow

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

bench: $(VENV)/.test
	@for file in bench/help.py bench/data.py bench/tokenise.py bench/evaluation.py bench/engine.py bench/serving.py bench/rehearsal.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

docs: $(VENV)/.test
	$(BIN)/python -m local.coverage
	$(BIN)/python -m infra.picture
	$(BIN)/python -m core.settings_page

engine: | $(VENV)/bin/python
	@found=$$(.ci/engine) || exit $$?; \
	[ "$$found" -ef $(BIN)/pulumi ] || ln -sf "$$found" $(BIN)/pulumi; \
	echo "$$found $$($(BIN)/pulumi version); linked as $(BIN)/pulumi"

actionlint: $(VENV)/.test
	@.ci/actionlint
	@$(BIN)/python -m pytest -q tests/ci/test_workflow_template.py

clean:
	@if [ -x $(BIN)/python ]; then $(BIN)/python cli.py local stop >/dev/null 2>&1 || true; fi
	rm -rf $(VENV) .tunestack .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
