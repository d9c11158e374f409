# A fresh machine needs Python 3.11 or newer and make; everything else is installed into .venv: the package for the demo,
# what tests, documents and releases need when they are first asked for.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
EQUIPPED := .venv/.equipped
ORACLE := .oracle/.installed

.PHONY: demo test browser bench notebooks docs oracle lint types coverage lock dist clean

demo: $(INSTALLED)  ## track a real heart: pictures, video and strain in demo/
	$(BIN)/cpwc-keras demo --output demo

test: $(EQUIPPED)  ## all tests, as continuous integration runs them: a file at a time in each of two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

browser: $(EQUIPPED)  ## the tests of the browser page and the documentation, in the Chromium that is there or in one that Playwright brings
	command -v chromium || command -v chromium-browser || command -v google-chrome || $(BIN)/playwright install chromium
	$(BIN)/python -m pytest -m slow tests/app tests/docs/test_documentation_site.py

bench: $(EQUIPPED)  ## every speed the documents state, against its peers
	$(BIN)/python benchmarks/run.py

notebooks: $(EQUIPPED)  ## execute every notebook and write it, with its pictures, to build/notebooks/*.html
	$(BIN)/jupyter nbconvert --to notebook --execute --ExecutePreprocessor.timeout=1200 --ExecutePreprocessor.store_widget_state=False --output-dir build/notebooks notebooks/*.ipynb
	$(BIN)/jupyter nbconvert --to html build/notebooks/*.ipynb

docs: $(EQUIPPED)  ## the documentation in build/docs/index.html, with the notebooks as `make notebooks` left them
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

oracle: $(EQUIPPED) $(ORACLE)  ## compare our ops with tensorflow-addons 0.23, in an environment of its own
	mkdir -p build
	.oracle/bin/python tests/oracle/tfa_reference.py build/tfa_reference.npz 50
	$(BIN)/python -m pytest tests/ops/test_against_tfa.py -rA --no-header --durations=0 | tail -n 3
	$(BIN)/python tests/oracle/report.py build/tfa_reference.npz

lint: $(EQUIPPED)  ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(EQUIPPED)  ## type check; in build/types the folders lie as in the installed package
	rm -rf build/types
	mkdir -p build/types/cpwc_keras
	ln -s $(CURDIR)/cpwc_keras/* $(CURDIR)/ops $(CURDIR)/data_prep build/types/cpwc_keras/
	cd build/types && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/build/mypy -p cpwc_keras

coverage: $(EQUIPPED)  ## which lines the tests run, commands and workers included (TESTS=tests/io for some of them)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-config pyproject.toml --cov-report term --cov-report html:build/coverage $(TESTS)

lock: $(EQUIPPED)  ## requirements.lock anew: every package that results depend on, for each Python and system, with its hashes
	$(BIN)/uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command 'make lock' --quiet --output-file requirements.lock

dist: $(EQUIPPED)  ## wheel and sdist in dist/, checked
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf .venv .oracle build demo dist

$(INSTALLED): pyproject.toml setup.py
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v.major}.{v.minor}; try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable .
	touch $@

$(EQUIPPED): $(INSTALLED)
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(ORACLE): Makefile
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v <= (3, 11) else "tensorflow-addons needs Python 3.11 or older; try make oracle PYTHON=python3.11")'
	$(PYTHON) -m venv .oracle
	.oracle/bin/python -m pip install --quiet tensorflow==2.15.1 tensorflow-addons==0.23.0 'numpy<2'
	touch $@
