# SPDX-License-Identifier: BSD-2-Clause
# What the hypervisor is made of: VMs, scheduling, memory policy.

HV_C_SOURCES += \
	kernel/balloon/balloon.c \
	kernel/balloon/ranges.c \
	kernel/exit/exit.c \
	kernel/exit/hypercall.c \
	kernel/housekeeping.c \
	kernel/lib/console.c \
	kernel/lib/elf.c \
	kernel/lib/error.c \
	kernel/lib/lock.c \
	kernel/lib/options.c \
	kernel/lib/printf.c \
	kernel/lib/string.c \
	kernel/lib/tunables.c \
	kernel/lifecycle/build.c \
	kernel/lifecycle/end.c \
	kernel/lifecycle/load_native.c \
	kernel/log/log.c \
	kernel/log/panic.c \
	kernel/log/symbols.c \
	kernel/main.c \
	kernel/monitor/audit.c \
	kernel/monitor/monitor.c \
	kernel/monitor/results.c \
	kernel/overcommit/driver_health.c \
	kernel/overcommit/governor.c \
	kernel/overcommit/oom.c \
	kernel/overcommit/policy.c \
	kernel/overcommit/wait_queue.c \
	kernel/overcommit/working_set.c \
	kernel/sched/boost.c \
	kernel/sched/clock.c \
	kernel/sched/run_queue.c \
	kernel/sched/scheduler.c \
	kernel/sched/stop_machine.c \
	kernel/sched/wake.c \
	kernel/vm/backend.c \
	kernel/vm/tlb.c \
	kernel/vm/vcpu.c \
	kernel/vm/vm.c \
	kernel/vm/vm_config.c \
	kernel/vm/vm_stats.c
