# SPDX-License-Identifier: BSD-2-Clause
# What the hypervisor is made of: VMs, scheduling, memory policy.

# How balloon targets are decided: the table of policies, and one file for each (docs/policy.md).
POLICY_SOURCES := \
	kernel/overcommit/policy.c \
	kernel/overcommit/policies/controller.c \
	kernel/overcommit/policies/demand.c \
	kernel/overcommit/policies/refault.c \
	kernel/overcommit/policies/round.c \
	kernel/overcommit/policies/shares.c \
	kernel/overcommit/policies/spare.c \
	kernel/overcommit/policies/static.c \
	kernel/overcommit/policies/threshold.c

HV_C_SOURCES += \
	kernel/balloon/balloon.c \
	kernel/balloon/find.c \
	kernel/balloon/page_list.c \
	kernel/balloon/ranges.c \
	kernel/balloon/release.c \
	kernel/balloon/single.c \
	kernel/exit/exit.c \
	kernel/exit/hypercall.c \
	kernel/housekeeping.c \
	kernel/lib/bzimage.c \
	kernel/lib/console.c \
	kernel/lib/elf.c \
	kernel/lib/error.c \
	kernel/lib/foreign_elf.c \
	kernel/lib/image.c \
	kernel/lib/lock.c \
	kernel/lib/multiboot1.c \
	kernel/lib/options.c \
	kernel/lib/printf.c \
	kernel/lib/string.c \
	kernel/lib/tunables.c \
	kernel/lib/words.c \
	kernel/lifecycle/build.c \
	kernel/lifecycle/end.c \
	kernel/lifecycle/files.c \
	kernel/lifecycle/load.c \
	kernel/lifecycle/load_linux.c \
	kernel/lifecycle/load_multiboot.c \
	kernel/lifecycle/load_native.c \
	kernel/lifecycle/load_pc.c \
	kernel/lifecycle/load_pvh.c \
	kernel/lifecycle/restart.c \
	kernel/log/log.c \
	kernel/log/panic.c \
	kernel/log/symbols.c \
	kernel/main.c \
	kernel/monitor/attach.c \
	kernel/monitor/audit.c \
	kernel/monitor/command.c \
	kernel/monitor/commands_host.c \
	kernel/monitor/commands_memory.c \
	kernel/monitor/commands_steer.c \
	kernel/monitor/commands_vm.c \
	kernel/monitor/display.c \
	kernel/monitor/frame_cells.c \
	kernel/monitor/frame_map.c \
	kernel/monitor/line.c \
	kernel/monitor/monitor.c \
	kernel/monitor/output.c \
	kernel/monitor/results.c \
	kernel/monitor/script.c \
	kernel/monitor/table.c \
	kernel/monitor/top.c \
	kernel/monitor/walk.c \
	kernel/overcommit/decisions.c \
	kernel/overcommit/driver_health.c \
	kernel/overcommit/governor.c \
	kernel/overcommit/oom.c \
	$(POLICY_SOURCES) \
	kernel/overcommit/silent_driver.c \
	kernel/overcommit/wait_queue.c \
	kernel/overcommit/working_set.c \
	kernel/sched/boost.c \
	kernel/sched/clock.c \
	kernel/sched/pause.c \
	kernel/sched/run_queue.c \
	kernel/sched/scheduler.c \
	kernel/sched/startup.c \
	kernel/sched/stop_machine.c \
	kernel/sched/wake.c \
	kernel/scripts.c \
	kernel/vm/backend.c \
	kernel/vm/guest_console.c \
	kernel/vm/tlb.c \
	kernel/vm/vcpu.c \
	kernel/vm/vm.c \
	kernel/vm/vm_config.c \
	kernel/vm/vm_stats.c
