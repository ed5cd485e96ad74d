/* SPDX-License-Identifier: BSD-2-Clause */
/* See guest_code.h. */
#include "arch/x86/guest/guest_code.h"

#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_fault.h"
#include "arch/x86/guest/guest_walk.h"
#include "base/string.h"
#include "mm/guest_copy.h"

/* The processor sets them when it walks (SDM vol. 3, 4.8); they lead nowhere else. */
#define ENTRY_ACCESSED_DIRTY 0x60ull

static inline bool is_same_entry(uint64_t value, uint64_t was)
{
	return ((value ^ was) & ~ENTRY_ACCESSED_DIRTY) == 0;
}

struct unaligned_word {
	uint64_t value;
} __attribute__((packed, may_alias));

/* Another vCPU may be writing: each word is read once, as a processor would fetch it. */
static inline uint64_t word_at(const void *place)
{
	return ((const volatile struct unaligned_word *)place)->value;
}

static inline bool is_as_it_was(struct s2_locked locked, const struct guest_code *code)
{
	const struct guest_walk_trace *trace = &code->trace;

	if (code->removals != s2_removals(locked)) {
		return false;
	}
	for (unsigned i = 0; i < trace->levels; i++) {
		if (!is_same_entry(__atomic_load_n(trace->entries[i], __ATOMIC_RELAXED),
				   trace->values[i])) {
			return false;
		}
	}
	return word_at(code->place) == code->words[0] && word_at(code->place + 8) == code->words[1];
}

static const struct guest_code *find(const struct guest_codes *codes, uint64_t rip)
{
	for (unsigned i = 0; i < GUEST_CODES; i++) {
		if (codes->codes[i].rip == rip) {
			return &codes->codes[i];
		}
	}
	return NULL;
}

const struct guest_instruction *guest_code_recall(const struct vcpu *vcpu,
						  const struct guest_fault *fault)
{
	const struct guest_code *code = find(&vcpu->arch->codes, fault->rip);
	struct s2_locked locked;
	bool same;

	if (code == NULL || fault->rip == 0 || !fault->is_64bit || code->cr3 != fault->cr3) {
		return NULL;
	}
	locked = s2_lock(vcpu->arch->s2);
	same = is_as_it_was(locked, code);
	s2_unlock(locked);
	return same ? &code->instruction : NULL;
}

/* The one of the same place, or else the oldest. */
static struct guest_code *choose(struct guest_codes *codes, uint64_t rip)
{
	const struct guest_code *same = find(codes, rip);

	if (same != NULL) {
		return &codes->codes[same - codes->codes];
	}
	codes->oldest = (codes->oldest + 1) % GUEST_CODES;
	return &codes->codes[codes->oldest];
}

void guest_code_remember(struct vcpu *vcpu, uint64_t rip, const uint8_t *bytes,
			 const struct guest_instruction *instruction)
{
	struct guest_code *code;
	struct s2_locked locked;
	bool same = false;
	gpa_t gpa;

	if (!guest_is_64bit(vcpu) || (rip & (PAGE_BYTES - 1)) > PAGE_BYTES - sizeof(code->words)) {
		return;
	}
	code = choose(&vcpu->arch->codes, rip);
	locked = s2_lock(vcpu->arch->s2);
	code->removals = s2_removals(locked);
	if (guest_translate_traced(vcpu, locked, rip, &gpa, &code->trace) &&
	    guest_copy_find(locked, gpa, sizeof(code->words), &code->place) == STATUS_OK) {
		code->words[0] = word_at(code->place);
		code->words[1] = word_at(code->place + 8);
		/* It may have been rewritten since it was read. */
		same = memcmp(code->words, bytes, instruction->length) == 0;
	}
	s2_unlock(locked);
	code->rip = same ? rip : 0;
	code->cr3 = guest_read(vcpu, GUEST_CR3);
	code->instruction = *instruction;
}
