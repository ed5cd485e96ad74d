/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of a local APIC: what its command register sends, which ones are for it, and what it
 * does with them (Intel SDM volume 3, 11.6 and 11.7).
 */
#include "drivers/virt/vlapic_message.h"

#define COMMAND_LOGICAL 0x800u
#define COMMAND_ASSERT 0x4000u
#define COMMAND_LEVEL 0x8000u
#define COMMAND_DELIVERY(low) ((low) >> 8 & 7)
#define COMMAND_SHORTHAND(low) ((low) >> 18 & 3)

#define FORMAT_MODEL(format) ((format) >> 28)
#define MODEL_FLAT 0xf
#define MODEL_CLUSTER 0x0

static uint32_t peek(const uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_RELAXED);
}

/* ---- sending ---- */

/*
 * Which commands exist (11.6.1, table 11-3): a shorthand that includes the sender takes Fixed only.
 * There is no SMI, and ExtINT comes from lines. INIT that is not asserted was for parts that kept
 * an order of arbitration; it has no effect since (11.6.1).
 */
static bool command_is_valid(uint32_t low)
{
	unsigned delivery = COMMAND_DELIVERY(low);
	unsigned shorthand = COMMAND_SHORTHAND(low);

	if (shorthand == APIC_SELF || shorthand == APIC_ALL) {
		return delivery == APIC_FIXED;
	}
	if (delivery == APIC_INIT) {
		return (low & COMMAND_LEVEL) == 0 || (low & COMMAND_ASSERT);
	}
	return delivery == APIC_FIXED || delivery == APIC_LOWEST_PRIORITY || delivery == APIC_NMI ||
	       delivery == APIC_STARTUP;
}

/* Commands are edge-triggered, whatever they say (11.6.1). */
bool vlapic_command(struct vlapic *lapic, struct apic_message *message)
{
	uint32_t low = (uint32_t)lapic->command;
	uint32_t destination = (uint32_t)(lapic->command >> 32);
	unsigned delivery = COMMAND_DELIVERY(low);
	uint8_t vector = (uint8_t)low;

	if (!command_is_valid(low)) {
		return false;
	}
	if (vector < VLAPIC_VECTOR_MIN &&
	    (delivery == APIC_FIXED || delivery == APIC_LOWEST_PRIORITY)) {
		(void)vlapic_detect(lapic, VLAPIC_ERROR_SEND_VECTOR);
		return false;
	}
	if (COMMAND_SHORTHAND(low) == APIC_SELF) {
		(void)vlapic_request(lapic, vector, false);
		return false;
	}
	*message = (struct apic_message){
		.destination = destination,
		.vector = vector,
		.delivery = (uint8_t)delivery,
		.shorthand = (uint8_t)COMMAND_SHORTHAND(low),
		.logical = low & COMMAND_LOGICAL,
	};
	if (!vlapic_is_x2apic(lapic)) {
		destination >>= 24;
		message->destination =
			destination == 0xff && !message->logical ? APIC_BROADCAST : destination;
	}
	return true;
}

/* ---- receiving ---- */

/* The 8 bits of xAPIC mode (11.6.2.2); a model that does not exist addresses nothing. */
static bool matches_logical(const struct vlapic *lapic, uint32_t destination)
{
	uint32_t own = peek(&lapic->logical_id) >> 24;

	if (destination > 0xff) {
		return false;
	}
	switch (FORMAT_MODEL(peek(&lapic->format))) {
	case MODEL_FLAT:
		return (own & destination) != 0;
	case MODEL_CLUSTER:
		return destination == 0xff ||
		       (own >> 4 == destination >> 4 && (own & destination & 0xf) != 0);
	default:
		return false;
	}
}

bool vlapic_matches(const struct vlapic *lapic, uint32_t destination, bool logical)
{
	uint32_t base = peek(&lapic->base);

	if ((base & VLAPIC_BASE_ENABLED) == 0) {
		return false;
	}
	if (destination == APIC_BROADCAST) {
		return true;
	}
	if (!logical) {
		return destination == lapic->index;
	}
	if (base & VLAPIC_BASE_EXTENDED) {
		return destination >> 16 == lapic->index >> 4 &&
		       (destination >> (lapic->index & 0xf) & 1) != 0;
	}
	return matches_logical(lapic, destination);
}

bool vlapic_is_target(const struct vlapic *lapic, const struct apic_message *message,
		      const struct vlapic *sender)
{
	switch (message->shorthand) {
	case APIC_SELF:
		return lapic == sender;
	case APIC_ALL:
		return vlapic_is_on(lapic);
	case APIC_OTHERS:
		return lapic != sender && vlapic_is_on(lapic);
	default:
		return vlapic_matches(lapic, message->destination, message->logical);
	}
}

unsigned vlapic_arbitrate(const struct vlapic *const candidates[], unsigned count, unsigned turn)
{
	unsigned chosen = count;
	uint8_t lowest = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned place = (turn % count + i) % count;
		const struct vlapic *lapic = candidates[place];

		if (!vlapic_is_on(lapic) ||
		    (peek(&lapic->spurious) & VLAPIC_SPURIOUS_ENABLED) == 0) {
			continue;
		}
		uint8_t priority = vlapic_arbitration_priority(lapic);
		if (chosen == count || priority < lowest) {
			chosen = place;
			lowest = priority;
		}
	}
	return chosen;
}

enum vlapic_accepted vlapic_accept(struct vlapic *lapic, const struct apic_message *message)
{
	if (!vlapic_is_on(lapic)) {
		return VLAPIC_REFUSED;
	}
	switch (message->delivery) {
	case APIC_FIXED:
	case APIC_LOWEST_PRIORITY:
		return vlapic_accept_vector(lapic, message->vector, message->level);
	case APIC_NMI:
		return vlapic_request_nmi(lapic) ? VLAPIC_PENDING : VLAPIC_MERGED;
	case APIC_INIT:
		return VLAPIC_RESET;
	case APIC_STARTUP:
		return VLAPIC_STARTING;
	case APIC_EXTINT:
		return VLAPIC_PIC;
	default:
		return VLAPIC_REFUSED;
	}
}
