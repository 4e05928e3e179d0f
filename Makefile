# What people do with tether; `make` alone lists it. It needs Python 3.11 or newer and a C compiler.
#
# Everything is installed into $(VENV): .venv, or one for each version where PYTHON is given. The
# files below $(VENV)/.made say what is up to date, so that a second run has nothing to do.

ifeq ($(origin PYTHON),undefined)
PYTHON := python3
VENV ?= .venv
else
VENV ?= .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
endif
LISTEN ?=
CONFIG ?=
ARGS ?=

python := $(VENV)/bin/python
made := $(VENV)/.made
pip := $(python) -m pip install --quiet --disable-pip-version-check
native := $(shell find src -name '*.pyx' -o -name '*.pxd' -o -name '*.h')
checked := src tests benchmarks examples tools setup.py

.PHONY: help run build ready test check bench sanitize autobahn clean
.DELETE_ON_ERROR:

help:
	@echo 'make run       start the device server and print its link  (LISTEN=host:port CONFIG=file)'
	@echo 'make test      build, then run the tests                   (ARGS="tests/hub -k led")'
	@echo 'make check     style, types, links of the documents'
	@echo 'make build     compile what changed'
	@echo 'make bench     measure tether and its peers                (ARGS=--quick)'
	@echo 'make sanitize  the tests under the address and undefined-behaviour sanitizers'
	@echo 'make autobahn  the Autobahn suite of WebSocket cases'
	@echo 'make clean     remove everything that was made here'
	@echo 'PYTHON=python3.12 chooses an interpreter, which gets an environment of its own.'

run: $(made)/native $(made)/package
	@$(python) -m tether serve $(if $(LISTEN),--listen $(LISTEN)) $(if $(CONFIG),--config $(CONFIG)) $(ARGS)

build: $(made)/native $(made)/package

# What the tests need, for who runs several of them at once.
ready: $(made)/native $(made)/test

test: ready
	$(python) -m pytest $(ARGS)

check: $(made)/native $(made)/check
	$(python) -m ruff check $(checked)
	$(python) -m ruff format --check $(checked)
	$(python) -m mypy --strict src tests benchmarks tools
	$(python) tools/check_docs.py

bench: $(made)/native $(made)/package
	$(python) -m benchmarks $(ARGS)

sanitize: $(made)/native $(made)/test
	PYTHON=$(abspath $(python)) tools/sanitize $(ARGS)

autobahn: $(made)/native $(made)/test
	$(python) tools/autobahn $(ARGS)

clean:
	rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
	find src tests benchmarks examples tools \( -name __pycache__ -o -name .mypy_cache \) -prune -exec rm -rf {} +
	find src -name '*.so' -delete

# The environment, with what building needs: pyproject.toml says what that is.
$(made)/environment: pyproject.toml tools/check_machine.py
	@$(PYTHON) -c '' 2>/dev/null || { \
	  echo "$(PYTHON) does not run here; name another: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) tools/check_machine.py
	@echo 'Preparing $(VENV) ...'
	@$(PYTHON) -m venv $(VENV)
	@$(pip) --upgrade pip
	@$(python) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' >$(VENV)/build-requirements.txt
	@$(pip) -r $(VENV)/build-requirements.txt
	@mkdir -p $(made) && touch $@

# Compiled beside its sources, and only what changed.
$(made)/native: $(made)/environment setup.py $(native)
	@echo 'Compiling what changed (the first time it takes a minute or two) ...'
	@mkdir -p build
	@$(python) setup.py --quiet build_ext --inplace --parallel 2 >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log >&2; exit 1; }
	@touch $@

# The package is installed by reference, without compiling it a second time.
$(made)/package $(made)/test $(made)/check: export TETHER_BUILD = nothing
$(made)/package: $(made)/environment pyproject.toml
	@$(pip) --no-build-isolation --editable .
	@touch $@

$(made)/test: $(made)/environment pyproject.toml
	@$(pip) --no-build-isolation --editable '.[test]'
	@touch $@ $(made)/package

$(made)/check: $(made)/environment pyproject.toml benchmarks/requirements.txt
	@$(pip) --no-build-isolation --editable '.[test,check]' --requirement benchmarks/requirements.txt
	@touch $@ $(made)/package
