# SPDX-License-Identifier: BSD-2-Clause
#
# Everything that can be built, run and checked here is a verb of this file; `make help` lists them.
# Sources are listed one by one: a file that is not in a list is not part of the product, and
# `make check` complains about one that was forgotten.
#
# Variables that a user may set: CROSS_COMPILE, DEBUG=1, and those of tools/run
# (ACCEL, MEM, CPUS, QUANTUM, SCENARIO, BATCH, TIMEOUT, EXACT, CPU_MODEL, OPTIONS).

.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

B := build

# ---- What the hypervisor is made of --------------------------------------------------------------

# >>> HV_C_SOURCES
HV_C_SOURCES := \
	arch/x86/boot/main.c \
	arch/x86/boot/memory.c \
	arch/x86/boot/multiboot2.c \
	arch/x86/boot/smp.c \
	arch/x86/boot/ram.c \
	arch/x86/trap/backtrace.c \
	arch/x86/cpu/console.c \
	arch/x86/cpu/cpu.c \
	arch/x86/trap/fault.c \
	arch/x86/cpu/features.c \
	arch/x86/cpu/gdt.c \
	arch/x86/trap/idt.c \
	arch/x86/cpu/ipi.c \
	arch/x86/cpu/lapic.c \
	arch/x86/cpu/mitigations.c \
	arch/x86/trap/paging.c \
	arch/x86/cpu/pic.c \
	arch/x86/cpu/power.c \
	arch/x86/cpu/speculation.c \
	arch/x86/cpu/string.c \
	arch/x86/cpu/tsc.c \
	arch/x86/cpu/xstate.c \
	arch/x86/guest/breakpoint.c \
	arch/x86/guest/guest_cr.c \
	arch/x86/guest/guest_cpuid.c \
	arch/x86/guest/guest_cpuid_exit.c \
	arch/x86/guest/guest_event.c \
	arch/x86/guest/guest_exit.c \
	arch/x86/guest/guest_msr.c \
	arch/x86/guest/guest_vcpu.c \
	arch/x86/guest/entry_checks.c \
	arch/x86/guest/guest_walk.c \
	arch/x86/svm/npt.c \
	arch/x86/svm/svm_asid.c \
	arch/x86/svm/svm_backend.c \
	arch/x86/svm/svm_caps.c \
	arch/x86/svm/svm_check.c \
	arch/x86/svm/svm_cpu.c \
	arch/x86/svm/svm_cr.c \
	arch/x86/svm/svm_debug.c \
	arch/x86/svm/svm_decode.c \
	arch/x86/svm/svm_dump.c \
	arch/x86/svm/svm_exit.c \
	arch/x86/svm/svm_run.c \
	arch/x86/svm/svm_setup.c \
	arch/x86/svm/svm_state.c \
	arch/x86/svm/svm_step.c \
	arch/x86/svm/svm_trial.c \
	arch/x86/vmx/ept.c \
	arch/x86/vmx/vmx_backend.c \
	arch/x86/vmx/vmx_caps.c \
	arch/x86/vmx/vmx_check.c \
	arch/x86/vmx/vmx_cpu.c \
	arch/x86/vmx/vmx_dump.c \
	arch/x86/vmx/vmx_exit.c \
	arch/x86/vmx/vmx_fields.c \
	arch/x86/vmx/vmx_run.c \
	arch/x86/vmx/vmx_setup.c \
	arch/x86/vmx/vmx_state.c \
	kernel/overcommit/driver_health.c \
	kernel/vm/backend.c \
	kernel/balloon/balloon.c \
	kernel/balloon/ranges.c \
	kernel/sched/boost.c \
	kernel/sched/clock.c \
	kernel/lib/console.c \
	kernel/lib/elf.c \
	kernel/lib/error.c \
	kernel/exit/exit.c \
	kernel/overcommit/governor.c \
	kernel/housekeeping.c \
	kernel/exit/hypercall.c \
	kernel/lifecycle/load_native.c \
	kernel/lifecycle/build.c \
	kernel/lifecycle/end.c \
	kernel/lib/lock.c \
	kernel/log/log.c \
	kernel/main.c \
	kernel/monitor/monitor.c \
	kernel/monitor/audit.c \
	kernel/overcommit/oom.c \
	kernel/lib/options.c \
	kernel/log/panic.c \
	kernel/sched/stop_machine.c \
	kernel/sched/wake.c \
	kernel/overcommit/policy.c \
	kernel/lib/printf.c \
	kernel/monitor/results.c \
	kernel/sched/run_queue.c \
	kernel/sched/scheduler.c \
	kernel/lib/string.c \
	kernel/lib/tunables.c \
	kernel/log/symbols.c \
	kernel/vm/tlb.c \
	kernel/vm/vcpu.c \
	kernel/vm/vm.c \
	kernel/vm/vm_config.c \
	kernel/vm/vm_stats.c \
	kernel/overcommit/wait_queue.c \
	kernel/overcommit/working_set.c \
	mm/alloc.c \
	mm/audit.c \
	mm/cache.c \
	mm/frame.c \
	mm/guest_copy.c \
	mm/memmap.c \
	mm/phys.c \
	mm/pool.c \
	mm/promise.c \
	mm/reclaim.c \
	mm/stage2/map.c \
	mm/stage2/merge.c \
	mm/stage2/life.c \
	mm/stage2/runs.c \
	mm/stage2/sample.c \
	mm/stage2/split.c \
	drivers/phys/acpi.c \
	drivers/phys/acpi_power.c \
	drivers/phys/acpi_tables.c \
	drivers/phys/debugcon.c \
	drivers/phys/firmware.c \
	drivers/phys/mp_table.c \
	drivers/phys/pci.c \
	drivers/phys/power.c \
	drivers/phys/processors.c \
	drivers/phys/uart.c
