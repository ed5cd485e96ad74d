/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a local APIC (Intel SDM volume 3, tables 11-1 and 11-6). Both modes number them
 * alike: a register is at 16 times its number in the page, and at that number in the range of MSRs.
 * One table says which exist where and which of their bits.
 */
#include "drivers/virt/vlapic_registers.h"

#include "base/bits.h"
#include "base/compiler.h"
#include "drivers/virt/vlapic_timer.h"

enum number {
	REG_ID = 0x02,
	REG_VERSION = 0x03,
	REG_TASK_PRIORITY = 0x08,
	REG_ARBITRATION_PRIORITY = 0x09,
	REG_PROCESSOR_PRIORITY = 0x0a,
	REG_EOI = 0x0b,
	REG_REMOTE_READ = 0x0c,
	REG_LOGICAL_ID = 0x0d,
	REG_FORMAT = 0x0e,
	REG_SPURIOUS = 0x0f,
	REG_IN_SERVICE = 0x10,
	REG_LEVEL = 0x18,
	REG_REQUESTED = 0x20,
	REG_REQUESTED_LAST = 0x27,
	REG_ERROR_STATUS = 0x28,
	REG_COMMAND = 0x30,
	REG_COMMAND_HIGH = 0x31,
	REG_LVT_FIRST = 0x32,
	REG_LVT_LAST = 0x37,
	REG_INITIAL_COUNT = 0x38,
	REG_CURRENT_COUNT = 0x39,
	REG_DIVIDE = 0x3e,
	REG_SELF_IPI = 0x3f,
	REG_COUNT = 0x40,
};

/* Version 0x14, six entries in the vector table, no control over the broadcast of EOI. */
#define VERSION_VALUE (0x14u | (VLAPIC_LVT_COUNT - 1) << 16)
#define FORMAT_ONES 0x0fffffffu

#define ENTRY_PENDING 0x1000u	  /* delivery status, read-only */
#define ENTRY_OUTSTANDING 0x4000u /* remote IRR, read-only */
#define ENTRY_READ_ONLY (ENTRY_PENDING | ENTRY_OUTSTANDING)

#define COMMAND_BITS 0x000cdfffu
#define COMMAND_PENDING                                                                            \
	0x1000u /* reserved in x2APIC mode; kernels write it as 0 or as they read it */

#define IN_PAGE 1u
#define MSR_R 2u
#define MSR_W 4u
#define ALL (IN_PAGE | MSR_R | MSR_W)

struct register_rule {
	uint32_t bits; /* not reserved; a page write drops the others, a WRMSR of them is #GP */
	uint32_t access;
};

static const struct register_rule rules[REG_COUNT] = {
	[REG_ID] = {0, IN_PAGE | MSR_R}, /* writable in some parts, not in this one */
	[REG_VERSION] = {0, IN_PAGE | MSR_R},
	[REG_TASK_PRIORITY] = {0xff, ALL},
	[REG_ARBITRATION_PRIORITY] = {0, IN_PAGE},
	[REG_PROCESSOR_PRIORITY] = {0, IN_PAGE | MSR_R},
	[REG_EOI] = {0, IN_PAGE | MSR_W},
	[REG_REMOTE_READ] = {0, IN_PAGE},
	[REG_LOGICAL_ID] = {0xff000000, IN_PAGE | MSR_R},
	[REG_FORMAT] = {0xf0000000, IN_PAGE},
	[REG_SPURIOUS] = {0x3ff, ALL},
	[REG_IN_SERVICE... REG_REQUESTED_LAST] = {0, IN_PAGE | MSR_R},
	[REG_ERROR_STATUS] = {0, ALL},
	[REG_COMMAND] = {COMMAND_BITS, ALL},
	[REG_COMMAND_HIGH] = {0xff000000, IN_PAGE},
	[REG_LVT_FIRST + VLAPIC_LVT_TIMER] = {0x710ff, ALL},
	[REG_LVT_FIRST + VLAPIC_LVT_THERMAL] = {0x117ff, ALL},
	[REG_LVT_FIRST + VLAPIC_LVT_PERFORMANCE] = {0x117ff, ALL},
	[REG_LVT_FIRST + VLAPIC_LVT_LINT0] = {0x1f7ff, ALL},
	[REG_LVT_FIRST + VLAPIC_LVT_LINT1] = {0x1f7ff, ALL},
	[REG_LVT_FIRST + VLAPIC_LVT_ERROR] = {0x110ff, ALL},
	[REG_INITIAL_COUNT] = {0xffffffff, ALL},
	[REG_CURRENT_COUNT] = {0, IN_PAGE | MSR_R},
	[REG_DIVIDE] = {0xb, ALL},
	[REG_SELF_IPI] = {0xff, MSR_W},
};

