/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random accesses to all that a virtual PC has: ports in every width, the pages of local APIC and
 * IOAPIC with every kind of instruction that the hypervisor decodes, MSRs of the local APIC; and
 * whatever interrupts come of it, taken or held off. The second vCPU, if there is one, is started,
 * stopped and interrupted by chance. Only what would end or reset the VM is left out.
 *
 * There is nothing to check here but that it comes to its end: the VM may make a mess of its own
 * devices, and of nothing else.
 */
#include <stddef.h>

#include "guests/hostile/attack.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/descriptor.h"
#include "guests/lib/layout.h"
#include "guests/lib/memory.h"

#define LAPIC_PAGE 0xfee00000ul
#define IOAPIC_PAGE 0xfec00000ul
#define PAGE_BYTES 4096u
#define LARGE_PAGE 0x200000ul
#define ENTRY_DEVICE 0x93 /* present, writable, not cached, 2 MiB */
#define ENTRIES 512

#define LAPIC_COMMAND 0x300
#define IOAPIC_WINDOW 0x10
#define DELIVERY 0x700
#define DELIVERY_INIT 0x500

#define MSR_APIC_BASE 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC 0x800
#define MSR_COMMAND 0x830

#define VECTORS 256
#define VECTOR_PROTECTION 13
#define VECTOR_PAGE_FAULT 14
#define LOW_MEMORY 0x100000u

extern uint64_t boot_pml4[ENTRIES];
extern const char devices_interrupt[], devices_protection[], devices_page_fault[];
extern uint64_t devices_interrupts, devices_protections;

static struct gate gates[VECTORS];
static uint64_t map_pages[2][ENTRIES] __attribute__((aligned(4096)));
static uint64_t state;

static uint64_t below(uint64_t limit)
{
	return random_next(&state) % limit;
}

/* ---- What it needs ---- */

/* The last GiB below 4 GiB, one to one; start.S may have mapped RAM there, which has none. */
static void map_devices(void)
{
	uint64_t *directories = (uint64_t *)(boot_pml4[0] & ~0xffful);

	for (unsigned i = 0; i < ENTRIES; i++) {
		map_pages[0][i] = (3ul << 30 | i * LARGE_PAGE) | ENTRY_DEVICE;
	}
	directories[3] = (uintptr_t)map_pages[0] | 3;
}

static void load_gates(void)
{
	for (unsigned vector = 0; vector < VECTORS; vector++) {
		const char *entry = vector == VECTOR_PROTECTION	  ? devices_protection
				    : vector == VECTOR_PAGE_FAULT ? devices_page_fault
								  : devices_interrupt;
		gates[vector] = gate_to((uintptr_t)entry, GUEST_CODE_SELECTOR, GATE_INTERRUPT);
	}
	gates_load(gates, sizeof(gates) - 1);
}

/*
 * A startup IPI may begin at any page below 1 MiB: all of them are HLT and a jump back to it, but
 * for page 0, whose vectors lead to an IRET at 0:0x800.
 */
static void fill_low_memory(void)
{
	volatile uint8_t *bytes = (uint8_t *)(uintptr_t)0;

	__asm__("" : "+r"(bytes));
	for (uint32_t at = PAGE_BYTES; at < LOW_MEMORY; at += 4) {
		*(volatile uint32_t *)(bytes + at) = 0xfdebf4fd; /* STD; HLT; JMP */
	}
	for (uint32_t vector = 0; vector < VECTORS; vector++) {
		*(volatile uint32_t *)(bytes + 4 * vector) = 0x800;
	}
	bytes[0x800] = 0xcf;
}

/* ---- Ports ---- */

/* What one byte of a write becomes, where it would end or reset the VM, or send an exception's
 * vector. */