# <<< HV_C_SOURCES

# >>> HV_ASM_SOURCES
HV_ASM_SOURCES := \
	arch/x86/boot/entry.S \
	arch/x86/boot/trampoline.S \
	arch/x86/trap/vectors.S \
	arch/x86/svm/svm_entry.S \
	arch/x86/vmx/vmx_entry.S
# <<< HV_ASM_SOURCES

# ---- The guests ----------------------------------------------------------------------------------

# >>> GUESTS: every name has its own folder; GUEST_name lists the sources that are not in the library
GUESTS := steady idle hungry secret rogue bench probe hostile racer sleeper worker leftover modes flat32

GUEST_steady := guests/steady/main.c
GUEST_idle := guests/idle/main.c
GUEST_hungry := guests/hungry/main.c
GUEST_secret := guests/secret/main.c
GUEST_rogue := guests/rogue/main.c
GUEST_bench := $(addprefix guests/bench/,main.c measure.c area.c exits.c pages.c extents.c driver.c \
	pair.c doorbell.c stamp.S trace.c)
GUEST_probe := $(addprefix guests/probe/,main.c debug.c doorbell.c registers.c trap.c steps.S trap.S)
GUEST_hostile := guests/hostile/main.c guests/hostile/attack.c guests/hostile/model.c \
	guests/hostile/pressure.c guests/hostile/processor.c guests/hostile/random.c \
	guests/hostile/requests.c guests/hostile/storm.c guests/hostile/trap.c \
	guests/hostile/requests_code.S guests/hostile/trap.S

GUEST_racer := $(addprefix guests/racer/,main.c race.c rewrite.c start.c touch.c start_code.S)
GUEST_sleeper := guests/sleeper/main.c
GUEST_worker := guests/worker/main.c
GUEST_leftover := guests/leftover/main.c guests/leftover/registers.c guests/leftover/xstate.c \
	guests/probe/trap.c guests/probe/trap.S
GUEST_modes := guests/modes/main.c guests/modes/classes.c guests/modes/mode32.S
GUEST_flat32 := guests/flat32/main.S
GUESTS_WITHOUT_LIB := flat32

