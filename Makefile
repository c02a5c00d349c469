# Everything that people do with this repository. `make` shows what there is.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Everything is built with `--workspace`: cargo unifies the features of dependencies over what is selected, and another selection compiles them anew.
PARLEY := $(or $(CARGO_TARGET_DIR),target)/debug/parley
CLUSTER := $(or $(CARGO_TARGET_DIR),target)/debug/cluster
# Cargo keeps the profile `bench` in release's folder.
BENCH := $(or $(CARGO_TARGET_DIR),target)/release/bench
LOADTEST := $(or $(CARGO_TARGET_DIR),target)/debug/loadtest
WEB_SOURCES := $(shell find web/src web/public web/index.html web/vite.config.ts web/tsconfig.json web/package.json -type f 2>/dev/null)

export PARLEY_WEB_DIR ?= $(CURDIR)/web/dist

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build everything and serve on http://127.0.0.1:8080, data in .parley/
	@$(PARLEY) serve

.PHONY: demo
demo: build ## The same on 200 000 real messages (imported once), with somebody to sign in as
	@$(PARLEY) seed-demo && echo && $(PARLEY) serve

.PHONY: cluster
cluster: build ## The same on Kafka, Redis, Postgres and NGINX, in the background; GATEWAYS=2 PERSISTERS=1 BROKERS=1, data in .parley/cluster/
	cargo build --workspace --bin cluster
	@$(CLUSTER) up

.PHONY: cluster-demo
cluster-demo: ## The 200 000 real messages on that cluster, then 100 of their authors say 10 000 of them again and vote 5 000 times over sockets, through NGINX and all gateways
	@cargo build -q --workspace --bin parley --bin loadtest
	@eval "$$($(CLUSTER) env)" && $(PARLEY) seed-demo --talkers 100 --talkers-file .parley/cluster/talkers.json
	@eval "$$($(CLUSTER) env)" && $(LOADTEST) talk --people .parley/cluster/talkers.json --messages 10000 --votes 5000

.PHONY: cluster-verify
cluster-verify: ## Compare that cluster's Kafka, Postgres and Redis, record by record and row by row
	@cargo build -q --workspace --bin loadtest
	@eval "$$($(CLUSTER) env)" && $(LOADTEST) verify

.PHONY: chaos
chaos: ## Kill, hold, cut off and empty parts of a cluster while people use it, then check everything; MINUTES=10, SEED=, PEOPLE=48, ROOMS=6, RATE=120, SAY=700, BROKERS=1
	@cargo build -q --workspace --bin parley --bin loadtest
	@$(LOADTEST) chaos

.PHONY: chaos-smoke
chaos-smoke: ## The same in three minutes: each component is killed once
	@cargo build -q --workspace --bin parley --bin loadtest
	@$(LOADTEST) chaos --smoke

.PHONY: cluster-down
cluster-down: ## Stop that cluster, and nothing else; its data stays
	@if [ -x $(CLUSTER) ]; then $(CLUSTER) down; else echo "no cluster was built here"; fi

.PHONY: env
env: ## Write .env, which docker compose reads, with random secrets
	@scripts/make-env

.PHONY: compose-check
compose-check: web/node_modules/.package-lock.json ## Prove docker-compose.yml: two people talk, a gateway is killed, down, up, all there; then removed
	@scripts/compose-check

.PHONY: build
build: doctor web/dist/index.html ## Build server and web app, without starting them
	cargo build --workspace --bin parley

.PHONY: doctor
doctor: ## Check the tools that a build needs; install them (Debian, root) or name the command that does
	@scripts/doctor run

.PHONY: check
check: web/node_modules/.package-lock.json ## Formatting, lints, documentation, types: what has to be clean before a commit
	@scripts/doctor check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private-intra-doc-links' cargo doc --workspace --no-deps --document-private-items
	cd web && npm run check
	shellcheck scripts/* .ci/*

.PHONY: check-actions
check-actions: ## Lint .github/workflows; needs actionlint and zizmor
	@scripts/doctor actions
	actionlint
	zizmor --offline .github/workflows

.PHONY: test
test: web/dist/index.html ## All tests: Rust, web, browser; ends with one line that adds them up
	@scripts/doctor test
	@scripts/test rust web browser

.PHONY: test-all
test-all: test ## The same, and the long runs that it leaves out
	cargo test --workspace -- --ignored

.PHONY: test-unit
test-unit: web/dist/index.html ## The tests that need no browser
	@scripts/test rust web

.PHONY: test-browser
test-browser: web/node_modules/.package-lock.json ## The tests in a real Chromium against the real server
	@scripts/doctor test
	@scripts/test browser

.PHONY: bench
bench: ## The product beside what the machine could do at best, into docs/benchmarks.md; ONLY=delivery,persist for some, SMALL=1 to see that it works, HISTORY=10000000 for more rows
	@scripts/doctor run
	cargo build --profile bench --workspace --bin parley --bin bench
	$(BENCH) run $(if $(ONLY),--only $(ONLY)) $(if $(SMALL),--small) $(if $(HISTORY),--history $(HISTORY))

.PHONY: screenshots
screenshots: build ## Every screen in both themes, wide and narrow, to web/screenshots/
	@scripts/doctor test
	cd web && npm run screenshots

.PHONY: web-bench
web-bench: build ## Measure the web app in a room of 100 000 messages, beside an empty page; writes docs/benchmarks-web.md
	@scripts/doctor test
	cd web && npm run bench

.PHONY: simulate
simulate: ## The product's code under SEEDS=1000 seeded schedules of faults, from FIRST=1 on; a failing seed is named and repeats exactly
	@cargo build -q --workspace --bin simulate
	@$(or $(CARGO_TARGET_DIR),target)/debug/simulate many --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),1)

.PHONY: simulate-bugs
simulate-bugs: ## The simulation proves itself: bugs put in on purpose, also into the product, each until it is caught; ends with a table
	@cargo build -q --workspace --bin simulate --features parley-simulation/planted-bugs
	@$(or $(CARGO_TARGET_DIR),target)/debug/simulate bugs

.PHONY: fuzz
fuzz: ## Every parser that reads from outside, for EACH=20 seconds each, beginning with the golden fixtures; needs cargo-fuzz
	@scripts/doctor fuzz
	@scripts/fuzz $(or $(EACH),20)

.PHONY: clean-data
clean-data: ## Forget all accounts and messages: remove .parley/
	@scripts/clean-data

# npm writes this file last. `npm ci` refuses a lock file that lacks other systems' optional binaries, as npm writes it where it can't see them;
# this installs the locked versions as well, and leaves the lock file alone.
web/node_modules/.package-lock.json: web/package-lock.json
	@scripts/doctor run
	cd web && npm install --no-save --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run build
	@touch $@
