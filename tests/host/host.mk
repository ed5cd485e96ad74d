# SPDX-License-Identifier: BSD-2-Clause
#
# The host tests: each program is one name in HOST_TESTS and one list of sources, the test's own and
# the real ones that it runs. Add a block of two lines for a new one.

# expect_panic() uses setjmp in the test itself; what the tests read afterwards does not change there.
# Only GCC knows this warning; the compiler decides, not its name.
ifeq ($(shell $(HOSTCC) -Werror -Wclobbered -E -x c /dev/null >/dev/null 2>&1 && echo yes),yes)
HOST_EXTRA_FLAGS += -Wno-clobbered
endif

FAKE_WORLD := tests/host/fake/panic.c tests/host/fake/phys.c tests/host/fake/tlb.c \
	tests/host/fake/trace.c tests/host/fake/world.c tests/host/fake/model.c
MM_SOURCES := mm/alloc.c mm/audit.c mm/cache.c mm/frame.c mm/guest_copy.c mm/memmap.c mm/phys.c \
	mm/pool.c mm/promise.c mm/reclaim.c mm/stage2/map.c mm/stage2/merge.c mm/stage2/life.c mm/stage2/runs.c mm/stage2/sample.c mm/stage2/single.c \
	mm/stage2/split.c mm/stage2/steps.c

# What makes a VM of boot modules, but for the devices themselves.
LOADER_SOURCES := tests/host/fake/platform.c drivers/virt/vacpi.c kernel/lib/bzimage.c \
	kernel/lib/elf.c kernel/lib/error.c kernel/lib/foreign_elf.c kernel/lib/image.c \
	kernel/lib/multiboot1.c kernel/lib/words.c kernel/lifecycle/files.c kernel/lifecycle/load.c \
	kernel/lifecycle/load_linux.c kernel/lifecycle/load_multiboot.c kernel/lifecycle/load_native.c \
	kernel/lifecycle/load_pc.c kernel/lifecycle/load_pvh.c

HOST_TESTS += test_memmap
HOST_test_memmap := tests/host/mm/test_memmap.c mm/memmap.c

HOST_TESTS += test_frame
HOST_test_frame := tests/host/mm/test_frame.c $(FAKE_WORLD) $(MM_SOURCES)

GUEST_SOURCES := tests/host/guest_fixture.c tests/host/fake/hypervisor.c $(addprefix guests/lib/, \
	arguments.c balloon.c page_state.c console.c verified_pages.c lock.c page_set.c palloc.c palloc_choose.c \
	pattern.c)

HOST_TESTS += test_guest_lib
HOST_test_guest_lib := tests/host/guest/test_guest_lib.c $(GUEST_SOURCES)

HOST_TESTS += test_guest_balloon
HOST_test_guest_balloon := tests/host/guest/test_guest_balloon.c $(GUEST_SOURCES)

HOST_TESTS += test_guest_verified_pages
HOST_test_guest_verified_pages := tests/host/guest/test_guest_verified_pages.c $(GUEST_SOURCES)

HOST_TESTS += test_guest_vcpus
HOST_test_guest_vcpus := tests/host/guest/test_guest_vcpus.c $(GUEST_SOURCES)

HOST_TESTS += test_s2_single
HOST_test_s2_single := tests/host/mm/test_s2_single.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_alloc
HOST_test_alloc := tests/host/mm/test_alloc.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_cache
HOST_test_cache := tests/host/mm/test_cache.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_promise
HOST_test_promise := tests/host/mm/test_promise.c $(FAKE_WORLD) $(MM_SOURCES)

MULTIBOOT2_SOURCES := arch/x86/boot/multiboot2.c arch/x86/boot/multiboot2_screen.c

HOST_TESTS += test_multiboot2
HOST_test_multiboot2 := tests/host/boot/test_multiboot2.c $(MULTIBOOT2_SOURCES) kernel/lib/error.c

HOST_TESTS += test_multiboot2_screen
HOST_test_multiboot2_screen := tests/host/boot/test_multiboot2_screen.c arch/x86/boot/multiboot2_screen.c

HOST_TESTS += test_terminal
HOST_test_terminal := tests/host/boot/test_terminal.c drivers/phys/terminal.c

HOST_TESTS += test_keyboard
HOST_test_keyboard := tests/host/boot/test_keyboard.c tests/host/fake/board.c drivers/phys/keyboard.c \
	drivers/phys/ps2.c

# The screen, drawn into memory of the test.
SCREEN_SOURCES := $(addprefix drivers/phys/, font.c framebuffer.c screen.c terminal.c)

HOST_TESTS += test_screen
HOST_test_screen := tests/host/boot/test_screen.c $(SCREEN_SOURCES)

HOST_TESTS += test_console_screen
HOST_test_console_screen := tests/host/boot/test_console_screen.c arch/x86/cpu/console_screen.c \
	$(SCREEN_SOURCES)

HOST_TESTS += test_panic
HOST_test_panic := tests/host/boot/test_panic.c kernel/log/panic.c

HOST_TESTS += test_ram
HOST_test_ram := tests/host/boot/test_ram.c $(MULTIBOOT2_SOURCES) arch/x86/boot/ram.c mm/memmap.c kernel/lib/error.c

HOST_TESTS += test_loaded
HOST_test_loaded := tests/host/boot/test_loaded.c $(MULTIBOOT2_SOURCES) arch/x86/boot/ram.c \
	$(FAKE_WORLD) $(MM_SOURCES) kernel/lib/error.c

HOST_TESTS += test_mitigations
HOST_test_mitigations := tests/host/arch/test_mitigations.c arch/x86/cpu/mitigations.c \
	arch/x86/cpu/speculation.c kernel/lib/error.c

HOST_TESTS += test_printf
HOST_test_printf := tests/host/lib/test_printf.c

HOST_TESTS += test_s2
HOST_test_s2 := tests/host/mm/test_s2.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_s2_steps
HOST_test_s2_steps := tests/host/mm/test_s2_steps.c $(FAKE_WORLD) $(MM_SOURCES)