GUEST_LIB_C_SOURCES := \
	guests/lib/arguments.c \
	guests/lib/balloon.c \
	guests/lib/page_state.c \
	guests/lib/console.c \
	guests/lib/fault.c \
	guests/lib/verified_pages.c \
	guests/lib/lock.c \
	guests/lib/memory.c \
	guests/lib/page_set.c \
	guests/lib/paging.c \
	guests/lib/palloc.c \
	guests/lib/palloc_choose.c \
	guests/lib/pattern.c \
	guests/lib/runtime.c \
	guests/lib/vcpu.c \
	guests/lib/wait.c
GUEST_LIB_ASM_SOURCES := \
	guests/lib/hypercall.S \
	guests/lib/start.S \
	guests/lib/vector.S \
	guests/lib/vectors.S

# Sources (of guests or of their library) that may use the vector registers.
GUEST_SSE_SOURCES := guests/lib/pattern.c

GUEST_LINKER_SCRIPT := guests/lib/guest.ld
# <<< GUESTS

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
WARNINGS := -Wall -Wextra $(WERROR_FLAG) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
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
	--gc-sections

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

# ---- Verbs ---------------------------------------------------------------------------------------

.PHONY: all guests run test iso debug clean check help format
.PHONY: book compile-commands build-all build-guests test-releases
.PHONY: fuzz fuzz-keep mutants models coverage deps-fuzz
.PHONY: bench bench-peers bench-scale bench-trace bench-guard
.PHONY: test-host test-boot test-long test-nested-kvm check-reproducible deps-build deps-run deps-test deps-nested

# A verb first installs what it needs and then builds in a make of its own. Several at once (`make all
# iso`) take turns: what one of them installs the next one needs.
ifneq ($(MAKELEVEL)-$(filter-out build/%,$(MAKECMDGOALS)),0-)
ifeq ($(MAKELEVEL),0)
.NOTPARALLEL:
endif
endif

all: ## build the hypervisor and the guests
	@tools/install-deps build
	@$(MAKE) build-all

guests: ## build the guests only
	@tools/install-deps build
	@$(MAKE) build-guests

# The empty recipes keep make from saying that there was nothing to do.
build-all: $(B)/aerostat.elf build-guests
	@:

build-guests: $(GUESTS:%=$(B)/guests/%.elf)
	@:

iso: ## build the image that boots on BIOS and UEFI machines: build/aerostat.iso
	@tools/install-deps build iso
	@$(MAKE) $(B)/aerostat.iso

run: ## install what is missing, build, and run SCENARIO (BATCH=1: no terminal, exit status is the verdict)
	@tools/step packages tools/install-deps build iso run $(filter bochs,$(ACCEL))
	@tools/step build $(MAKE) build-all
	@tools/run

debug: ## like run, but stopped at the start under a debugger: GDB, or that of ACCEL=bochs
	@tools/step packages tools/install-deps build iso run $(if $(filter bochs,$(ACCEL)),bochs,debug)
	@tools/step build $(MAKE) build-all
	@tools/run --debug

test: ## install what is missing and run the tests: host, static, boot, short fuzzing, some mutants, bench-guard
	@tools/step packages tools/install-deps build iso run --try bochs test fuzz
	+@tools/test-all

test-releases: ## the same in a fresh Debian of every newer release; as root; RELEASES="trixie sid" PARTS="run boot" NEW=1
	@tools/install-deps releases
	@tools/test-releases $(RELEASES)

test-host: ## unit tests: the real mm/ and kernel/ sources against fakes, under ASan and UBSan
	@tools/install-deps build --try test
	@status=0; if tools/run-host-tests --ready; then $(MAKE) -k host-tests || status=1; fi; \
		tools/run-host-tests $(B) $(HOST_TESTS:%=$(B)/host/%) || status=1; \
		exit $$status

test-boot: ## every scenario and every bad input, booted in an emulator; BOOT="probe or uefi" for some
	@tools/install-deps build iso run --try bochs test
	@$(MAKE) build-all
	@tools/run-boot-tests $(if $(BOOT),-k '$(BOOT)')

