/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local APICs of one VM: the input is a program for four vCPUs, of accesses to the page and the
 * MSRs at every width, time that passes or is set back, lines, and processors that take interrupts
 * or do not. Messages are carried to where they are addressed. After each step all that is kept
 * twice agrees, no vector of the processor itself is pending, and no timer is overdue.
 */
#include "fuzz.h"

#include "drivers/virt/vlapic_registers.h"
#include "drivers/virt/vlapic_timer.h"

const char fuzz_name[] = "vlapic";

#define LAPICS 4
#define STEPS_MAX 2000

static struct vlapic lapics[LAPICS];
static uint64_t now;

static unsigned naive_highest(const uint32_t words[VLAPIC_WORDS])
{
	for (unsigned vector = 255; vector > 0; vector--) {
		if (words[vector / 32] >> vector % 32 & 1) {
			return vector;
		}
	}
	return 0;
}

static unsigned naive_ready(const struct vlapic *lapic)
{
	unsigned vector = naive_highest(lapic->requested);
	unsigned service = naive_highest(lapic->in_service);
	return vector / 16 > service / 16 && vector / 16 > lapic->task_priority / 16 ? vector : 0;
}

static void check_words(const struct vlapic *lapic)
{
	FUZZ_CHECK((lapic->requested[0] & 0xffff) == 0);
	FUZZ_CHECK((lapic->in_service[0] & 0xffff) == 0);
	for (unsigned word = 0; word < VLAPIC_WORDS; word++) {
		bool summary = lapic->requested_words >> word & 1;
		bool service = lapic->in_service_words >> word & 1;
		FUZZ_CHECK(summary || lapic->requested[word] == 0);
		FUZZ_CHECK(service == (lapic->in_service[word] != 0));
	}
	FUZZ_CHECK(lapic->in_service_top == naive_highest(lapic->in_service));
	FUZZ_CHECK(vlapic_ready(lapic) == naive_ready(lapic));
}

static void check_lapic(const struct vlapic *lapic)
{
	uint32_t mode = lapic->base & 0xc00;
	FUZZ_CHECK((lapic->base & ~0xd00u) == 0 && mode != 0x400);
	check_words(lapic);
	if (mode == 0) {
		FUZZ_CHECK(lapic->requested_words == 0 && lapic->in_service_words == 0);
		FUZZ_CHECK(lapic->due == VLAPIC_NEVER);
	}
	for (unsigned i = 0; i < VLAPIC_LVT_COUNT; i++) {
		FUZZ_CHECK((lapic->spurious & VLAPIC_SPURIOUS_ENABLED) ||
			   (lapic->lvt[i] & VLAPIC_ENTRY_MASKED));
	}
	FUZZ_CHECK(lapic->nmi <= 1 && lapic->lines <= 3 && lapic->task_priority <= 0xff);
}

static void deliver(const struct apic_message *message, const struct vlapic *sender)
{
	const struct vlapic *candidates[LAPICS];
	unsigned count = 0;

	FUZZ_CHECK(message->shorthand != APIC_SELF);
	FUZZ_CHECK(message->delivery != 2 && message->delivery != 3 &&
		   message->delivery != APIC_EXTINT);
	FUZZ_CHECK(message->shorthand != APIC_ALL || message->delivery == APIC_FIXED);
	for (unsigned i = 0; i < LAPICS; i++) {
		if (!vlapic_is_target(&lapics[i], message, sender)) {
			continue;
		}
		candidates[count++] = &lapics[i];
		if (message->delivery != APIC_LOWEST_PRIORITY &&
		    vlapic_accept(&lapics[i], message) == VLAPIC_RESET) {
			vlapic_init(&lapics[i]);
		}
	}
	if (message->delivery == APIC_LOWEST_PRIORITY) {
		unsigned chosen = vlapic_arbitrate(candidates, count, (unsigned)now);
		FUZZ_CHECK(chosen <= count);
		if (chosen < count) {
			struct vlapic *to = &lapics[candidates[chosen] - lapics];
			FUZZ_CHECK(vlapic_accept(to, message) != VLAPIC_REFUSED);
		}
	}
}

static void carry_out(struct vlapic *lapic, enum vlapic_effect effect,
		      const struct apic_message *message)
{
	switch (effect) {
	case VLAPIC_SEND:
		deliver(message, lapic);
		break;
	case VLAPIC_END:
		FUZZ_CHECK(message->vector >= VLAPIC_VECTOR_MIN);
		break;
	case VLAPIC_TIMER:
	case VLAPIC_MODE:
		(void)vlapic_tick(lapic, now);
		break;
	default:
		break;
	}
}

