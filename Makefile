# Every target makes .venv first if it is missing or older than the requirements.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup book test shake lab tidy bench results clean

help:  ## show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv and install what the book and the tests need

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@echo "Installing into .venv, once: some minutes …"
	@$(PYTHON) -m venv .venv
	@{ $(BIN)/python -m pip install --upgrade pip && \
	   $(BIN)/python -m pip install -r requirements.txt && \
	   $(BIN)/python -m pip install --no-deps --editable . ; } > .venv/install.log 2>&1 || { cat .venv/install.log; exit 1; }
	@touch $(READY)

book: $(READY)  ## execute every notebook and build the site in _build/html
	@$(BIN)/python book/notebooks.py book

test: book  ## everything CI checks: style, package, notebooks, the built book in a browser, the wheel
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest --numprocesses 2 --dist worksteal --durations 20

shake: $(READY)  ## run chapters as other machines would, list what differs: make shake NAME=12_initialization DRAWS=20
	$(BIN)/python book/shake.py --draws $(or $(DRAWS),3) $(if $(ONLY),--only $(ONLY)) $(if $(NAME),-- $(NAME))

lab: $(READY)  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab --notebook-dir notebooks

tidy: $(READY)  ## format code and notebooks, run the notebooks, keep only the outputs that are compared
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python book/notebooks.py tidy

bench: $(READY)  ## speed side by side with torch, SciPy and plain loops, on two threads
	OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 $(BIN)/python benchmarks/convolution.py
	OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 $(BIN)/python benchmarks/pooling.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/explorers.py

results: $(READY)  ## train a study again and write results/NAME.json: make results NAME=lenet_pooling ROOT=folder
	$(BIN)/python -m cnncourse study $(if $(ROOT),--data-root $(ROOT)) $(NAME)

clean:  ## remove what was built; .venv stays
	rm -rf _build dist build *.egg-info