test-long: ## everything at full size, with a table of what was counted; takes hours; PARTS="walks fuzz"
	@tools/install-deps build iso run bochs test fuzz nested
	@$(MAKE) build-all
	@tools/test-long $(PARTS)

fuzz: ## fuzz each target for FUZZ_SECONDS (600) with libFuzzer; FUZZ=name for one
	@tools/install-deps build --try test fuzz
	@if tests/fuzz/run --ready; then $(MAKE) fuzzers; fi
	@tests/fuzz/run --build $(B) --seconds $(or $(FUZZ_SECONDS),600) $(or $(FUZZ),$(FUZZ_TARGETS))

fuzz-keep: ## write what fuzzing has found back into tests/fuzz/corpus
	@tools/install-deps build test fuzz
	@$(MAKE) fuzzers
	@tests/fuzz/run --build $(B) --keep $(or $(FUZZ),$(FUZZ_TARGETS))

mutants: ## break one line at a time and see that a host test notices; MUTANTS=name for some
	@tools/install-deps build --try test
	@if tools/run-host-tests --ready; then $(MAKE) host-tests; fi
	@tests/mutants/run --build $(B) $(MUTANTS)

models: ## check the models of tests/models exhaustively, and that breaking them is noticed
	@tools/install-deps build models
	@tests/models/run $(B)

coverage: ## line and branch coverage of the host tests, written to docs/coverage.md
	@tools/install-deps build test
	+@tools/coverage

test-nested-kvm: ## the default scenario under a real Linux with KVM, itself in the emulator
	@tools/install-deps build iso run bochs nested
	@$(MAKE) build-all
	@$(PYTHON) tests/nested/nested.py

bench: ## count the instructions of every operation; RUNS="exits memory" for some, ACCEPT=1: new baseline
	@tools/install-deps build iso run bochs
	@$(MAKE) build-all
	@$(PYTHON) tests/bench/bench.py --build $(B) $(RUNS:%=--run %) $(if $(ACCEPT),--accept)

bench-peers: ## count the same operations on Linux with KVM, in the same emulator
	@tools/install-deps build iso run bochs nested
	@$(PYTHON) tests/bench/bench_peers.py

bench-scale: ## what 1, 2, 4 and 8 processors get done, how evenly 64 VMs share four; fails when an aim is missed
	@tools/install-deps build iso run bochs
	@$(MAKE) build-all
	@$(PYTHON) tests/bench/bench_scale.py --build $(B) $(if $(LONG),--check)

bench-trace: ## where the instructions of single operations go; TRACE="surrender_2m ..." for some
	@tools/install-deps build iso run bochs
	@$(MAKE) build-all
	@$(PYTHON) tests/bench/trace_operations.py --build $(B) $(TRACE)

bench-guard: # for tools/test-all: compare only
	@tools/install-deps build iso run --try bochs
	@$(MAKE) build-all
	@status=0; for kind in bochs tcg; do \
		ACCEL=$$kind $(PYTHON) tests/bench/bench.py --build $(B) --guard || status=1; done; \
		$(PYTHON) tests/bench/bench_scale.py --build $(B) --guard || status=1; exit $$status

check: ## static checks: format, warnings, layers, words, sources, cppcheck, reproducible builds
	@tools/install-deps build iso --try test
	+@tools/check-all

check-reproducible: ## build the commit twice in different places and compare
	@tools/install-deps build iso
	+@tools/check-reproducible

format: ## rewrite the C sources in the house style
	@tools/install-deps test
	@tools/check-format --fix

book: ## the files that a student reads in a weekend, in reading order, with their lines of code
	@tools/install-deps build
	@tools/book

compile-commands: ## write compile_commands.json, for editors
	@tools/install-deps build
	@tools/compile-commands all host-tests

deps-build: ## install what building needs
	@tools/install-deps build iso
deps-run: ## install what running needs
	@tools/install-deps run
deps-test: ## install what testing needs
	@tools/install-deps run bochs test
