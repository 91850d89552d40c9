# make run    shows what edge-fer does: webcam or a clip, a broker, the live page
# make test   runs the tests
# make test-slow  runs those that take minutes: long outages
# make test-backends  runs the trainer's under JAX and PyTorch, which it installs (a gigabyte)
# make test-homeassistant  runs those with a real Home Assistant and Node-RED, which it installs (1.5 GB; as root on Debian, with npm)
# make test-system  runs those on booted Debian machines, whose roots it makes first (as root on Debian; see .ci/run for packages)
# make test-pi  runs those on an emulated Raspberry Pi, which it installs (400 MB; as root on Debian 12 for its packages)
# make test-vm  runs those in a virtual machine with a camera, which it makes first (2 GB; as root on Debian 12 with cpio,
#               mmdebstrap and qemu-system-x86; a quarter of an hour, so not in CI)
# make deb    makes build/deb/edge-fer_*.deb for the Debian and the architecture that it runs on
# make deb-arm64  makes build/deb-arm64/bookworm/edge-fer_*_arm64.deb for a Raspberry Pi, emulated (an hour; as root on Debian
#               with mmdebstrap and qemu-user-static); RELEASE=trixie for that Debian
# make test-deb-arm64  installs and runs it, emulated (not in CI)
# make lint   runs formatter, linter and type checker
# All make their own virtual environment in .venv and need nothing but Python 3.10 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOME_ASSISTANT := build/homeassistant
NODE_RED := build/node-red
SYSTEM := build/system
VM := build/vm
RELEASE ?= bookworm
DEB_ARM64 = build/deb-arm64/$(RELEASE)

.PHONY: run test test-slow test-backends test-homeassistant test-system test-vm test-pi test-deb-arm64 deb deb-arm64 lint format clean
.DELETE_ON_ERROR:

run: $(VENV)/.for-run
	$(BIN)/edge-fer demo

# A file's tests stay together, as they share what they set up; each process holds TensorFlow (1.2 GB), hence the limit.
test: $(VENV)/.for-test
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-slow: $(VENV)/.for-test
	$(BIN)/pytest -m slow

test-backends: $(VENV)/.for-backends
	$(BIN)/pytest -m backends
	KERAS_BACKEND=jax $(BIN)/pytest tests/train/test_resume.py
	KERAS_BACKEND=torch $(BIN)/pytest tests/train/test_resume.py tests/train/test_augment.py
	KERAS_BACKEND=jax $(BIN)/pytest -m "slow or not slow" tests/train/test_detector.py
	KERAS_BACKEND=torch $(BIN)/pytest -m "slow or not slow" tests/train/test_detector.py
	KERAS_BACKEND=torch $(BIN)/pytest -m backends tests/train/test_torch_kernels.py

test-homeassistant: $(VENV)/.for-test | $(HOME_ASSISTANT) $(NODE_RED)
	EDGE_FER_HASS_ROOT=$(HOME_ASSISTANT) EDGE_FER_NODE_RED=$(NODE_RED) $(BIN)/pytest -m homeassistant

test-system: $(VENV)/.for-test $(SYSTEM)/bookworm/wheels $(SYSTEM)/trixie/wheels
	EDGE_FER_SYSTEM=$(SYSTEM) $(BIN)/pytest -m system

test-pi: $(VENV)/.for-test
	tests/pi/install $(BIN)/python
	$(BIN)/pytest -m pi

# To compress the package takes longer than all else.
test-vm: export DPKG_DEB_COMPRESSOR_TYPE = none
test-vm: deb
	tests/vm/prepare build/deb/edge-fer_*.deb $(VM)
	EDGE_FER_VM=$(VM) $(BIN)/pytest -m vm

# By way of the source package, as a wheel straight from the tree may hold what an earlier build left in build/.
deb: $(VENV)/.for-test
	rm -rf build/deb
	$(BIN)/python -m build --no-isolation --outdir build/deb/wheel
	systemd/debian/build build/deb/wheel/edge_fer-*.whl build/deb

deb-arm64: $(VENV)/.for-test
	rm -rf build/deb-arm64/wheel
	$(BIN)/python -m build --no-isolation --outdir build/deb-arm64/wheel
	systemd/debian/build-arm64 $(RELEASE) build/deb-arm64/wheel/edge_fer-*.whl $(DEB_ARM64)

test-deb-arm64: deb-arm64
	EDGE_FER_DEB_ARM64=$(DEB_ARM64) $(BIN)/pytest -m deb_arm64

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

$(SYSTEM)/%/wheels: tests/system/prepare pyproject.toml
	tests/system/prepare $* $(@D) pyproject.toml

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
