# The commands of the project; `make` lists them. Needs git, make and Python 3.11 or newer: `make setup` installs the rest.
#
# Make requirements.lock from pyproject.toml with uv:
#   uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
#     --no-annotate --extra dev pyproject.toml -o requirements.lock

SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
READY := .venv/.ready

# No telemetry.
export RUNTIME__DLTHUB_TELEMETRY := false
export DO_NOT_TRACK := 1

.PHONY: help setup run test wheel soak lint sandbox sync build docs bench clean always

help: ## list these targets
	@echo "make <target>, where <target> is one of"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile
	@echo "ARGS='...' is passed on, as in: make sync ARGS='--streams users'"

setup: $(READY) ## make .venv and install the versions of requirements.lock (nothing where they are installed)

# The stamp contains its folder: an environment that was moved or copied still points to the old folder.
ifneq "$(shell cat $(READY) 2>/dev/null)" "$(CURDIR)"
$(READY): always
endif
$(READY): requirements.lock pyproject.toml
	@.ci/setup

# Reads the settings, so that every place of a token counts; 10 means that there is none.
FIND_TOKEN = from referral_warehouse.settings import load_settings as s; raise SystemExit(0 if s().api_token else 10)

run: $(READY) ## sync the configured account; without a token run the demo (DAYS=3 for a short one, DEMO=1 in any case)
	@found=0; $(BIN)/python -c '$(FIND_TOKEN)' 2>/dev/null || found=$$?; \
	if [ -n "$(DEMO)" ] || [ "$$found" = 10 ]; then \
	  exec $(BIN)/referrals demo $(if $(DAYS),--days $(DAYS)) $(ARGS); \
	else \
	  exec $(BIN)/referrals sync $(ARGS); \
	fi

test: $(READY) ## run the tests on two cores (STORAGE=ducklake: those that publish, with a lake)
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(if $(STORAGE),--storage $(STORAGE)) $(ARGS)

wheel: $(READY) ## test the installed wheel with another Python of this machine (PYTHON=python3.13)
	@WHEEL_PYTHON="$(PYTHON)" $(BIN)/python -m pytest tests/installed $(ARGS)

soak: $(READY) ## the long tests, minutes to hours (ARGS='-k budget' for some of them)
	@$(BIN)/python -m pytest -s -m full $(ARGS)

lint: $(READY) ## ruff, mypy and sqlfluff
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/python -m sqlfluff lint --disable-progress-bar sql

sandbox: $(READY) ## serve the documented API on this machine, with a made-up account
	@$(BIN)/referrals sandbox $(ARGS)

sync: $(READY) ## load, audit, build, check and publish the configured account
	@$(BIN)/referrals sync $(ARGS)

build: $(READY) ## build the models from the load file
	@$(BIN)/referrals build $(ARGS)

docs: $(READY) ## write sql/raw.sql and docs/fields.md from the schemas, the data dictionary, and docs/report.png
	@$(BIN)/python -m tests.schema_files
	@text=$$($(BIN)/referrals docs) && printf '%s\n' "$$text" > sql/DICTIONARY.md
	@$(BIN)/python -m tests.report_picture

bench: $(READY) ## measure CPU, memory and the goals (ARGS='--quick' takes a minute)
	@$(BIN)/python -m tests.bench $(ARGS)

clean: ## remove .venv, caches and build leftovers; never the data
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	@find . \( -path ./.git -o -path ./data \) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
