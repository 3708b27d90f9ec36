# SPDX-License-Identifier: GPL-2.0-only
# `make help` names the targets. Everything is built below $(BUILD).

VERSION  := 0.1.0
BUILD    ?= build
PREFIX   ?= /usr/local
SBINDIR  ?= $(PREFIX)/sbin
MANDIR   ?= $(PREFIX)/share/man
MAN      := $(wildcard docs/man/*.[1-8])
manpage   = $(MANDIR)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
UNITDIR  ?= $(PREFIX)/lib/systemd/system
BASHDIR  ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR   ?= $(PREFIX)/share/zsh/site-functions
CC       ?= gcc
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
SAN      ?=
# Of what a single command builds whole; `make -j` by hand is as ever.
ALONG    := $(MAKE) --no-print-directory -j$(shell nproc)
LIBS     := libbpf libxdp libelf zlib libnetfilter_queue libmnl libuv json-c libsodium libpcap

# What maybe-uninitialized finds depends on compiler version and -O: a warning, not a broken build.
WARN     := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow
WARN_CC  := $(WARN) -Wno-error=maybe-uninitialized
CPPFLAGS += -D_GNU_SOURCE -DTCPC_VERSION='"$(VERSION)"' -Iinclude -Iuser -I$(BUILD)/skel
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 $(WARN_CC) $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LDLIBS   += $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lpthread -lm
ifneq ($(SAN),)
CFLAGS   += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDFLAGS  += -fsanitize=$(SAN)
endif

BPF_ARCH   := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/;s/ppc64le/powerpc/')
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g $(filter-out -Wmissing-prototypes -Wstrict-prototypes,$(WARN)) \
	      -D__TARGET_ARCH_$(BPF_ARCH) -Iinclude -Ivmlinux -idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)

LIB_SRC  := $(wildcard user/core/*.c user/edge/*.c user/role/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
BPF_SRC  := $(wildcard bpf/*.bpf.c)
SKEL     := $(BPF_SRC:bpf/%.bpf.c=$(BUILD)/skel/%.skel.h)
TESTS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c)) \
	    $(patsubst tests/bpf/%.c,$(BUILD)/tests/bpf/%,$(wildcard tests/bpf/test_*.c))
BENCHES  := $(patsubst tests/bpf/%.c,$(BUILD)/tests/bpf/%,$(wildcard tests/bpf/bench_*.c))
BENCH_BPF := $(patsubst %.bpf.c,$(BUILD)/%.bpf.o,$(wildcard tests/bench/*.bpf.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

# A short line for each file; V=1: the whole command.
Q        := $(if $(V),,@)
say      = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@echo "  $(1)	$@")

.PHONY: help all test test-install check lint bench table fuzz install uninstall deb clean demo setup unit test-bin

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

all: $(BUILD)/tcpcopyd $(BUILD)/tcpcopyctl ## build the daemon and the command

setup: ## install the Debian/Ubuntu packages that are missing (as root)
	@scripts/setup

test: setup ## install what is missing, build, run every test (as root)
	@$(ALONG) all test-bin
	@$(ALONG) BUILD=$(BUILD)/san SAN=address,undefined all unit-bin
	@scripts/test $(BUILD)

check: ## the tests that need no root: pure functions under ASan and UBSan
	@$(ALONG) BUILD=$(BUILD)/san SAN=address,undefined unit-bin
	@scripts/test --unit $(BUILD)

test-install: ## the package in fresh Debian roots, from the mirror that apt uses (as root)
	@scripts/setup root
	@$(ALONG) all
	@scripts/test --by-hand $(BUILD)

demo: setup ## the main job on real servers, in network namespaces (as root)
	@$(ALONG) all
	@tests/e2e/demo.sh $(BUILD)

bench: all $(BENCHES) $(BENCH_BPF) ## figures, as ratios within one run (as root)
	@scripts/bench $(BUILD)

table: all ## what arrives, for each engine, family and workload; an hour and more (as root)
	@scripts/table --build $(BUILD)

fuzz: ## run every fuzzer for FUZZ_SECONDS (default 60) each (installs the tools as root)
	@scripts/setup tools
	@$(ALONG) $(FUZZERS)
	@scripts/fuzz $(BUILD)/fuzz $(or $(FUZZ_SECONDS),60)

lint: ## formatting, layering, static checks (installs the tools as root)
	@scripts/setup tools
	@$(MAKE) --no-print-directory $(SKEL)
	@scripts/lint

test-bin: $(TESTS)
unit-bin: $(filter $(BUILD)/tests/unit/%,$(TESTS))

# The key's place, /etc/tcpcopy, is built in; a configuration that is there is left as it is.
CONF     := $(DESTDIR)/etc/tcpcopy/tcpcopyd.conf

install: all ## install below $(DESTDIR)$(PREFIX)
	install -D -m 0755 $(BUILD)/tcpcopyd $(DESTDIR)$(SBINDIR)/tcpcopyd
	install -D -m 0755 $(BUILD)/tcpcopyctl $(DESTDIR)$(SBINDIR)/tcpcopyctl
	install -d -m 0755 $(DESTDIR)$(UNITDIR)
	sed 's|/usr/sbin/tcpcopy|$(SBINDIR)/tcpcopy|' scripts/systemd/tcpcopyd.service \
		>$(DESTDIR)$(UNITDIR)/tcpcopyd.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/tcpcopyd.service
	install -D -m 0644 scripts/systemd/tcpcopy.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/tcpcopy.conf
	install -D -m 0644 scripts/systemd/tcpcopy.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/tcpcopy.conf
	install -D -m 0644 scripts/completion/tcpcopyctl.bash $(DESTDIR)$(BASHDIR)/tcpcopyctl
	ln -sf tcpcopyctl $(DESTDIR)$(BASHDIR)/tcpcopyd
	install -D -m 0644 scripts/completion/_tcpcopyctl $(DESTDIR)$(ZSHDIR)/_tcpcopyctl
	$(foreach m,$(MAN),install -D -m 0644 $(m) $(DESTDIR)$(call manpage,$(m)) &&) true
	install -d -m 0700 $(dir $(CONF))
	[ -e $(CONF) ] || install -m 0644 scripts/systemd/tcpcopyd.conf $(CONF)

uninstall: ## remove what install put there, but a configuration that was changed, and keys
	rm -f $(DESTDIR)$(SBINDIR)/tcpcopyd $(DESTDIR)$(SBINDIR)/tcpcopyctl \
		$(DESTDIR)$(UNITDIR)/tcpcopyd.service \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/tcpcopy.conf \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/tcpcopy.conf \
		$(DESTDIR)$(BASHDIR)/tcpcopyctl $(DESTDIR)$(BASHDIR)/tcpcopyd $(DESTDIR)$(ZSHDIR)/_tcpcopyctl
	rm -f $(foreach m,$(MAN),$(DESTDIR)$(call manpage,$(m)))
	! cmp -s scripts/systemd/tcpcopyd.conf $(CONF) || rm -f $(CONF)
	[ ! -d $(dir $(CONF)) ] || rmdir --ignore-fail-on-non-empty $(dir $(CONF))

deb: all ## a Debian package in $(BUILD)
	@scripts/deb $(BUILD) $(VERSION)

clean: ## remove the build directory
	rm -rf $(BUILD)

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h vmlinux/*.h include/tcpcopy/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/tests/bench/%.bpf.o: tests/bench/%.bpf.c Makefile
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/skel/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

$(BUILD)/%.o: %.c Makefile | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libtcpcopy.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(BUILD)/tcpcopyd $(BUILD)/tcpcopyctl: $(BUILD)/%: $(BUILD)/user/%.o $(BUILD)/libtcpcopy.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/libtcpcopy.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

$(BUILD)/fuzz/%: tests/fuzz/%.c $(LIB_SRC) $(wildcard tests/harness/fuzz*.h) | $(SKEL)
	@mkdir -p $(@D)
	$(call say,FUZZ)
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined \
		$< $(wildcard user/core/*.c) $(LDLIBS) -o $@

.SECONDARY:
-include $(shell find $(BUILD) -path '$(BUILD)/root-*' -prune -o -type f -name '*.d' -print 2>/dev/null)
