# The one list of doors. `make help` explains each.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bitbucket-connector
# Outside the tree: 300 crates are compiled once for all checkouts, and neither `git clean` nor a new clone throws them away.
# tests/own-target.sh tells whose crates of our own are in it. For two checkouts at the same time give one another place.
export CARGO_TARGET_DIR ?= $(CACHE)/target
# What tests/ensure-tools.sh installs is found, and what was there before goes first.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/go/bin:$(CACHE)/prometheus

CARGO_DENY_VERSION := 0.20.2
ACTIONLINT_VERSION := 1.7.7
CARGO_DENY := $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)
CHART := charts/bitbucket-connector
RELEASE := $(CARGO_TARGET_DIR)/bitbucket-connector-static
# What the image says of itself. A checkout with changes has no revision.
export VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
REVISION := $(shell [[ -n "$$(git status --porcelain 2>&1)" ]] || git rev-parse HEAD)
export IMAGE_LABELS = --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION)
# What these source is checked with them.
SCRIPTS := .ci/run .ci/compile $(wildcard tests/*.sh) tests/chart/check.sh tests/chart/alerts.sh tests/chart/readme.sh tests/demo/demo.sh tests/e2e/e2e.sh tests/e2e/can-run.sh tests/bench/peers/git.sh
# What it runs fails where it prints a password or a token.
NO_SECRETS := tests/no-secrets.sh

export BITBUCKET_CONNECTOR := $(CARGO_TARGET_DIR)/debug/bitbucket-connector
export BITBUCKET_SIMULATOR := $(CARGO_TARGET_DIR)/debug/bitbucket-simulator
export CLUSTER := $(CURDIR)/tests/cluster/cluster
# Scenarios wait more than they work: for an API server, for pauses that grow, for a lease.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))
# The scenarios would build it a second time.
export BITBUCKET_CONNECTOR_TEST_CLUSTER := $(CLUSTER)

.PHONY: help demo test test-cluster test-rust test-chart model figures bench scale e2e lint lint-rust lint-deny lint-docs lint-go lint-scripts lint-workflow lint-chart \
	lint-copies build release image crd pictures chart-readme cluster tools cluster-binaries clean

help: ## What can be made
	@echo 'make TARGET, where TARGET is one of'
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

demo: build cluster-binaries ## The operator at work on a real API server; REPOS="path …" serves other repositories, KEEP=1 leaves it running
	@REPOS='$(REPOS)' KEEP='$(KEEP)' $(NO_SECRETS) tests/demo/demo.sh

test: test-cluster test-rust test-chart ## All tests

test-cluster: cluster-binaries
	@echo '== tests of the control plane (tests/cluster)'
	cd tests/cluster && go test -count=1 ./...
	@echo '== the health check for Argo CD (docs/gitops.md)'
	cd tests/argocd && go test -count=1 ./...
	@echo '== what the chart gives the Prometheus Operator'
	cd tests/monitoring && go test -count=1 ./...

test-rust: cluster-binaries
	@echo '== unit tests, scenarios on a real API server, tests of the simulator'
	$(NO_SECRETS) cargo test --workspace --locked

test-chart: cluster-binaries
	@echo '== the alerts, in their real time'
	@tests/chart/alerts.sh
	@echo '== the chart on a real API server'
	@$(NO_SECRETS) tests/chart/check.sh

e2e: ## The chart and the image on a real node on this machine: needs Linux and root
	@tests/e2e/can-run.sh
	@tests/ensure-tools.sh node
	@$(MAKE) build cluster-binaries release
	@$(CLUSTER) build --node >/dev/null
	@OPERATOR=$(RELEASE) $(NO_SECRETS) tests/e2e/e2e.sh

model: tools ## Random histories and faults that no test has played, until one fails; STEPS=… for more than 20,000
	@echo '== each failure names its seed: MODEL_SEED=… make model plays it again'
	MODEL_STEPS=$(or $(STEPS),20000) cargo test --locked --test scenarios model:: -- --nocapture

figures: tools ## Measure what docs/figures.md says, anew
	cargo test --release --locked --test scenarios figures -- --ignored --nocapture

# In two steps: built together with the bench, the connector would have the bench's features of what both use.
bench: tools ## Measure what docs/performance.md says, anew, in an hour or two; BENCH=--quick in minutes, BENCH=--full a million commits
	cargo build --release --locked --package bitbucket-connector --bin bitbucket-connector
	cargo build --release --locked --package bitbucket-simulator --package bitbucket-bench
	$(CARGO_TARGET_DIR)/release/bench $(BENCH)

scale: tools cluster-binaries ## Measure what docs/scale.md says, anew; CONNECTIONS=… for more than 1,000
	cargo test --release --locked --test scenarios scale:: -- --ignored --nocapture

lint: lint-rust lint-docs lint-deny lint-go lint-scripts lint-workflow lint-chart lint-copies ## All that can be found wrong without running it

lint-rust: tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

lint-docs: tools
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet

lint-deny: $(CARGO_DENY)/bin/cargo-deny
	$(CARGO_DENY)/bin/cargo-deny --locked check licenses bans sources

$(CARGO_DENY)/bin/cargo-deny: | tools
	@echo '== building cargo-deny $(CARGO_DENY_VERSION), once: about three minutes'
	cargo install cargo-deny --locked --quiet --no-default-features --version $(CARGO_DENY_VERSION) --root $(CARGO_DENY)

lint-go: tools
	@unformatted=$$(gofmt -l tests/cluster tests/argocd tests/monitoring); [[ -z $$unformatted ]] || { echo "gofmt -w $$unformatted"; exit 1; }
	cd tests/cluster && go vet ./...
	cd tests/argocd && go vet ./...
	cd tests/monitoring && go vet ./...

lint-scripts: tools
	shellcheck --external-sources --check-sourced --severity=info $(SCRIPTS)

lint-workflow: tools
	go run github.com/rhysd/actionlint/cmd/actionlint@v$(ACTIONLINT_VERSION) .github/workflows/release.yml

lint-chart: cluster-binaries
	@helm=$$($(CLUSTER) build)/helm; $$helm lint --strict --quiet $(CHART)

# What has to be written in two places.
lint-copies:
	@cmp crds/bitbucketconnections.yaml $(CHART)/files/crds/bitbucketconnections.yaml || { echo 'run: make crd'; exit 1; }
	@tests/chart/readme.sh | cmp - $(CHART)/README.md || { echo 'run: make chart-readme'; exit 1; }
	@version=$$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml); \
		grep -q "^FROM rust:$$version-" Dockerfile || { echo "Dockerfile: FROM rust:$$version-… as in rust-toolchain.toml"; exit 1; }
	@grep -q "^appVersion: $(VERSION)$$" $(CHART)/Chart.yaml || { echo "Chart.yaml: appVersion: $(VERSION) as in Cargo.toml"; exit 1; }

build: tools ## The operator and the simulator
	@[[ -d $(CARGO_TARGET_DIR)/debug ]] || echo '== compiling 300 crates, once: three to six minutes on two cores'
	cargo build --workspace --locked

release: tools ## The operator as the image has it, static
	@.ci/compile $(RELEASE)
	@echo '$(RELEASE)'

image: ## The container image; ENGINE=podman for another engine
	$(or $(ENGINE),docker) build --tag bitbucket-connector $(IMAGE_LABELS) .

crd: tools ## Write the CRD and docs/reference.md again, after a change of src/api/
	cargo build --quiet --locked --bin bitbucket-connector
	$(CARGO_TARGET_DIR)/debug/bitbucket-connector crd >crds/bitbucketconnections.yaml
	cp crds/bitbucketconnections.yaml $(CHART)/files/crds/
	WRITE_REFERENCE=1 cargo test --locked --test scenarios documents::reference

pictures: cluster-binaries ## Make the pictures of the page in docs/images again
	@rm -rf $(CACHE)/pictures && mkdir -p $(CACHE)/pictures
	PAGE_PICTURES=$(CACHE)/pictures cargo test --locked --test scenarios page::
	@for picture in docs/images/*.png; do cp $(CACHE)/pictures/$${picture##*/} docs/images/; done

chart-readme: ## Write the table of values in the chart's README again, after a change of values.yaml
	@tests/chart/readme.sh >$(CHART)/README.new
	@mv $(CHART)/README.new $(CHART)/README.md

cluster: cluster-binaries ## A Kubernetes control plane to play with, until Ctrl-C
	@tests/start-cluster.sh

tools: ## Install what is missing, on Debian as root; else say what is
	@tests/ensure-tools.sh
	@tests/own-target.sh

cluster-binaries: tools
	@cd tests/cluster && go build -buildvcs=false -o $(CLUSTER) .
	@$(CLUSTER) build >/dev/null

clean: ## Remove what cargo built; the control plane's binaries stay in the cache
	cargo clean
	rm -f $(CLUSTER)