/* ---- reading ---- */

static uint32_t read_vectors(const struct vlapic *lapic, unsigned number)
{
	unsigned word = number % VLAPIC_WORDS;

	if (number < REG_LEVEL) {
		return lapic->in_service[word];
	}
	return __atomic_load_n(number < REG_REQUESTED ? &lapic->level[word]
						      : &lapic->requested[word],
			       __ATOMIC_RELAXED);
}

static uint32_t read_entry(const struct vlapic *lapic, unsigned which)
{
	uint32_t entry = lapic->lvt[which];

	if (which == VLAPIC_LVT_LINT0 && (entry & VLAPIC_ENTRY_LEVEL) &&
	    VLAPIC_ENTRY_DELIVERY(entry) == APIC_FIXED &&
	    vlapic_is_outstanding(lapic, (uint8_t)entry)) {
		entry |= ENTRY_OUTSTANDING;
	}
	return entry;
}

static uint32_t read_id(const struct vlapic *lapic, unsigned number)
{
	bool logical = number == REG_LOGICAL_ID;

	if (!vlapic_is_x2apic(lapic)) {
		return logical ? lapic->logical_id : lapic->index << 24;
	}
	return logical ? lapic->index >> 4 << 16 | 1u << (lapic->index & 0xf) : lapic->index;
}

/* A register that exists; what cannot be read is 0. */
static uint32_t read_register(struct vlapic *lapic, unsigned number, uint64_t now)
{
	switch (number) {
	case REG_ID:
	case REG_LOGICAL_ID:
		return read_id(lapic, number);
	case REG_VERSION:
		return VERSION_VALUE;
	case REG_TASK_PRIORITY:
		return lapic->task_priority;
	case REG_ARBITRATION_PRIORITY:
		return vlapic_arbitration_priority(lapic);
	case REG_PROCESSOR_PRIORITY:
		return vlapic_processor_priority(lapic);
	case REG_FORMAT:
		return lapic->format;
	case REG_SPURIOUS:
		return lapic->spurious;
	case REG_IN_SERVICE ... REG_REQUESTED_LAST:
		return read_vectors(lapic, number);
	case REG_ERROR_STATUS:
		return lapic->error_status;
	case REG_COMMAND:
		return (uint32_t)lapic->command;
	case REG_COMMAND_HIGH:
		return (uint32_t)(lapic->command >> 32);
	case REG_LVT_FIRST ... REG_LVT_LAST:
		return read_entry(lapic, number - REG_LVT_FIRST);
	case REG_INITIAL_COUNT:
		return lapic->initial_count;
	case REG_CURRENT_COUNT:
		return vlapic_timer_count(lapic, now);
	case REG_DIVIDE:
		return lapic->divide;
	default:
		return 0;
	}
}

/* One load: not x2APIC mode, and not off. */
static bool page_answers(const struct vlapic *lapic)
{
	return (lapic->base & (VLAPIC_BASE_ENABLED | VLAPIC_BASE_EXTENDED)) == VLAPIC_BASE_ENABLED;
}

static bool in_page(unsigned number)
{
	return number < REG_COUNT && (rules[number].access & IN_PAGE);
}

uint64_t vlapic_read(struct vlapic *lapic, uint32_t offset, unsigned bytes, uint64_t now)
{
	uint64_t ones = bytes < 8 ? BIT(8 * bytes) - 1 : UINT64_MAX;
	unsigned number = offset / 16;
	unsigned within = offset % 16;

	if (!page_answers(lapic)) {
		return ones;
	}
	if (!in_page(number)) {
		(void)vlapic_detect(lapic, VLAPIC_ERROR_REGISTER);
		return 0;
	}
	if (within >= 4) {
		return 0;
	}
	return (uint64_t)read_register(lapic, number, now) >> (8 * within) & ones;
}

/* ---- writing ---- */

