# `make check` is what CI runs before the tests, `make fast` what one runs after every change.
BIN ?= .venv/bin

.PHONY: install check lint types imports dead fast test format ci

install:  ## .venv with everything the checks need
	python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e '.[test]'

check: lint types imports dead

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

dead:
	$(BIN)/vulture

fast:
	$(BIN)/pytest -m fast

test:
	$(BIN)/pytest

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ci:
	.ci/run
