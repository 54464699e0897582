# Every target sets up what it needs: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

.PHONY: demo test check bench accuracy faults soak pictures constraints warmup clean help

help:            ## list the targets
	@grep -E '^[a-z]+: .*##|^[a-z]+:  *##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "vitalcore needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) -V). Name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)   ## 30 s of real ECG and PPG and a simulated face, live from a gateway to a subscriber
	$(BIN)/vitalcore demo

test: $(STAMP)   ## everything: style, types, import floors, tests
	@$(MAKE) --no-print-directory -j2 check warmup
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup

check: $(STAMP)  ## style, types and import floors only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

bench: $(STAMP)  ## side-by-side speed tables, measured in one run
	$(BIN)/python -m benchmarks
	$(BIN)/python -m pytest -q benchmarks --benchmark-enable --benchmark-max-time=0.2 --benchmark-columns=median,ops

accuracy: $(STAMP) ## scores over the real recordings that are present and signals with exact truth, beside other programs
	$(BIN)/python -m benchmarks accuracy

faults: $(STAMP) ## kills, cuts, noise, strangers, load: each really done, counted, and held against its target
	$(BIN)/python -m benchmarks faults

soak: $(STAMP)   ## a ward of 1,000 patients on one engine with a journal, for an hour: delay, loss, memory
	$(BIN)/python -m benchmarks faults load --long

pictures: $(STAMP) ## the pictures of the README
	$(BIN)/python docs/pictures.py

constraints: $(STAMP) ## write constraints.txt from what is installed now
	@{ head -1 constraints.txt; $(BIN)/pip freeze --exclude-editable; } > constraints.new && mv constraints.new constraints.txt

warmup: $(STAMP) ## compile every kernel once
	$(BIN)/vitalcore warmup

clean:           ## remove the environment and what tests left behind
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
