# SPDX-License-Identifier: MIT OR Apache-2.0
# The commands of the project. What each does is in a script of tests/scripts, so that it can
# be read and run without make; this file knows their order.

SHELL := /bin/bash
.DEFAULT_GOAL := build

PREFIX ?= /usr
DESTDIR ?=
SCRIPTS := tests/scripts
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
CAPI := $(RELEASE)/../capi

# The helper has the path of the program that it executes for root's commands in it.
ifneq ($(PREFIX),/usr)
export XSK_ADMIN := $(PREFIX)/libexec/xsk-helper-admin
endif

# Targets that are nothing but a script are there when the script is.
help_demo  := an ordinary uid answers pings over AF_XDP, step by step; GUEST=1: and a Linux guest
help_check := lints, build and every test (as root); ends on "N passed, N failed"
help_arm64 := cross-compile, and run the main job and unit tests under an arm64 kernel
help_bench := the cost of a grant and of a frame, against the bare system calls
help_qemu  := build and cache a QEMU with af-xdp; its path is the last line
help_vm    := tests that need a kernel of their own (KERNEL=6.1 TEST=name TABLE=docs/kernels.md)
help_deb   := Debian packages
help_rpm   := RPM packages by rpmbuild, and the SELinux module; both untried on such a system
help_package-vm := the packages, installed and used in a Debian 12 with systemd, in a VM (TEST=name)
help_fresh := demo and check in bare Debian roots (SUITES=… GOALS=…)
help_fuzz  := the fuzz targets (MINUTES=…)
help_mutants := change each decision; the unit tests have to notice (JOBS=…)
help_chaos := random kills against running leases (ROUNDS=… SEED=…)
GOALS := demo check bench qemu vm deb rpm package-vm fresh arm64 fuzz mutants chaos
SCRIPTED := $(foreach name,$(GOALS),$(if $(wildcard $(SCRIPTS)/$(name).sh),$(name)))

.PHONY: build lint install uninstall clean help $(SCRIPTED)

build: ## packages that the build needs, then the release binaries
	@$(SCRIPTS)/setup.sh build
	cargo build --release --locked --workspace
	cargo build --profile capi --locked -p xsk-capi
	$(RELEASE)/xsk-pages $(RELEASE)/share
	packaging/sbom.sh $(RELEASE)/share

$(filter demo bench chaos deb rpm vm,$(SCRIPTED)): build

package-vm: deb

$(SCRIPTED):
	@$(SCRIPTS)/$@.sh

lint: ## formatting, clippy, shellcheck and the width of texts alone
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	shellcheck -x -S warning -P $(SCRIPTS) $(SCRIPTS)/*.sh .ci/run
	$(SCRIPTS)/columns.sh

clean: ## remove what was built (not the cached QEMU)
	cargo clean

help: ## this list
	@{ sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile; \
	$(foreach name,$(SCRIPTED),printf '%s\t%s\n' '$(name)' '$(help_$(name))';) } | \
	sort | expand -t 12

# ---- installation -----------------------------------------------------------------------
# The helper is installed without the setuid bit: its unit gives it the few privileges that it
# needs. For setuid, see the quick start in README.md. An existing policy is not replaced.

prefix := $(DESTDIR)$(PREFIX)
LIBDIR ?= $(PREFIX)/lib
libdir := $(DESTDIR)$(LIBDIR)
place := install -D -m 644 -t
documents := $(prefix)/share/doc/xsk-helper
# These files name the helper's path, which depends on PREFIX.
services := $(notdir $(wildcard packaging/systemd/*.service))
naming := $(addprefix $(prefix)/lib/systemd/system/,$(services)) \
	$(prefix)/lib/systemd/user/xsk-backend@.service \
	$(prefix)/share/polkit-1/actions/org.xsk.helper.policy \
	$(DESTDIR)/etc/apparmor.d/usr.libexec.xsk-helper

install: ## what `make build` built, below DESTDIR= and PREFIX= (/usr; the same one for both)
	@test -e $(RELEASE)/share || { echo "nothing is built yet: make build"; exit 1; }
	@grep -aq '$(PREFIX)/libexec/xsk-helper-admin' $(RELEASE)/xsk-helper || \
	{ echo "what is built is for another prefix: make build PREFIX=$(PREFIX)"; exit 1; }
	install -D -m 755 -t $(prefix)/libexec $(RELEASE)/xsk-helper $(RELEASE)/xsk-helper-admin
	install -d $(prefix)/sbin
	ln -sf ../libexec/xsk-helper $(prefix)/sbin/xsk-helper
	install -D -m 755 -t $(prefix)/bin $(RELEASE)/xsk-client $(RELEASE)/xsk-backend
	install -D -m 644 $(CAPI)/libxskclient.so $(libdir)/libxskclient.so.$(VERSION)
	ln -sf libxskclient.so.$(VERSION) $(libdir)/libxskclient.so.0
	ln -sf libxskclient.so.0 $(libdir)/libxskclient.so
	$(place) $(libdir) $(CAPI)/libxskclient.a
	$(place) $(prefix)/include capi/include/xskclient.h
	install -d -m 755 $(libdir)/pkgconfig
	sed 's,@PREFIX@,$(PREFIX),; s,@LIBDIR@,$(LIBDIR),; s,@VERSION@,$(VERSION),' \
	capi/libxskclient.pc.in >$(libdir)/pkgconfig/libxskclient.pc
	$(place) $(prefix)/lib/systemd/system packaging/systemd/*
	$(place) $(prefix)/lib/systemd/user packaging/systemd-user/*
	$(place) $(prefix)/lib/sysusers.d packaging/sysusers.d/*
	$(place) $(prefix)/lib/tmpfiles.d packaging/tmpfiles.d/*
	$(place) $(prefix)/share/polkit-1/actions packaging/polkit/*.policy
	$(place) $(prefix)/share/man/man5 packaging/man/*.5
	cd $(RELEASE)/share && find . -type f -exec install -D -m 644 {} $(abspath $(prefix))/share/{} \;
	$(place) $(documents) README.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE
	$(place) $(documents)/docs docs/*
	$(place) $(documents)/proto proto/PROTOCOL.md
	$(place) $(DESTDIR)/etc/apparmor.d packaging/apparmor.d/*
	test $(PREFIX) = /usr || sed -i 's,/usr/\({*libexec\|bin/xsk\),$(PREFIX)/\1,' $(naming)
	install -d -m 755 $(DESTDIR)/etc/xsk-helper/policy.d
	test -e $(DESTDIR)/etc/xsk-helper/policy.toml || \
	install -m 644 packaging/policy.toml $(DESTDIR)/etc/xsk-helper/policy.toml

uninstall: ## remove what `make install` installs; a policy that was edited stays
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' RELEASE='$(RELEASE)' \
	$(SCRIPTS)/uninstall.sh
