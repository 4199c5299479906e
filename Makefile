# Targets are described by the comment behind their name; `make` lists them.

PREFIX   ?= /usr/local
DESTDIR  ?=
FUZZTIME ?= 10s
LONG     ?= 5

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
SBIN        := $(DESTDIR)$(PREFIX)/sbin
HELPERS     := mount.iscsifs mount.fuse.iscsifs umount.fuse.iscsifs

.DEFAULT_GOAL := help
.PHONY: help build install demo test test-race test-long fuzz bench lint clean deps

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/iscsifs, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/iscsifs ./cmd/iscsifs

install: build ## install the binary and mount(8)'s helpers into DESTDIR/PREFIX/sbin
	install -D -m 0755 bin/iscsifs $(SBIN)/iscsifs
	for name in $(HELPERS); do ln -sf iscsifs $(SBIN)/$$name; done

demo: build deps ## show what it does, on this machine, in a minute
	integration/demo

# -count=1: the tests in integration run a binary that go test's cache does not know.
# The race detector allocates, so that tests of allocations run without it.
test: deps ## install what is missing and run all tests under the race detector
	go test -race -count=1 -timeout 14m ./...
	go test -count=1 -run Allocations ./cache ./initiator ./integration/bench

test-race: test ## the same: the tests always run under the race detector

test-long: deps ## run the tests of models and of faults LONG (5) times as long
	go test -race -count=1 -timeout 2h -run 'Model|PowerCut|Linearizable|Exercise|Restarts|AllTheTime|SilentNetwork' ./cache ./integration -args -long $(LONG)

fuzz: ## run every fuzz target for FUZZTIME (10s)
	integration/fuzz $(FUZZTIME)

bench: build deps ## put iscsifs beside what one would take instead, on one LUN; BENCH=-quick for less
	go run ./integration/bench -json dist/bench.json $(BENCH)

lint: ## gofmt, go vet, staticcheck, imports go one way
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	go test -count=1 -run '^(TestLayers|TestTargetStaysOut|TestMustRunNamesExist|TestDocNamesExist)$$' ./integration

clean: ## remove what was built
	rm -rf bin dist

deps:
	@integration/install-deps