static enum vlapic_effect end_of_interrupt(struct vlapic *lapic, struct apic_message *message)
{
	uint8_t vector = vlapic_eoi(lapic);
	if (vector == 0) {
		return VLAPIC_NOTHING;
	}
	*message = (struct apic_message){.vector = vector, .level = true};
	return VLAPIC_END;
}

/* Entries cannot be unmasked while the APIC is switched off by software (11.4.7.2). */
static enum vlapic_effect write_entry(struct vlapic *lapic, unsigned which, uint32_t entry,
				      uint64_t now)
{
	entry &= ~ENTRY_READ_ONLY;
	if ((lapic->spurious & VLAPIC_SPURIOUS_ENABLED) == 0) {
		entry |= VLAPIC_ENTRY_MASKED;
	}
	if (which == VLAPIC_LVT_TIMER) {
		vlapic_timer_set_entry(lapic, entry, now);
		return VLAPIC_TIMER;
	}
	vlapic_set_entry(lapic, which, entry);
	return VLAPIC_NOTHING;
}

static enum vlapic_effect write_spurious(struct vlapic *lapic, uint32_t value, uint64_t now)
{
	/* What was due before is requested before. */
	(void)vlapic_tick(lapic, now);
	__atomic_store_n(&lapic->spurious, value, __ATOMIC_RELAXED);
	if (value & VLAPIC_SPURIOUS_ENABLED) {
		return VLAPIC_NOTHING;
	}
	for (unsigned i = 0; i < VLAPIC_LVT_COUNT; i++) {
		vlapic_set_entry(lapic, i, lapic->lvt[i] | VLAPIC_ENTRY_MASKED);
	}
	return VLAPIC_TIMER;
}

/* `value` has no reserved bits. Registers that are not here cannot be written. */
static enum vlapic_effect write_register(struct vlapic *lapic, unsigned number, uint32_t value,
					 uint64_t now, struct apic_message *message)
{
	switch (number) {
	case REG_TASK_PRIORITY:
		__atomic_store_n(&lapic->task_priority, value, __ATOMIC_RELAXED);
		return VLAPIC_NOTHING;
	case REG_EOI:
		return end_of_interrupt(lapic, message);
	case REG_LOGICAL_ID:
		__atomic_store_n(&lapic->logical_id, value, __ATOMIC_RELAXED);
		return VLAPIC_NOTHING;
	case REG_FORMAT:
		__atomic_store_n(&lapic->format, value | FORMAT_ONES, __ATOMIC_RELAXED);
		return VLAPIC_NOTHING;
	case REG_SPURIOUS:
		return write_spurious(lapic, value, now);
	case REG_ERROR_STATUS:
		lapic->error_status = __atomic_exchange_n(&lapic->errors, 0, __ATOMIC_SEQ_CST);
		return VLAPIC_NOTHING;
	case REG_COMMAND:
		lapic->command = (lapic->command & ~0xffffffffull) | (value & ~COMMAND_PENDING);
		return vlapic_command(lapic, message) ? VLAPIC_SEND : VLAPIC_NOTHING;
	case REG_COMMAND_HIGH:
		lapic->command = (uint64_t)value << 32 | (uint32_t)lapic->command;
		return VLAPIC_NOTHING;
	case REG_LVT_FIRST ... REG_LVT_LAST:
		return write_entry(lapic, number - REG_LVT_FIRST, value, now);
	case REG_INITIAL_COUNT:
		vlapic_timer_start(lapic, value, now);
		return VLAPIC_TIMER;
	case REG_DIVIDE:
		vlapic_timer_divide(lapic, value, now);
		return VLAPIC_TIMER;
	default:
		return VLAPIC_NOTHING;
	}
}

enum vlapic_effect vlapic_write(struct vlapic *lapic, uint32_t offset, unsigned bytes,
				uint64_t value, uint64_t now, struct apic_message *message)
{
	unsigned number = offset / 16;

	if (!page_answers(lapic)) {
		return VLAPIC_NOTHING;
	}
	/* Each interrupt costs one of these. */
	if (offset == 16 * REG_EOI && bytes == 4) {
		return end_of_interrupt(lapic, message);
	}
	if (!in_page(number)) {
		(void)vlapic_detect(lapic, VLAPIC_ERROR_REGISTER);
		return VLAPIC_NOTHING;
	}
	if (bytes != 4 || offset % 16 != 0) {
		return VLAPIC_NOTHING;
	}
	return write_register(lapic, number, (uint32_t)value & rules[number].bits, now, message);
}