# Of the devices of a virtual PC: what exits, entries and the scheduler ask for.
FAKE_DEVICES := tests/host/fake/devices.c

X86_GUEST_SOURCES := arch/x86/guest/breakpoint.c arch/x86/guest/guest_cr.c arch/x86/guest/guest_cpuid.c \
	arch/x86/guest/guest_cpuid_exit.c arch/x86/guest/guest_personality.c arch/x86/guest/guest_event.c \
	arch/x86/guest/guest_exit.c arch/x86/guest/guest_msr.c arch/x86/guest/entry_checks.c \
	tests/host/fake/panic.c tests/host/fake/processor.c tests/host/fake/x86.c \
	arch/x86/guest/guest_pc.c $(FAKE_DEVICES)

HOST_TESTS += test_x86_guest
HOST_test_x86_guest := tests/host/arch/test_x86_guest.c $(X86_GUEST_SOURCES)

HOST_TESTS += test_vmx
HOST_test_vmx := tests/host/arch/test_vmx.c arch/x86/vmx/vmx_caps.c \
	arch/x86/vmx/vmx_check.c $(X86_GUEST_SOURCES) kernel/lib/error.c

# All of VT-x but the entry code, on a fake processor.
VTX_SOURCES := tests/host/fake/vtx.c tests/host/fake/vmcs.c tests/host/fake/processor.c \
	$(addprefix arch/x86/vmx/, ept.c vmx_backend.c vmx_caps.c vmx_check.c vmx_cpu.c vmx_dump.c vmx_inspect.c \
	vmx_exit.c vmx_fields.c vmx_nmi.c vmx_quick.c vmx_run.c vmx_setup.c vmx_state.c) \
	$(addprefix arch/x86/guest/, breakpoint.c entry_checks.c guest_cr.c guest_event.c guest_exit.c \
	guest_msr.c guest_vcpu.c) \
	arch/x86/cpu/xstate.c $(FAKE_WORLD) $(MM_SOURCES) kernel/lib/error.c \
	arch/x86/guest/guest_pc.c $(FAKE_DEVICES)

HOST_TESTS += test_vmx_cpu
HOST_test_vmx_cpu := tests/host/arch/test_vmx_cpu.c $(VTX_SOURCES)

HOST_TESTS += test_vmx_run
HOST_test_vmx_run := tests/host/arch/test_vmx_run.c $(VTX_SOURCES)

HOST_TESTS += test_vmx_exit
HOST_test_vmx_exit := tests/host/arch/test_vmx_exit.c $(VTX_SOURCES)

HOST_TESTS += test_vmx_ways
HOST_test_vmx_ways := tests/host/arch/test_vmx_ways.c $(VTX_SOURCES)

HOST_TESTS += test_svm
HOST_test_svm := tests/host/arch/test_svm.c arch/x86/svm/svm_asid.c arch/x86/svm/svm_caps.c \
	arch/x86/svm/svm_check.c arch/x86/svm/svm_decode.c $(X86_GUEST_SOURCES) kernel/lib/error.c

HOST_TESTS += test_svm_cr
HOST_test_svm_cr := tests/host/arch/test_svm_cr.c arch/x86/svm/svm_cr.c arch/x86/svm/svm_debug.c arch/x86/svm/svm_decode.c \
	arch/x86/svm/svm_setup.c arch/x86/svm/svm_step.c arch/x86/guest/guest_event.c \
	arch/x86/guest/guest_exit.c tests/host/fake/panic.c $(FAKE_DEVICES)

HOST_TESTS += test_svm_run
HOST_test_svm_run := tests/host/arch/test_svm_run.c arch/x86/svm/svm_asid.c arch/x86/svm/svm_quick.c arch/x86/svm/svm_run.c \
	arch/x86/svm/svm_nmi.c arch/x86/svm/svm_step.c arch/x86/guest/guest_event.c arch/x86/guest/guest_exit.c tests/host/fake/panic.c \
	tests/host/fake/trace.c $(FAKE_DEVICES)

HOST_TESTS += test_svm_state
HOST_test_svm_state := tests/host/arch/test_svm_state.c arch/x86/svm/svm_state.c \
	tests/host/fake/processor.c tests/host/fake/panic.c

FIRMWARE_SOURCES := tests/host/fake/firmware.c drivers/phys/acpi.c \
	drivers/phys/acpi_tables.c drivers/phys/firmware.c drivers/phys/mp_table.c \
	drivers/phys/processors.c kernel/lib/error.c

HOST_TESTS += test_acpi
HOST_test_acpi := tests/host/boot/test_acpi.c $(FIRMWARE_SOURCES)

HOST_TESTS += test_mp_table
HOST_test_mp_table := tests/host/boot/test_mp_table.c $(FIRMWARE_SOURCES)

HOST_TESTS += test_svm_debug
HOST_test_svm_debug := tests/host/arch/test_svm_debug.c arch/x86/svm/svm_debug.c $(X86_GUEST_SOURCES)

HOST_TESTS += test_xstate
HOST_test_xstate := tests/host/arch/test_xstate.c arch/x86/cpu/xstate.c arch/x86/guest/guest_vcpu.c \
	tests/host/fake/processor.c $(FAKE_WORLD) $(MM_SOURCES)

VLAPIC_SOURCES := $(addprefix drivers/virt/, vlapic.c vlapic_message.c vlapic_registers.c vlapic_timer.c)

HOST_TESTS += test_vlapic
HOST_test_vlapic := tests/host/virt/test_vlapic.c $(VLAPIC_SOURCES)

HOST_TESTS += test_vlapic_steps
HOST_test_vlapic_steps := tests/host/virt/test_vlapic_steps.c

HOST_TESTS += test_vlapic_registers
HOST_test_vlapic_registers := tests/host/virt/test_vlapic_registers.c $(VLAPIC_SOURCES)

