# `make demo` holds a conversation, `make talk` lets you hold one, `make test` runs the tests; `make test-long` those
# that are slow and guard what seldom changes, `make fuzz` lets the fuzz tests try many new inputs.
# Both make .venv first. PYTHON chooses the interpreter, PIP_ARGS goes to pip, for example:
#   make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

.PHONY: demo talk test test-long fuzz lint unit-test ros-test clean

PYTEST = .venv/bin/python -m pytest -p no:launch_testing -p no:launch_ros

demo: .venv/runtime
	.venv/bin/personaplex demo

talk: .venv/serve
	.venv/bin/personaplex serve --sessions 1

test: lint unit-test ros-test

lint: .venv/test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# In two processes, a file to one of them; then alone what judges real time, whatever came of those.
unit-test: .venv/test
	$(PYTEST) -m "not long and not alone" -n 2 --dist loadfile; \
	together=$$?; $(PYTEST) -m "not long and alone" && exit $$together

test-long: .venv/test
	$(PYTEST) -m long

# About half an hour; what fails is told with a line that repeats it.
fuzz: .venv/test
	$(PYTEST) --hypothesis-profile=long test/test_fuzz_*.py

ros-test: .venv/test
	scripts/test_with_ros.sh

.venv/runtime: requirements.txt setup.py scripts/setup_venv.sh
	scripts/setup_venv.sh runtime

.venv/serve: .venv/runtime requirements-serve.txt
	scripts/setup_venv.sh serve

.venv/test: .venv/runtime requirements-test.txt requirements-serve.txt
	scripts/setup_venv.sh test

clean:
	rm -rf .venv build install log *.egg-info
