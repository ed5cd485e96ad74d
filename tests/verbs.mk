# SPDX-License-Identifier: BSD-2-Clause
# Verbs for people who work on the hypervisor; `make help` lists those with a description.

.PHONY: policy-lab simulate test-host test-boot test-oracle oracle-hypervisor test-long test-releases test-nested-kvm fuzz fuzz-keep mutants models interleavings \
	prove prove-mutants prove-survey coverage bench bench-dialects bench-linux bench-peers bench-scale bench-trace bench-guard \
	check-reproducible book compile-commands \
	deps-build deps-run deps-test deps-fuzz deps-nested

test-host: ## unit tests: the real mm/ and kernel/ sources against fakes, under ASan and UBSan
	@tools/install-deps build --try test
	@status=0; if tools/run-host-tests --ready; then $(MAKE) -k host-tests || status=1; fi; \
		tools/run-host-tests $(B) $(HOST_TESTS:%=$(B)/host/%) || status=1; \
		exit $$status

test-boot: ## every scenario and every bad input, booted in an emulator; BOOT="probe or uefi" for some
	@tools/install-deps build iso run --try bochs test linux
	@$(MAKE) build-all oracle-hypervisor
	@tools/run-boot-tests $(if $(BOOT),-k '$(BOOT)')

test-oracle: ## hostile guests on a hypervisor that runs the specification (tests/spec) beside it; LONG=1: 10^7 calls
	@tools/install-deps build iso run --try bochs test
	@$(MAKE) build-all oracle-hypervisor
	@tools/run-boot-tests -k 'test_case and oracle'

oracle-hypervisor:
	@$(MAKE) ORACLE=1 build/oracle/aerostat.elf

test-long: ## everything at full size, with a table of what was counted; takes hours; PARTS="walks fuzz"
	@tools/install-deps build iso run bochs test fuzz nested linux
	@$(MAKE) build-all oracle-hypervisor
	@tools/test-long $(PARTS)

test-releases: ## the same in a fresh Debian of every newer release; as root; RELEASES="trixie sid" PARTS="run boot" NEW=1
	@tools/install-deps releases
	@tools/test-releases $(RELEASES)

test-nested-kvm: ## the default scenario under a real Linux with KVM, itself in the emulator
	@tools/install-deps build iso run bochs nested linux
	@$(MAKE) build-all
	@$(PYTHON) tests/nested/nested.py

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

interleavings: ## every order in which two or three CPUs can do what they do, in the real code; SCHEDULE=... shows one
	@tools/install-deps build --try test
	@$(MAKE) $(B)/host/test_interleavings $(B)/host/test_wake_interleavings
	@tests/interleave/run $(B)

prove: ## prove properties of the real C for all inputs within bounds, with CBMC; PROOF="name ..." or PROOF=few, ACCEPT=1: new table
	@tools/install-deps build --try prove
	@tests/proofs/run --build $(B) $(if $(ACCEPT),--accept) $(PROOF)

prove-mutants: ## plant the faults that the proofs name: each proof alone must notice its own; PROOF="name ..." or PROOF=few
	@tools/install-deps build --try prove
	@tests/proofs/run --build $(B) --mutants $(PROOF)

prove-survey: ## plant every mutant that lies in a proved line, and count those that a proof alone notices; ACCEPT=1: new list
	@tools/install-deps build --try prove
	@tests/proofs/run --build $(B) --survey $(if $(ACCEPT),--accept) $(PROOF)

coverage: ## line and branch coverage of the host tests, written to docs/coverage.md
	@tools/install-deps build coverage
	+@tools/coverage

policy-lab: ## all policies against generated demand and reported incidents: tables, and build/lab/cells.csv
	@tools/install-deps build
	@$(MAKE) run-policy-lab

simulate: ## all policies on a fleet: VMS=1000 on HOSTS=100, SEEDS=1; LONG=1: 10,000 on 1,000; table, CSV and a page of plots
	@tools/install-deps build plot --try sweep
	@$(MAKE) run-simulate

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

bench-linux: ## what a stock Linux costs as a VM, and on the bare emulated machine: some minutes
	@tools/install-deps build iso run bochs linux
	@$(MAKE) build-all
	@$(PYTHON) tests/bench/bench_linux.py --build $(B)

bench-dialects: ## what the balloon drivers of a stock Linux cost, beside QEMU with KVM in the same emulator: some minutes
	@tools/install-deps build iso run bochs nested linux
	@$(MAKE) build-all
	@$(PYTHON) tests/bench/bench_dialects.py --build $(B)

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

check-reproducible: ## build the commit twice in different places and compare
	@tools/install-deps build iso
	+@tools/check-reproducible

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

# ---- For the tools -------------------------------------------------------------------------------

.PHONY: print-sources
print-sources:
	@echo $(sort $(HV_C_SOURCES) $(HV_ASM_SOURCES) $(GUEST_LIB_C_SOURCES) $(GUEST_LIB_ASM_SOURCES) \
		$(foreach guest,$(GUESTS),$(GUEST_$(guest))) arch/x86/asm_offsets.c \
		$(foreach program,$(HOST_TESTS),$(HOST_$(program))) $(LAB_SOURCES) tests/fuzz/stop.c tests/spec/oracle_report.c tests/spec/table.c)

.PHONY: print-hypervisor-sources
print-hypervisor-sources:
	@echo $(HV_C_SOURCES)

.PHONY: print-host-tests
# By make itself: as one command of a shell the list is longer than Linux takes (128 KiB).
print-host-tests:
	@:$(foreach program,$(HOST_TESTS),$(info $(program) $(HOST_$(program))))
