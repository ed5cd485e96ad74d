# SPDX-License-Identifier: BSD-2-Clause
#
# Fuzz targets: FUZZ_name lists the sources of each, its own and the real ones that it runs. The same
# lists make a libFuzzer program (build/fuzz/name) and, with replay.c, a host test (test_fuzz_name).
# Read by tests/host/host.mk, whose lists of shared sources it uses.

FUZZ_TARGETS := multiboot2 elf vm_config options hypercall processors decode vlapic \
	vioapic devices bzimage foreign_elf multiboot1 virtio vmware hyperv monitor screen

FUZZ_multiboot2 := tests/fuzz/fuzz_multiboot2.c $(MULTIBOOT2_SOURCES) arch/x86/boot/ram.c \
	mm/memmap.c kernel/lib/error.c
FUZZ_elf := tests/fuzz/fuzz_elf.c kernel/lib/elf.c kernel/lib/error.c
FUZZ_bzimage := tests/fuzz/fuzz_bzimage.c kernel/lib/bzimage.c kernel/lib/error.c
FUZZ_foreign_elf := tests/fuzz/fuzz_foreign_elf.c kernel/lib/bzimage.c kernel/lib/error.c \
	kernel/lib/foreign_elf.c kernel/lib/image.c kernel/lib/multiboot1.c
FUZZ_multiboot1 := tests/fuzz/fuzz_multiboot1.c kernel/lib/error.c kernel/lib/foreign_elf.c \
	kernel/lib/multiboot1.c
FUZZ_vm_config := tests/fuzz/fuzz_vm_config.c kernel/lib/words.c kernel/vm/vm_config.c kernel/lib/error.c
FUZZ_options := tests/fuzz/fuzz_options.c kernel/lib/console.c kernel/lib/options.c
FUZZ_monitor := tests/fuzz/fuzz_monitor.c kernel/lib/error.c kernel/lib/words.c \
	kernel/lib/tunables.c kernel/monitor/command.c kernel/monitor/line.c kernel/monitor/output.c \
	kernel/overcommit/host_state.c kernel/monitor/script.c kernel/vm/vm_config.c kernel/vm/vm_stats.c
FUZZ_screen := tests/fuzz/fuzz_screen.c drivers/phys/keyboard.c drivers/phys/terminal.c
FUZZ_devices := tests/fuzz/fuzz_devices.c tests/host/fake/counter.c drivers/virt/vi8042.c \
	drivers/virt/vpci.c drivers/virt/vpic.c drivers/virt/vpit.c drivers/virt/vpit_channel.c \
	drivers/virt/vrtc.c drivers/virt/vrtc_calendar.c drivers/virt/vuart.c
FUZZ_processors := tests/fuzz/fuzz_processors.c drivers/phys/acpi.c \
	drivers/phys/acpi_power.c drivers/phys/acpi_tables.c drivers/phys/firmware.c \
	drivers/phys/mp_table.c drivers/phys/processors.c kernel/lib/error.c
FUZZ_decode := tests/fuzz/fuzz_decode.c arch/x86/guest/guest_decode.c \
	arch/x86/guest/guest_execute.c arch/x86/guest/guest_place.c
FUZZ_vlapic := tests/fuzz/fuzz_vlapic.c $(VLAPIC_SOURCES)
FUZZ_vioapic := tests/fuzz/fuzz_vioapic.c drivers/virt/vioapic.c
FUZZ_hyperv := tests/fuzz/fuzz_hyperv.c $(filter-out drivers/virt/pc_hyperv.c,$(DIALECT_HYPERV)) $(KERNEL_SOURCES)
FUZZ_virtio := tests/fuzz/fuzz_virtio.c $(filter-out drivers/virt/pc_kvm.c,$(DIALECT_KVM)) $(KERNEL_SOURCES)
FUZZ_vmware := tests/fuzz/fuzz_vmware.c $(PC_SOURCES)
FUZZ_hypercall := tests/fuzz/fuzz_hypercall.c tests/fuzz/guest.c tests/fuzz/machine.c \
	tests/fuzz/contents.c tests/host/fake/cpus.c $(FAKE_DEVICES) $(LOADER_SOURCES) $(FAKE_WORLD) $(MM_SOURCES) \
	kernel/overcommit/decisions.c \
	kernel/overcommit/driver_health.c \
	kernel/balloon/balloon.c \
	kernel/balloon/ranges.c kernel/balloon/single.c \
	kernel/sched/boost.c \
	kernel/sched/clock.c \
	kernel/lib/tunables.c \
	kernel/overcommit/governor.c kernel/overcommit/host_limits.c kernel/overcommit/timed_reclaim.c \
	kernel/exit/hypercall.c \
	kernel/overcommit/oom.c \
	kernel/sched/stop_machine.c \
	$(POLICY_SOURCES) \
	kernel/overcommit/silent_driver.c \
	kernel/sched/run_queue.c \
	kernel/sched/scheduler.c \
	kernel/sched/startup.c \
	kernel/vm/vcpu.c kernel/sched/wake.c \
	kernel/vm/vm.c kernel/lifecycle/build.c kernel/lifecycle/end.c \
	kernel/monitor/audit.c \
	kernel/vm/vm_config.c \
	kernel/overcommit/wait_queue.c

define fuzz_host_test
HOST_TESTS += test_fuzz_$(1)
HOST_test_fuzz_$(1) := tests/fuzz/replay.c $(FUZZ_$(1))
endef
$(foreach target,$(FUZZ_TARGETS),$(eval $(call fuzz_host_test,$(target))))

# The fuzzer: clang, libFuzzer, ASan, UBSan. Only what is under test reports its coverage; the fakes
# and the auditor would drown it. The compares of page-table walks would cost more than they tell.
FUZZCC ?= clang
FUZZ_FLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all -DAEROSTAT_HOST_TEST -DAEROSTAT_FUZZ -DAEROSTAT_DEBUG -Wall -Wextra -Werror -Wshadow \
	-Wstrict-prototypes -Wvla -Wundef -I include -I . -I tests/host
FUZZ_WATCHED = -fsanitize=fuzzer-no-link $(if $(filter mm/%,$<),-fno-sanitize-coverage=trace-cmp)

$(B)/fuzz/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FUZZCC) $(FUZZ_FLAGS)' | cmp -s - $@ || echo '$(FUZZCC) $(FUZZ_FLAGS)' > $@

$(B)/fuzz/obj/%.c.o: %.c $(B)/fuzz/flags
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(FUZZCC) $(FUZZ_FLAGS) $(if $(filter tests/% mm/audit.c,$<),,$(FUZZ_WATCHED)) \
		-MMD -MP -c $< -o $@

define fuzz_rule
$(B)/fuzz/$(1): $(patsubst %,$(B)/fuzz/obj/%.o,$(FUZZ_$(1)) tests/fuzz/stop.c)
	$$(call say,FUZZ,$$@)
	$(Q)$(FUZZCC) $(FUZZ_FLAGS) -fsanitize=fuzzer $$^ -o $$@
endef
$(foreach target,$(FUZZ_TARGETS),$(eval $(call fuzz_rule,$(target))))

.PHONY: fuzzers
fuzzers: $(FUZZ_TARGETS:%=$(B)/fuzz/%)

-include $(foreach target,$(FUZZ_TARGETS),$(patsubst %,$(B)/fuzz/obj/%.d,$(FUZZ_$(target)) \
	tests/fuzz/stop.c))
