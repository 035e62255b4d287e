# SPDX-License-Identifier: LGPL-2.1-or-later

# A target's line of help is what follows "##" after its name.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# -e: every line of a recipe counts, a loop's too.
.SHELLFLAGS := -ec

# Where Debian keeps lvm and veritysetup; not every user looks there.
export PATH := $(PATH):/usr/sbin:/sbin

# Stamped into the programs; a source archive has no git, but a file with it.
VERSION ?= $(shell cat VERSION 2>/dev/null || git describe --tags --always --abbrev=12 --dirty 2>/dev/null || echo unknown)
# The time of what is built, in seconds since 1970: the commit's, which in a
# source archive all files have.
SOURCE_DATE_EPOCH ?= $(shell date -r VERSION +%s 2>/dev/null || git log -1 --format=%ct 2>/dev/null || date +%s)
# The manual pages' date.
MAN_DATE ?= $(shell date -u -d @$(SOURCE_DATE_EPOCH) +%F)
# How long each fuzz target runs.
FUZZTIME ?= 60s

# More for the linker; "-s -w" leaves out what only a debugger reads.
LDFLAGS ?=

# Which tests vm-test and vagrant-test run, by their names.
VM_RUN ?= .
# Options of these tests, such as -seed=7 -rounds=5, -own-box for vagrant-test.
VM_ARGS ?=

PREFIX ?= /usr
# Not under PREFIX: desktops look for what they start here.
SYSCONFDIR ?= /etc
INSTALL ?= install
# Under PREFIX; Debian has its own ideas.
DOCDIR ?= share/doc/updater
ZSHDIR ?= share/zsh/site-functions

GOVULNCHECK_VERSION := v1.9.0
GOLANGCI_VERSION := v2.15.0
# Outside the tree and one folder for each version: a clean checkout does not
# build it again.
GOLANGCI_DIR = $(shell go env GOPATH)/golangci-lint/$(GOLANGCI_VERSION)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## an update from end to end on a machine in a temporary folder, with proofs
	@test/demo

.PHONY: demo-shell
demo-shell: ## the demo's machine before its update, with its bus, to play with
	@test/demo shell

