# SPDX-License-Identifier: BSD-2-Clause
#
# `make help` lists what can be built, run and checked. Verbs for people who work on the hypervisor are
# in tests/verbs.mk, rules in tools/build.mk and tests/host/rules.mk. Sources are listed one by one in
# the sources.mk of their folder: a file that is in no list is not part of the product, and `make
# check` complains about one that was forgotten.
#
# Variables that a user may set: CROSS_COMPILE, DEBUG=1, and those of tools/run
# (ACCEL, MEM, CPUS, QUANTUM, SCENARIO, BATCH, TIMEOUT, EXACT, CPU_MODEL, OPTIONS, SCREEN).

.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

B := build
include arch/sources.mk kernel/sources.mk mm/sources.mk drivers/sources.mk guests/sources.mk tests/spec/spec.mk

# ---- Tools ---------------------------------------------------------------------------------------

ifeq ($(origin CROSS_COMPILE),undefined)
CROSS_COMPILE := $(shell tools/find-toolchain)
endif

CC := $(CROSS_COMPILE)gcc
LD := $(CROSS_COMPILE)ld
NM := $(CROSS_COMPILE)nm
OBJDUMP := $(CROSS_COMPILE)objdump
HOSTCC ?= gcc
PYTHON := /usr/bin/python3

# ---- Flags ---------------------------------------------------------------------------------------

# A newer compiler finds more to warn of: that must not keep anybody from building. WERROR=1, as the
# checks and CI have it, makes each warning an error. Stacks are 16 KiB, so frames have a limit.
ifeq ($(WERROR),1)
WERROR_FLAG := -Werror
endif
WARNINGS := -Wall -Wextra $(WERROR_FLAG) -Wshadow -Wstrict-prototypes -Werror=implicit-function-declaration -Wmissing-prototypes -Wvla \
	-Wundef
HV_FRAME_BYTES := 2048

COMMON_FLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -mno-red-zone \
	-fno-stack-protector -fno-omit-frame-pointer -ffunction-sections -fno-asynchronous-unwind-tables \
	-fno-strict-aliasing -fno-common -fcf-protection=none \
	-ffile-prefix-map=$(CURDIR)=. $(WARNINGS) -I include -I .

# No branch whose target a guest could train: tools/check-branches looks at the image.
HV_BRANCH_FLAGS := -fno-jump-tables $(if $(findstring clang,$(CC)),-mretpoline, \
	-mindirect-branch=thunk -mindirect-branch-register)
HV_FLAGS := $(COMMON_FLAGS) -mcmodel=kernel -mgeneral-regs-only $(HV_BRANCH_FLAGS) \
	-Wframe-larger-than=$(HV_FRAME_BYTES)
ifeq ($(DEBUG),1)
HV_FLAGS += -DAEROSTAT_DEBUG
endif
HV_ASM_FLAGS := $(HV_FLAGS) -D__ASSEMBLY__ -I $(B)/include
HV_LDFLAGS := -m elf_x86_64 -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none \
	--gc-sections $(ORACLE_LINK)

GUEST_FLAGS := $(COMMON_FLAGS) -mcmodel=small
GUEST_LDFLAGS := -m elf_x86_64 -nostdlib -static -z max-page-size=4096 -z noexecstack \
	--build-id=none --gc-sections

# The ISO carries the date of the commit, so that two builds of one commit are the same bytes.
ifeq ($(origin SOURCE_DATE_EPOCH),undefined)
SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 1767225600)
endif
export SOURCE_DATE_EPOCH
export LC_ALL := C
MAKEFLAGS += --no-print-directory
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(shell nproc 2>/dev/null || echo 2)
endif

# V=1 shows whole commands, else one short line each.
ifeq ($(V),1)
say = @:
Q :=
else
say = @printf '  %-5s %s\n' '$(1)' '$(2)'
Q := @
endif

# ---- Verbs ---------------------------------------------------------------------------------------

.PHONY: run debug record plot docs-media test check clean help all guests iso format build-all build-guests

# A verb first installs what it needs and then builds in a make of its own. Several at once (`make all
# iso`) take turns: what one of them installs the next one needs.
ifneq ($(MAKELEVEL)-$(filter-out build/%,$(MAKECMDGOALS)),0-)
ifeq ($(MAKELEVEL),0)
.NOTPARALLEL:
endif
endif

