# make demo  sets up and shows the main job; make test  sets up and runs every test. Nothing else is needed first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

SECONDS ?= 60
SOAK_SECONDS ?= 3600

.PHONY: help venv ready demo test lint fidelity bench fuzz sanitize coverage mutation soak clean
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml setup.py kernel_sim/mac/_hw/helper.c kernel_sim/mac/_hw/helper.h kernel_sim/io/_fast/fast.c kernel_sim/io/_fast/fast.h
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "etherspan needs Python 3.11 or newer; $(PYTHON) is older (set PYTHON=...)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "cannot make a virtual environment: install the Debian package python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

## make venv      set up .venv with everything below
venv: $(STAMP)

# A command starts twice as fast from compiled modules, and an editable install brings none.
ready: $(STAMP)
	@$(BIN)/python -m compileall -q dladm etherspan kernel_sim libvarpd

## make demo      two hosts, an overlay and a Linux VXLAN peer on this machine, checked end to end
demo: ready
	$(BIN)/etherspan demo

## make test      every test
test: ready
	@$(BIN)/python tools/needs.py test
	$(BIN)/python -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder

## make lint      ruff, mypy --strict, the architecture's contracts
lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/purity.py

## make fidelity  which facts of docs/reference no passing test pins
fidelity: $(STAMP)
	@$(BIN)/python tools/needs.py test
	@mkdir -p build
	$(BIN)/python -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder --facts build/facts.json
	$(BIN)/python tools/fidelity.py build/facts.json

## make bench     throughput beside kernel vxlan and a naive loop; latency of the first frame to a MAC address; thousands of links; SVP lookups
bench: ready
	$(BIN)/etherspan bench datapath
	$(BIN)/etherspan bench control
	$(BIN)/etherspan bench svp

## make fuzz      coverage-guided fuzzing, a minute for each target of tests/fuzz (SECONDS=… for another time)
fuzz: ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	@for target in $$($(BIN)/python -c 'from tests.fuzz.targets import TARGETS; print(*TARGETS)'); do \
	  echo "== $$target"; $(BIN)/python -m tests.fuzz $$target -max_total_time=$(SECONDS) -verbosity=0 -print_final_stats=1 || exit 1; done

## make sanitize  the compiled helpers under AddressSanitizer and UBSan: their tests, what the fuzzing has kept and changes of it
SANITIZED := build/sanitized
sanitize: ready
	@rm -rf $(SANITIZED) $(SANITIZED).objects
	@printf '[build]\nbuild_base = $(SANITIZED).objects\n' >$(SANITIZED).cfg
	DIST_EXTRA_CONFIG=$(SANITIZED).cfg CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -g" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(SANITIZED) .
	@grep -q __asan_init $(SANITIZED)/kernel_sim/mac/_hw/_helper.*.so || { echo "the helper was not built: is there a C compiler with sanitizers?" >&2; exit 1; }
	PYTHONPATH=$(SANITIZED) LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
	  $(BIN)/pytest -q -p no:cacheprovider -o pythonpath="$(SANITIZED) ." tests/fuzz/test_targets.py tests/property/test_hw_twins_props.py \
	  tests/property/test_fastpath_props.py tests/unit/kernel_sim/test_hw_emul.py -k "helper or twins or hw_emul or fastpath"

## make coverage  what the tests reach; figures are in docs/testing.md
coverage: ready
	@$(BIN)/python tools/needs.py test
	@mkdir -p build/coverage
	-$(BIN)/python -m coverage run -m pytest -q
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report -i --skip-covered

## make mutation  1,000 changes to the code, and whether a test notices each: an hour or more
mutation: ready
	$(BIN)/python tools/mutation.py map
	$(BIN)/python tools/mutation.py run
	$(BIN)/python tools/mutation.py report

## make soak      the long runs, SOAK_SECONDS of traffic, changes and faults among them
soak: ready
	@$(BIN)/python tools/needs.py test
	$(BIN)/python -m pytest -q -m soak --timeout 3600
	$(BIN)/etherspan bench soak --seconds $(SOAK_SECONDS)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