HOST_TESTS += test_vlapic_timer
HOST_test_vlapic_timer := tests/host/virt/test_vlapic_timer.c $(VLAPIC_SOURCES)

HOST_TESTS += test_vlapic_message
HOST_test_vlapic_message := tests/host/virt/test_vlapic_message.c $(VLAPIC_SOURCES)

HOST_TESTS += test_vioapic
HOST_test_vioapic := tests/host/virt/test_vioapic.c drivers/virt/vioapic.c

HOST_TESTS += test_power
HOST_test_power := tests/host/boot/test_power.c tests/host/fake/board.c tests/host/fake/firmware.c \
	drivers/phys/acpi_power.c drivers/phys/acpi_tables.c drivers/phys/firmware.c \
	drivers/phys/pci.c drivers/phys/power.c kernel/lib/error.c

HOST_TESTS += test_vectors
HOST_test_vectors := tests/host/arch/test_vectors.c arch/x86/trap/vectors.S

HOST_TESTS += test_end
HOST_test_end := tests/host/boot/test_end.c tests/host/fake/firmware.c arch/x86/cpu/power.c \
	drivers/phys/acpi_power.c drivers/phys/acpi_tables.c drivers/phys/firmware.c kernel/lib/error.c

HOST_TESTS += test_pci
HOST_test_pci := tests/host/boot/test_pci.c tests/host/fake/board.c drivers/phys/pci.c

HOST_TESTS += test_trace_ring
HOST_test_trace_ring := tests/host/trace/test_trace_ring.c kernel/trace/block.c kernel/trace/ring.c

HOST_TESTS += test_uart
HOST_test_uart := tests/host/boot/test_uart.c tests/host/fake/board.c drivers/phys/uart.c

HOST_TESTS += test_x86_walk
HOST_test_x86_walk := tests/host/arch/test_x86_walk.c arch/x86/guest/guest_steps.c arch/x86/guest/guest_walk.c $(FAKE_WORLD) $(MM_SOURCES)

GUEST_DECODE := arch/x86/guest/guest_decode.c arch/x86/guest/guest_execute.c \
	arch/x86/guest/guest_place.c

HOST_TESTS += test_guest_decode
HOST_test_guest_decode := tests/host/arch/test_guest_decode.c tests/host/fake/forms.c \
	$(GUEST_DECODE)

HOST_TESTS += test_guest_device
HOST_test_guest_device := tests/host/arch/test_guest_device.c arch/x86/guest/guest_device.c \
	arch/x86/guest/breakpoint.c arch/x86/guest/guest_code.c tests/host/fake/processor.c \
	arch/x86/guest/guest_event.c arch/x86/guest/guest_exit.c arch/x86/guest/guest_walk.c \
	$(GUEST_DECODE) $(FAKE_WORLD) $(MM_SOURCES) \
	arch/x86/guest/guest_pc.c $(FAKE_DEVICES)

HOST_TESTS += test_guest_native
HOST_test_guest_native := tests/host/arch/test_guest_native.c tests/host/fake/forms.c \
	tests/host/fake/native.c $(GUEST_DECODE)

HOST_TESTS += test_s2_join
HOST_test_s2_join := tests/host/mm/test_s2_join.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_s2_sample
HOST_test_s2_sample := tests/host/mm/test_s2_sample.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_reclaim
HOST_test_reclaim := tests/host/mm/test_reclaim.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_guest_copy
HOST_test_guest_copy := tests/host/mm/test_guest_copy.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_audit
HOST_test_audit := tests/host/mm/test_audit.c tests/host/fake/audited.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_audit_sums
HOST_test_audit_sums := tests/host/mm/test_audit_sums.c tests/host/fake/audited.c $(FAKE_WORLD) \
	$(MM_SOURCES)

HOST_TESTS += test_tlb
HOST_test_tlb := tests/host/vm/test_tlb.c tests/host/fake/panic.c tests/host/fake/trace.c kernel/vm/tlb.c

HOST_TESTS += test_run_queue
HOST_test_run_queue := tests/host/sched/test_run_queue.c tests/host/fake/panic.c tests/host/fake/trace.c kernel/sched/boost.c \
	kernel/sched/run_queue.c kernel/lib/error.c kernel/lib/tunables.c

SCHEDULER_SOURCES := tests/host/fake/contexts.c tests/host/fake/cpus.c tests/host/fake/panic.c tests/host/fake/trace.c \
	kernel/sched/boost.c kernel/sched/stop_machine.c kernel/sched/run_queue.c kernel/sched/scheduler.c kernel/sched/startup.c kernel/vm/vcpu.c kernel/sched/wake.c \
	kernel/lib/error.c kernel/lib/tunables.c $(FAKE_DEVICES)

HOST_TESTS += test_scheduler
HOST_test_scheduler := tests/host/sched/test_scheduler.c $(SCHEDULER_SOURCES)

HOST_TESTS += test_scheduler_cpus
HOST_test_scheduler_cpus := tests/host/sched/test_scheduler_cpus.c $(SCHEDULER_SOURCES)

HOST_TESTS += test_stop_machine
HOST_test_stop_machine := tests/host/sched/test_stop_machine.c kernel/sched/stop_machine.c

# Real threads, once with the sanitizers of all and once with the one for threads.
THREAD_TESTS := test_stop_machine test_scheduler_threads test_mm_threads test_vlapic

HOST_TESTS += test_scheduler_threads
HOST_test_scheduler_threads := tests/host/sched/test_scheduler_threads.c tests/host/fake/trace.c kernel/sched/boost.c kernel/sched/stop_machine.c kernel/sched/run_queue.c \
	kernel/sched/scheduler.c kernel/sched/startup.c kernel/vm/tlb.c kernel/vm/vcpu.c kernel/sched/wake.c $(FAKE_DEVICES) kernel/lib/error.c kernel/lib/tunables.c

HOST_TESTS += test_mm_threads
HOST_test_mm_threads := tests/host/mm/test_mm_threads.c tests/host/fake/machines.c \
	tests/host/fake/threads.c tests/host/fake/phys.c tests/host/fake/trace.c kernel/vm/tlb.c $(MM_SOURCES)

