# make run    shows what edge-fer does: webcam or a clip, a broker, the live page
# make test   runs the tests
# make test-slow  runs those that take minutes: long outages
# make test-backends  runs the trainer's under JAX and PyTorch, which it installs (a gigabyte)
# make test-homeassistant  runs those with a real Home Assistant and Node-RED, which it installs (1.5 GB; as root on Debian, with npm)
# make lint   runs formatter, linter and type checker
# All make their own virtual environment in .venv and need nothing but Python 3.10 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOME_ASSISTANT := build/homeassistant
NODE_RED := build/node-red

.PHONY: run test test-slow test-backends test-homeassistant lint format clean
.DELETE_ON_ERROR:

run: $(VENV)/.for-run
	$(BIN)/edge-fer demo

test: $(VENV)/.for-test
	$(BIN)/pytest

test-slow: $(VENV)/.for-test
	$(BIN)/pytest -m slow

test-backends: $(VENV)/.for-backends
	$(BIN)/pytest -m backends
	KERAS_BACKEND=jax $(BIN)/pytest tests/train/test_resume.py
	KERAS_BACKEND=torch $(BIN)/pytest tests/train/test_resume.py tests/train/test_augment.py
	KERAS_BACKEND=torch $(BIN)/pytest -m backends tests/train/test_torch_kernels.py

test-homeassistant: $(VENV)/.for-test | $(HOME_ASSISTANT) $(NODE_RED)
	EDGE_FER_HASS_ROOT=$(HOME_ASSISTANT) EDGE_FER_NODE_RED=$(NODE_RED) $(BIN)/pytest -m homeassistant

lint: $(VENV)/.for-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.for-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.for-run: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[web,broker,plots]'
	touch $@

$(VENV)/.for-test: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[train,web,watch,broker,plots,metrics,dev]'
	touch $@ $(VENV)/.for-run

$(VENV)/.for-backends: $(VENV)/.for-test
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[backends]'
	touch $@

$(HOME_ASSISTANT):
	tests/homeassistant/install $@

$(NODE_RED):
	rm -rf $@.part
	npm install --prefix $@.part --silent --no-audit --no-fund node-red@4
	mv $@.part $@

# Debian's python3 comes without ensurepip; where pip itself is there, it can furnish the environment instead.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'edge-fer needs Python 3.10 or newer; name one: make PYTHON=python3.12'; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || \
		{ $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(VENV) install --quiet pip; } || \
		{ rm -rf $(VENV); echo 'this Python cannot make virtual environments: apt install python3-venv'; exit 1; }
