# What a person does with this project, in one word each. On Windows: the same as pip lines, in CONTRIBUTING.md.

PYTHON ?= python3
VENV_PYTHON = .venv/bin/python
ARGS ?=
# Tests of one file run one after the other, files beside each other.
TOGETHER = --numprocesses logical --maxprocesses 4 --dist loadfile

.PHONY: help demo install dev check test test-all docs lessons clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: install  ## install, then train a small GPT before your eyes (ARGS="--help" says what can be chosen)
	@$(VENV_PYTHON) -m groundup demo $(ARGS)

install:  ## make .venv and install groundup into it with the tested versions
	@$(PYTHON) tools/install.py

dev:  ## the same, with the tools for developers
	@$(PYTHON) tools/install.py dev

check: dev  ## format, lint, types, layers, lengths, start-up, recipes, docs
	@$(VENV_PYTHON) tools/check.py

test: check  ## all checks and all quick tests
	@$(VENV_PYTHON) -m pytest -m "not slow" --hypothesis-profile same $(TOGETHER) $(ARGS)

test-all: check  ## all checks and all tests, the slow ones too
	@$(VENV_PYTHON) -m pytest $(ARGS)

docs: dev  ## write docs/cli.md anew from the command line's own help
	@$(VENV_PYTHON) tools/cli_docs.py

lessons: dev  ## run the lessons that changed, and write their notebooks
	@$(VENV_PYTHON) tools/lessons.py build $(ARGS)

clean:  ## remove what was built or cached here, but not runs/ and not .venv
	@rm -rf build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache src/*.egg-info
	@find . -path ./.venv -prune -o -name __pycache__ -prune -exec rm -rf {} +
