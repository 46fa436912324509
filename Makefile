# What one types here; `make` alone lists it. Needs git, make and a Python of 3.11 or newer: `make setup` brings the rest.
#
# requirements.lock is made from pyproject.toml, where uv is at hand, by
#   uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
#     --no-annotate --extra dev pyproject.toml -o requirements.lock

SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
READY := .venv/.ready

# Nothing here phones home.
export RUNTIME__DLTHUB_TELEMETRY := false
export DO_NOT_TRACK := 1

.PHONY: help setup run test soak lint sandbox sync build docs bench clean always

help: ## list these targets
	@echo "make <target>, where <target> is one of"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile
	@echo "ARGS='...' is passed on, as in: make sync ARGS='--streams users'"

setup: $(READY) ## make .venv and install what requirements.lock pins (a no-op when nothing changed)

# The stamp holds the folder it was made in: an environment that was moved or copied still points to the old place.
ifneq "$(shell cat $(READY) 2>/dev/null)" "$(CURDIR)"
$(READY): always
endif
$(READY): requirements.lock pyproject.toml
	@.ci/setup

# Asked of the settings themselves, so that every place a token may stand in counts; 10 means that there is none.
FIND_TOKEN = from referral_warehouse.settings import load_settings as s; raise SystemExit(0 if s().api_token else 10)

run: $(READY) ## sync the configured account; without a token play the demo (DAYS=3 for a short one, DEMO=1 in any case)
	@found=0; $(BIN)/python -c '$(FIND_TOKEN)' 2>/dev/null || found=$$?; \
	if [ -n "$(DEMO)" ] || [ "$$found" = 10 ]; then \
	  exec $(BIN)/referrals demo $(if $(DAYS),--days $(DAYS)) $(ARGS); \
	else \
	  exec $(BIN)/referrals sync $(ARGS); \
	fi

test: $(READY) ## run the tests on two cores
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

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

build: $(READY) ## build the models from what is loaded already
	@$(BIN)/referrals build $(ARGS)

docs: $(READY) ## write sql/raw.sql and docs/fields.md from the schemas, and the data dictionary, sql/DICTIONARY.md
	@$(BIN)/python -m tests.schema_files
	@text=$$($(BIN)/referrals docs) && printf '%s\n' "$$text" > sql/DICTIONARY.md

bench: $(READY) ## measure CPU, memory and the goals (ARGS='--quick' takes a minute)
	@$(BIN)/python -m tests.bench $(ARGS)

clean: ## remove .venv, caches and build leftovers; never the data
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	@find . \( -path ./.git -o -path ./data \) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
