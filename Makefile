# Everything works on a machine that has Go, gcc, make and git; `make` alone
# lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec

# Stamp the version where git tells it; Go alone would end the build in a
# checkout that git refuses to read because somebody else owns it. Given as a
# flag, this wins over GOFLAGS.
VCS := $(if $(shell git rev-parse --verify -q HEAD 2>/dev/null),auto,false)

# The flags that xcaddy builds with by default, so that both binaries are the
# same Caddy.
BUILD := CGO_ENABLED=0 go build -buildvcs=$(VCS) -ldflags "-w -s" -trimpath -tags nobadger,nomysql,nopgx

# xcaddy asks the module proxy for the plugin's path even where a directory
# replaces it, and a proxy that answers 403 to a path it does not know ends the
# build. The module cache answers "not found". What is in it was verified when it
# was downloaded, against go.sum, so the checksum database is not asked again.
XCADDY_ENV ?= GOPROXY=file://$(shell go env GOMODCACHE)/cache/download GOSUMDB=off

# Modules of their own, so that users of weir don't inherit what they need.
MODULES := tools tools/riverbench tools/asynqbench tools/contractdiff outboxworker/outbox/gormoutbox

# Packages that have tests with a full count.
SOAKED = $(shell grep -rl --include='*_test.go' '^func TestSoak' --exclude-dir=tools . | xargs -r -n1 dirname | sort -u)

# Packages whose fuzz targets make soak runs.
FUZZED := $(addprefix governance/contract/,strictjson schema onepass route param body) governance/contract governance/cohort

# Packages that have benchmarks.
BENCHED = $(shell grep -rl --include='*_test.go' --exclude-dir=tools '^func Benchmark' . | xargs -r -n1 dirname | sort -u)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/caddy with all of weir's modules, and bin/outboxworker
	$(BUILD) -o bin/caddy ./cmd/caddy
	$(BUILD) -o bin/outboxworker ./cmd/outboxworker

.PHONY: run
run: build ## run the example gateway on http://localhost:8080 (admin on 2019), and an outbox
	@# the outbox needs PostgreSQL and Redis; without them it says how to get them, and the gateway runs alone
	bin/outboxworker dev & worker=$$!; trap 'kill $$worker 2>/dev/null && wait $$worker || true' EXIT; \
		bin/caddy run --config Caddyfile.example

.PHONY: test
test: ## run every test once, with the race detector
	@# installs Redis and promtool and builds Consul, which takes minutes, where they are missing and may be, before tests that need them begin
	go test -count=1 -timeout 60m -v -run 'TestRedisServers|TestPromtool|TestConsulServers' ./internal/testserver ./internal/consulserver
	go -C tools build -buildvcs=false -o ../bin/gotestsum gotest.tools/gotestsum
	@# what fails runs once more when all else is over; data races, crashes and more than a few failures are final (docs/testing.md)
	@rm -f bin/unsteady.txt
	CGO_ENABLED=1 bin/gotestsum --format standard-quiet --packages ./... --rerun-fails=1 --rerun-fails-max-failures=4 \
		--rerun-fails-run-root-test --rerun-fails-abort-on-data-race --rerun-fails-report bin/unsteady.txt -- -race -shuffle=on -timeout 15m
	@if [ -s bin/unsteady.txt ]; then echo "failed at first, each a bug of the test or of weir:"; cat bin/unsteady.txt; fi
	for module in $(MODULES); do go -C $$module test -shuffle=on ./... || exit 1; done

.PHONY: soak
soak: ## run the long tests at their full counts (up to three hours)
	for package in $(SOAKED); do \
		WEIR_SOAK=1 go test -race=false -count=1 -run Soak -timeout 60m -v $$package || exit 1; \
	done
	WEIR_SOAK=1 go -C tools/contractdiff test -run Soak -timeout 60m -v .
	go -C tools/contractdiff test -run '^$$' -fuzz FuzzAgainstFilter -fuzztime 300000x -fuzzminimizetime 20x .
	@# what reads foreign bytes in contracts and cookies: a million executions each
	for package in $(FUZZED); do \
		for target in $$(go test -list '^Fuzz' ./$$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime 1000000x -fuzzminimizetime 20x ./$$package || exit 1; \
		done; \
	done

.PHONY: bench
bench: build ## run the benchmarks, compare with plain Caddy, River and asynq
	go test -run '^$$' -bench . -benchmem $(BENCHED)
	go -C tools/contractdiff test -run '^$$' -bench . .
	go run ./integration/bench
	bin/outboxworker bench --sink null,redis_stream,bare --river "go -C tools/riverbench run ." --runs 3
	bin/outboxworker bench --sink null --scenario snapshot_held,writer_held,backlog,latency,producers,memory
	go -C tools/asynqbench run .

.PHONY: check
check: build ## check formatting, vet, staticcheck, and the example's configuration
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go vet -tags failpoint ./internal/failpoint
	for module in $(MODULES); do go -C $$module vet ./... || exit 1; done
	go -C tools build -buildvcs=false -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./...
	for module in $(MODULES); do (cd $$module && $(CURDIR)/bin/staticcheck ./...) || exit 1; done
	bin/outboxworker check-config --config outboxworker.example.yaml
	bin/caddy version | grep '^weir '
	bin/caddy validate --config Caddyfile.example

.PHONY: fmt
fmt: build ## format the Go files and the example
	gofmt -w .
	bin/caddy fmt --overwrite Caddyfile.example

.PHONY: xcaddy
xcaddy: build ## build bin/caddy-xcaddy from xcaddy.json and show that all of weir is in it
	go -C tools build -buildvcs=false -o ../bin/xcaddybuild ./xcaddybuild
	go mod download
	@# most of what xcaddy and go print sounds like trouble and is none
	@echo '$(XCADDY_ENV) bin/xcaddybuild xcaddy.json bin/caddy-xcaddy >bin/xcaddy.log'
	@$(XCADDY_ENV) bin/xcaddybuild xcaddy.json bin/caddy-xcaddy >bin/xcaddy.log 2>&1 || { cat bin/xcaddy.log; exit 1; }
	bin/caddy list-modules --skip-standard >bin/modules
	bin/caddy-xcaddy list-modules --skip-standard | diff bin/modules -
	@cat bin/modules

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
