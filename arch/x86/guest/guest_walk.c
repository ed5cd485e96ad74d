/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's own page tables, read through mm/guest_copy.h. */
#include "arch/x86/guest/guest_walk.h"

#include "base/bits.h"
#include "mm/guest_copy.h"

#define ENTRY_PRESENT 0x01
#define ENTRY_LARGE 0x80
#define ENTRY_ADDRESS 0x000ffffffffff000ull
#define ENTRY_ADDRESS_32 0xfffff000u
/* 32-bit paging: bits 39:32 of a 4 MiB page's address lie in bits 20:13 (PSE-36). */
#define ENTRY_HIGH_ADDRESS_32(entry) (((uint64_t)(entry) >> 13 & 0xff) << 32)

#define LEVELS GUEST_WALK_LEVELS
#define LEVELS_32 2
#define INDEX_BITS 9
#define INDEX_BITS_32 10

/* What of an address the levels below `level` choose: the page offset at level 0. */
static unsigned shift_of(unsigned level, unsigned index_bits)
{
	return PAGE_SHIFT + level * index_bits;
}

static uint64_t with_offset(uint64_t base, uint64_t linear, unsigned shift)
{
	return align_down_u64(base, 1ull << shift) | (linear & ((1ull << shift) - 1));
}

/* NULL: it is outside RAM, surrendered, or in a page that is not there yet and reads as zeros. */
static const uint64_t *find_entry(struct s2_locked locked, uint64_t at)
{
	const uint8_t *place;

	if (guest_copy_find(locked, (gpa_t){at}, sizeof(uint64_t), &place) != STATUS_OK) {
		return NULL;
	}
	return (const uint64_t *)(const void *)place;
}

static bool translate_64(struct s2_locked locked, uint64_t cr3, uint64_t linear, gpa_t *gpa,
			 struct guest_walk_trace *trace)
{
	uint64_t table = cr3 & ENTRY_ADDRESS;

	trace->levels = 0;
	for (unsigned level = LEVELS; level-- > 0;) {
		unsigned shift = shift_of(level, INDEX_BITS);
		uint64_t index = linear >> shift & 0x1ff;
		const uint64_t *place = find_entry(locked, table + index * 8);
		uint64_t entry = place != NULL ? __atomic_load_n(place, __ATOMIC_RELAXED) : 0;

		if (!(entry & ENTRY_PRESENT)) {
			return false;
		}
		trace->entries[trace->levels] = place;
		trace->values[trace->levels++] = entry;
		table = entry & ENTRY_ADDRESS;
		if (level == 0 || (level < LEVELS - 1 && entry & ENTRY_LARGE)) {
			*gpa = (gpa_t){with_offset(table, linear, shift)};
			return true;
		}
	}
	return false;
}

static bool translate_32(struct s2_locked locked, uint64_t cr3, bool large, uint64_t linear,
			 gpa_t *gpa)
{
	uint64_t table = cr3 & ENTRY_ADDRESS_32;

	for (unsigned level = LEVELS_32; level-- > 0;) {
		unsigned shift = shift_of(level, INDEX_BITS_32);
		uint64_t index = linear >> shift & 0x3ff;
		uint32_t entry;

		if (guest_copy_in(locked, (gpa_t){table + index * 4}, &entry, 4) != STATUS_OK ||
		    !(entry & ENTRY_PRESENT)) {
			return false;
		}
		table = entry & ENTRY_ADDRESS_32;
		if (level == 0) {
			*gpa = (gpa_t){with_offset(table, linear, shift)};
			return true;
		}
		if (large && entry & ENTRY_LARGE) {
			uint64_t base = with_offset(table, linear, shift);

			*gpa = (gpa_t){ENTRY_HIGH_ADDRESS_32(entry) | base};
			return true;
		}
	}
	return false;
}

bool guest_translate(const struct vcpu *vcpu, struct s2_locked locked, uint64_t linear, gpa_t *gpa)
{
	uint64_t cr3 = guest_read(vcpu, GUEST_CR3);
	struct guest_walk_trace trace;

	if (!(guest_read(vcpu, GUEST_CR0) & CR0_PG)) {
		*gpa = (gpa_t){linear};
		return true;
	}
	if (guest_read(vcpu, GUEST_EFER) & EFER_LMA) {
		return translate_64(locked, cr3, linear, gpa, &trace);
	}
	return translate_32(locked, cr3, guest_read(vcpu, GUEST_CR4) & CR4_PSE, linear, gpa);
}

bool guest_translate_traced(const struct vcpu *vcpu, struct s2_locked locked, uint64_t linear,
			    gpa_t *gpa, struct guest_walk_trace *trace)
{
	return translate_64(locked, guest_read(vcpu, GUEST_CR3), linear, gpa, trace);
}

size_t guest_fetch(const struct vcpu *vcpu, uint64_t linear, void *to, size_t count)
{
	struct s2_locked locked = s2_lock(vcpu->arch->s2);
	size_t done = 0;

	while (done < count) {
		size_t part = min_u64(count - done, PAGE_BYTES - (linear & (PAGE_BYTES - 1)));
		gpa_t gpa;

		if (!guest_translate(vcpu, locked, linear, &gpa) ||
		    guest_copy_in(locked, gpa, (uint8_t *)to + done, part) != STATUS_OK) {
			break;
		}
		done += part;
		linear += part;
	}
	s2_unlock(locked);
	return done;
}
