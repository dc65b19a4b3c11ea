# idmesh - one non-recursive Makefile.  A folder is a program: its own objects
# and build/lib.a, nothing else.  `make help` lists the targets.

VERSION := 0.1.0
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
PREFIX ?= /usr/local
BUILD ?= build
CC ?= cc
OPT ?= -O2 -g
SAN ?=

STAGES := fetch transform join sink run keygen
PKGS := libzmq yyjson libxxhash
PKGS_fetch := $(PKGS) libcurl libcrypto
PKGS_transform := $(PKGS) lua5.4
PKGS_join := $(PKGS) sqlite3 lua5.4 libzstd
PKGS_sink := $(PKGS) sqlite3
PKGS_sim := yyjson libmicrohttpd libcrypto
PKGS_test := $(PKGS) libcurl libcrypto sqlite3 lua5.4 libzstd cmocka

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wformat=2 -Wvla $(if $(CI),-Werror)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
	-fno-sanitize-recover=undefined)
CPPFLAGS += -D_GNU_SOURCE -Ilib -DIDMESH_VERSION='"$(VERSION)"' \
	-DIDMESH_RULES_DIR='"$(PREFIX)/share/idmesh/rules"'
CFLAGS_ALL = -std=c11 $(OPT) $(WARN) $(SANFLAGS) $(CFLAGS) -MMD -MP
pkgc = $(shell pkg-config --cflags $1)
pkgl = $(shell pkg-config --libs $1) -lm

obj = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $1/*.c))
LIB := $(BUILD)/lib.a
PROGRAMS := $(STAGES:%=$(BUILD)/idmesh-%) $(BUILD)/idmesh
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c))
SHIM := $(BUILD)/steps.so
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
PLACES = PROGRAMS='$(PROGRAMS)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)'

.PHONY: all deps test quick check bench crash demo asan fuzz fuzzers \
	install uninstall dist clean help programs tests
.DEFAULT_GOAL := all

# What a bare machine lacks is installed first; then make starts over.
all test quick asan fuzz bench crash demo: deps
deps:
	@scripts/deps $(firstword $(filter bench fuzz,$(MAKECMDGOALS)))

all:
	@$(MAKE) --no-print-directory programs
programs: $(PROGRAMS) $(BUILD)/orgsim
tests: programs $(UNIT) $(TOOLS) $(SHIM)

$(BUILD)/lib.a: $(call obj,lib)
	@rm -f $@
	ar rcs $@ $^

define stage
$(BUILD)/idmesh-$1: $(call obj,$1) $(LIB)
	$$(CC) $$(SANFLAGS) $$(LDFLAGS) -Wl,--as-needed -o $$@ $$^ \
		$$(call pkgl,$$(or $$(PKGS_$1),$$(PKGS)))
endef
$(foreach s,$(STAGES),$(eval $(call stage,$s)))
$(BUILD)/idmesh: scripts/idmesh
	install -D -m 755 $< $@
$(BUILD)/orgsim: $(call obj,tests/sim) $(LIB)
	$(CC) $(SANFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(call pkgl,$(PKGS_sim))
$(BUILD)/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -I. $(CFLAGS_ALL) $(call pkgc,$(PKGS_test)) $(LDFLAGS) \
		-Wl,--as-needed -o $@ $< $(LIB) $(call pkgl,$(PKGS_test))
$(BUILD)/tools/%: tests/tools/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -I. $(CFLAGS_ALL) $(LDFLAGS) -Wl,--as-needed -o $@ $< \
		$(LIB) $(call pkgl,$(PKGS))
$(SHIM): tests/shim/steps.c | $(LIB)
	$(CC) -std=c11 -D_GNU_SOURCE -O1 -g $(WARN) -fPIC -shared -o $@ $< -ldl
$(BUILD)/fuzz/%: tests/fuzz/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -I. $(CFLAGS_ALL) -fsanitize=fuzzer $(LDFLAGS) \
		-Wl,--as-needed -o $@ $< $(LIB) $(call pkgl,$(PKGS_test))
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(call pkgc,$(PKGS_test) libmicrohttpd) $(CFLAGS_ALL) -c -o $@ $<

test:
	@$(MAKE) --no-print-directory tests
	@BUILD=$(BUILD) scripts/tap
	@$(MAKE) --no-print-directory check
quick:
	@$(MAKE) --no-print-directory tests
	@BUILD=$(BUILD) scripts/tap unit golden
check:
	@scripts/check-layers
	@scripts/check-size
	@scripts/check-style
	@BUILD=$(BUILD) scripts/check-docs
asan:
	@$(MAKE) --no-print-directory BUILD=build/asan SAN=address,undefined tests
	@BUILD=build/asan KILL_HISTORIES=1 MUTANTS=no STEPS_STRIDE=24 \
		ALLOC_SAMPLES=20 scripts/tap
fuzz:
	@$(MAKE) --no-print-directory BUILD=build/fuzz CC=clang \
		SAN=address,undefined CFLAGS=-fsanitize=fuzzer-no-link fuzzers
	@BUILD=build/fuzz scripts/fuzz $(FUZZ_SECONDS)
fuzzers: $(FUZZ)
bench:
	@$(MAKE) --no-print-directory tests
	@BUILD=$(BUILD) tests/bench/run
crash:
	@$(MAKE) --no-print-directory tests
	@BUILD=$(BUILD) scripts/crash
demo:
	@$(MAKE) --no-print-directory -s programs
	@BUILD=$(BUILD) scripts/demo

install: programs
	@$(PLACES) scripts/install install
uninstall:
	@$(PLACES) scripts/install uninstall
dist:
	@mkdir -p $(BUILD)
	git archive --prefix=idmesh-$(VERSION)/ -o $(BUILD)/idmesh-$(VERSION).tar.gz HEAD
clean:
	rm -rf build
help:
	@sed -n 's/^#: //p' Makefile
#: make            builds everything under build/ (packages first, if missing)
#: make demo       an Okta org becomes a mesh you can query, in a minute
#: make test       every test, a line for each file, then the checks
#: make quick      unit and golden tests only
#: make check      layers, sizes, style and documentation
#: make asan       the whole suite under ASan and UBSan
#: make fuzz       the fuzzers, FUZZ_SECONDS each (60)
#: make crash      dies at every step and 200 times at random, 20 minutes
#: make bench      measured ratios against jq, gojq, miller and Okta's SDK
#: make install    into DESTDIR and PREFIX; uninstall takes it away again
#: make dist       a tarball of HEAD; clean removes build/

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
