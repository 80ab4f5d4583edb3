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

TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(DESTDIR)$(PREFIX)/bin
# Where the programs look for their configuration when they are installed in $(PREFIX)/bin.
SHARE := $(DESTDIR)$(PREFIX)/share/release-tests
PROGRAMS := oar oarctl job jobctl

.PHONY: help deps build demo test test-deep fmt fmt-check lint docs policy unit install bench reference clean

help: ## List these commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

deps: ## Install what is missing: system packages, the virtual environment of the tests
	@.ci/deps

build: ## Build the programs for use (release profile)
	$(CARGO) build --locked --release -p release-tests -p sandbox

demo: deps ## Take two releases from announced to shipped and a nightly to accepted, in the sandbox
	$(CARGO) build --locked -p release-tests -p oar -p sandbox
	$(TARGET)/debug/oar-sandbox demo

test: deps fmt-check lint docs policy unit ## Run everything that CI runs

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
unit:
	$(CARGO) build --locked --workspace --bins --tests
	$(CARGO) test --locked --workspace --no-fail-fast

test-deep: ## Make what CI samples whole: every fault at every request, a hundred meetings (some hours)
	$(CARGO) build --locked --workspace --bins --tests
	OAR_TEST_DEEP=1 $(CARGO) test --locked --workspace --no-fail-fast --test matrix --test at_once

bench: ## Measure start-up, tasks and StateBox files
	$(CARGO) build --locked --release -p release-tests -p end-to-end --bins
	$(TARGET)/release/bench

reference: ## Write the generated references anew
	$(CARGO) run --locked --quiet -p release-tests -- reference --write .

# With `sudo make install` there may be no cargo; then what was built before is installed.
install: ## Install release-tests and its links below PREFIX (default /usr/local)
	if command -v $(CARGO) > /dev/null; then $(MAKE) build; fi
	install -d $(BIN) $(SHARE)/config
	install -m 0755 $(TARGET)/release/release-tests $(BIN)/release-tests
	for program in $(PROGRAMS); do ln -sf release-tests $(BIN)/$$program; done
	if [ -e $(SHARE)/config/config_store.json ]; then \
		echo "kept $(SHARE)/config/config_store.json"; \
	else \
		install -m 0644 config/config_store.json $(SHARE)/config/config_store.json; \
	fi

clean: ## Remove what was built and the virtual environment
	$(CARGO) clean
	rm -rf .venv
