/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk of a guest's page tables as a report (include/arch/walk.h): guest_walk.c answers where an
 * address leads, this file what is read on the way. For the operator, so it need not be fast.
 */
#include "arch/backend.h"
#include "arch/walk.h"
#include "arch/x86/guest/guest_state.h"
#include "base/bits.h"
#include "mm/guest_copy.h"

#define ENTRY_PRESENT BIT(0)
#define ENTRY_WRITABLE BIT(1)
#define ENTRY_USER BIT(2)
#define ENTRY_ACCESSED BIT(5)
#define ENTRY_LARGE BIT(7)
#define ENTRY_ADDRESS 0x000ffffffffff000ull
#define HIGH_ADDRESS_32(entry) (((entry) >> 13 & 0xff) << 32) /* PSE-36 */

/* One of the two kinds of tables that guests have (SDM vol. 3, 4.3 and 4.5). */
struct mode {
	unsigned levels;
	unsigned index_bits;
	unsigned entry_bytes;
	unsigned large_level_max; /* the highest level whose entries may map memory */
};

static const struct mode mode_64 = {4, 9, 8, 2};
static const struct mode mode_32 = {2, 10, 4, 1};
static const struct mode mode_32_small = {2, 10, 4, 0}; /* without CR4.PSE */

struct registers {
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t efer;
};

static bool read_registers(struct vcpu *vcpu, struct registers *registers)
{
	if (backend->vcpu_open != NULL && !backend->vcpu_open(vcpu)) {
		return false;
	}
	*registers = (struct registers){
		.cr0 = guest_read(vcpu, GUEST_CR0),
		.cr3 = guest_read(vcpu, GUEST_CR3),
		.cr4 = guest_read(vcpu, GUEST_CR4),
		.efer = guest_read(vcpu, GUEST_EFER),
	};
	if (backend->vcpu_close != NULL) {
		backend->vcpu_close(vcpu);
	}
	return true;
}

static struct arch_walk_step read_step(struct s2_locked locked, const struct mode *mode,
				       uint64_t at, unsigned level)
{
	struct arch_walk_step step = {.at = {at}};
	step.readable = guest_copy_in(locked, step.at, &step.entry, mode->entry_bytes) == STATUS_OK;
	if (step.readable) {
		step.present = (step.entry & ENTRY_PRESENT) != 0;
		step.writable = (step.entry & ENTRY_WRITABLE) != 0;
		step.user = (step.entry & ENTRY_USER) != 0;
		step.accessed = (step.entry & ENTRY_ACCESSED) != 0;
		step.large = level > 0 && level <= mode->large_level_max &&
			     (step.entry & ENTRY_LARGE) != 0;
	}
	return step;
}

static void walk_tables(struct s2_locked locked, const struct mode *mode, uint64_t cr3,
			uint64_t linear, struct arch_walk *walk)
{
	uint64_t table = cr3 & ENTRY_ADDRESS;
	walk->levels = mode->levels;
	for (unsigned level = mode->levels; level-- > 0;) {
		unsigned shift = PAGE_SHIFT + level * mode->index_bits;
		uint64_t index = linear >> shift & ((1ull << mode->index_bits) - 1);
		uint64_t inside = (1ull << shift) - 1;
		struct arch_walk_step step =
			read_step(locked, mode, table + index * mode->entry_bytes, level);
		walk->steps[walk->count++] = step;
		if (!step.readable || !step.present) {
			return;
		}
		table = step.entry & ENTRY_ADDRESS;
		if (step.large && mode->entry_bytes == 4) {
			table |= HIGH_ADDRESS_32(step.entry);
		}
		if (level == 0 || step.large) {
			walk->translated = true;
			walk->address = (gpa_t){(table & ~inside) | (linear & inside)};
			return;
		}
	}
}

bool arch_guest_walk(struct vcpu *vcpu, uint64_t linear, struct arch_walk *walk)
{
	struct registers registers;
	*walk = (struct arch_walk){0};
	if (!read_registers(vcpu, &registers)) {
		return false;
	}
	if (!(registers.cr0 & CR0_PG)) {
		walk->translated = true;
		walk->address = (gpa_t){linear};
		return true;
	}
	struct s2_locked locked = s2_lock(vcpu->arch->s2);
	if (registers.efer & EFER_LMA) {
		walk_tables(locked, &mode_64, registers.cr3, linear, walk);
	} else {
		walk_tables(locked, registers.cr4 & CR4_PSE ? &mode_32 : &mode_32_small,
			    registers.cr3 & UINT32_MAX, linear & UINT32_MAX, walk);
	}
	s2_unlock(locked);
	return true;
}
