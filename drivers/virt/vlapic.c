/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of one vCPU: requests, service and priorities (Intel SDM volume 3, 11.5 and 11.8).
 * See vlapic.h for what any CPU may do.
 *
 * The words of IRR have a summary, so that looking for a request is one load in the usual case. A
 * CPU that requests sets the bit in the word first and then the bit of the summary. The vCPU's CPU
 * clears the word's bit in the summary when the word has become 0, and looks at the word once more:
 * either it sees the new request, or that CPU sets the summary later. So a word that is not 0 has
 * its bit set, or will have it before vlapic_request() returns.
 */
#include "drivers/virt/vlapic.h"

#include "base/bits.h"

#define WORD(vector) ((vector) / 32u)
#define MASK(vector) (1u << (vector) % 32u)
#define CLASS(priority) ((priority)&0xf0u)

#define FORMAT_RESET 0xffffffffu
#define SPURIOUS_RESET 0xffu
#define VECTOR_IN(entry) ((uint8_t)(entry))
#define ENTRY_EXTINT ((uint32_t)APIC_EXTINT << 8)
#define ENTRY_NMI ((uint32_t)APIC_NMI << 8)

static uint32_t load(const uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_SEQ_CST);
}

/* What its CPU alone changes: other CPUs must see one value or the other. */
static void store(uint32_t *field, uint32_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELAXED);
}

static uint32_t peek(const uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_RELAXED);
}

/* ---- the state as a whole ---- */

void vlapic_clear_registers(struct vlapic *lapic)
{
	/* The summary first: a request that comes meanwhile is lost as a whole, or not at all. */
	__atomic_store_n(&lapic->requested_words, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < VLAPIC_WORDS; i++) {
		__atomic_store_n(&lapic->requested[i], 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&lapic->level[i], 0, __ATOMIC_SEQ_CST);
		lapic->in_service[i] = 0;
	}
	__atomic_store_n(&lapic->errors, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < VLAPIC_LVT_COUNT; i++) {
		store(&lapic->lvt[i], VLAPIC_ENTRY_MASKED);
	}
	store(&lapic->in_service_top, 0);
	store(&lapic->task_priority, 0);
	store(&lapic->spurious, SPURIOUS_RESET);
	store(&lapic->logical_id, 0);
	store(&lapic->format, FORMAT_RESET);
	lapic->in_service_words = 0;
	lapic->error_status = 0;
	lapic->command = 0;
	lapic->initial_count = 0;
	lapic->divide = 0;
	lapic->due = UINT64_MAX;
}

void vlapic_init(struct vlapic *lapic)
{
	vlapic_clear_registers(lapic);
	__atomic_store_n(&lapic->nmi, 0, __ATOMIC_SEQ_CST);
}

void vlapic_reset(struct vlapic *lapic, uint32_t index, bool is_bsp)
{
	*lapic = (struct vlapic){
		.base = VLAPIC_BASE_ENABLED | (is_bsp ? VLAPIC_BASE_BSP : 0),
		.index = index,
	};
	vlapic_clear_registers(lapic);
}

void vlapic_set_virtual_wire(struct vlapic *lapic)
{
	store(&lapic->spurious, SPURIOUS_RESET | VLAPIC_SPURIOUS_ENABLED);
	store(&lapic->lvt[VLAPIC_LVT_LINT0], ENTRY_EXTINT);
	store(&lapic->lvt[VLAPIC_LVT_LINT1], ENTRY_NMI);
}

/* ---- priorities ---- */

static unsigned top_bit(uint32_t word)
{
	return (unsigned)__builtin_clz(word) ^ 31; /* this way it is one instruction */
}

/* The highest vector in the words that `words` names; 0: none. */
static unsigned highest(const uint32_t array[VLAPIC_WORDS], uint32_t words)
{
	while (words != 0) {
		unsigned word = top_bit(words);
		uint32_t bits = load(&array[word]);

		if (bits != 0) {
			return word * 32 + top_bit(bits);
		}
		words ^= 1u << word;
	}
	return 0;
}

uint8_t vlapic_processor_priority(const struct vlapic *lapic)
{
	uint32_t task = peek(&lapic->task_priority);
	uint32_t service = CLASS(peek(&lapic->in_service_top));

	return (uint8_t)(CLASS(task) >= service ? task : service);
}

/* The manual's formula (11.6.2.4), with the greatest of the three where it says "max". */
uint8_t vlapic_arbitration_priority(const struct vlapic *lapic)
{
	uint32_t task = peek(&lapic->task_priority);
	uint32_t service = CLASS(peek(&lapic->in_service_top));
	uint32_t request = CLASS(highest(lapic->requested, load(&lapic->requested_words)));

	if (CLASS(task) >= request && CLASS(task) > service) {
		return (uint8_t)task;
	}
	return (uint8_t)max_u64(CLASS(task), max_u64(service, request));
}

