# make demo   upscale and repaint a sample photo           make test   what CI runs
# make lint   ruff and mypy only                           make clean  remove what these made
# make long   the tests of an hour, with 40 GB of disk     make cluster   those that need Ray
# make docs   the documentation as a site, in site/
#
# A CPU-only torch is a tenth of the default download: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make demo

SUITABLE := import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python3.14 python; do \
	$$p -c '$(SUITABLE)' 2>/dev/null && echo $$p && break; done)
WORKERS ?= 2
BIN := .venv/bin
# Installed once; again when the requirements change or a plugin folder comes or goes.
REQUIREMENTS := setup.py constraints.txt plugins

.PHONY: demo test lint long cluster docs clean
.DEFAULT_GOAL := help

help: ## print what can be made
	@sed -n '1,6s/^# *//p' Makefile

demo: .venv/installed-demo
	@mkdir -p demo
	@$(BIN)/python scripts/sample_photo.py demo/photo.png
	$(BIN)/imgtk run "upscale:esrgan x4 | style:monet" demo/photo.png -o demo/monet.png --overwrite
	@echo "The photo is demo/photo.png; upscaled and painted it is $(CURDIR)/demo/monet.png"

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS)

long: .venv/installed-dev
	$(BIN)/python -m pytest -q -m long

cluster: .venv/installed-dev .venv/installed-ray
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/batch/test_cluster.py

docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Now: $(BIN)/python -m http.server -d site, and open http://localhost:8000"

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build dist demo site *.egg-info .pytest_cache .mypy_cache .ruff_cache

.venv/installed-%: $(REQUIREMENTS) | .venv/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@

.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo "imgtk needs Python 3.10 to 3.14; none was found. Install one, or: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(SUITABLE)' || { echo "imgtk needs Python 3.10 to 3.14, not $$($(PYTHON) --version)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