run: ## install what is missing, build, and run SCENARIO (BATCH=1: no terminal, exit status is the verdict)
	@tools/step packages tools/install-deps build iso run $(filter bochs,$(ACCEL)) $(if $(filter linux dialects,$(SCENARIO)),linux)
	@tools/step build $(MAKE) build-all
	@tools/run

debug: ## like run, but stopped at the start under a debugger: GDB, or that of ACCEL=bochs
	@tools/step packages tools/install-deps build iso run $(if $(filter bochs,$(ACCEL)),bochs,debug)
	@tools/step build $(MAKE) build-all
	@tools/run --debug

record: ## like run with BATCH=1, with the trace on: build/trace/SCENARIO.trace, which tools/trace shows
	@tools/step packages tools/install-deps build iso run $(filter bochs,$(ACCEL)) $(if $(filter linux dialects,$(SCENARIO)),linux)
	@tools/step build $(MAKE) build-all
	@tools/run --record

plot: ## pictures of the latest recording, or of RECORDING=FILE: a page (.html), .svg and .png beside it
	@tools/step packages tools/install-deps plot --try picture
	@RECORDING="$$RECORDING"; tools/plot $${RECORDING:+"$$RECORDING"}

docs-media: ## the pictures and transcripts of README.md and of the labs, from runs of this version: docs/media
	@tools/step packages tools/install-deps build iso run lab
	@tools/step build $(MAKE) build-all
	@tools/docs-media

test: ## install what is missing and run the tests: host, static, boot, short fuzzing, some mutants, bench-guard
	@tools/step packages tools/install-deps build iso run --try bochs test fuzz linux
	+@tools/test-all

check: ## static checks: format, warnings, layers, words, sources, cppcheck, reproducible builds
	@tools/install-deps build iso --try test
	+@tools/check-all

clean: ## remove everything that was built
	rm -rf $(B)

help: ## this list
	@echo 'First:'; $(call list_verbs,Makefile) | grep -E '^ *make (run|debug|test|check|clean) '
	@echo 'More:'; $(call list_verbs,Makefile) | grep -vE '^ *make (run|debug|test|check|clean) '
	@echo 'For people who work on it:'; $(call list_verbs,tests/verbs.mk)
	@echo 'Variables of run: SCENARIO= ACCEL=kvm|tcg|bochs MEM=MiB CPUS=1..64 (processors)'
	@echo '   QUANTUM=1..32 (Bochs without its debugger: instructions of one processor before the next one'"'"'s turn)'
	@echo '   BATCH=1 TIMEOUT=SECONDS EXACT=0|1 CPU_MODEL= OPTIONS= SCREEN=1 (a window, with the map of frames) NO_COLOR=1'
	@echo 'of others: DEBUG=1 CROSS_COMPILE=PREFIX V=1 FUZZ_SECONDS= FUZZ= MUTANTS= RUNS= ACCEPT=1 PARTS='

list_verbs = sed -n 's/^\([a-z][a-z-]*\):.*\#\# \(.*\)/\1|\2/p' $(1) | awk -F'|' '{ printf "  make %-20s %s\n", $$1, $$2 }'

all: ## build the hypervisor and the guests
	@tools/install-deps build
	@$(MAKE) build-all

guests: ## build the guests only
	@tools/install-deps build
	@$(MAKE) build-guests

iso: ## build the image that boots on BIOS and UEFI machines: build/aerostat.iso
	@tools/install-deps build iso
	@$(MAKE) $(B)/aerostat.iso

.PHONY: lab grade question
lab: ## prepare lab LAB=n for a student, in labs/n; docs/labs has the pages
	@tools/install-deps build iso run lab
	@tools/lab prepare '$(or $(LAB),0)'

grade: ## check lab LAB=n: every lost point with its reason, the score, and build/labs/n.json
	@tools/install-deps build iso run lab
	@tools/lab grade '$(or $(LAB),0)' $(if $(TRIAL),--trial '$(TRIAL)' --seed '$(or $(SEED),0)')

question: ## the answer to question Q=n of docs/labs/questions.md
	@tools/install-deps build lab
	@$(MAKE) -s $(B)/host/test_lab_questions
	@$(B)/host/test_lab_questions '$(or $(Q),0)'

format: ## rewrite the C sources in the house style
	@tools/install-deps test
	@tools/check-format --fix

# The empty recipes keep make from saying that there was nothing to do.
build-all: $(B)/aerostat.elf build-guests
	@:

build-guests: $(GUESTS:%=$(B)/guests/%.elf)
	@:

include tools/build.mk tests/host/rules.mk tests/lab/lab.mk tests/verbs.mk
