# make run             runs the whole pipeline into models/, trajectories/ and results/
# make run OUT=folder  runs it into a folder of your own
# make run PROCESSES=1 runs it in one process instead of two
# make test            runs the tests
# make check           runs linter, formatter and type checker
# make bench ARGS=...  passes flags to the command; so do all other targets below `check`
PYTHON ?= python3.11
BIN := .venv/bin
# On two cores, two processes with one thread each are faster than one process with two threads. A GPU needs one process.
PROCESSES ?= $(if $(shell command -v nvidia-smi),1,2)
PHASE := $(BIN)/$(if $(filter 1,$(PROCESSES)),python,accelerate launch --multi_gpu --num_processes $(PROCESSES) --num_machines 1 --mixed_precision no --dynamo_backend no)
SHELL := /bin/bash

.PHONY: run test check replicate ablations base export bench memory bad_input chaos fuzz injection soak

# PyTorch first: with it installed, nothing else pulls in its CUDA packages.
.venv/ready: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.txt)"
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

run: .venv/ready
ifdef OUT
	$(PHASE) starter_sft.py --output_model_path $(OUT)/sft
	$(PHASE) starter_agentic_traces.py --sft_model_path $(OUT)/sft --traces_path $(OUT)/agent_traces.json
	$(PHASE) starter_agentic_rlft.py --sft_model_path $(OUT)/sft --traces_path $(OUT)/agent_traces.json \
		--pairs_path $(OUT)/preference_pairs.json --adapter_path $(OUT)/dpo --results_dir $(OUT)/results
else
	$(PHASE) starter_sft.py
	$(PHASE) starter_agentic_traces.py
	$(PHASE) starter_agentic_rlft.py
	$(BIN)/python -m meeting_agent.report.markdown
	$(BIN)/python -m meeting_agent.report.readme_example
	$(BIN)/python -m meeting_agent.report.page
endif

test: .venv/ready
	$(BIN)/python -m pytest -q --numprocesses $(PROCESSES) --dist worksteal

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

replicate: .venv/ready
	$(BIN)/python -m meeting_agent.evaluation.replications $(ARGS)
	$(BIN)/python -m meeting_agent.report.markdown
	$(BIN)/python -m meeting_agent.report.page

ablations: .venv/ready
	$(BIN)/python -m meeting_agent.evaluation.ablations $(ARGS)
	$(BIN)/python -m meeting_agent.report.markdown
	$(BIN)/python -m meeting_agent.report.page

bad_input chaos fuzz injection soak: .venv/ready
	$(BIN)/python -m meeting_agent.reliability.$@ $(ARGS)
	$(BIN)/python -m meeting_agent.report.markdown
	$(BIN)/python -m meeting_agent.report.page

bench: .venv/ready
	$(BIN)/python -m meeting_agent.benchmarks.comparisons $(ARGS)

memory: .venv/ready
	$(BIN)/python -m meeting_agent.benchmarks.memory $(ARGS)

base: .venv/ready
	$(BIN)/python -m meeting_agent.base.build $(ARGS)

export: .venv/ready
	$(BIN)/python -m meeting_agent.inference.export $(ARGS)
