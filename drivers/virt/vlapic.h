/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of one vCPU: its state, what is requested and in service (Intel SDM
 * volume 3, chapter 11). The registers that the guest reads and writes are in vlapic_registers.h,
 * messages in vlapic_message.h, the timer in vlapic_timer.h.
 *
 * Plain state: no lock, no allocation, nothing global. The state belongs to the CPU that runs the
 * vCPU, here called its CPU. Other CPUs may call the functions marked "any CPU" at any time: they
 * change only what is at the head of the structure, atomically, and read what they need of the
 * rest in single loads. Whether a message meets a change of the registers before or after it, both
 * are orders that a real bus has. A function that is not marked is for its CPU.
 *
 * The identifier of a vCPU is its index, in both modes, so a physical destination is an index.
 *
 * Differences from a real part, each one chosen: there is no system management mode, so SMI is
 * refused, and ExtINT is refused as a command; delivery is instant, so no register ever shows a
 * pending delivery; the page of registers does not move (vlapic_registers.h).
 */
#ifndef DRIVERS_VIRT_VLAPIC_H
#define DRIVERS_VIRT_VLAPIC_H

#include "base/status.h"
#include "base/types.h"
#include "drivers/virt/apic_message.h"

#define VLAPIC_WORDS 8 /* of 32 vectors each */
/* Vectors below are the processor's own: a message with one is an error. */
#define VLAPIC_VECTOR_MIN 16

/* IA32_APIC_BASE */
#define VLAPIC_BASE_BSP 0x100u
#define VLAPIC_BASE_EXTENDED 0x400u /* x2APIC mode */
#define VLAPIC_BASE_ENABLED 0x800u
/* The spurious-interrupt vector register: switched on by software. */
#define VLAPIC_SPURIOUS_ENABLED 0x100u
/* Entries of the vector table; the delivery mode of LINTn is at bits 8 to 10. */
#define VLAPIC_ENTRY_DELIVERY(entry) ((entry) >> 8 & 7)
#define VLAPIC_ENTRY_LEVEL 0x8000u
#define VLAPIC_ENTRY_MASKED 0x10000u

/* Entries of the local vector table, in the order of their registers from 0x320 on. */
enum vlapic_lvt {
	VLAPIC_LVT_TIMER,
	VLAPIC_LVT_THERMAL,
	VLAPIC_LVT_PERFORMANCE,
	VLAPIC_LVT_LINT0,
	VLAPIC_LVT_LINT1,
	VLAPIC_LVT_ERROR,
	VLAPIC_LVT_COUNT,
};

struct vlapic {
	/* Any CPU changes these, atomically. */
	uint32_t requested[VLAPIC_WORDS]; /* IRR */
	uint32_t level[VLAPIC_WORDS];	  /* TMR */
	uint32_t requested_words;	  /* bit n: requested[n] may be other than 0 */
	uint32_t errors;		  /* detected since the guest last wrote ESR */
	uint32_t lines;			  /* bit n: LINTn is asserted */
	uint32_t nmi;			  /* 1: an NMI is pending */

	/* Its CPU changes these; any CPU may read them. */
	uint32_t in_service_top; /* the highest vector in service; 0: none */
	uint32_t task_priority;
	uint32_t base; /* IA32_APIC_BASE without the address */
	uint32_t spurious;
	uint32_t logical_id; /* LDR as in xAPIC mode */
	uint32_t format;     /* DFR */
	uint32_t lvt[VLAPIC_LVT_COUNT];

	/* For its CPU alone. */
	uint32_t in_service[VLAPIC_WORDS]; /* ISR */
	uint32_t in_service_words;	   /* bit n: in_service[n] is not 0 */
	uint32_t error_status;		   /* ESR */
	uint64_t command;		   /* ICR */
	uint32_t index;
	uint32_t initial_count;
	uint32_t divide; /* the register; the shift is computed when it is needed */
	uint64_t due;	 /* when the timer expires; VLAPIC_NEVER: it does not run */
};

/* State after power-on (11.4.7.1, 11.12.5.1): xAPIC mode, switched off by software. No CPU runs it.
 */
void vlapic_reset(struct vlapic *lapic, uint32_t index, bool is_bsp);

/*
 * What INIT does (11.4.7.3, 11.12.5): as after power-on, but for the identifier and
 * IA32_APIC_BASE, and so the mode. Requests that arrive meanwhile may or may not be lost.
 */
void vlapic_init(struct vlapic *lapic);

/*
 * What firmware leaves on the boot processor: switched on by software, LINT0 as ExtINT and LINT1 as
 * NMI, so that the PIC reaches the processor (virtual wire mode). A kernel that uses the PIC relies
 * on it, and Linux keeps LINT0 masked for good when it finds it masked. After vlapic_reset(), for
 * vCPU 0 of a VM without firmware.
 */
void vlapic_set_virtual_wire(struct vlapic *lapic);

/* IA32_APIC_BASE: not switched off; CPUID leaf 1 must show the APIC exactly then. Any CPU. */
static inline bool vlapic_is_on(const struct vlapic *lapic)
{
	return __atomic_load_n(&lapic->base, __ATOMIC_RELAXED) & VLAPIC_BASE_ENABLED;
}

/* In x2APIC mode: registers are MSRs, and nothing answers at the page. Any CPU. */
static inline bool vlapic_is_x2apic(const struct vlapic *lapic)
{
	return __atomic_load_n(&lapic->base, __ATOMIC_RELAXED) & VLAPIC_BASE_EXTENDED;
}

