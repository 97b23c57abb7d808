# `make book` and `make test` are all that a newcomer needs; each sets up what it uses.

PYTHON ?= python3
BIN := .venv/bin

# A command of ours computes with as many threads as it wants; what it starts must not multiply them.
export TOKENIZERS_PARALLELISM := false

.PHONY: help install book test test-slow bench lint format picture clean
.DEFAULT_GOAL := help

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: .venv/installed  ## the virtual environment, with the pinned versions

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	    || { echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.12 install"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

# What is shipped is checked where it is read: two short runs are trained again, whenever results or code change.
CODE := $(wildcard src/helpers/*.py src/helpers/*/*.py src/helpers/*.yml)
.venv/verified: .venv/installed $(CODE) $(wildcard results/*.parquet annotations/*/*.parquet studies/default.yml)
	$(BIN)/label-risk verify studies/default.yml --sample 2 --short
	touch $@

book: .venv/verified  ## check the shipped results, execute the notebooks, build _build/html/index.html
	$(BIN)/label-risk book studies/default.yml --no-compute

test: install lint  ## the tests of a few minutes
	$(BIN)/python -m pytest -m 'not slow'

test-slow: install  ## the tests of many minutes
	$(BIN)/python -m pytest -m slow

bench: install  ## speed against what a user would pick instead: half an hour on a quiet machine
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install  ## the code as ruff wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The README's picture, from the shipped results: make it again when they change.
picture: install
	$(BIN)/python -c "from helpers import charts, findings, studies; \
	    study = studies.load('studies/default.yml'); \
	    charts.save(charts.overview(findings.overview(study).verdicts), 'book/_static/verdicts.svg')"

clean:  ## remove what was built; the environment, the cache and the ledger stay
	rm -rf _build book/executed book/_static/generated
