# Targets are described by the comment behind their name; `make` lists them.

PREFIX   ?= /usr/local
DESTDIR  ?=
BIN      ?= bin
DIST     ?= dist
FUZZTIME ?= 10s
LONG     ?= 5

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4
LDFLAGS     := -s -w -X main.version=$(VERSION)

# mount(8) and umount(8) look for helpers in /sbin only, wherever the program itself is.
HELPERDIR ?= $(if $(filter /usr,$(PREFIX)),/usr/sbin,/sbin)
ZSHDIR    ?= $(PREFIX)/share/zsh/site-functions
HELPERS   := mount.iscsifs mount.fuse.iscsifs umount.fuse.iscsifs
MANPAGES  := iscsifs.8 iscsifs.toml.5
UNITS     := $(wildcard cmd/iscsifs/units/*.service)
SBIN      := $(DESTDIR)$(PREFIX)/sbin
SHARE     := $(DESTDIR)$(PREFIX)/share
UNITDIR   := $(DESTDIR)$(PREFIX)/lib/systemd/system

# Packages. A version of Debian begins with a digit, and rises with every commit.
ARCH            := $(shell go env GOARCH 2>/dev/null)
PACKAGE_VERSION  = $(shell cmd/iscsifs/package/version $(VERSION))

.DEFAULT_GOAL := help
.PHONY: help build man install uninstall deb rpm demo test test-race test-long fuzz bench lint clean deps

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/iscsifs, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o $(BIN)/iscsifs ./cmd/iscsifs

# By a program for this machine, also where GOARCH asks for one for another.
man: ## write the man pages, the completions and the licenses to dist
	mkdir -p $(DIST)/man $(DIST)/completions $(DIST)/host
	GOARCH= GOOS= CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o $(DIST)/host/iscsifs ./cmd/iscsifs
	for page in $(MANPAGES); do \
		$(DIST)/host/iscsifs manual $$page >$(DIST)/man/$$page.md && \
		GOARCH= GOOS= go tool go-md2man -in $(DIST)/man/$$page.md -out $(DIST)/man/$$page || exit; \
	done
	for shell in bash zsh fish; do $(DIST)/host/iscsifs completion $$shell >$(DIST)/completions/$$shell || exit; done
	cmd/iscsifs/package/copyright >$(DIST)/copyright

# sudo often finds no go: then what `make build man` has made is installed.
install: $(if $(shell command -v go 2>/dev/null),build man) ## install everything below DESTDIR/PREFIX, and mount(8)'s helpers
	@test -x $(BIN)/iscsifs -a -d $(DIST)/man || { echo "There is no go in PATH to build what is to be installed: run \`make build man\` first, as a user who has it" >&2; exit 1; }
	install -D -m 0755 $(BIN)/iscsifs $(SBIN)/iscsifs
	@for page in $(MANPAGES); do install -D -m 0644 $(DIST)/man/$$page $(SHARE)/man/man$${page##*.}/$$page || exit; done
	install -D -m 0644 $(DIST)/completions/bash $(SHARE)/bash-completion/completions/iscsifs
	install -D -m 0644 $(DIST)/completions/zsh $(DESTDIR)$(ZSHDIR)/_iscsifs
	install -D -m 0644 $(DIST)/completions/fish $(SHARE)/fish/vendor_completions.d/iscsifs.fish
	install -D -m 0644 -t $(SHARE)/doc/iscsifs config/example.toml $(DIST)/copyright cmd/iscsifs/docs/*.md
	@for unit in $(UNITS); do \
		install -d $(UNITDIR) && sed 's|/usr/local/sbin/|$(PREFIX)/sbin/|g' $$unit >$(UNITDIR)/$${unit##*/} || exit; \
	done
	@install -d $(DESTDIR)$(HELPERDIR) 2>/dev/null || true
	@for name in $(HELPERS); do \
		if [ -w $(DESTDIR)$(HELPERDIR) ]; then \
			ln -sf $(if $(filter $(HELPERDIR),$(PREFIX)/sbin),,$(PREFIX)/sbin/)iscsifs $(DESTDIR)$(HELPERDIR)/$$name || exit; \
		else \
			echo "$(HELPERDIR) is root's: without $(HELPERDIR)/$$name, mount(8) and fstab know no iscsifs" >&2; \
		fi; \
	done

uninstall: ## remove what install has installed; configurations and state stay
	@for name in $(HELPERS); do \
		link=$(DESTDIR)$(HELPERDIR)/$$name; \
		case $$(readlink $$link) in iscsifs | $(PREFIX)/sbin/iscsifs) rm -f $$link ;; esac; \
	done
	for page in $(MANPAGES); do rm -f $(SHARE)/man/man$${page##*.}/$$page; done
	rm -f $(SBIN)/iscsifs $(SHARE)/bash-completion/completions/iscsifs $(DESTDIR)$(ZSHDIR)/_iscsifs \
		$(SHARE)/fish/vendor_completions.d/iscsifs.fish $(addprefix $(UNITDIR)/,$(notdir $(UNITS)))
	rm -rf $(SHARE)/doc/iscsifs

deb: ## build dist/iscsifs_VERSION_ARCH.deb
	$(call package,deb,iscsifs_$(PACKAGE_VERSION)_$(ARCH).deb,/usr/share/zsh/vendor-completions)

rpm: ## build dist/iscsifs-VERSION.ARCH.rpm
	$(call package,rpm,iscsifs-$(PACKAGE_VERSION).$(ARCH).rpm,/usr/share/zsh/site-functions)

# package KIND FILE ZSHDIR packs what install installs; distributions compress man pages.
define package
	rm -rf $(DIST)/stage
	umask 022 && $(MAKE) --no-print-directory install DESTDIR=$(abspath $(DIST))/stage PREFIX=/usr ZSHDIR=$(3)
	rm -f $(DIST)/iscsifs[_-]*.$(1)
	gzip -9n $(DIST)/stage/usr/share/man/*/*
	DIST=$(DIST) ARCH=$(ARCH) PACKAGE_VERSION=$(PACKAGE_VERSION) SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) \
		GOARCH= GOOS= go run $(NFPM) package -f cmd/iscsifs/package/nfpm.yaml -p $(1) -t $(DIST)/$(2)
endef

demo: build deps ## show what it does, on this machine, in a minute
	integration/demo

# -count=1: the tests in integration run a binary that go test's cache does not know.
# The race detector allocates, so that tests of allocations run without it.
test: deps ## install what is missing and run all tests under the race detector
	go test -race -count=1 -timeout 40m ./...
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
	go test -count=1 -run '^(TestLayers|TestTargetStaysOut|TestMustRunNamesExist|TestDocNamesExist|TestMaps)$$' ./integration

clean: ## remove what was built
	rm -rf $(BIN) $(DIST)

deps:
	@integration/install-deps