HOST_TESTS += $(THREAD_TESTS:%=%_tsan)
TSAN_FLAGS = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=thread -DAEROSTAT_HOST_TEST \
	-DAEROSTAT_DEBUG -Wall -Wextra -Werror -I include -I . -I tests/host $(HOST_EXTRA_FLAGS)

$(B)/host/tsan/%.c.o: %.c $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(TSAN_FLAGS) -MMD -MP -c $< -o $@

# HOST_name_tsan stays empty: the objects come from here, the rule that links them from the Makefile.
define tsan_rule
$(B)/host/$(1)_tsan: private override HOST_FLAGS = $$(TSAN_FLAGS)
$(B)/host/$(1)_tsan: $(HOST_$(1):%=$(B)/host/tsan/%.o)
-include $(HOST_$(1):%=$(B)/host/tsan/%.d)
endef
$(foreach program,$(THREAD_TESTS),$(eval $(call tsan_rule,$(program))))

HOST_TESTS += test_bounds
HOST_test_bounds := tests/host/mm/test_bounds.c $(FAKE_WORLD) $(MM_SOURCES)

# All policies, for programs that need nothing else of the hypervisor.
POLICY_PROGRAM := $(POLICY_SOURCES) kernel/lib/error.c kernel/lib/tunables.c

HOST_TESTS += test_policy_failures
HOST_test_policy_failures := tests/host/overcommit/test_policy_failures.c $(POLICY_PROGRAM)

# The kernel's own sources over a world, with a processor and a backend that do nothing.
KERNEL_SOURCES := tests/host/fake/kernel.c tests/host/fake/cpus.c kernel/overcommit/decisions.c kernel/overcommit/driver_health.c kernel/balloon/balloon.c kernel/balloon/find.c \
	kernel/balloon/page_list.c kernel/balloon/ranges.c kernel/balloon/release.c kernel/balloon/single.c kernel/sched/boost.c kernel/sched/clock.c kernel/lib/tunables.c kernel/overcommit/governor.c kernel/overcommit/host_limits.c kernel/overcommit/timed_reclaim.c kernel/exit/hypercall.c \
	kernel/overcommit/oom.c kernel/sched/stop_machine.c $(POLICY_SOURCES) kernel/sched/run_queue.c kernel/sched/scheduler.c kernel/sched/startup.c \
	kernel/vm/vcpu.c kernel/sched/wake.c kernel/vm/vm.c kernel/lifecycle/build.c kernel/lifecycle/end.c kernel/lifecycle/restart.c kernel/lifecycle/start.c \
	kernel/monitor/audit.c kernel/vm/vm_config.c kernel/overcommit/wait_queue.c kernel/overcommit/working_set.c \
	kernel/overcommit/silent_driver.c \
	$(LOADER_SOURCES) $(FAKE_WORLD) $(MM_SOURCES) $(FAKE_DEVICES)

# as=kvm, from the registers to the balloon core.
VRING_SOURCES := $(addprefix drivers/virt/, vmmio.c vring.c)
DIALECT_KVM := $(VRING_SOURCES) $(addprefix drivers/virt/, pc_kvm.c vballoon.c vballoon_queue.c vballoon_statistics.c)

# as=hyper-v, from the MSRs to the balloon core.
DIALECT_HYPERV := $(addprefix drivers/virt/, pc_hyperv.c vdynmem.c vdynmem_request.c vdynmem_send.c vguest.c vhyperv.c \
	vhyperv_hint.c vsynic.c vvmbus.c vvmring.c)

HOST_TESTS += test_balloon
HOST_test_balloon := tests/host/balloon/test_balloon.c tests/host/fake/driver.c $(KERNEL_SOURCES)

HOST_TESTS += test_balloon_find
HOST_test_balloon_find := tests/host/balloon/test_balloon_find.c tests/host/fake/driver.c $(KERNEL_SOURCES)

HOST_TESTS += test_balloon_ranges
HOST_test_balloon_ranges := tests/host/balloon/test_balloon_ranges.c tests/host/fake/driver.c \
	$(KERNEL_SOURCES)

HOST_TESTS += test_page_list
HOST_test_page_list := tests/host/balloon/test_page_list.c tests/host/fake/driver.c $(KERNEL_SOURCES)

HOST_TESTS += test_balloon_device
HOST_test_balloon_device := tests/host/balloon/test_balloon_device.c tests/host/fake/driver.c \
	$(KERNEL_SOURCES)

HOST_TESTS += test_silent_driver
HOST_test_silent_driver := tests/host/overcommit/test_silent_driver.c $(KERNEL_SOURCES)

HOST_TESTS += test_single_calls
HOST_test_single_calls := tests/host/balloon/test_single_calls.c $(KERNEL_SOURCES)

# The specification of the balloon interface around it: tests/spec/oracle.h.
HOST_TESTS += test_oracle
HOST_test_oracle := tests/host/spec/test_oracle.c $(ORACLE_SOURCES) $(KERNEL_SOURCES)
HOST_LINK_test_oracle := $(ORACLE_WRAPPED:%=-Wl,--wrap=%)

HOST_TESTS += test_vm_config
HOST_test_vm_config := tests/host/vm/test_vm_config.c kernel/lib/words.c kernel/vm/vm_config.c kernel/lib/error.c

HOST_TESTS += test_elf
HOST_test_elf := tests/host/lib/test_elf.c kernel/lib/elf.c kernel/lib/error.c

HOST_TESTS += test_monitor
HOST_test_monitor := tests/host/monitor/test_monitor.c kernel/log/log.c kernel/monitor/attach.c \
	kernel/monitor/line.c kernel/monitor/monitor.c kernel/monitor/output.c kernel/monitor/table.c \
	kernel/lib/error.c kernel/lib/tunables.c kernel/overcommit/host_state.c kernel/vm/guest_console.c kernel/vm/vm_stats.c