uint8_t vlapic_task_priority(const struct vlapic *lapic)
{
	return (uint8_t)(lapic->task_priority >> 4);
}

void vlapic_set_task_priority(struct vlapic *lapic, uint8_t priority)
{
	store(&lapic->task_priority, (priority & 0xfu) << 4);
}

/* ---- from requested to in service to ended ---- */

uint8_t vlapic_ready(const struct vlapic *lapic)
{
	uint32_t words = load(&lapic->requested_words);
	if (words == 0 || !vlapic_is_on(lapic)) {
		return 0;
	}
	unsigned vector = highest(lapic->requested, words);
	return CLASS(vector) > CLASS(vlapic_processor_priority(lapic)) ? (uint8_t)vector : 0;
}

/* One more request. True: it was not there. */
static bool add_request(struct vlapic *lapic, uint8_t vector)
{
	uint32_t mask = MASK(vector);
	uint32_t before =
		__atomic_fetch_or(&lapic->requested[WORD(vector)], mask, __ATOMIC_SEQ_CST);

	(void)__atomic_fetch_or(&lapic->requested_words, 1u << WORD(vector), __ATOMIC_SEQ_CST);
	return (before & mask) == 0;
}

static void remove_request(struct vlapic *lapic, uint8_t vector)
{
	uint32_t *word = &lapic->requested[WORD(vector)];
	uint32_t summary = 1u << WORD(vector);

	if (__atomic_and_fetch(word, ~MASK(vector), __ATOMIC_SEQ_CST) != 0) {
		return;
	}
	(void)__atomic_fetch_and(&lapic->requested_words, ~summary, __ATOMIC_SEQ_CST);
	if (load(word) != 0) {
		(void)__atomic_fetch_or(&lapic->requested_words, summary, __ATOMIC_SEQ_CST);
	}
}

static void end_service(struct vlapic *lapic, uint8_t vector)
{
	lapic->in_service[WORD(vector)] &= ~MASK(vector);
	if (lapic->in_service[WORD(vector)] == 0) {
		lapic->in_service_words &= ~(1u << WORD(vector));
	}
	store(&lapic->in_service_top, highest(lapic->in_service, lapic->in_service_words));
}

void vlapic_take(struct vlapic *lapic, uint8_t vector)
{
	remove_request(lapic, vector);
	lapic->in_service[WORD(vector)] |= MASK(vector);
	lapic->in_service_words |= 1u << WORD(vector);
	store(&lapic->in_service_top, vector);
}

void vlapic_put_back(struct vlapic *lapic, uint8_t vector)
{
	end_service(lapic, vector);
	(void)add_request(lapic, vector);
}

bool vlapic_is_outstanding(const struct vlapic *lapic, uint8_t vector)
{
	return (load(&lapic->requested[WORD(vector)]) | lapic->in_service[WORD(vector)]) &
	       MASK(vector);
}

/* ---- LINT0 and LINT1 ---- */

/* LINT1 knows edges only (11.5.1). */
static bool lint_is_level(unsigned pin, uint32_t entry)
{
	return pin == 0 && (entry & VLAPIC_ENTRY_LEVEL) &&
	       VLAPIC_ENTRY_DELIVERY(entry) == APIC_FIXED;
}

static bool lint_arrives(struct vlapic *lapic, unsigned pin)
{
	uint32_t entry = peek(&lapic->lvt[VLAPIC_LVT_LINT0 + pin]);

	if (!vlapic_is_on(lapic)) {
		return pin == 1 && vlapic_request_nmi(lapic);
	}
	if (entry & VLAPIC_ENTRY_MASKED) {
		return false;
	}
	switch (VLAPIC_ENTRY_DELIVERY(entry)) {
	case APIC_FIXED:
		return vlapic_request(lapic, VECTOR_IN(entry), lint_is_level(pin, entry));
	case APIC_NMI:
		return vlapic_request_nmi(lapic);
	default:
		return false;
	}
}

/* Its cause has not gone: a level-triggered LINT0 requests again. */
static void lint_persists(struct vlapic *lapic)
{
	uint32_t entry = lapic->lvt[VLAPIC_LVT_LINT0];

	if (lint_is_level(0, entry) && (load(&lapic->lines) & 1) &&
	    !vlapic_is_outstanding(lapic, VECTOR_IN(entry))) {
		(void)lint_arrives(lapic, 0);
	}
}

