# Two commands do everything: `make run` and `make test`. `make check` is what CI runs.

CARGO ?= cargo
NPM   ?= npm
SERVER ?= $(CURDIR)/target/release/chinwag
TESTED ?= $(CURDIR)/target/debug/chinwag

WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print)
# After dependencies are installed, npm leaves this file.
INSTALLED := node_modules/.package-lock.json

.PHONY: run build test check bench bench-peers fuzz rust-tests web-tests e2e tools clean

## run: build the UI and the server, and start it with its defaults
run: build
	$(SERVER) serve

build: web/dist/index.html
	$(CARGO) build --release --locked -p chinwag

web/$(INSTALLED): web/package-lock.json
	cd web && $(NPM) ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/$(INSTALLED) $(WEB_SOURCES)
	cd web && $(NPM) run build
	@touch $@

e2e/$(INSTALLED): e2e/package-lock.json
	cd e2e && $(NPM) ci --no-audit --no-fund
	@touch $@

## test: find or install what the tests need, run every suite
test: tools rust-tests web-tests e2e

tools:
	scripts/test-tools

rust-tests: web/dist/index.html
	$(CARGO) test --workspace --locked
	CHINWAG_TEST_STORE=postgres $(CARGO) test --workspace --test messenger_api --locked

web-tests: web/$(INSTALLED)
	cd web && $(NPM) test

# The binary that the Rust tests have built, too: building another one with all optimisations takes longer than all tests.
e2e: web/dist/index.html e2e/$(INSTALLED)
	$(CARGO) test --workspace --locked --no-run
	cd e2e && CHINWAG_BIN=$(TESTED) $(NPM) test

## check: formats, lints and types, then all tests
check: web/dist/index.html
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	cd web && $(NPM) run lint
	$(MAKE) test
	scripts/instructions

## bench: measure the release build against what the kernel costs, and against the rival if there is one
bench: build
	$(CARGO) build --release --locked -p chinwag-bench
	target/release/chinwag-bench --server $(SERVER)

## bench-peers: build the server that `make bench` compares with
bench-peers:
	scripts/bench-peers

## fuzz: look for input that breaks a parser, ten minutes each (needs nightly and cargo-fuzz)
fuzz:
	scripts/fuzz

clean:
	rm -rf target web/dist web/node_modules e2e/node_modules
