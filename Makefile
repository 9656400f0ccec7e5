# What there is to make; each line ends in what it does.
VENV ?= .venv
PYTHON ?= python3
ENVIRONMENT = PYTHON="$(PYTHON)" OPENCV="$(OPENCV)" tools/environment.sh
ARGS ?=
ARCH ?= amd64
OPENCV ?=
BENCH_SCHEMA = from edge_app.bench import report; print(report.json_schema(), end='')

.DEFAULT_GOAL := help
.PHONY: help run test notebook test-tflite-runtime format lint types docs docs-check constraints check bench-figures bench-peers endurance-test vm-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## set up, then capture and classify: first camera found, else the synthetic one (make run ARGS="--rate 5")
	@$(ENVIRONMENT) $(VENV)
	@$(VENV)/bin/edge-app run $(ARGS)

test: ## set up, then run the tests
	@$(ENVIRONMENT) $(VENV) test
	$(VENV)/bin/python -m pytest $(ARGS)

test-tflite-runtime: ## classifier and self-tests of models on tflite-runtime 2.14, in its own environment (Python 3.11)
	tools/tflite_runtime_environment.sh $(VENV)-tflite-runtime
	$(VENV)-tflite-runtime/bin/python -m pytest tests/model/test_classifier.py tests/model/test_self_test.py
	$(VENV)-tflite-runtime/bin/edge-app models show cifar10-lecture
	$(VENV)-tflite-runtime/bin/edge-app models verify cifar10-base
	$(VENV)-tflite-runtime/bin/edge-app run --source synthetic --frames 5 --preview none --log /dev/null

format: ## format the code
	@$(ENVIRONMENT) $(VENV) test check
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

lint:
	@$(ENVIRONMENT) $(VENV) test check train
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .

types:
	@$(ENVIRONMENT) $(VENV) test check
	$(VENV)/bin/mypy

docs: ## write the generated parts of the documentation anew
	@$(ENVIRONMENT) $(VENV)
	$(VENV)/bin/python tools/command_reference.py > docs/commands.md
	$(VENV)/bin/edge-app models schema > docs/model-card.schema.json
	$(VENV)/bin/python -I -c "$(BENCH_SCHEMA)" > docs/bench.schema.json
	$(VENV)/bin/python tools/results_reference.py

docs-check:
	@$(ENVIRONMENT) $(VENV)
	$(VENV)/bin/python tools/command_reference.py | diff docs/commands.md - || { echo "run: make docs"; exit 1; }
	$(VENV)/bin/edge-app models schema | diff docs/model-card.schema.json - || { echo "run: make docs"; exit 1; }
	$(VENV)/bin/python -I -c "$(BENCH_SCHEMA)" | diff docs/bench.schema.json - || { echo "run: make docs"; exit 1; }
	$(VENV)/bin/python tools/results_reference.py --check || { echo "run: make docs"; exit 1; }

constraints: ## renew the pinned requirements, with hashes: constraints.txt, requirements/
	$(PYTHON) -I -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -I -m pip install --quiet --require-hashes --only-binary :all: -r requirements/lock.txt
	PYTHONPATH=. $(VENV)-lock/bin/python tools/constraints.py

notebook: ## set up, then execute docs/cnn_cifar10.ipynb from top to bottom (within 15 minutes on two cores)
	@$(ENVIRONMENT) $(VENV) train notebook
	$(VENV)/bin/python tools/execute_notebook.py docs/cnn_cifar10.ipynb

check: lint types docs-check test test-tflite-runtime ## all that CI checks: format, lint, types, documentation, tests

bench-figures: ## every figure of docs/performance.md beside its yardstick (a quarter of an hour; ARGS="yuyv loop")
	@$(ENVIRONMENT) $(VENV) test
	PYTHONPATH=. $(VENV)/bin/python tools/bench_figures.py $(ARGS)

bench-peers: ## from decoded frame to label beside MediaPipe and a bare interpreter, in an environment of its own
	tools/peers_environment.sh $(VENV)-peers
	$(VENV)-peers/bin/python tools/bench_peers.py $(ARGS)

endurance-test: ## a million frames, a thousand damaged models, a simulated day of outages (a quarter of an hour)
	@$(ENVIRONMENT) $(VENV) test
	$(VENV)/bin/python -m pytest -s tests/endurance $(ARGS)

vm-test: ## boot Debian machines with cameras, install the service, let things fail (ARCH=arm64: a Pi 4's core)
	@$(ENVIRONMENT) $(VENV) test
	ARCH=$(ARCH) $(VENV)/bin/python -m pytest -s tests/vm $(ARGS)

clean: ## remove the environments
	rm -rf $(VENV) $(VENV)-tflite-runtime $(VENV)-peers $(VENV)-lock build *.egg-info