/* ---- MSRs ---- */

static bool is_register(const struct vlapic *lapic, uint32_t msr, uint32_t access)
{
	/* Below the range the difference is a large number. */
	uint32_t number = msr - VLAPIC_MSR_X2APIC;

	return number < REG_COUNT && vlapic_is_x2apic(lapic) && (rules[number].access & access);
}

bool vlapic_msr_read(struct vlapic *lapic, uint32_t msr, uint64_t now, uint64_t *value)
{
	if (msr == VLAPIC_MSR_TSC_DEADLINE) {
		*value = vlapic_timer_deadline(lapic, now);
		return true;
	}
	if (msr == VLAPIC_MSR_BASE) {
		*value = VLAPIC_PAGE | lapic->base;
		return true;
	}
	if (!is_register(lapic, msr, MSR_R)) {
		return false;
	}
	unsigned number = msr - VLAPIC_MSR_X2APIC;
	*value = number == REG_COMMAND ? lapic->command : read_register(lapic, number, now);
	return true;
}

/*
 * The modes and the ways between them (11.12.5): off to xAPIC to x2APIC to off, and from xAPIC back
 * to off. Switched off, the registers return to their state after power-on (11.4.3). On the way
 * to x2APIC mode they stay; the upper half of the command register is another one there.
 */
static NOT_INLINE enum vlapic_effect write_base(struct vlapic *lapic, uint64_t value)
{
	const uint32_t mode_bits = VLAPIC_BASE_ENABLED | VLAPIC_BASE_EXTENDED;
	uint32_t before = lapic->base & mode_bits;
	uint32_t after = (uint32_t)value & mode_bits;

	if ((value & ~(uint64_t)(mode_bits | VLAPIC_BASE_BSP)) != VLAPIC_PAGE ||
	    after == VLAPIC_BASE_EXTENDED || (before == 0 && after == mode_bits) ||
	    (before == mode_bits && after == VLAPIC_BASE_ENABLED)) {
		return VLAPIC_FAULT;
	}
	__atomic_store_n(&lapic->base, after | ((uint32_t)value & VLAPIC_BASE_BSP),
			 __ATOMIC_SEQ_CST);
	if (before == after) {
		return VLAPIC_NOTHING;
	}
	if (after == 0) {
		vlapic_clear_registers(lapic);
	} else if (after == mode_bits) {
		lapic->command = (uint32_t)lapic->command;
	}
	return VLAPIC_MODE;
}

static NOT_INLINE enum vlapic_effect write_msr_register(struct vlapic *lapic, unsigned number,
							uint64_t value, uint64_t now,
							struct apic_message *message)
{
	if (number == REG_COMMAND) {
		if ((uint32_t)value & ~rules[number].bits) {
			return VLAPIC_FAULT;
		}
		lapic->command = value & ~(uint64_t)COMMAND_PENDING;
		return vlapic_command(lapic, message) ? VLAPIC_SEND : VLAPIC_NOTHING;
	}
	if (value & ~(uint64_t)rules[number].bits) {
		return VLAPIC_FAULT;
	}
	if (number == REG_SELF_IPI) {
		/* As if by the command register with the shorthand, which keeps its value. */
		if (value < VLAPIC_VECTOR_MIN) {
			(void)vlapic_detect(lapic, VLAPIC_ERROR_SEND_VECTOR);
		} else {
			(void)vlapic_request(lapic, (uint8_t)value, false);
		}
		return VLAPIC_NOTHING;
	}
	return write_register(lapic, number, (uint32_t)value, now, message);
}

enum vlapic_effect vlapic_msr_write(struct vlapic *lapic, uint32_t msr, uint64_t value,
				    uint64_t now, struct apic_message *message)
{
	if (msr == VLAPIC_MSR_TSC_DEADLINE) {
		vlapic_timer_set_deadline(lapic, value, now);
		return VLAPIC_TIMER;
	}
	if (msr == VLAPIC_MSR_EOI && value == 0 && vlapic_is_x2apic(lapic)) {
		return end_of_interrupt(lapic, message);
	}
	if (msr == VLAPIC_MSR_BASE) {
		return write_base(lapic, value);
	}
	if (!is_register(lapic, msr, MSR_W)) {
		return VLAPIC_FAULT;
	}
	return write_msr_register(lapic, msr - VLAPIC_MSR_X2APIC, value, now, message);
}
