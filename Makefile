# One command each, on a machine with Python 3.11+, make and git:
#   make demo    sets up and runs the main job
#   make test    sets up and runs the tests
#   make check   everything that must be green before a change lands
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs/demo
export OMP_NUM_THREADS ?= 2
export ORT_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo test check format lint types contracts docker-test lock clean

setup: $(VENV)/.installed

# torch comes first and from its exact pin: an open range pulls gigabytes of CUDA.
$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(BIN)/edgedistill compress --example mnist --out $(OUT)
	$(BIN)/edgedistill gate $(OUT) || test $$? -eq 3

test: setup
	$(BIN)/python -m pytest

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

check: lint types contracts test

# Builds the toolchain image over a bare Debian and runs it: as root, with buildah and debootstrap.
docker-test: setup
	EDGEDISTILL_TEST_DOCKER=1 $(BIN)/python -m pytest tests/docker

# Pins of what is installed, after a deliberate upgrade.
lock: setup
	$(BIN)/python -m pip freeze --exclude-editable --exclude edgedistill > requirements.lock

clean:
	rm -rf $(VENV) runs dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
