# Everything a person or a machine does with this repository. Needs Python >= 3.10 and make, and no compiler.
# The virtual environment is made when it is missing, and filled again only when pyproject.toml changed.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
BENCHMARKS ?= imports firstfit startup trial lowering call region compile mathematics boosting exact sparsity blocks \
	predict explain memory batches matmul conv2d depthwise fusion roofline
RECORD ?=

PACKAGES := sketch boost compiler costmodel
CODE := $(PACKAGES) benchmarks docs examples tests

# Is there an environment that works, is new enough, was not moved here, and has the version that was asked for?
ifeq ($(origin PYTHON),file)
WANTED := any
else
WANTED := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
endif
VENV_OK := $(shell $(PY) -c 'import sys, pip; v = sys.version_info[:2]; \
	sys.exit(v < (3, 10) or "$(WANTED)" not in ("any", "%d.%d" % v))' 2>/dev/null && echo yes)
MADE_IN := $(shell cat $(VENV)/.made-in 2>/dev/null)
ifneq ($(MADE_IN),)
ifneq ($(MADE_IN),$(CURDIR))
VENV_OK :=
endif
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench results map docs wheel notebooks outputs clean venv

help:
	@echo "make demo       set up, then run the main job: train on tables, tune two programs (about 5 minutes)"
	@echo "make test       set up, then run everything that CI runs: all tests, and all of make check"
	@echo "make check      set up, then lint, format, types, import order and the rules of structure (a minute)"
	@echo "make bench      set up, then measure against other libraries and print tables"
	@echo "make results    write RESULTS.md from the recorded measurements"
	@echo "make map        write the list of modules in ARCHITECTURE.md from their docstrings"
	@echo "make docs       set up, then build the API reference in docs/_build"
	@echo "make wheel      set up, then compile the kernels of common fits and build a wheel in dist/"
	@echo "make notebooks  set up, then open the notebooks in JupyterLab"
	@echo "make outputs    set up, then run the notebooks that are kept with outputs, and store these"
	@echo "make clean      remove the virtual environment, caches and build output; keeps what was measured"
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter, ARGS='...' is passed on to espalier demo or pytest,"
	@echo "BENCHMARKS='imports boosting' chooses benchmarks, RECORD=yes records their rows for RESULTS.md:"
	@echo "$(BENCHMARKS)"

demo: $(VENV)/.installed-demo
	@echo "espalier: running the demo"
	@$(VENV)/bin/espalier demo $(ARGS)

test: $(VENV)/.installed-test
	@echo "espalier: running the tests"
	@$(PY) -m pytest -n 2 --dist worksteal $(ARGS)

bench: $(VENV)/.installed-bench
	@for name in $(BENCHMARKS); do \
		echo "espalier: benchmark $$name"; \
		$(PY) -m benchmarks $(if $(RECORD),--record) $$name || exit 1; \
	done

results: $(VENV)/.installed-test
	@$(PY) -m benchmarks.results

map: $(VENV)/.installed-test
	@$(PY) docs/map.py

docs: $(VENV)/.installed-docs
	@echo "espalier: building the API reference"
	@$(PY) -m sphinx --quiet --fail-on-warning --keep-going -b html docs docs/_build/html
	@echo "espalier: open docs/_build/html/index.html"

wheel: $(VENV)/.installed-demo
	@echo "espalier: compiling the kernels of common fits for x86-64-v2, v3 and v4, and building the wheel"
	@$(PY) -m boost.kernel_library
	@$(PY) -m pip wheel --quiet --no-input --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

notebooks: $(VENV)/.installed-notebooks
	@echo "espalier: opening the notebooks"
	@$(VENV)/bin/jupyter lab notebooks

outputs: $(VENV)/.installed-test
	@$(PY) notebooks/store_outputs.py

check: $(VENV)/.installed-test
	@echo "espalier: lint, format, types, import order, rules of structure"
	@$(PY) -m pytest -q -n 2 tests/test_tools.py tests/test_laws.py tests/test_generated.py $(ARGS)

clean:
	@echo "espalier: removing $(VENV), caches and build output"
	@rm -rf $(VENV) build dist docs/_build docs/api boost/machine_code *.egg-info
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find $(CODE) -type d -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.installed-demo: EXTRAS := plot
$(VENV)/.installed-test: EXTRAS := plot,parquet,test
$(VENV)/.installed-bench: EXTRAS := plot,bench
$(VENV)/.installed-docs: EXTRAS := plot,docs
$(VENV)/.installed-notebooks: EXTRAS := notebooks

$(VENV)/.installed-%: pyproject.toml $(if $(VENV_OK),,venv)
	@echo "espalier: installing espalier[$(EXTRAS)] into $(VENV) (a minute or two the first time)"
	@$(PY) -m pip install --quiet --no-input --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

venv:
	@command -v $(PYTHON) >/dev/null || { \
		echo "espalier: needs Python 3.10 or newer, and there is no '$(PYTHON)' here: install it, or name one," \
		"as in 'make $(or $(firstword $(MAKECMDGOALS)),demo) PYTHON=python3.12'" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "espalier: needs Python 3.10 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1): name a newer one," \
		"as in 'make $(or $(firstword $(MAKECMDGOALS)),demo) PYTHON=python3.12'" >&2; exit 1; }
	@echo "espalier: making a virtual environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || { \
		rm -rf $(VENV); \
		echo "espalier: '$(PYTHON) -m venv' failed; on Debian and Ubuntu 'apt install python3-venv' provides it" >&2; \
		exit 1; }
	@echo "$(CURDIR)" > $(VENV)/.made-in
