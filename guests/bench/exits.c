/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction each that exits, and the way back. Control registers are written with one bit
 * changed that means nothing to this guest, and then as they were.
 */
#include <stddef.h>

#include "guests/bench/area.h"
#include "guests/bench/measure.h"
#include "guests/bench/probes.h"
#include "guests/lib/hypercall_site.h"

#define ROUNDS 256
#define CR0_NE "$0x20"
#define CR4_DE "$8"

static struct samples samples;

static int64_t null_hypercall_once(void)
{
	return MEASURE_OP("xorl %%eax, %%eax\n\txorl %%edx, %%edx", HYPERCALL_SITE, 0);
}

int64_t probe_null_hypercall(void)
{
	int64_t least = INT64_MAX;

	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t ticks = null_hypercall_once();

		least = ticks < least ? ticks : least;
	}
	return least;
}

static int64_t cpuid_once(void)
{
	return MEASURE_OP("movl $0x40000000, %%eax\n\txorl %%ecx, %%ecx", "cpuid", 0);
}

static int64_t cpuid_features_once(void)
{
	return MEASURE_OP("movl $1, %%eax\n\txorl %%ecx, %%ecx", "cpuid", 0);
}

/* IA32_PAT */
static int64_t rdmsr_once(void)
{
	return MEASURE_OP("movl $0x277, %%ecx", "rdmsr", 0);
}

/* IA32_SYSENTER_EIP: nobody here uses it. */
static int64_t wrmsr_once(void)
{
	return MEASURE_OP("movl $0x176, %%ecx\n\txorl %%eax, %%eax\n\txorl %%edx, %%edx", "wrmsr",
			  0);
}

static int64_t in_once(void)
{
	return MEASURE_OP("movl $0x80, %%edx", "inb %%dx, %%al", 0);
}

static int64_t out_once(void)
{
	return MEASURE_OP("movl $0x80, %%edx\n\txorl %%eax, %%eax", "outb %%al, %%dx", 0);
}

/* There and back: two writes are one sample. */
static int64_t cr0_twice(void)
{
	return MEASURE_OP("movq %%cr0, %%r9\n\tmovq %%r9, %%rcx\n\txorq " CR0_NE ", %%rcx",
			  "movq %%rcx, %%cr0\n\tmovq %%r9, %%cr0", 0);
}

static int64_t cr4_twice(void)
{
	return MEASURE_OP("movq %%cr4, %%r9\n\tmovq %%r9, %%rcx\n\txorq " CR4_DE ", %%rcx",
			  "movq %%rcx, %%cr4\n\tmovq %%r9, %%cr4", 0);
}

static int64_t cr8_once(void)
{
	return MEASURE_OP("", "movq %%rdi, %%cr8", 0);
}

/* A sleep that is over before it begins: through the scheduler and back. */
static int64_t wait_once(void)
{
	return MEASURE_OP("movl $3, %%eax\n\txorl %%edx, %%edx", HYPERCALL_SITE, 1);
}

_Static_assert(AEROSTAT_CALL_WAIT == 3, "in wait_once");

static const struct {
	const char *name;
	int64_t (*once)(void);
	unsigned units;
} probes[] = {
	{"null_hypercall", null_hypercall_once, 1},
	{"cpuid", cpuid_once, 1},
	{"cpuid_features", cpuid_features_once, 1},
	{"rdmsr", rdmsr_once, 1},
	{"wrmsr", wrmsr_once, 1},
	{"in", in_once, 1},
	{"out", out_once, 1},
	{"cr0_write", cr0_twice, 2},
	{"cr4_write", cr4_twice, 2},
	{"cr8_write", cr8_once, 1},
	{"yield", wait_once, 1},
};

void probe_exits(void)
{
	for (unsigned probe = 0; probe < sizeof(probes) / sizeof(probes[0]); probe++) {
		for (unsigned i = 0; i < ROUNDS; i++) {
			measure_add(&samples, probes[probe].once());
		}
		measure_row(probes[probe].name, &samples, probes[probe].units);
	}
}
