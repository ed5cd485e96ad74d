/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single operations between two marks, for a debugger that writes down every instruction: XCHG BX,
 * BX does nothing, and the emulator can be told to stop there. Each operation has been done before,
 * and its time slice has just begun. Which one was which is said at the end, in a line `traced`.
 */
#include <stddef.h>

#include "guests/bench/area.h"
#include "guests/bench/measure.h"
#include "guests/bench/probes.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"

#define REST_MS 2000
#define BATCH 64
#define ORDER_2M 9

static uint64_t field;	/* pages */
static uint64_t extent; /* of 2 MiB */

static void mark(void)
{
	__asm__ volatile("xchgw %%bx, %%bx" : : : "memory");
}

static void yield(void)
{
	cpu_interrupts_off();
	hypercall_wait(1);
}

static void call(uint64_t number)
{
	hypercall(number, (uintptr_t)area_ranges, 1, 0, 0);
}

static void prepare_pages(uint64_t count)
{
	area_range(&area_ranges[0], field + 16, (uint32_t)count, 0);
}

static void prepare_extent(void)
{
	area_range(&area_ranges[0], extent, 1, ORDER_2M);
}

static void touch_pages(void)
{
	for (unsigned i = 0; i < BATCH; i++) {
		area_touch(field + 16 + i);
	}
}

static void nothing(void)
{
}

static void op_null(void)
{
	hypercall(AEROSTAT_CALL_NULL, 0, 0, 0, 0);
}

static void op_cpuid(void)
{
	cpu_identify(AEROSTAT_CPUID_SIGNATURE);
}

static void op_rdmsr(void)
{
	__asm__ volatile("rdmsr" : : "c"(0x277) : "eax", "edx");
}

/* SYSENTER_EIP */
static void op_wrmsr(void)
{
	__asm__ volatile("wrmsr" : : "c"(0x176), "a"(0), "d"(0));
}

static void op_in(void)
{
	__asm__ volatile("inb $0x80, %%al" : : : "eax", "memory");
}

static void op_cr8(void)
{
	__asm__ volatile("movq %0, %%cr8" : : "r"(0ul));
}

static void op_out(void)
{
	__asm__ volatile("outb %%al, $0x80" : : : "memory");
}

static void op_touch_page(void)
{
	*(volatile char *)((field + 16) * 4096) = 1;
}

static void op_touch_extent(void)
{
	*(volatile char *)(extent * 4096) = 1;
}

static void op_surrender(void)
{
	call(AEROSTAT_CALL_BALLOON_SURRENDER);
}

static void op_return(void)
{
	call(AEROSTAT_CALL_BALLOON_RETURN);
}

static void op_report(void)
{
	call(AEROSTAT_CALL_BALLOON_REPORT);
}

static void op_emergency(void)
{
	call(AEROSTAT_CALL_BALLOON_EMERGENCY);
}

static void prepare_page_surrendered(void)
{
	prepare_pages(1);
	op_surrender();
}

static void prepare_page_touched(void)
{
	op_touch_page();
	prepare_pages(1);
}

static void prepare_page_surrendered_again(void)
{
	prepare_page_surrendered();
	prepare_pages(1);
}

static void prepare_page_given_back(void)
{
	prepare_page_surrendered();
	prepare_pages(1);
	op_return();
}

static void prepare_batch(void)
{
	touch_pages();
	prepare_pages(BATCH);
}

static void prepare_batch_surrendered(void)
{
	prepare_batch();
	op_surrender();
	prepare_pages(BATCH);
}

static void prepare_extent_touched(void)
{
	/* Out of the balloon first, if it is there: a touch would bring one page only. */
	prepare_extent();
	op_return();
	op_touch_extent();
	prepare_extent();
}

static void prepare_extent_surrendered(void)
{
	prepare_extent_touched();
	op_surrender();
	prepare_extent();
}

static void prepare_extent_given_back(void)
{
	prepare_extent_surrendered();
	op_return();
}

/* By the names of the rows that they explain. */
static const struct {
	const char *name;
	void (*prepare)(void);
	void (*operation)(void);
} operations[] = {
	{"null_hypercall", nothing, op_null},
	{"cpuid", nothing, op_cpuid},
	{"rdmsr", nothing, op_rdmsr},
	{"wrmsr", nothing, op_wrmsr},
	{"in", nothing, op_in},
	{"out", nothing, op_out},
	{"cr8_write", nothing, op_cr8},
	{"yield", nothing, yield},
	{"fill_4k_zeroed", prepare_page_given_back, op_touch_page},
	{"touch_surrendered_4k", prepare_page_surrendered, op_touch_page},
	{"fill_2m_zeroed", prepare_extent_given_back, op_touch_extent},
	{"surrender_4k_x1", prepare_page_touched, op_surrender},
	{"return_4k_x1", prepare_page_surrendered_again, op_return},
	{"report_4k_x64", prepare_batch, op_report},
	{"surrender_4k_x64", prepare_batch, op_surrender},
	{"return_4k_x64", prepare_batch_surrendered, op_return},
	{"surrender_2m", prepare_extent_touched, op_surrender},
	{"return_2m", prepare_extent_surrendered, op_return},
	{"report_2m", prepare_extent_touched, op_report},
	{"emergency_2m", prepare_extent_surrendered, op_emergency},
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

void probe_trace(void)
{
	area_attach(0);
	field = area_take_field();
	extent = area_take_extents(1);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		operations[i].prepare();
		operations[i].operation();
		operations[i].prepare();
		area_rest(REST_MS);
		yield();
		mark();
		operations[i].operation();
		mark();
		if (area_ranges[0].status > AEROSTAT_RANGE_OK) {
			area_fail("an operation that was to be traced was refused");
		}
	}
	console_print("traced");
	for (unsigned i = 0; i < OPERATIONS; i++) {
		console_print(" %s", operations[i].name);
		if (i % 8 == 7) {
			console_print("\ntraced");
		}
	}
	console_print("\n");
}
