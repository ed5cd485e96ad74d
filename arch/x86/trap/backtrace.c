/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Follows the chain of frame pointers: every function of ours keeps RBP. Frames are read only
 * inside this CPU's own stacks, because the chain may be what is broken.
 */
#include "arch/x86/trap/backtrace.h"

#include "arch/x86/cpu/cpu.h"
#include "base/bits.h"
#include "base/log.h"
#include "kernel/log/symbols.h"

#define FRAMES_MAX 24

struct frame_record {
	uint64_t caller_rbp;
	uint64_t return_address;
};

static void print_address(uint64_t address)
{
	uint64_t offset;
	const char *name = symbol_find(address, &offset);

	if (name != NULL) {
		log_event(NULL, "trace 0x%016lx %s+0x%lx", address, name, offset);
	} else {
		log_event(NULL, "trace 0x%016lx outside the code", address);
	}
}

static bool is_readable_frame(uint64_t rbp)
{
	const struct cpu *cpu = cpu_current();
	uint64_t start = (uintptr_t)cpu->stacks;
	uint64_t end = start + sizeof(*cpu->stacks) - sizeof(struct frame_record);

	return is_aligned_u64(rbp, 8) && rbp >= start && rbp <= end &&
	       cpu_guard_name(cpu, rbp) == NULL;
}

static void print_callers(uint64_t rbp)
{
	for (unsigned i = 0; i < FRAMES_MAX && is_readable_frame(rbp); i++) {
		const struct frame_record *record = (const struct frame_record *)rbp;

		/* A return address points behind the call, maybe into the next function. */
		print_address(record->return_address - 1);
		rbp = record->caller_rbp;
	}
}

void backtrace_print(uint64_t rip, uint64_t rbp)
{
	print_address(rip);
	print_callers(rbp);
}

void backtrace_print_fault(uint64_t rip, uint64_t rbp, uint64_t rsp)
{
	uint64_t offset;

	print_address(rip);
	if (is_readable_frame(rsp)) {
		uint64_t address = *(const uint64_t *)rsp - 1;
		const char *name = symbol_find(address, &offset);

		if (name != NULL && offset != 0) {
			log_event(NULL, "trace 0x%016lx %s+0x%lx, by the top of the stack", address,
				  name, offset);
		}
	}
	print_callers(rbp);
}

void arch_print_backtrace(void)
{
	const struct frame_record *record = __builtin_frame_address(0);

	backtrace_print(record->return_address - 1, record->caller_rbp);
}