static void access_page(struct vlapic *lapic, struct fuzz_input *input, bool write)
{
	struct apic_message message;
	unsigned bytes = 1u << (fuzz_take(input, 1) & 3);
	/* Most often a register as it should be. */
	uint32_t place = (uint32_t)fuzz_take(input, 1);
	uint32_t offset = place < 0x80 ? (place & 0x3f) * 16
				       : (place * 256 + (uint32_t)fuzz_take(input, 1)) & 0xfff;

	bytes = place < 0x80 ? 4 : bytes;
	if (write) {
		uint64_t value = fuzz_take(input, bytes);
		carry_out(lapic, vlapic_write(lapic, offset, bytes, value, now, &message),
			  &message);
	} else {
		uint64_t value = vlapic_read(lapic, offset, bytes, now);
		FUZZ_CHECK(bytes == 8 || value >> (8 * bytes) == 0);
	}
}

static void access_msr(struct vlapic *lapic, struct fuzz_input *input, bool write)
{
	struct apic_message message;
	struct vlapic before = *lapic;
	uint32_t place = (uint32_t)fuzz_take(input, 1);
	uint32_t msr = VLAPIC_MSR_X2APIC + place;
	uint64_t value;

	msr = place == 0xfe ? VLAPIC_MSR_TSC_DEADLINE : place == 0xff ? VLAPIC_MSR_BASE : msr;
	if (!write) {
		(void)(vlapic_msr_read(lapic, msr, now, &value) && value == 0);
		return;
	}
	value = fuzz_take(input, 8);
	if (msr == VLAPIC_MSR_BASE && (value & 1) == 0) {
		value = VLAPIC_PAGE | (value & 0xfff);
	}
	enum vlapic_effect effect = vlapic_msr_write(lapic, msr, value, now, &message);
	FUZZ_CHECK(effect != VLAPIC_FAULT || memcmp(&before, lapic, sizeof(before)) == 0);
	carry_out(lapic, effect, &message);
}

/* What a processor does with an interrupt; and a line, a request or a message from the board. */
static void processor_step(struct vlapic *lapic, struct fuzz_input *input)
{
	uint64_t what = fuzz_take(input, 1);
	uint8_t vector = vlapic_ready(lapic);

	switch (what & 7) {
	case 0:
	case 1:
	case 2:
		if (vector == 0) {
			break;
		}
		vlapic_take(lapic, vector);
		FUZZ_CHECK(vlapic_processor_priority(lapic) >= (vector & 0xf0));
		if (what & 8) {
			vlapic_put_back(lapic, vector);
			FUZZ_CHECK(vlapic_ready(lapic) == vector);
		}
		break;
	case 3:
		(void)(vlapic_eoi(lapic) == 0);
		break;
	case 4:
		(void)vlapic_line(lapic, what >> 3 & 1, what >> 4 & 1);
		break;
	case 5:
		(void)vlapic_request(lapic, (uint8_t)fuzz_take(input, 1), what & 8);
		break;
	case 6:
		vlapic_set_task_priority(lapic, (uint8_t)(what >> 4));
		break;
	case 7:
		(void)vlapic_take_nmi(lapic);
		break;
	}
}

static void let_time_pass(struct vlapic *lapic, struct fuzz_input *input)
{
	uint64_t ticks = fuzz_take(input, 2);

	now = ticks & 0x8000 ? now - ticks : now + (ticks << (ticks & 0x1f));
	uint64_t next = vlapic_tick(lapic, now);
	FUZZ_CHECK(next == VLAPIC_NEVER || next > now);
	FUZZ_CHECK(next == vlapic_next_tick(lapic));
	FUZZ_CHECK(vlapic_timer_count(lapic, now) <= lapic->initial_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};

	now = 1000000;
	for (unsigned i = 0; i < LAPICS; i++) {
		vlapic_reset(&lapics[i], i, i == 0);
	}
	vlapic_set_virtual_wire(&lapics[0]);
	for (unsigned step = 0; step < STEPS_MAX && input.bytes > 0; step++) {
		uint64_t what = fuzz_take(&input, 1);
		struct vlapic *lapic = &lapics[what & 3];

		switch (what >> 2 & 7) {
		case 0:
		case 1:
			access_page(lapic, &input, true);
			break;
		case 2:
			access_page(lapic, &input, false);
			break;
		case 3:
		case 4:
			access_msr(lapic, &input, what & 4);
			break;
		case 5:
			let_time_pass(lapic, &input);
			break;
		default:
			processor_step(lapic, &input);
			break;
		}
		for (unsigned i = 0; i < LAPICS; i++) {
			check_lapic(&lapics[i]);
		}
	}
	return 0;
}