/* ---- interrupts ---- */

/*
 * The vector that the processor would get now if IF were set: the highest that is requested, if its
 * class is above that of the task priority and of what is in service; 0: none. Cheap when nothing
 * is requested: one load.
 */
uint8_t vlapic_ready(const struct vlapic *lapic);

/* The processor has accepted `vector`: from requested to in service. It was what ready answered. */
void vlapic_take(struct vlapic *lapic, uint8_t vector);

/* Undoes vlapic_take(): the processor has not got it. No end of interrupt came in between. */
void vlapic_put_back(struct vlapic *lapic, uint8_t vector);

/*
 * The end of the highest interrupt in service, as a write to the EOI register is. Returns its
 * vector if it was level-triggered and the IOAPIC must be told (vioapic_eoi), otherwise 0.
 */
MUST_CHECK uint8_t vlapic_eoi(struct vlapic *lapic);

/*
 * The same where nothing follows from it: an edge-triggered one has ended, and none is requested
 * that it may have held back. False: nothing has changed.
 */
MUST_CHECK bool vlapic_eoi_alone(struct vlapic *lapic);

/* The task priority as CR8 shows it, 0 to 15. Setting it clears the sub-class. */
uint8_t vlapic_task_priority(const struct vlapic *lapic);
void vlapic_set_task_priority(struct vlapic *lapic, uint8_t priority);

/*
 * The processor priority (PPR): what an interrupt must surpass, by its class. The arbitration
 * priority (APR) also counts what is requested; any CPU.
 */
uint8_t vlapic_processor_priority(const struct vlapic *lapic);
uint8_t vlapic_arbitration_priority(const struct vlapic *lapic);

/*
 * A pending NMI, which knows no priority. vlapic_take_nmi() forgets it and says whether there was
 * one; vlapic_request_nmi() (any CPU) makes one pending, and says whether none was before.
 */
bool vlapic_nmi_pending(const struct vlapic *lapic);
bool vlapic_take_nmi(struct vlapic *lapic);
bool vlapic_request_nmi(struct vlapic *lapic);

/*
 * Do interrupts of the PIC reach this processor? Through LINT0 as ExtINT, or straight when the APIC
 * is switched off by IA32_APIC_BASE. The caller then gets the vector from the PIC. Any CPU.
 */
bool vlapic_accepts_pic(const struct vlapic *lapic);

/*
 * The level of LINT0 (`pin` 0: the output of the PIC) or LINT1 (1) changes. In Fixed mode a rising
 * edge requests the entry's vector, and so does the end of its service while a level-triggered
 * LINT0 stays asserted; in NMI mode it makes an NMI pending; ExtINT is vlapic_accepts_pic()'s.
 * True: something became pending, and the vCPU is to be kicked. Telling the same level again costs
 * a load. Any CPU, one at a time for each pin.
 */
bool vlapic_line(struct vlapic *lapic, unsigned pin, bool asserted);

/* ---- the registers: vlapic_registers.c ---- */

/* All registers as after power-on, but for IA32_APIC_BASE. */
void vlapic_clear_registers(struct vlapic *lapic);
/* Stores an entry of the vector table; a level-triggered LINT0 that is asserted requests. */
void vlapic_set_entry(struct vlapic *lapic, enum vlapic_lvt which, uint32_t entry);
/* Is the vector of this entry requested or in service? The remote IRR of a level-triggered LINT0.
 */
bool vlapic_is_outstanding(const struct vlapic *lapic, uint8_t vector);

/* ---- requests ---- */

/*
 * Requests `vector`, as a Fixed message does. Refused while the APIC is switched off by software or
 * by IA32_APIC_BASE; a vector below VLAPIC_VECTOR_MIN is an error that ESR shows. True: it was not
 * pending already, and the vCPU is to be kicked. Any CPU.
 */
bool vlapic_request(struct vlapic *lapic, uint8_t vector, bool level);

/*
 * Records errors for ESR. The first ones since the guest wrote it request the interrupt of the
 * error entry (11.5.3). True: kick the vCPU. Any CPU.
 */
bool vlapic_detect(struct vlapic *lapic, uint32_t errors);
#define VLAPIC_ERROR_SEND_VECTOR 0x20u
#define VLAPIC_ERROR_RECEIVE_VECTOR 0x40u
#define VLAPIC_ERROR_REGISTER 0x80u

/* What became of a message. */
enum vlapic_accepted {
	VLAPIC_REFUSED,	 /* it has no effect here; a level-triggered pin of the IOAPIC keeps it */
	VLAPIC_MERGED,	 /* accepted; the same was pending already */
	VLAPIC_PENDING,	 /* accepted: kick the vCPU */
	VLAPIC_RESET,	 /* INIT: the caller stops the vCPU and calls vlapic_init() */
	VLAPIC_STARTING, /* start-up: the caller starts the vCPU at page `vector`, if it waits for
			    it */
	VLAPIC_PIC,	 /* ExtINT of an IOAPIC's pin: the caller delivers what the PIC says */
};

/* vlapic_request(), telling all that it knows; for vlapic_message.c. Any CPU. */
enum vlapic_accepted vlapic_accept_vector(struct vlapic *lapic, uint8_t vector, bool level);

#endif