static uint8_t tame(uint16_t port, uint8_t value)
{
	switch (port) {
	case 0x21:
	case 0xa1:
		return value | 0x20; /* the PIC's vectors are not those of exceptions */
	case 0x60:
		return value | 1; /* reset line of the 8042's output port */
	case 0x64:
		return (value & 0xf0) == 0xf0 ? 0x20 : value;
	case 0x92:
		return value & 0xfe;
	case 0xcf9:
		return value & ~0x04;
	case 0x600:
		return value & ~0x20;
	default:
		return value;
	}
}

static uint16_t random_port(void)
{
	static const uint16_t bases[] = {0x20, 0xa0, 0x4d0, 0x40,  0x61,  0x60,	 0x64,
					 0x92, 0x70, 0x3f8, 0x3f8, 0xcf8, 0xcfc, 0x600};

	if (below(8) == 0) {
		return (uint16_t)random_next(&state);
	}
	return (uint16_t)(bases[below(sizeof(bases) / sizeof(bases[0]))] + below(8));
}

static void access_port(void)
{
	uint16_t port = random_port();
	uint32_t value = (uint32_t)random_next(&state);
	unsigned bytes = 1u << below(3);
	bool in = below(2) != 0;

	for (unsigned i = 0; i < bytes; i++) {
		uint8_t byte = tame((uint16_t)(port + i), (uint8_t)(value >> 8 * i));
		value = (value & ~(0xffu << 8 * i)) | (uint32_t)byte << 8 * i;
	}
	switch (bytes | (in ? 8 : 0)) {
	case 1:
		__asm__ volatile("outb %b0, %1" : : "a"(value), "Nd"(port));
		break;
	case 2:
		__asm__ volatile("outw %w0, %1" : : "a"(value), "Nd"(port));
		break;
	case 4:
		__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
		break;
	case 9:
		__asm__ volatile("inb %1, %b0" : "+a"(value) : "Nd"(port));
		break;
	case 10:
		__asm__ volatile("inw %1, %w0" : "+a"(value) : "Nd"(port));
		break;
	case 12:
		__asm__ volatile("inl %1, %0" : "+a"(value) : "Nd"(port));
		break;
	}
}

/* ---- Memory ---- */

static void load_at(uintptr_t at, unsigned bytes)
{
	uint64_t value;

	switch (bytes) {
	case 1:
		__asm__ volatile("movzbl %1, %k0" : "=r"(value) : "m"(*(uint8_t *)at));
		break;
	case 2:
		__asm__ volatile("movswq %1, %0" : "=r"(value) : "m"(*(uint16_t *)at));
		break;
	case 4:
		__asm__ volatile("cmpl %k0, %1" : : "r"(0), "m"(*(uint32_t *)at) : "cc");
		break;
	case 8:
		__asm__ volatile("movq %1, %0" : "=r"(value) : "m"(*(uint64_t *)at));
		break;
	}
}

static void store_at(uintptr_t at, unsigned bytes, uint64_t value)
{
	switch (bytes) {
	case 1:
		__asm__ volatile("movb %b1, %0" : "=m"(*(uint8_t *)at) : "q"(value));
		break;
	case 2:
		__asm__ volatile("movw %w1, %0" : "=m"(*(uint16_t *)at) : "r"(value));
		break;
	case 4:
		__asm__ volatile("movl %k1, %0" : "=m"(*(uint32_t *)at) : "r"(value));
		break;
	case 8:
		__asm__ volatile("movq %1, %0" : "=m"(*(uint64_t *)at) : "r"(value));
		break;
	}
}

static void change_at(uintptr_t at, uint32_t value)
{
	uint32_t *word = (uint32_t *)at;

	switch (below(5)) {
	case 0:
		__asm__ volatile("orl %1, %0" : "+m"(*word) : "r"(value) : "cc");
		break;
	case 1:
		__asm__ volatile("andl %1, %0" : "+m"(*word) : "r"(value) : "cc");
		break;
	case 2:
		__asm__ volatile("xorl %1, %0" : "+m"(*word) : "r"(value) : "cc");
		break;
	case 3:
		__asm__ volatile("xchgl %1, %0" : "+m"(*word), "+r"(value));
		break;
	case 4:
		__asm__ volatile("testl %1, %0" : "+m"(*word) : "r"(value) : "cc");
		break;
	}
}

