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

# Packages that have benchmarks.
BENCHED = $(shell grep -rl --include='*_test.go' '^func Benchmark' . | xargs -r -n1 dirname | sort -u)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/caddy with all of weir's modules
	$(BUILD) -o bin/caddy ./cmd/caddy

.PHONY: run
run: build ## run the example gateway on http://localhost:8080 (admin on 2019)
	bin/caddy run --config Caddyfile.example

.PHONY: test
test: ## run every test once, with the race detector
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 15m ./...
	go -C tools test -shuffle=on ./...

.PHONY: soak
soak: ## run the long tests at their full counts (up to an hour)
	WEIR_SOAK=1 go test -race=false -run Soak -timeout 60m -v ./integration

.PHONY: bench
bench: ## run the benchmarks, then compare the gateway with plain Caddy
	go test -run '^$$' -bench . -benchmem $(BENCHED)
	go run ./integration/bench

.PHONY: check
check: build ## check formatting, vet, staticcheck, and the example's configuration
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go -C tools vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...
	cd tools && go tool staticcheck ./...
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
