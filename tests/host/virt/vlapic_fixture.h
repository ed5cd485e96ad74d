/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the local APIC share: registers by name, and an APIC that is switched on. */
#ifndef VIRT_VLAPIC_FIXTURE_H
#define VIRT_VLAPIC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/bits.h"
#include "drivers/virt/vlapic_registers.h"
#include "drivers/virt/vlapic_timer.h"

/* Offsets in the page; an MSR is at VLAPIC_MSR_X2APIC + offset / 16. */
#define REG_ID 0x020u
#define REG_VERSION 0x030u
#define REG_TPR 0x080u
#define REG_APR 0x090u
#define REG_PPR 0x0a0u
#define REG_EOI 0x0b0u
#define REG_LDR 0x0d0u
#define REG_DFR 0x0e0u
#define REG_SVR 0x0f0u
#define REG_ISR 0x100u
#define REG_TMR 0x180u
#define REG_IRR 0x200u
#define REG_ESR 0x280u
#define REG_CMCI 0x2f0u
#define REG_ICR 0x300u
#define REG_ICR_HIGH 0x310u
#define REG_TIMER 0x320u
#define REG_THERMAL 0x330u
#define REG_PERFORMANCE 0x340u
#define REG_LINT0 0x350u
#define REG_LINT1 0x360u
#define REG_ERROR 0x370u
#define REG_INITIAL 0x380u
#define REG_CURRENT 0x390u
#define REG_DIVIDE 0x3e0u
#define REG_SELF 0x3f0u

#define MASKED 0x10000u
#define X2APIC_ON (VLAPIC_PAGE | 0xc00)
#define XAPIC_ON (VLAPIC_PAGE | 0x800)

static inline uint32_t msr_of(uint32_t offset)
{
	return VLAPIC_MSR_X2APIC + offset / 16;
}

static inline uint32_t peek(struct vlapic *lapic, uint32_t offset)
{
	return (uint32_t)vlapic_read(lapic, offset, 4, 0);
}

/* A write that leaves nothing but perhaps the timer to its caller. */
static inline void poke(struct vlapic *lapic, uint32_t offset, uint32_t value)
{
	struct apic_message message;
	enum vlapic_effect effect = vlapic_write(lapic, offset, 4, value, 0, &message);
	assert_true(effect == VLAPIC_NOTHING || effect == VLAPIC_TIMER);
}

static inline void wrmsr(struct vlapic *lapic, uint32_t msr, uint64_t value)
{
	struct apic_message message;
	assert_int_not_equal(vlapic_msr_write(lapic, msr, value, 0, &message), VLAPIC_FAULT);
}

static inline uint64_t rdmsr(struct vlapic *lapic, uint32_t msr)
{
	uint64_t value = 0;
	assert_true(vlapic_msr_read(lapic, msr, 0, &value));
	return value;
}

/* After power-on, and switched on by software as a kernel does it. */
static inline struct vlapic make_lapic(uint32_t index)
{
	struct vlapic lapic;
	memset(&lapic, 0xee, sizeof(lapic));
	vlapic_reset(&lapic, index, index == 0);
	poke(&lapic, REG_SVR, 0x1ff);
	return lapic;
}

static inline struct vlapic make_x2apic(uint32_t index)
{
	struct vlapic lapic = make_lapic(index);
	wrmsr(&lapic, VLAPIC_MSR_BASE, X2APIC_ON);
	return lapic;
}

/* Reproducible; not 0. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