HOST_TESTS += test_line
HOST_test_line := tests/host/monitor/test_line.c kernel/monitor/line.c

HOST_TESTS += test_output
HOST_test_output := tests/host/monitor/test_output.c kernel/monitor/output.c

# The commands over real VMs; a script and an operator run them.
# The real one, in the place of tests/host/fake/trace.c.
TRACE_SOURCES := tests/host/fake/trace_port.c $(addprefix kernel/trace/, block.c mask.c owners.c ring.c text.c trace.c)

HOST_TESTS += test_trace
HOST_test_trace := tests/host/trace/test_trace.c $(TRACE_SOURCES) \
	$(filter-out tests/host/fake/trace.c,$(KERNEL_SOURCES))

COMMAND_SOURCES := tests/host/fake/commands.c kernel/lib/words.c kernel/monitor/command.c \
	kernel/monitor/commands_host.c kernel/monitor/commands_memory.c \
	kernel/monitor/commands_policy.c kernel/monitor/commands_steer.c kernel/monitor/commands_trace.c kernel/monitor/commands_vm.c kernel/monitor/output.c kernel/sched/pause.c \
	kernel/monitor/handovers.c kernel/monitor/script.c kernel/monitor/table.c kernel/monitor/top.c kernel/monitor/top_columns.c kernel/monitor/walk.c kernel/vm/vm_stats.c

HOST_TESTS += test_command
HOST_test_command := tests/host/monitor/test_command.c $(COMMAND_SOURCES) \
	$(filter-out kernel/lib/words.c tests/host/fake/trace.c,$(KERNEL_SOURCES)) $(TRACE_SOURCES)

HOST_TESTS += test_handovers
HOST_test_handovers := tests/host/monitor/test_handovers.c $(COMMAND_SOURCES) \
	$(filter-out kernel/lib/words.c tests/host/fake/trace.c,$(KERNEL_SOURCES)) $(TRACE_SOURCES)

HOST_TESTS += test_script
HOST_test_script := tests/host/monitor/test_script.c $(COMMAND_SOURCES) \
	$(filter-out kernel/lib/words.c tests/host/fake/trace.c,$(KERNEL_SOURCES)) $(TRACE_SOURCES)

HOST_TESTS += test_scripts
HOST_test_scripts := tests/host/test_scripts.c kernel/lib/error.c kernel/lib/words.c \
	kernel/scripts.c kernel/vm/vm_config.c

HOST_TESTS += test_log
HOST_test_log := tests/host/monitor/test_log.c kernel/log/log.c