/* INIT is for vCPU 1 alone: for this one it is a reset of the VM. */
static uint32_t tame_delivery(uint32_t value)
{
	return (value & DELIVERY) == DELIVERY_INIT ? value ^ 0x100 : value;
}

static uint32_t random_offset(bool lapic)
{
	if (below(4) == 0) {
		return (uint32_t)below(PAGE_BYTES - 8);
	}
	return (uint32_t)(lapic ? below(0x40) * 16 : below(5) * 16);
}

static void access_page(bool lapic)
{
	uint32_t offset = random_offset(lapic);
	uintptr_t at = (lapic ? LAPIC_PAGE : IOAPIC_PAGE) + offset;
	uint32_t sender = lapic ? LAPIC_COMMAND : IOAPIC_WINDOW;
	uint64_t value = random_next(&state) >> below(48);
	bool sends = offset <= sender && offset + 8 > sender;
	unsigned bytes = below(4) == 0 ? 1u << below(4) : 4;

	switch (below(4)) {
	case 0:
		load_at(at, bytes);
		break;
	case 1:
		if (!sends) { /* what comes out of it cannot be foreseen */
			change_at(at, (uint32_t)value);
			break;
		}
		/* fall through */
	default:
		store_at(at, bytes, sends ? tame_delivery((uint32_t)value) : value);
		break;
	}
}

/* ---- MSRs ---- */

static void write_msr(uint32_t index, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void access_msr(void)
{
	static const uint16_t modes[] = {0x000, 0x800, 0x900, 0xc00, 0xd00};
	uint32_t index = MSR_X2APIC + (uint32_t)below(0x100);
	uint64_t value = random_next(&state) >> below(64);
	uint32_t low, high;

	if (below(8) == 0) {
		index = MSR_TSC_DEADLINE;
		value = cpu_read_tsc() + below(1000000);
	} else if (below(16) == 0) {
		index = MSR_APIC_BASE;
		value = LAPIC_PAGE | modes[below(5)];
	}
	if (below(2) == 0) {
		__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	} else {
		write_msr(index, index == MSR_COMMAND ? tame_delivery((uint32_t)value) : value);
	}
}

/* The other vCPU: INIT, then a start at any page, or an NMI; by whichever way the APIC is used. */
static void bother_other(void)
{
	static const uint32_t commands[] = {0x4500, 0x4600, 0x4600, 0x4400, 0x4061};
	uint32_t command = commands[below(5)];

	if (command == 0x4600) {
		command |= (uint32_t)(1 + below(LOW_MEMORY / PAGE_BYTES - 1));
	}
	store_at(LAPIC_PAGE + LAPIC_COMMAND + 0x10, 4, 1ul << 24);
	store_at(LAPIC_PAGE + LAPIC_COMMAND, 4, command);
	write_msr(MSR_COMMAND, 1ul << 32 | command);
}

static void access_once(void)
{
	switch (below(16)) {
	case 0 ... 5:
		access_port();
		break;
	case 6 ... 9:
		access_page(true);
		break;
	case 10 ... 12:
		access_page(false);
		break;
	case 13 ... 14:
		access_msr();
		break;
	default:
		if (below(8) == 0) {
			bother_other();
		} else {
			cpu_interrupts_on();
			__asm__ volatile("nop");
			cpu_interrupts_off();
		}
		break;
	}
}

int play_devices(const struct attack_arguments *arguments)
{
	state = arguments->seed;
	map_devices();
	cpu_interrupts_off();
	fill_low_memory();
	load_gates();
	for (uint64_t i = 0; i < arguments->calls; i++) {
		access_once();
	}
	console_print("%lu accesses, %lu interrupts, %lu refused MSRs\n", arguments->calls,
		      devices_interrupts, devices_protections);
	return devices_interrupts != 0 && devices_protections != 0 ? GUEST_EXIT_SUCCESS
								   : GUEST_EXIT_INTERFACE;
}
