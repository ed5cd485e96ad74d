/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single operations between two marks, for a debugger that writes down every instruction: XCHG BX,
 * BX does nothing, and the emulator can be told to stop there. Each operation has been done before,
 * and its time slice has just begun. Which one was which is said at the end, in a line `traced`.
 */
#include <stdbool.h>
#include <stddef.h>

#include "guests/bench/area.h"
#include "guests/bench/measure.h"
#include "guests/bench/probes.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"

#define REST_MS 2000
#define ORDER_2M 9
#define EXTENTS 16
#define NAMES_PER_LINE 4
#define PAGE_BYTES 4096
#define CR0_NE 0x20ul

static uint64_t field;	 /* pages */
static uint64_t extents; /* EXTENTS of 2 MiB */
static uint64_t split;	 /* an extent of 2 MiB that loses a page */

/* Of the operation at hand: how many pages or extents, and as one range or in one range each. */
static unsigned batch;
static bool scattered;

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
	hypercall(number, (uintptr_t)area_ranges, scattered ? batch : 1, 0, 0);
}

/* Neighbours lie across the border of the field's two extents, scattered ones have gaps. */
static uint64_t page(unsigned i)
{
	return scattered ? field + 16 + 2 * i : field + AREA_EXTENT_PAGES - batch / 2 + i;
}

static void touch(uint64_t gfn)
{
	*(volatile char *)(gfn * PAGE_BYTES) = 1;
}

static void prepare_pages(void)
{
	if (!scattered) {
		area_range(&area_ranges[0], page(0), batch, 0);
		return;
	}
	for (unsigned i = 0; i < batch; i++) {
		area_range(&area_ranges[i], page(i), 1, 0);
	}
}

static void prepare_extents(void)
{
	area_range(&area_ranges[0], extents, batch, ORDER_2M);
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

static void op_cpuid_features(void)
{
	cpu_identify(1);
}

static void op_cr0(void)
{
	uint64_t value;

	__asm__ volatile("movq %%cr0, %0" : "=r"(value));
	__asm__ volatile("movq %0, %%cr0" : : "r"(value ^ CR0_NE));
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
	touch(page(0));
}

static void op_touch_extent(void)
{
	touch(extents);
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

static void prepare_pages_touched(void)
{
	for (unsigned i = 0; i < batch; i++) {
		touch(page(i));
	}
	prepare_pages();
}

static void prepare_pages_surrendered(void)
{
	prepare_pages_touched();
	op_surrender();
	prepare_pages();
}

static void prepare_pages_given_back(void)
{
	prepare_pages_surrendered();
	op_return();
}

static void prepare_extents_touched(void)
{
	/* Out of the balloon first, if it is there: a touch would bring one page only. */
	prepare_extents();
	op_return();
	for (unsigned i = 0; i < batch; i++) {
		touch(extents + i * AREA_EXTENT_PAGES);
	}
	prepare_extents();
}

static void prepare_extents_surrendered(void)
{
	prepare_extents_touched();
	op_surrender();
	prepare_extents();
}

static void prepare_extents_given_back(void)
{
	prepare_extents_surrendered();
	op_return();
}

/* A new one each time: it is in pages afterwards. */
static void prepare_split(void)
{
	split = area_take_extents(1);
	touch(split);
	area_range(&area_ranges[0], split + 100, 1, 0);
}

/* By the names of the rows that they explain. */
static const struct {
	const char *name;
	void (*prepare)(void);
	void (*operation)(void);
	unsigned batch;
	bool scattered;
} operations[] = {
	{"null_hypercall", nothing, op_null, 0, false},
	{"cpuid", nothing, op_cpuid, 0, false},
	{"cpuid_features", nothing, op_cpuid_features, 0, false},
	{"rdmsr", nothing, op_rdmsr, 0, false},
	{"wrmsr", nothing, op_wrmsr, 0, false},
	{"in", nothing, op_in, 0, false},
	{"out", nothing, op_out, 0, false},
	{"cr0_write", nothing, op_cr0, 0, false},
	{"cr8_write", nothing, op_cr8, 0, false},
	{"yield", nothing, yield, 0, false},
	{"fill_4k_zeroed", prepare_pages_given_back, op_touch_page, 1, false},
	{"touch_surrendered_4k", prepare_pages_surrendered, op_touch_page, 1, false},
	{"fill_2m_zeroed", prepare_extents_given_back, op_touch_extent, 1, false},
	{"surrender_4k_x1", prepare_pages_touched, op_surrender, 1, false},
	{"return_4k_x1", prepare_pages_surrendered, op_return, 1, false},
	{"surrender_4k_x8", prepare_pages_touched, op_surrender, 8, false},
	{"return_4k_x8", prepare_pages_surrendered, op_return, 8, false},
	{"report_4k_x64", prepare_pages_touched, op_report, 64, false},
	{"surrender_4k_x64", prepare_pages_touched, op_surrender, 64, false},
	{"return_4k_x64", prepare_pages_surrendered, op_return, 64, false},
	{"surrender_4k_x512", prepare_pages_touched, op_surrender, 512, false},
	{"return_4k_x512", prepare_pages_surrendered, op_return, 512, false},
	{"surrender_4k_x8_scattered", prepare_pages_touched, op_surrender, 8, true},
	{"return_4k_x8_scattered", prepare_pages_surrendered, op_return, 8, true},
	{"surrender_4k_x64_scattered", prepare_pages_touched, op_surrender, 64, true},
	{"return_4k_x64_scattered", prepare_pages_surrendered, op_return, 64, true},
	{"surrender_4k_of_2m", prepare_split, op_surrender, 1, false},
	{"surrender_2m", prepare_extents_touched, op_surrender, 1, false},
	{"return_2m", prepare_extents_surrendered, op_return, 1, false},
	{"surrender_2m_x16", prepare_extents_touched, op_surrender, EXTENTS, false},
	{"return_2m_x16", prepare_extents_surrendered, op_return, EXTENTS, false},
	{"report_2m", prepare_extents_touched, op_report, 1, false},
	{"emergency_2m", prepare_extents_surrendered, op_emergency, 1, false},
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void trace(unsigned i)
{
	batch = operations[i].batch;
	scattered = operations[i].scattered;
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

/* Nothing has been zeroed yet: these two come first. */
static void trace_unzeroed(void)
{
	uint64_t fresh = area_take_extents(2);

	batch = 1;
	touch(page(1));
	mark();
	touch(page(0));
	mark();
	touch(fresh);
	mark();
	touch(fresh + AREA_EXTENT_PAGES);
	mark();
}

void probe_trace(void)
{
	area_attach(0);
	field = area_take_field();
	trace_unzeroed();
	extents = area_take_extents(EXTENTS);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		trace(i);
	}
	console_print("traced fill_4k_unzeroed fill_2m_unzeroed\n");
	for (unsigned i = 0; i < OPERATIONS; i++) {
		console_print(i % NAMES_PER_LINE == 0 ? "traced %s" : " %s", operations[i].name);
		if (i % NAMES_PER_LINE == NAMES_PER_LINE - 1 || i == OPERATIONS - 1) {
			console_print("\n");
		}
	}
}