deps-fuzz: ## install what fuzzing needs
	@tools/install-deps test fuzz
deps-nested: ## install what test-nested-kvm needs
	@tools/install-deps run bochs nested

.PHONY: print-sources
print-sources:
	@echo $(HV_C_SOURCES) $(HV_ASM_SOURCES) $(GUEST_LIB_C_SOURCES) $(GUEST_LIB_ASM_SOURCES) \
		$(foreach guest,$(GUESTS),$(GUEST_$(guest))) arch/x86/asm_offsets.c \
		$(foreach program,$(HOST_TESTS),$(HOST_$(program))) tests/fuzz/stop.c

.PHONY: print-hypervisor-sources
print-hypervisor-sources:
	@echo $(HV_C_SOURCES)

.PHONY: print-host-tests
print-host-tests:
	@$(foreach program,$(HOST_TESTS),echo $(program) $(HOST_$(program));)

clean: ## remove everything that was built
	rm -rf $(B)

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | \
		awk -F'|' '{ printf "  make %-20s %s\n", $$1, $$2 }'
	@echo 'Variables of run: SCENARIO= ACCEL=kvm|tcg|bochs MEM=MiB CPUS=1..64 (processors)'
	@echo '   QUANTUM=1..32 (Bochs without its debugger: instructions of one processor before the next one'"'"'s turn)'
	@echo '   BATCH=1 TIMEOUT=SECONDS EXACT=0|1 CPU_MODEL= OPTIONS='
	@echo 'of others: DEBUG=1 CROSS_COMPILE=PREFIX V=1 FUZZ_SECONDS= FUZZ= MUTANTS= RUNS= ACCEPT=1 PARTS='

# V=1 shows whole commands, else one short line each.
ifeq ($(V),1)
say = @:
Q :=
else
say = @printf '  %-5s %s\n' '$(1)' '$(2)'
Q := @
endif

# ---- Rebuild when the flags change ---------------------------------------------------------------

FLAGS_LINE := $(CC) $(HV_FLAGS) $(HV_LDFLAGS) $(GUEST_FLAGS)
$(shell mkdir -p $(B); printf '%s\n' '$(FLAGS_LINE)' | cmp -s - $(B)/flags || \
	printf '%s\n' '$(FLAGS_LINE)' > $(B)/flags)

# ---- The hypervisor ------------------------------------------------------------------------------

HV_OBJECTS := $(HV_C_SOURCES:%=$(B)/hv/%.o) $(HV_ASM_SOURCES:%=$(B)/hv/%.o)

$(B)/hv/%.c.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HV_FLAGS) -MMD -MP -c $< -o $@

$(B)/hv/%.S.o: %.S $(B)/include/asm_offsets.h $(B)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(HV_ASM_FLAGS) -MMD -MP -c $< -o $@

# Structure offsets for assembly: the compiler leaves lines `->NAME VALUE` in its output.
$(B)/include/asm_offsets.h: arch/x86/asm_offsets.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(CC) $(HV_FLAGS) -MMD -MP -MF $(B)/asm_offsets.d -MT $@ -S $< -o $(B)/asm_offsets.s
	@{ echo '/* Generated from $<. */'; \
	   sed -n 's/^.*"->\([A-Za-z_][A-Za-z0-9_]*\) [$$]*\(-\{0,1\}[0-9]*\)".*$$/#define \1 \2/p' \
		$(B)/asm_offsets.s; } > $@

# Linked until the table of symbols inside the image describes the image: see tools/link-image.
$(B)/aerostat.elf: $(HV_OBJECTS) linker.ld tools/link-image tools/gen-symbols $(B)/flags
	$(call say,LD,$@)
	@tools/link-image $@ $(B)/symbols '$(CC)' '$(NM)' \
		$(LD) $(HV_LDFLAGS) -T linker.ld $(HV_OBJECTS)
	@$(NM) -n $@ > $(B)/aerostat.sym
	@$(OBJDUMP) -d $@ > $(B)/aerostat.asm

# ---- Guests --------------------------------------------------------------------------------------

