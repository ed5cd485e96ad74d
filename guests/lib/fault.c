/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt descriptor table, which all vCPUs share, and the report of an exception: whichever
 * vCPU it is on, the VM ends. Two at once print a line each, and the first to end the VM does.
 */
#include <stdint.h>

#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/descriptor.h"
#include "guests/lib/fault.h"
#include "guests/lib/layout.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"

#define VECTOR_PAGE_FAULT 14

/* As vectors.S leaves it on the stack. */
struct fault_frame {
	uint64_t vector;
	uint64_t error;
	uint64_t rip;
	uint64_t cs;
	uint64_t rflags;
	uint64_t rsp;
	uint64_t ss;
};

extern const uint64_t fault_stubs[EXCEPTION_COUNT];
void doorbell_entry(void);
_Noreturn void fault_report(const struct fault_frame *frame);

static struct gate gates[DOORBELL_VECTOR + 1];

static const char *const exception_names[EXCEPTION_COUNT] = {
	[0] = "divide error",
	[1] = "debug exception",
	[2] = "NMI",
	[3] = "breakpoint",
	[4] = "overflow",
	[5] = "bound range exceeded",
	[6] = "invalid opcode",
	[7] = "device not available",
	[8] = "double fault",
	[10] = "invalid TSS",
	[11] = "segment not present",
	[12] = "stack fault",
	[13] = "general protection",
	[14] = "page fault",
	[16] = "x87 error",
	[17] = "alignment check",
	[18] = "machine check",
	[19] = "SIMD exception",
	[20] = "virtualization fault",
	[21] = "control protection",
};

void fault_init(void)
{
	for (unsigned vector = 0; vector < EXCEPTION_COUNT; vector++) {
		gates[vector] = gate_to(fault_stubs[vector], GUEST_CODE_SELECTOR, GATE_INTERRUPT);
	}
	gates[DOORBELL_VECTOR] =
		gate_to((uintptr_t)doorbell_entry, GUEST_CODE_SELECTOR, GATE_INTERRUPT);
}

void fault_load(void)
{
	gates_load(gates, sizeof(gates) - 1);
}

_Noreturn void fault_report(const struct fault_frame *frame)
{
	const char *name = exception_names[frame->vector];

	console_print("%s (vector %lu) at 0x%lx, error 0x%lx", name ? name : "exception",
		      frame->vector, frame->rip, frame->error);
	if (frame->vector == VECTOR_PAGE_FAULT) {
		console_print(", address 0x%lx", cpu_read_cr2());
	}
	console_print(", vCPU %u\n", vcpu_index());
	runtime_exit(GUEST_EXIT_EXCEPTION + (int)frame->vector);
}
