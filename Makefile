# `make demo` and `make test` are all that a newcomer needs; `make` alone lists the rest.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=

CARGO_DENY_VERSION := 0.20.2
CARGO_MUTANTS_VERSION := 27.1.0

TARGET := $(or $(CARGO_TARGET_DIR),target)
# The release-tests that `make install` installs; one that was built elsewhere can be named.
PROGRAM ?=
INSTALL = PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" PROGRAM="$(or $(PROGRAM),$(TARGET)/release/release-tests)" \
	crates/release-tests/install

.PHONY: help deps build demo test test-deep mutants fmt fmt-check lint docs policy unit build-tests run-tests install \
	uninstall clean-install bench reference clean

help: ## List these commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

deps: ## Install missing system packages and the virtual environment of the tests
	@.ci/deps

build: ## Build the programs for use (release profile)
	$(CARGO) build --locked --release -p release-tests -p sandbox

demo: ## Take two releases from announced to shipped and a nightly to accepted, in the sandbox
	@.ci/deps build
	$(CARGO) build --locked -p release-tests -p sandbox
	$(TARGET)/debug/oar-sandbox demo

test: ## Run everything that CI runs, and print the duration of each part
	@.ci/run

fmt: ## Format all code
	$(CARGO) fmt --all

fmt-check:
	$(CARGO) fmt --all --check

lint: ## Run clippy; a warning is an error
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

docs: ## Build the API documentation; a warning is an error
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

# cargo-deny is built once, into the build directory. In CI the check must run; elsewhere a machine without network
# goes on without it.
policy: ## Check the dependencies against deny.toml
	@export PATH="$(abspath $(TARGET)/tools/bin):$$PATH"; \
	if ! command -v cargo-deny > /dev/null; then \
		echo "policy: building cargo-deny $(CARGO_DENY_VERSION) into $(TARGET)/tools (once, some minutes)"; \
		if ! $(CARGO) install --locked --quiet --root $(TARGET)/tools --version $(CARGO_DENY_VERSION) cargo-deny; then \
			echo "policy: NOT CHECKED, because cargo-deny could not be built" >&2; \
			test -z "$${CI:-}"; \
			exit; \
		fi; \
	fi; \
	$(CARGO) deny check licenses bans sources

# The tests start the real programs, which `cargo test` alone would not build. They also compare the stored
# references with what the programs say (`make reference` writes them anew).
unit: build-tests run-tests ## Build the programs and run the tests

build-tests:
	$(CARGO) build --locked --workspace --bins --tests

# Tests mostly wait for answers and pauses, so more of them run than there are processors: half as many again, and of those
# of every command twice as many.
run-tests:
	@failed=0; \
	$(CARGO) test --locked --workspace --no-fail-fast -- --skip every_command:: \
		--test-threads $$(($$(nproc) + ($$(nproc) + 1) / 2)) || failed=1; \
	$(CARGO) test --locked --workspace --test matrix -- every_command:: --test-threads $$((2 * $$(nproc))) || failed=1; \
	exit $$failed

# The tool is built once, into the build directory. MUTANTS are more arguments: `make mutants MUTANTS='--shard 0/8'`.
mutants: ## Change the rules of the engine one at a time; its tests must notice 95 of 100 changes (some hours)
	@export PATH="$(abspath $(TARGET)/tools/bin):$$PATH"; \
	if [ "$$(cargo-mutants mutants --version 2> /dev/null)" != "cargo-mutants $(CARGO_MUTANTS_VERSION)" ]; then \
		echo "mutants: building cargo-mutants $(CARGO_MUTANTS_VERSION) into $(TARGET)/tools (once, some minutes)"; \
		$(CARGO) install --locked --quiet --root $(TARGET)/tools --version $(CARGO_MUTANTS_VERSION) cargo-mutants; \
	fi; \
	.ci/mutants $(MUTANTS)

test-deep: ## Run in full what CI samples: every fault, a hundred meetings, two weeks of agents, fifty releases, ten thousand holds (some hours)
	$(CARGO) build --locked --workspace --bins --tests
	OAR_TEST_DEEP=1 $(CARGO) test --locked --workspace --no-fail-fast --test matrix --test at_once --test slack_storm --test fortnight --test simulated --test hold --test mcp_adversary --test mcp_storm
	$(MAKE) mutants

bench: ## Measure start-up, tasks and StateBox files
	$(CARGO) build --locked --release -p release-tests -p end-to-end --bins
	$(TARGET)/release/bench

# The same selection of packages as for the tests: another one would build many dependencies a second time.
reference: build-tests ## Update the generated parts of the documentation
	$(TARGET)/debug/release-tests reference --write .

# With `sudo make install` there may be no cargo; then what was built before is installed.
install: ## Install release-tests, its links, completions and man pages below PREFIX (/usr/local)
	@if [ -z "$(PROGRAM)" ] && command -v $(CARGO) > /dev/null; then $(MAKE) build; fi
	@$(INSTALL) install

uninstall: ## Remove what `make install` installed, except a changed configuration
	@$(INSTALL) uninstall

clean-install: uninstall install ## Uninstall, then install

clean: ## Remove build output and the virtual environment
	$(CARGO) clean
	rm -rf .venv