HOST_TESTS += test_frame_cells
HOST_test_frame_cells := tests/host/monitor/test_frame_cells.c kernel/monitor/frame_cells.c \
	$(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_results
HOST_test_results := tests/host/monitor/test_results.c kernel/monitor/results.c kernel/vm/vm_stats.c \
	$(TRACE_SOURCES) $(filter-out tests/host/fake/trace.c,$(KERNEL_SOURCES))

HOST_TESTS += test_frame_map
HOST_test_frame_map := tests/host/monitor/test_frame_map.c kernel/monitor/display.c \
	kernel/monitor/frame_cells.c kernel/monitor/frame_map.c $(SCREEN_SOURCES) \
	$(KERNEL_SOURCES)

HOST_TESTS += test_decisions
HOST_test_decisions := tests/host/overcommit/test_decisions.c $(KERNEL_SOURCES)

HOST_TESTS += test_pause
HOST_test_pause := tests/host/sched/test_pause.c kernel/sched/pause.c $(KERNEL_SOURCES)

HOST_TESTS += test_s2_walk_steps
HOST_test_s2_walk_steps := tests/host/mm/test_s2_walk_steps.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_attach
HOST_test_attach := tests/host/monitor/test_attach.c kernel/log/log.c kernel/monitor/attach.c \
	kernel/vm/guest_console.c

HOST_TESTS += test_guest_console
HOST_test_guest_console := tests/host/vm/test_guest_console.c kernel/vm/guest_console.c

HOST_TESTS += test_vm_stats
HOST_test_vm_stats := tests/host/vm/test_vm_stats.c kernel/vm/vm_stats.c

HOST_TESTS += test_model
HOST_test_model := tests/host/mm/test_model.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_error
HOST_test_error := tests/host/lib/test_error.c kernel/lib/error.c

HOST_TESTS += test_tunables
HOST_test_tunables := tests/host/lib/test_tunables.c kernel/lib/error.c kernel/lib/tunables.c

HOST_TESTS += test_time
HOST_test_time := tests/host/lib/test_time.c

HOST_TESTS += test_options
HOST_test_options := tests/host/lib/test_options.c kernel/lib/console.c kernel/lib/options.c

HOST_TESTS += test_policy
HOST_test_policy := tests/host/overcommit/test_policy.c tests/host/fake/policy.c $(POLICY_PROGRAM)

HOST_TESTS += test_policies
HOST_test_policies := tests/host/overcommit/test_policies.c tests/host/fake/policy.c $(POLICY_PROGRAM)

HOST_TESTS += test_host_state
HOST_test_host_state := tests/host/overcommit/test_host_state.c tests/host/fake/policy.c $(POLICY_PROGRAM)

HOST_TESTS += test_host_limits
HOST_test_host_limits := tests/host/overcommit/test_host_limits.c kernel/lib/console.c kernel/lib/options.c \
	$(KERNEL_SOURCES)

HOST_TESTS += test_timed_reclaim
HOST_test_timed_reclaim := tests/host/overcommit/test_timed_reclaim.c tests/host/fake/policy.c $(KERNEL_SOURCES)

HOST_TESTS += test_policy_turns
HOST_test_policy_turns := tests/host/overcommit/test_policy_turns.c tests/host/fake/policy.c $(POLICY_PROGRAM)

HOST_TESTS += test_policy_round
HOST_test_policy_round := tests/host/overcommit/test_policy_round.c tests/host/fake/policy.c $(POLICY_PROGRAM)

HOST_TESTS += test_policy_rules
HOST_test_policy_rules := tests/host/overcommit/test_policy_rules.c tests/host/fake/policy.c $(POLICY_PROGRAM)

HOST_TESTS += test_lab
HOST_test_lab := tests/host/overcommit/test_lab.c $(addprefix tests/lab/, asks.c demand.c incidents.c patterns.c world.c) $(POLICY_PROGRAM)

HOST_TESTS += test_fleet
HOST_test_fleet := tests/host/overcommit/test_fleet.c $(addprefix tests/lab/, asks.c demand.c fleet.c patterns.c world.c) $(POLICY_PROGRAM)

HOST_TESTS += test_day
HOST_test_day := tests/host/overcommit/test_day.c $(addprefix tests/lab/, asks.c day.c demand.c world.c) $(POLICY_PROGRAM)

HOST_TESTS += test_admission_orders
HOST_test_admission_orders := tests/host/overcommit/test_admission_orders.c $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_demand
HOST_test_demand := tests/host/overcommit/test_demand.c $(addprefix tests/lab/, asks.c demand.c patterns.c world.c) $(POLICY_PROGRAM)

HOST_TESTS += test_policy_simulation
HOST_test_policy_simulation := tests/host/overcommit/test_policy_simulation.c tests/host/fake/policy.c \
	$(POLICY_PROGRAM)

HOST_TESTS += test_policy_tax
HOST_test_policy_tax := tests/host/overcommit/test_policy_tax.c tests/host/fake/policy.c $(POLICY_PROGRAM)

HOST_TESTS += test_hypercall
HOST_test_hypercall := tests/host/exit/test_hypercall.c $(KERNEL_SOURCES)

HOST_TESTS += test_vcpu
HOST_test_vcpu := tests/host/vm/test_vcpu.c $(KERNEL_SOURCES)

HOST_TESTS += test_halt
HOST_test_halt := tests/host/exit/test_halt.c kernel/exit/exit.c $(KERNEL_SOURCES)

HOST_TESTS += test_beyond
HOST_test_beyond := tests/host/exit/test_beyond.c kernel/exit/exit.c $(KERNEL_SOURCES)

HOST_TESTS += test_hypercall_vcpus
HOST_test_hypercall_vcpus := tests/host/exit/test_hypercall_vcpus.c $(KERNEL_SOURCES)

HOST_TESTS += test_debts
HOST_test_debts := tests/host/overcommit/test_debts.c $(KERNEL_SOURCES)

HOST_TESTS += test_driver_health
HOST_test_driver_health := tests/host/overcommit/test_driver_health.c $(KERNEL_SOURCES)

HOST_TESTS += test_governor
HOST_test_governor := tests/host/overcommit/test_governor.c $(KERNEL_SOURCES)

HOST_TESTS += test_governor_policies
HOST_test_governor_policies := tests/host/overcommit/test_governor_policies.c $(KERNEL_SOURCES)

HOST_TESTS += test_wait_queue
HOST_test_wait_queue := tests/host/overcommit/test_wait_queue.c $(KERNEL_SOURCES)

HOST_TESTS += test_fairness
HOST_test_fairness := tests/host/overcommit/test_fairness.c $(KERNEL_SOURCES)

HOST_TESTS += test_boost
HOST_test_boost := tests/host/sched/test_boost.c $(KERNEL_SOURCES)

HOST_TESTS += test_working_set
HOST_test_working_set := tests/host/overcommit/test_working_set.c $(KERNEL_SOURCES)

HOST_TESTS += test_housekeeping
HOST_test_housekeeping := tests/host/test_housekeeping.c kernel/activity.c kernel/housekeeping.c kernel/merging.c \
	$(KERNEL_SOURCES)

HOST_TESTS += test_detach
HOST_test_detach := tests/host/balloon/test_detach.c $(KERNEL_SOURCES)

# Two files of mm/ are compiled into small_mm.c: it saves and restores their statics.
HOST_TESTS += test_small_world
HOST_test_small_world := tests/host/mm/test_small_world.c tests/host/fake/panic.c \
	tests/host/fake/phys.c tests/host/fake/trace.c tests/host/fake/small_mm.c tests/host/fake/small_search.c \
	$(filter-out mm/pool.c mm/promise.c,$(MM_SOURCES))

HOST_TESTS += test_small_region
HOST_test_small_region := tests/host/mm/test_small_region.c tests/host/fake/explorer.c $(FAKE_WORLD) \
	$(MM_SOURCES)

# VMs and caches as small as the world, so its objects lie apart from the others.
HOST_TESTS += test_small_balloon
HOST_OBJECTS_test_small_balloon := small
HOST_test_small_balloon := tests/host/balloon/test_small_balloon.c tests/host/fake/explorer.c \
	tests/host/fake/small_balloon.c tests/host/fake/small_guest.c \
	$(filter-out kernel/overcommit/governor.c kernel/overcommit/wait_queue.c,$(KERNEL_SOURCES))

SMALL_FLAGS := -DVMS_MAX=3 -DFRAME_CACHE_SIZE=2 -DCACHED_MAX=128

$(B)/host/small/%.c.o: %.c $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(HOST_FLAGS) $(SMALL_FLAGS) -MMD -MP -c $< -o $@

# Small worlds without sanitizers, fast enough for millions of states: part of make test-long.
FAST_FLAGS = $(filter-out -O1 -fsanitize=% -fno-sanitize-recover=%,$(HOST_FLAGS)) -O2

$(B)/host/fast/%.c.o: %.c $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(FAST_FLAGS) -MMD -MP -c $< -o $@

$(B)/host/small_world_fast: $(HOST_test_small_world:%=$(B)/host/fast/%.o)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(FAST_FLAGS) $^ -lcmocka -o $@

-include $(HOST_test_small_world:%.c=$(B)/host/fast/%.c.d)

$(B)/host/fast-small/%.c.o: %.c $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(FAST_FLAGS) $(SMALL_FLAGS) -MMD -MP -c $< -o $@

$(B)/host/small_balloon_fast: $(HOST_test_small_balloon:%=$(B)/host/fast-small/%.o)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(FAST_FLAGS) $^ -lcmocka -o $@

-include $(HOST_test_small_balloon:%.c=$(B)/host/fast-small/%.c.d)

.PHONY: small-worlds
small-worlds: $(B)/host/small_world_fast $(B)/host/small_balloon_fast
	@SMALL_WORLD_STATES=$(or $(SMALL_WORLD_STATES),1000000) \
		SMALL_WORLD_SECONDS=$(or $(SMALL_WORLD_SECONDS),1200) $<
	@SMALL_BALLOON_STATES=$(or $(SMALL_BALLOON_STATES),2000000) \
		SMALL_BALLOON_SECONDS=$(or $(SMALL_BALLOON_SECONDS),100) $(B)/host/small_balloon_fast

$(B)/host/model_fast: $(HOST_test_model:%=$(B)/host/fast/%.o)
	$(call say,HOST,$@)
	$(Q)$(HOSTCC) $(FAST_FLAGS) $^ -lcmocka -o $@

-include $(HOST_test_model:%.c=$(B)/host/fast/%.c.d)

# Three walks; MODEL_STEPS is for each.
.PHONY: walks
walks: $(B)/host/model_fast
	@MODEL_STEPS=$(or $(MODEL_STEPS),3400000) $<

HOST_TESTS += test_tsc
HOST_test_tsc := tests/host/arch/test_tsc.c

# The devices of a virtual PC.
HOST_TESTS += test_vuart
HOST_test_vuart := tests/host/virt/test_vuart.c drivers/virt/vuart.c

HOST_TESTS += test_vpic
HOST_test_vpic := tests/host/virt/test_vpic.c drivers/virt/vpic.c

VPIT_SOURCES := tests/host/fake/counter.c drivers/virt/vpit.c drivers/virt/vpit_channel.c

HOST_TESTS += test_vpit
HOST_test_vpit := tests/host/virt/test_vpit.c $(VPIT_SOURCES)

HOST_TESTS += test_vrtc
HOST_test_vrtc := tests/host/virt/test_vrtc.c drivers/virt/vrtc.c drivers/virt/vrtc_calendar.c

HOST_TESTS += test_vi8042
HOST_test_vi8042 := tests/host/virt/test_vi8042.c drivers/virt/vi8042.c drivers/virt/vpci.c

HOST_TESTS += test_vacpi
HOST_test_vacpi := tests/host/virt/test_vacpi.c drivers/virt/vacpi.c tests/host/fake/devices.c

HOST_TESTS += test_bzimage
HOST_test_bzimage := tests/host/lib/test_bzimage.c kernel/lib/bzimage.c kernel/lib/error.c

IMAGE_SOURCES := kernel/lib/bzimage.c kernel/lib/error.c kernel/lib/foreign_elf.c kernel/lib/image.c \
	kernel/lib/multiboot1.c
HOST_TESTS += test_foreign_elf
HOST_test_foreign_elf := tests/host/lib/test_foreign_elf.c $(IMAGE_SOURCES)

HOST_TESTS += test_load
HOST_test_load := tests/host/lifecycle/test_load.c $(KERNEL_SOURCES)

HOST_TESTS += test_start
HOST_test_start := tests/host/lifecycle/test_start.c $(KERNEL_SOURCES)

HOST_TESTS += test_vring
HOST_test_vring := tests/host/virt/test_vring.c tests/host/fake/driver.c drivers/virt/vring.c $(KERNEL_SOURCES)

HOST_TESTS += test_vmmio
HOST_test_vmmio := tests/host/virt/test_vmmio.c tests/host/fake/driver.c $(VRING_SOURCES) $(KERNEL_SOURCES)

HOST_TESTS += test_vballoon_statistics
HOST_test_vballoon_statistics := tests/host/virt/test_vballoon_statistics.c \
	drivers/virt/vballoon_statistics.c

HOST_TESTS += test_vballoon
HOST_test_vballoon := tests/host/virt/test_vballoon.c tests/host/fake/driver.c \
	$(filter-out drivers/virt/pc_kvm.c,$(DIALECT_KVM)) $(KERNEL_SOURCES)

# The kernel with real devices in place of the fakes.
DIALECT_VMWARE := $(addprefix drivers/virt/, pc_vmware.c vbackdoor.c vvmballoon.c)
PC_SOURCES := tests/host/fake/modules.c kernel/vm/guest_console.c $(VLAPIC_SOURCES) \
	$(addprefix drivers/virt/, pc.c pc_build.c pc_dialect.c pc_interrupt.c pc_time.c vi8042.c vioapic.c vpci.c vpic.c \
	vpit.c vpit_channel.c vrtc.c vrtc_calendar.c vuart.c) $(DIALECT_KVM) $(DIALECT_VMWARE) $(DIALECT_HYPERV) \
	$(filter-out tests/host/fake/platform.c $(FAKE_DEVICES),$(KERNEL_SOURCES))

HOST_TESTS += test_pc
HOST_test_pc := tests/host/virt/test_pc.c $(PC_SOURCES)

HOST_TESTS += test_pc_kvm
HOST_test_pc_kvm := tests/host/virt/test_pc_kvm.c $(PC_SOURCES)

HOST_TESTS += test_pc_hyperv
HOST_test_pc_hyperv := tests/host/virt/test_pc_hyperv.c $(PC_SOURCES)

HOST_TESTS += test_hyperv_memory
HOST_test_hyperv_memory := tests/host/virt/test_hyperv_memory.c $(PC_SOURCES)

HOST_TESTS += test_pc_interrupt
HOST_test_pc_interrupt := tests/host/virt/test_pc_interrupt.c $(PC_SOURCES)

HOST_TESTS += test_vvmballoon
HOST_test_vvmballoon := tests/host/virt/test_vvmballoon.c $(PC_SOURCES)

HOST_TESTS += test_restart
HOST_test_restart := tests/host/lifecycle/test_restart.c kernel/lifecycle/restart.c $(PC_SOURCES)

HOST_TESTS += test_guest_pc
HOST_test_guest_pc := tests/host/arch/test_guest_pc.c $(X86_GUEST_SOURCES)

# The checks of docs/labs: on the real tree all of them pass. tools/lab runs them on a student's.
LAB_CHECK := tests/host/labs/check.c

HOST_TESTS += test_check
HOST_test_check := tests/host/labs/test_check.c $(LAB_CHECK)

HOST_TESTS += test_lab_first_exit
HOST_test_lab_first_exit := tests/host/labs/test_lab_first_exit.c $(LAB_CHECK) kernel/exit/exit.c $(KERNEL_SOURCES)

HOST_TESTS += test_lab_balloon_driver
HOST_test_lab_balloon_driver := tests/host/labs/test_lab_balloon_driver.c $(LAB_CHECK) tests/host/fake/hypervisor.c \
	guests/small/driver.c guests/small/pool.c

HOST_TESTS += test_lab_walk
HOST_test_lab_walk := tests/host/labs/test_lab_walk.c $(LAB_CHECK) mm/stage2/steps.c $(FAKE_WORLD) \
	$(filter-out mm/stage2/steps.c,$(MM_SOURCES))

HOST_TESTS += test_lab_auditor
HOST_test_lab_auditor := tests/host/labs/test_lab_auditor.c tests/host/fake/audited.c $(LAB_CHECK) $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_lab_demand_fill
HOST_test_lab_demand_fill := tests/host/labs/test_lab_demand_fill.c $(LAB_CHECK) $(FAKE_WORLD) $(MM_SOURCES)

HOST_TESTS += test_lab_missing_flush
HOST_test_lab_missing_flush := tests/host/labs/test_lab_missing_flush.c tests/host/labs/proof.c $(LAB_CHECK) \
	$(FAKE_WORLD) $(MM_SOURCES)

# The student's, where there is one; else the first of the right answers.
COORDINATOR := $(firstword $(wildcard kernel/overcommit/policies/coordinator.c) tests/host/labs/coordinator/parts.c)
TRIALS := $(addprefix tests/lab/, asks.c trial.c trial_checks.c trial_needs.c trial_trace.c world.c) kernel/lib/error.c kernel/lib/tunables.c kernel/overcommit/host_state.c

HOST_TESTS += test_lab_coordinator
HOST_test_lab_coordinator := tests/host/labs/test_lab_coordinator.c $(LAB_CHECK) tests/lab/remote.c $(COORDINATOR) $(TRIALS)

# Needs what a student's tree lacks: right answers and wrong ones.
COORDINATORS := $(wildcard tests/host/labs/coordinator/*.c)
ifneq ($(COORDINATORS),)
HOST_TESTS += test_coordinator_proof
HOST_OBJECTS_test_coordinator_proof := named
HOST_test_coordinator_proof := $(COORDINATORS) $(TRIALS)
endif

# Right answers have the same name: here each is called after its file.
$(B)/host/named/%.c.o: %.c $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -Dpolicy_coordinator=policy_$(basename $(notdir $<)) -MMD -MP -c $< -o $@

HOST_TESTS += test_remote
HOST_test_remote := tests/host/labs/test_remote.c tests/lab/remote.c

HOST_TESTS += test_lab_questions
HOST_test_lab_questions := tests/host/labs/test_lab_questions.c tests/host/fake/policy.c $(LAB_CHECK) $(KERNEL_SOURCES)

# The fuzz targets are host tests too: each runs its corpus. They use the lists above.
include tests/fuzz/fuzz.mk

# Every order in which CPUs can do what they do (tests/interleave): what they do is instrumented.
INTERLEAVE := $(addprefix tests/interleave/, cells.c cpus.c entry.c memory.c names.c search.c)
INTERLEAVED_MEMORY := $(addprefix tests/interleave/, acts.c guests.c) kernel/vm/tlb.c \
	$(filter-out mm/audit.c,$(MM_SOURCES))
INTERLEAVED_SLEEP := $(addprefix tests/interleave/, sleepers.c timers.c) kernel/vm/vcpu.c drivers/virt/pc_time.c \
	$(addprefix kernel/sched/, boost.c pause.c run_queue.c scheduler.c startup.c stop_machine.c wake.c)

HOST_TESTS += test_interleavings
HOST_OBJECTS_test_interleavings := interleaved
HOST_test_interleavings := tests/host/mm/test_interleavings.c tests/interleave/world.c mm/audit.c \
	$(INTERLEAVE) $(INTERLEAVED_MEMORY)

HOST_TESTS += test_wake_interleavings
HOST_OBJECTS_test_wake_interleavings := interleaved
HOST_test_wake_interleavings := tests/host/sched/test_wake_interleavings.c kernel/lib/error.c \
	kernel/lib/tunables.c $(INTERLEAVE) $(INTERLEAVED_SLEEP)

INTERLEAVE_FLAGS = $(filter-out -O1 -fsanitize=% -fno-sanitize-recover=%,$(HOST_FLAGS)) -O2 -DFRAME_CACHE_SIZE=2 -I tests

$(B)/host/interleaved/%.c.o: %.c $(B)/host/flags
	@mkdir -p $(@D)
	$(call say,HOST,$<)
	$(Q)$(HOSTCC) $(INTERLEAVE_FLAGS) $(INSTRUMENTED) -MMD -MP -c $< -o $@

$(sort $(INTERLEAVED_MEMORY:%=$(B)/host/interleaved/%.o) $(INTERLEAVED_SLEEP:%=$(B)/host/interleaved/%.o)): \
	private INSTRUMENTED := -fsanitize=thread -fno-builtin -include tests/interleave/redirect.h

$(B)/host/test_interleavings $(B)/host/test_wake_interleavings: private override HOST_FLAGS = -Wl,--wrap=memset,--wrap=memcpy