GUEST_LIB_OBJECTS := $(GUEST_LIB_C_SOURCES:%=$(B)/obj/%.o) $(GUEST_LIB_ASM_SOURCES:%=$(B)/obj/%.o)
GUEST_OBJECTS := $(foreach guest,$(GUESTS),$(GUEST_$(guest):%=$(B)/obj/%.o))

# -mgeneral-regs-only everywhere except where a file is listed as a user of vector registers.
guest_vector_flags = $(if $(filter $<,$(GUEST_SSE_SOURCES)),-msse2,-mgeneral-regs-only)

$(B)/obj/%.c.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(GUEST_FLAGS) $(guest_vector_flags) -MMD -MP -c $< -o $@

$(B)/obj/%.S.o: %.S $(B)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(GUEST_FLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

define guest_rule
$(B)/guests/$(1).elf: $(GUEST_$(1):%=$(B)/obj/%.o) $(GUEST_LINKER_SCRIPT) \
		$(if $(filter $(1),$(GUESTS_WITHOUT_LIB)),,$(GUEST_LIB_OBJECTS))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$(Q)$(LD) $(GUEST_LDFLAGS) -T $(GUEST_LINKER_SCRIPT) $$(filter %.o,$$^) -o $$@
endef
$(foreach guest,$(GUESTS),$(eval $(call guest_rule,$(guest))))

# ---- The image -----------------------------------------------------------------------------------

SCENARIO_FILES := $(wildcard tests/scenarios/*.cfg)

$(B)/aerostat.iso: FORCE $(B)/aerostat.elf $(GUESTS:%=$(B)/guests/%.elf) $(SCENARIO_FILES) \
		tools/mkiso tools/scenario.py
	$(call say,ISO,$@)
	$(Q)$(PYTHON) tools/mkiso --output $@

# ---- Host tests: tests/host/host.mk says which program needs which sources ------------------------
#
#	HOST_TESTS := test_frame test_policy
#	HOST_test_frame := tests/host/mm/test_frame.c tests/host/fake_memory.c mm/frame.c

HOST_TESTS :=
HOST_EXTRA_FLAGS :=
-include tests/host/host.mk

# What watches over the tests; tools/coverage puts its own there.
HOST_CHECKS := -fsanitize=address,undefined -fno-sanitize-recover=all

HOST_FLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer $(HOST_CHECKS) -DAEROSTAT_HOST_TEST \
	-DAEROSTAT_DEBUG -Wall -Wextra $(WERROR_FLAG) -Wshadow -Wstrict-prototypes -Wvla -Wundef \
	-I include -I . -I tests/host $(HOST_EXTRA_FLAGS)

.PHONY: host-tests
host-tests: $(HOST_TESTS:%=$(B)/host/%)

$(B)/host/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(HOSTCC) $(HOST_FLAGS)' | cmp -s - $@ || echo '$(HOSTCC) $(HOST_FLAGS)' > $@

$(B)/host/obj/%.c.o: %.c $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -MMD -MP -c $< -o $@

$(B)/host/obj/%.S.o: %.S $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

define host_rule
$(B)/host/$(1): $(HOST_$(1):%=$(B)/host/$(or $(HOST_OBJECTS_$(1)),obj)/%.o)
	$$(call say,HOST,$$@)
	$(Q)$(HOSTCC) $$(HOST_FLAGS) $$^ -lcmocka -o $$@
endef
$(foreach program,$(HOST_TESTS),$(eval $(call host_rule,$(program))))

HOST_OBJECTS := $(foreach program,$(HOST_TESTS), \
	$(HOST_$(program):%=$(B)/host/$(or $(HOST_OBJECTS_$(program)),obj)/%.o))

.PHONY: FORCE
FORCE:

-include $(HV_OBJECTS:.o=.d) $(GUEST_LIB_OBJECTS:.o=.d) $(GUEST_OBJECTS:.o=.d) $(B)/asm_offsets.d
-include $(sort $(HOST_OBJECTS:.o=.d))
