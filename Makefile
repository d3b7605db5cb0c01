# Two commands do everything on a machine with Python (3.11 or later) and make: `make demo`, `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/ready
PEERS = $(VENV)/peers
PYTEST = $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

.PHONY: help setup demo test test-slow soak check compat format bench docs clean

help:
	@echo "make demo       design a network for the embedded digits under 1 M macs (under 3 minutes after set-up)"
	@echo "make test       all tests but the slow ones"
	@echo "make test-slow  the slow ones: killed processes, torch.compile, Triton's interpreter, Imagenette end to end"
	@echo "make soak       trainings killed at 20 random moments, 20 epochs with workers: a quarter of an hour"
	@echo "make check      format, lint, types and the tests of make test; CI runs make docs, test-slow and compat after it"
	@echo "make compat     timm and torchvision beside netwright: weights, names and counts of every network (15 minutes)"
	@echo "make bench      the benchmarks, printed as tables"
	@echo "make docs       the documentation as a site in site/, warnings as errors: open site/index.html (one minute)"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(READY)

demo: $(READY)
	@test -e demo/result.json || $(BIN)/netwright design digits --max-macs 1M --trial-epochs 12 -o demo
	@echo "The trained network and its report are in demo/: open demo/report.html (remove demo/ to run it again)"

test: $(READY)
	$(PYTEST) -m "not slow"

test-slow: $(READY)
	$(PYTEST) -m slow --hypothesis-profile=ci

soak: $(READY)
	NETWRIGHT_SOAK=1 $(BIN)/python -m pytest tests/training/test_resuming.py tests/training/test_soak.py -m slow

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -m "not slow" --hypothesis-profile=ci # the same examples every time; `make test` looks for new ones

compat: $(PEERS)/ready
	PYTHONPATH=$(PEERS) $(PYTEST) tests/compat

$(PEERS)/ready: $(READY)
	rm -rf $(PEERS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps --target $(PEERS) timm torchvision
	@touch $@

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/costing.py

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf $(VENV) demo site build dist .mypy_cache .ruff_cache .pytest_cache
