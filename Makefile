# run and test need no service that runs already: what is missing is installed, saying so first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: run test test-all lint clean prerequisites

run: prerequisites
	cargo build --release --locked --bin rowhouse-server
	exec target/release/rowhouse-server

# Everything that a change must pass: format, lints, docs, tests.
test: prerequisites lint
	status=0; $(NEXTEST) || status=$$?; cargo run --locked --quiet -p rowhouse-tests --bin stop-test-cluster; exit $$status
	cargo test --locked --workspace --doc --quiet

# The long rest, on top of `make test`.
test-all: test
	$(NEXTEST) --run-ignored all

lint: prerequisites
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

clean: prerequisites
	cargo run --locked --quiet -p rowhouse-tests --bin stop-test-cluster -- .rowhouse
	cargo clean
	rm -rf .rowhouse

NEXTEST := $(if $(shell command -v cargo-nextest),cargo nextest run --locked --workspace,cargo test --locked --workspace --all-targets)

# Debian's names; on another system install PostgreSQL 15 or newer, libpq and a C compiler.
DEBIAN := $(strip \
	$(if $(wildcard /usr/include/postgresql/libpq-fe.h),,libpq-dev) \
	$(if $(wildcard /usr/lib/postgresql/*/bin/initdb),,postgresql) \
	$(if $(shell command -v curl),,curl) \
	$(if $(wildcard /etc/ssl/certs/ca-certificates.crt),,ca-certificates) \
	$(if $(shell command -v cc),,gcc libc6-dev))

prerequisites:
	@command -v cargo >/dev/null || { echo "Rust is missing: see https://rustup.rs" >&2; exit 2; }
ifneq ($(DEBIAN),)
	@if command -v apt-get >/dev/null; then \
		echo "Installing what is missing: $(DEBIAN)"; \
		sudo=$$( [ "$$(id -u)" = 0 ] || echo sudo ); \
		export DEBIAN_FRONTEND=noninteractive; \
		$$sudo apt-get update -qq; \
		$$sudo apt-get install -y -qq --no-install-recommends $(DEBIAN) >/dev/null; \
	else \
		command -v pg_config >/dev/null || { echo "Please install PostgreSQL 15 or newer with its client library (Homebrew: brew install postgresql@17)" >&2; exit 2; }; \
	fi
endif
