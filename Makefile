# Every target sets up what it needs: a virtual environment in .venv, made again when pyproject.toml changes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# What the demo needs is a small part of what the tests need, and is there in a third of the time.
DEMO   := $(VENV)/.demo
# Plugins are distributions of their own, in one workspace with the kernel.
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
# Those that the demo shows what happens with.
SHOWN := plugins/dashboard plugins/doctor
# Somebody else's plugin: tested and checked where it lies, never installed here, because installed means on.
TEMPLATE := examples/plugin-template
# How many tests run at a time: at least four, because most of them wait, for a lease, a retry or another process.
AT_ONCE ?= $(shell $(PYTHON) -c 'import os; print(max(os.cpu_count() or 1, 4))')
# The suites of the plugins go one after the other, beside the kernel's: each has a time in which it only waits.
BESIDE ?= 3
SUITES := suite-kernel $(addprefix suite-,$(PLUGINS) $(TEMPLATE))
# What Python has compiled it keeps, also where the image of a container says otherwise: each of a thousand child processes
# of the tests would compile the kernel again, which is half of what it does.
export PYTHONDONTWRITEBYTECODE :=
# The site: its pages as the generator wants them, what it remembers of them, and what a browser reads.
SITE := build/docs
SPHINX := -W --keep-going -j auto -c docs/site -d $(SITE)/remembered $(SITE)/pages $(SITE)/html
# What the dashboard is looked at with. Where it cannot be had, the tests that need it are skipped by name.
GET_BROWSER := plugins/dashboard/tests/browser/get_browser.py
.DEFAULT_GOAL := help

.PHONY: help demo test chaos check format bench bench-quick docs docs-serve wheels release-check clean $(SUITES)

help:            ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

demo: $(DEMO)    ## A worker runs thousands of real jobs on a private PostgreSQL
	@$(BIN)/python examples/demo.py

test: $(READY)   ## The tests, on the embedded PostgreSQL (or CHANCY_TEST_DSN)
	@test -e $(VENV)/.browser || { $(BIN)/python $(GET_BROWSER) && touch $(VENV)/.browser; } || true
	@$(MAKE) --no-print-directory --keep-going -j 2 $(SUITES)

# The kernel's tests tell how far they are; those of each plugin run beside them, and are told when they have ended.
suite-kernel:
	$(BIN)/python -m pytest -n $(AT_ONCE)

$(filter-out suite-kernel,$(SUITES)): suite-%:
	@mkdir -p build/tests/$*
	@(cd $* && $(CURDIR)/$(BIN)/python -m pytest -n $(BESIDE)) > build/tests/$*/output 2>&1; \
		code=$$?; echo "$*"; cat build/tests/$*/output; exit $$code

chaos: $(READY)  ## Every fault on real workers, and a table; ARGS="--help" says what it takes
	@cd tests && $(CURDIR)/$(BIN)/python -m chaos $(ARGS)

check: $(READY)  ## Format, lint, strict types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@set -e; for plugin in $(PLUGINS) $(TEMPLATE); do $(BIN)/mypy --strict $$plugin/src; done
	$(BIN)/lint-imports
	PYTHONPATH=$(TEMPLATE)/src $(BIN)/lint-imports --config plugins/imports.toml

format: $(READY) ## Rewrite the code the way `make check` wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.bench ## Measure this beside other queues; ARGS="--help" says what it takes
	$(BIN)/python -m benchmarks --plots docs/explanation $(ARGS)

bench-quick: $(READY) ## The same, smaller, and beside fewer
	$(BIN)/python -m benchmarks --quick $(ARGS)

docs: $(READY)   ## Build the site into build/docs/html; a warning or a dead link is an error
	@mkdir -p $(SITE)/pages
	@$(BIN)/sphinx-build -q $(SPHINX)
	@echo "Open $(SITE)/html/index.html: it needs no server and no network."

docs-serve: $(READY) ## Serve the site on this machine, and build it again when a page changes; ARGS="--port 8001"
	@mkdir -p $(SITE)/pages
	$(BIN)/sphinx-autobuild $(SPHINX) --re-ignore '$(SITE)/' --watch docs --watch plugins --watch README.md $(ARGS)

wheels: $(READY) ## Build the distributions into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist . $(addprefix ./,$(PLUGINS))

release-check: $(VENV)/.release ## Build what is published, and run each with the oldest and the newest of what it needs; ARGS="--help"
	$(BIN)/python -m release $(ARGS)

clean:           ## Remove what the other targets made
	rm -rf $(VENV) benchmarks/.peers $(SITE) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/.bench: $(READY)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[bench]"
	@touch $@

$(VENV)/.release: $(READY)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[release]"
	@touch $@

# The environment itself, which what is installed into it is added to.
define MAKE_VENV
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Chancy needs Python 3.11 or newer; $(PYTHON) is %d.%d. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" % v[:2])'
	@echo "Setting up .venv (once) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endef

$(DEMO): pyproject.toml $(addsuffix /pyproject.toml,$(SHOWN))
	$(MAKE_VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[cli,embedded,fast]" $(addprefix -e ./,$(SHOWN))
	@touch $@

$(READY): pyproject.toml $(addsuffix /pyproject.toml,$(PLUGINS))
	$(MAKE_VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[dev]" $(addprefix -e ./,$(PLUGINS))
	@touch $(DEMO) $@