.PHONY: demo-desktop
demo-desktop: ## an update as a desktop shows it, on an X server without a screen; pictures of each step in build/screenshots
	@test/setup test
	rm -rf build/screenshots
	go test -count 1 ./test/desktop -screenshots '$(CURDIR)/build/screenshots'
	@ls build/screenshots/*.png

.PHONY: test
test: ## all tests with the race detector, and a short run of every fuzz target
	@test/setup test
	go test -race -timeout 20m ./...
	@test/fuzz 2s

.PHONY: vm-test
vm-test: ## a real machine under QEMU, see docs/vm.md; VM_RUN=TestSmoke for the shortest
	@test/setup test vm
	go test -tags vm -count 1 -timeout 4h -v -run '$(VM_RUN)' ./test/vm -args $(VM_ARGS)

.PHONY: vagrant-test
vagrant-test: ## the same tests on a real hypervisor, by Vagrant and libvirt, see vagrant/README.md; VM_RUN as for vm-test
	@test/setup test vm libvirt
	go test -tags vm -count 1 -timeout 4h -v -run '$(VM_RUN)' ./test/vm -args -machine vagrant $(VM_ARGS)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (60s)
	@test/setup test
	@test/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## the product against curl, minisign and dd, then the Go benchmarks
	@test/bench
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-delta
bench-delta: ## what an update has to fetch: patches against other ways, on two pairs of images
	@test/bench-delta

.PHONY: load
load: ## how many machines one nginx worker serves, see docs/fleet.md
	@test/load

.PHONY: lint
lint: ## linters, formatting, modules, shell scripts
	@test/setup lint
	@$(MAKE) $(GOLANGCI_DIR)/golangci-lint
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	go mod verify
	go mod tidy -diff
	@test/modules
	$(GOLANGCI_DIR)/golangci-lint run
	git grep --untracked -lI -e '^#!.*sh$$' | xargs -r shellcheck -x --

$(GOLANGCI_DIR)/golangci-lint:
	GOBIN=$(GOLANGCI_DIR) CGO_ENABLED=0 go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

# Asks the vulnerability database of the Go project, which not every machine
# can reach, and may fail without a change here: therefore no part of lint.
.PHONY: vulncheck
vulncheck: ## known vulnerabilities in the code that is called (needs vuln.go.dev)
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...

# The same source and the same Go give the same bytes, wherever it is built:
# there is no path, time or revision in them, which a source archive has not.
.PHONY: build
build: ## static programs in bin/, the same bytes everywhere
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION) $(LDFLAGS)' -o bin/ ./cmd/...

# The archives of this version; what is there already is right.
ARCHIVES := build/dist/updater-$(VERSION).tar.gz build/dist/updater-$(VERSION)-deps.tar.xz

.PHONY: dist
dist: ## archives of the source and of the modules, lists of what the programs are made of, checksums in build/dist
	@test/dist

build/dist/updater-$(VERSION).tar.gz:
	@test/dist

.PHONY: man
man: ## manual pages in build/man
	go run ./test/cmd/mkman --out build/man --date $(MAN_DATE) docs/man/*.md dbusapi/*.xml

.PHONY: install
install: build man ## programs, units, bus files, manual pages, completion, documentation under DESTDIR with PREFIX (/usr)
	$(INSTALL) -d '$(DESTDIR)$(PREFIX)/bin'
	$(INSTALL) -m 755 $(patsubst cmd/%/main.go,bin/%,$(wildcard cmd/*/main.go)) '$(DESTDIR)$(PREFIX)/bin'
	$(call install-data,daemon/*.service daemon/*.socket,lib/systemd/system)
	$(call install-data,cmd/updater-notify/*.service,lib/systemd/user)
	$(INSTALL) -d '$(DESTDIR)$(PREFIX)/lib/systemd/user/graphical-session.target.wants'
	ln -sf ../updater-notify.service '$(DESTDIR)$(PREFIX)/lib/systemd/user/graphical-session.target.wants'
	$(INSTALL) -d '$(DESTDIR)$(SYSCONFDIR)/xdg/autostart'
	$(INSTALL) -m 644 cmd/updater-notify/updater-notify.desktop '$(DESTDIR)$(SYSCONFDIR)/xdg/autostart'
	$(call install-data,cmd/updater-notify/*.desktop,share/applications)
	$(call install-data,dbusapi/*.conf,share/dbus-1/system.d)
	$(call install-data,dbusapi/*.service,share/dbus-1/system-services)
	$(call install-data,dbusapi/*.xml,share/dbus-1/interfaces)
	$(call install-data,dbusapi/*.policy,share/polkit-1/actions)
	for section in 1 5 8; do \
		$(INSTALL) -d "$(DESTDIR)$(PREFIX)/share/man/man$$section"; \
		$(INSTALL) -m 644 build/man/*.$$section "$(DESTDIR)$(PREFIX)/share/man/man$$section"; \
	done
	for program in updaterctl updater-release; do \
		$(INSTALL) -D -m 644 cmd/$$program/completion/$$program.bash \
			"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$program"; \
	done
	$(call install-data,cmd/*/completion/_*,$(ZSHDIR))
	$(call install-data,cmd/*/completion/*.fish,share/fish/vendor_completions.d)
	$(call install-data,README.md CHANGELOG.md LICENSE,$(DOCDIR))
	$(call install-data,docs/*.md,$(DOCDIR)/docs)

# install-data installs the files that match the patterns $(1), if there are
# any, into the folder $(2) under PREFIX.
install-data = $(if $(wildcard $(1)),$(INSTALL) -d '$(DESTDIR)$(PREFIX)/$(2)' && \
	$(INSTALL) -m 644 $(wildcard $(1)) '$(DESTDIR)$(PREFIX)/$(2)')

.PHONY: deb
deb: ## Debian packages in build/deb
	rm -rf build/deb
	$(MAKE) install DESTDIR=build/deb/tree PREFIX=/usr DOCDIR=share/doc/updaterd ZSHDIR=share/zsh/vendor-completions \
		LDFLAGS='-s -w'
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) packaging/debian/build $(VERSION) build/deb/tree build/deb
	rm -r build/deb/tree

.PHONY: deps
deps: build/dist/updater-$(VERSION)-deps.tar.xz ## of the archives of make dist the one with the modules, without git too

build/dist/updater-$(VERSION)-deps.tar.xz:
	@test/setup deps
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) packaging/deps $@

.PHONY: gentoo
gentoo: $(ARCHIVES) ## an ebuild for the archives of make dist, with its Manifest, in build/gentoo
	rm -rf build/gentoo
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) packaging/gentoo/ebuild $(VERSION) build/dist build/gentoo

.PHONY: serve
serve: ## serve the sample release on https://127.0.0.1:8000, root certificate in bin/rootca.pem
	@mkdir -p bin
	go run ./test/cmd/serve --webroot test/webroot --ca-out bin/rootca.pem

.PHONY: webroot
webroot: ## build the sample release in test/webroot again
	@test/setup test
	rm -rf test/webroot/dist test/webroot/update
	go run ./test/cmd/mkrelease --webroot test/webroot --version 5.0.0-alpha.3 --size 65536 \
		--salt 5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e
