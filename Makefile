# A fresh machine needs Python 3.11 or newer and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
ORACLE := .oracle/.installed

.PHONY: demo test bench oracle lint clean

demo: $(INSTALLED)  ## track a real heart: pictures, video and strain in demo/
	$(BIN)/cpwc-keras demo --output demo

test: $(INSTALLED)  ## all tests, as continuous integration runs them
	$(BIN)/python -m pytest

bench: $(INSTALLED)  ## every speed the documents state, against its peers
	$(BIN)/python benchmarks/run.py

oracle: $(INSTALLED) $(ORACLE)  ## compare our ops with tensorflow-addons 0.23, in an environment of its own
	mkdir -p build
	.oracle/bin/python tests/oracle/tfa_reference.py build/tfa_reference.npz 50
	$(BIN)/python -m pytest tests/ops/test_against_tfa.py -rA --no-header --durations=0 | tail -n 3
	$(BIN)/python tests/oracle/report.py build/tfa_reference.npz

lint: $(INSTALLED)  ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf .venv .oracle build demo

$(INSTALLED): pyproject.toml setup.py
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v.major}.{v.minor}; try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(ORACLE): Makefile
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v <= (3, 11) else "tensorflow-addons needs Python 3.11 or older; try make oracle PYTHON=python3.11")'
	$(PYTHON) -m venv .oracle
	.oracle/bin/python -m pip install --quiet tensorflow==2.15.1 tensorflow-addons==0.23.0 'numpy<2'
	touch $@
