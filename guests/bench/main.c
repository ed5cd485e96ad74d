/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench: what the shortest ways into the hypervisor and back cost, in ticks of the time stamp
 * counter (emulated processors count instructions). Digest: ticks of a null hypercall.
 *
 *	limit=N		exit code 6 when a null hypercall costs more
 */
#include <stdbool.h>
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/hypercall_site.h"
#include "guests/lib/runtime.h"

#define ROUNDS 1000

/* The loops are written out, so that nothing of ours is measured but one DEC and one JNZ. */
static uint64_t measure_null_hypercall(void)
{
	uint64_t count = ROUNDS;
	uint64_t start = cpu_read_tsc();

	__asm__ volatile("xorl %%r10d, %%r10d\n"
			 "1: xorl %%eax, %%eax\n" HYPERCALL_SITE "\n"
			 "decq %0\n"
			 "jnz 1b"
			 : "+r"(count)
			 : "D"(0), "S"(0), "d"(0)
			 : "rax", "r10", "memory", "cc");
	return (cpu_read_tsc() - start) / ROUNDS;
}

static uint64_t measure_cpuid(void)
{
	uint64_t start = cpu_read_tsc();

	for (unsigned i = 0; i < ROUNDS; i++) {
		cpu_identify(AEROSTAT_CPUID_SIGNATURE);
	}
	return (cpu_read_tsc() - start) / ROUNDS;
}

int guest_main(const struct guest_arguments *arguments)
{
	uint64_t limit = UINT64_MAX;
	const struct argument known[] = {{"limit", ARGUMENT_COUNT, false, &limit, NULL}};
	uint64_t ticks;

	if (!arguments_parse(arguments->text, known, 1)) {
		return GUEST_EXIT_ARGUMENTS;
	}
	ticks = measure_null_hypercall();
	runtime_set_digest(ticks);
	console_print("null_hypercall=%lu cpuid=%lu\n", ticks, measure_cpuid());
	return ticks > limit ? GUEST_EXIT_LIMIT : GUEST_EXIT_SUCCESS;
}
