/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt table, shared by all CPUs, and what each vector means to the host (Intel SDM volume
 * 3, chapter 6). Written once by the boot CPU. Exceptions are our own bugs and end in fault.c,
 * except where an instruction has a fix-up.
 */
#include "arch/x86/cpu/interrupt.h"

#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/ipi.h"
#include "arch/x86/cpu/lapic.h"
#include "arch/x86/cpu/pic.h"
#include "arch/x86/cpu/registers.h"

#define STUB_BYTES 16		    /* vectors.S */
#define GATE_INTERRUPT_PRESENT 0x8e /* interrupts off in the handler, ring 0 */

struct gate {
	uint16_t offset_0;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_16;
	uint32_t offset_32;
	uint32_t reserved;
};

_Static_assert(sizeof(struct gate) == 16, "layout of the processor");

extern const char vector_stubs[];

static struct gate idt[VECTOR_COUNT];

static uint8_t ist_of(unsigned vector)
{
	switch (vector) {
	case VECTOR_NMI:
		return IST_NMI;
	case VECTOR_DOUBLE_FAULT:
		return IST_DOUBLE_FAULT;
	case VECTOR_MACHINE_CHECK:
		return IST_MACHINE_CHECK;
	default:
		return 0;
	}
}

void idt_init(void)
{
	for (unsigned vector = 0; vector < VECTOR_COUNT; vector++) {
		uint64_t offset = (uintptr_t)vector_stubs + vector * STUB_BYTES;

		idt[vector] = (struct gate){
			.offset_0 = (uint16_t)offset,
			.selector = SELECTOR_CODE,
			.ist = ist_of(vector),
			.type = GATE_INTERRUPT_PRESENT,
			.offset_16 = (uint16_t)(offset >> 16),
			.offset_32 = (uint32_t)(offset >> 32),
		};
	}
	idt_load();
}

void idt_load(void)
{
	struct descriptor_table table = {sizeof(idt) - 1, (uintptr_t)idt};

	__asm__ volatile("lidt %0" : : "m"(table) : "memory");
}

/*
 * Can come at any moment, also while locks are held or an exit is half-way through: it only counts,
 * or never returns.
 */
void interrupt_handle_nmi(void)
{
	cpu_current()->nmi_count++;
	ipi_halt_if_asked();
}

void interrupt_handle(uint8_t vector)
{
	if (vector == VECTOR_SPURIOUS) {
		return; /* the local APIC expects no end-of-interrupt for it */
	}
	if (vector >= VECTOR_PIC && vector < VECTOR_PIC + 16) {
		pic_handle_spurious(vector);
		return;
	}
	/* A kick has done its work by arriving. */
	if (vector != VECTOR_TIMER && vector != VECTOR_KICK) {
		/* A device that firmware left alive. Nothing here listens to it. */
		cpu_current()->unexpected_interrupt_count++;
	}
	lapic_eoi();
}

void interrupt_entry(struct interrupt_frame *frame)
{
	if (frame->vector == VECTOR_NMI) {
		interrupt_handle_nmi();
	} else if (frame->vector == VECTOR_MACHINE_CHECK) {
		machine_check_report();
	} else if (frame->vector >= VECTOR_EXCEPTIONS) {
		interrupt_handle((uint8_t)frame->vector);
	} else if (!fault_fix_up(frame)) {
		fault_report(frame);
	}
}