bool vlapic_line(struct vlapic *lapic, unsigned pin, bool asserted)
{
	uint32_t mask = 1u << pin;

	if (((load(&lapic->lines) & mask) != 0) == asserted) {
		return false; /* the usual case: boards tell the level again and again */
	}
	if (!asserted) {
		(void)__atomic_fetch_and(&lapic->lines, ~mask, __ATOMIC_SEQ_CST);
		return false;
	}
	(void)__atomic_fetch_or(&lapic->lines, mask, __ATOMIC_SEQ_CST);
	return lint_arrives(lapic, pin);
}

bool vlapic_accepts_pic(const struct vlapic *lapic)
{
	uint32_t entry = peek(&lapic->lvt[VLAPIC_LVT_LINT0]);

	return !vlapic_is_on(lapic) ||
	       ((entry & VLAPIC_ENTRY_MASKED) == 0 && VLAPIC_ENTRY_DELIVERY(entry) == APIC_EXTINT);
}

void vlapic_set_entry(struct vlapic *lapic, enum vlapic_lvt which, uint32_t entry)
{
	store(&lapic->lvt[which], entry);
	if (which == VLAPIC_LVT_LINT0) {
		lint_persists(lapic);
	}
}

uint8_t vlapic_eoi(struct vlapic *lapic)
{
	uint8_t vector = (uint8_t)lapic->in_service_top;
	if (vector == 0) {
		return 0;
	}
	end_service(lapic, vector);
	if ((load(&lapic->level[WORD(vector)]) & MASK(vector)) == 0) {
		return 0;
	}
	lint_persists(lapic);
	return vector;
}

bool vlapic_eoi_alone(struct vlapic *lapic)
{
	uint8_t vector = (uint8_t)lapic->in_service_top;

	if (vector == 0 || load(&lapic->requested_words) != 0 ||
	    load(&lapic->level[WORD(vector)]) & MASK(vector)) {
		return false;
	}
	end_service(lapic, vector);
	return true;
}

/* ---- requests ---- */

bool vlapic_nmi_pending(const struct vlapic *lapic)
{
	return load(&lapic->nmi) != 0;
}

bool vlapic_take_nmi(struct vlapic *lapic)
{
	return load(&lapic->nmi) != 0 && __atomic_exchange_n(&lapic->nmi, 0, __ATOMIC_SEQ_CST) != 0;
}

bool vlapic_request_nmi(struct vlapic *lapic)
{
	return __atomic_exchange_n(&lapic->nmi, 1, __ATOMIC_SEQ_CST) == 0;
}

bool vlapic_detect(struct vlapic *lapic, uint32_t errors)
{
	uint32_t before = __atomic_fetch_or(&lapic->errors, errors, __ATOMIC_SEQ_CST);
	uint32_t entry = peek(&lapic->lvt[VLAPIC_LVT_ERROR]);

	if (before != 0 || (entry & VLAPIC_ENTRY_MASKED)) {
		return false;
	}
	if (VECTOR_IN(entry) < VLAPIC_VECTOR_MIN) {
		/* The interrupt is an error itself; it cannot tell of that one, too. */
		(void)__atomic_fetch_or(&lapic->errors, VLAPIC_ERROR_RECEIVE_VECTOR,
					__ATOMIC_SEQ_CST);
		return false;
	}
	return vlapic_request(lapic, VECTOR_IN(entry), false);
}

enum vlapic_accepted vlapic_accept_vector(struct vlapic *lapic, uint8_t vector, bool level)
{
	uint32_t mask = MASK(vector);
	uint32_t *levels = &lapic->level[WORD(vector)];

	if (!vlapic_is_on(lapic) || (peek(&lapic->spurious) & VLAPIC_SPURIOUS_ENABLED) == 0) {
		return VLAPIC_REFUSED;
	}
	if (vector < VLAPIC_VECTOR_MIN) {
		return vlapic_detect(lapic, VLAPIC_ERROR_RECEIVE_VECTOR) ? VLAPIC_PENDING
									 : VLAPIC_REFUSED;
	}
	if (level) {
		(void)__atomic_fetch_or(levels, mask, __ATOMIC_SEQ_CST);
	} else if (load(levels) & mask) {
		(void)__atomic_fetch_and(levels, ~mask, __ATOMIC_SEQ_CST);
	}
	return add_request(lapic, vector) ? VLAPIC_PENDING : VLAPIC_MERGED;
}

bool vlapic_request(struct vlapic *lapic, uint8_t vector, bool level)
{
	return vlapic_accept_vector(lapic, vector, level) == VLAPIC_PENDING;
}
