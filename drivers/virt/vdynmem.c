/* SPDX-License-Identifier: BSD-2-Clause */
/* See vdynmem.h: what the driver says, and in which state that fits. Requests: vdynmem_request.c.
 */
#include "drivers/virt/vdynmem.h"

#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "drivers/virt/vdynmem_protocol.h"
#include "drivers/virt/vdynmem_request.h"
#include "drivers/virt/vdynmem_send.h"
#include "kernel/balloon/release.h"

#define PACKETS_PER_STEP 4u
#define ADD_RETRY_MS 10000u

void vdynmem_reset(struct vdynmem *memory, uint64_t boot_pages)
{
	memset(memory, 0, sizeof(*memory));
	memory->next_tsc = WAKE_NEVER;
	memory->boot_pages = boot_pages;
}

void vdynmem_opened(struct vdynmem *memory)
{
	memory->state = VDYNMEM_VERSION;
}

void vdynmem_closed(struct vdynmem *memory)
{
	memory->state = VDYNMEM_CLOSED;
	memory->reply_bytes = 0;
	memory->answer_is_there = false;
	memory->available_pages = 0;
	memory->committed_pages = 0;
	memory->floor_pages = 0;
	memory->floor_is_fresh = false;
	memory->may_add = false;
	memory->releasing = true;
	memory->release_next = 0;
	memory->find_next = 0;
	memory->next_tsc = 0;
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void store(uint64_t *to, uint64_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELAXED);
}

/*
 * A guest that has less than this part of its memory available is short, whatever it committed; and
 * one that has less than this part of what its driver kept for it: part of what Linux says to be
 * available is slab that it may not get back, and it reports once a second.
 */
#define SHORT_PARTS 16u
#define SHORT_FLOOR_PARTS 2u

static uint64_t short_pages(const struct vdynmem *memory, uint64_t assigned)
{
	uint64_t least = max_u64(assigned / SHORT_PARTS, memory->floor_pages / SHORT_FLOOR_PARTS);

	return sub_floor_u64(least, memory->available_pages);
}

void vdynmem_publish(const struct vdynmem *memory, const struct vdynmem_place *place)
{
	const struct s2 *s2 = &place->guest.vm->s2;
	struct aerostat_balloon_page *page = place->page;
	uint64_t size = s2->ballooned_pages;
	uint64_t total = memory->boot_pages + memory->added_pages;
	uint64_t assigned = sub_floor_u64(total, size);
	/* The driver counts what it has given as committed, and its floor. */
	uint64_t committed = sub_floor_u64(memory->committed_pages, size);
	uint64_t available = min_u64(memory->available_pages, assigned);
	uint64_t unbacked = sub_floor_u64(assigned, s2->mapped_pages);
	uint64_t free = 0, wanted = 0;

	if (memory->committed_pages > 0) {
		wanted = max_u64(sub_floor_u64(committed, assigned), short_pages(memory, assigned));
	}
	if (wanted == 0) {
		free = min_u64(sub_floor_u64(available, memory->floor_pages),
			       sub_floor_u64(assigned, committed));
	}
	/* What is on its way back to it is not wanted any more. */
	uint64_t target = __atomic_load_n(&page->target_pages, __ATOMIC_RELAXED);
	wanted = sub_floor_u64(wanted, sub_floor_u64(size, target));
	store(&page->total_pages, total);
	store(&page->free_pages, free);
	/* Pages that were never touched are among the available ones. */
	store(&page->idle_pages, min_u64(free, sub_floor_u64(available, unbacked)));
	store(&page->wanted_pages, wanted);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void reply(struct vdynmem *memory, const void *message, size_t bytes)
{
	memcpy(memory->reply, message, bytes);
	memory->reply_bytes = (unsigned)bytes;
}

static void accept(struct vdynmem *memory, uint16_t type, bool accepted)
{
	const struct dynmem_response response = {
		.header = {type, sizeof(response), ++memory->transaction},
		.accepted = accepted,
	};

	reply(memory, &response, sizeof(response));
}

static void version_request(struct vdynmem *memory, const struct dynmem_version_request *message)
{
	bool good =
		message->version == DYNMEM_VERSION_2_0 || message->version == DYNMEM_VERSION_1_0;

	accept(memory, DYNMEM_VERSION_RESPONSE, good);
	memory->state = good ? VDYNMEM_CAPABILITIES : VDYNMEM_VERSION;
}

static void capabilities(struct vdynmem *memory, const struct dynmem_capabilities *message)
{
	uint64_t word = message->capabilities;
	unsigned exponent = word >> DYNMEM_ALIGN_SHIFT & DYNMEM_ALIGN_MASK;
	bool good = word & DYNMEM_CAN_BALLOON;

	accept(memory, DYNMEM_CAPABILITIES_RESPONSE, good);
	memory->may_add = good && (word & DYNMEM_CAN_HOT_ADD);
	memory->align_pages = MIB(1) << exponent >> PAGE_SHIFT;
	memory->state = good ? VDYNMEM_READY : VDYNMEM_CAPABILITIES;
}

static void status(struct vdynmem *memory, const struct dynmem_status *message)
{
	memory->available_pages = message->available_pages;
	memory->committed_pages = message->committed_pages;
	if (memory->floor_is_fresh) {
		memory->floor_is_fresh = false;
		memory->floor_pages = min_u64(memory->floor_pages, message->available_pages);
	}
}

static void hot_add_response(struct vdynmem *memory, const struct vdynmem_place *place,
			     const struct dynmem_hot_add_response *message)
{
	uint64_t pages = min_u64(message->pages, memory->align_pages);

	memory->state = VDYNMEM_READY;
	memory->added_pages += pages;
	if (pages > 0) {
		memory->add_gfn += memory->align_pages;
		vm_log(place->guest.vm, "hot add pages=%lu ram=%lu", pages,
		       memory->boot_pages + memory->added_pages);
	} else if (message->result != 0) {
		memory->may_add = false; /* it never will */
	} else {
		memory->add_tsc = place->now_tsc + ticks_from_ms(ADD_RETRY_MS);
	}
}

/* How long a message of this type is at least, and in which states it is expected. */
#define IN(state) (1u << VDYNMEM_##state)
#define IN_ANY_READY (IN(READY) | IN(BALLOON) | IN(UNBALLOON) | IN(HOT_ADD))
static const struct expected {
	uint16_t bytes;
	uint16_t states;
} expected[] = {
	[DYNMEM_VERSION_REQUEST] = {sizeof(struct dynmem_version_request), IN(VERSION)},
	[DYNMEM_CAPABILITIES] = {sizeof(struct dynmem_capabilities), IN(CAPABILITIES)},
	[DYNMEM_STATUS] = {sizeof(struct dynmem_status), IN_ANY_READY},
	[DYNMEM_BALLOON_RESPONSE] = {sizeof(struct dynmem_balloon_response), IN(BALLOON)},
	[DYNMEM_UNBALLOON_RESPONSE] = {sizeof(struct dynmem_header), IN(UNBALLOON)},
	[DYNMEM_HOT_ADD_RESPONSE] = {sizeof(struct dynmem_hot_add_response), IN(HOT_ADD)},
};

/* NULL, or what is wrong with a packet of the guest. */
static const char *judge(const struct vdynmem *memory, const struct dynmem_header *header,
			 size_t bytes)
{
	if (bytes < sizeof(*header) || header->bytes > bytes) {
		return "a message is shorter than it says";
	}
	if (header->type >= ARRAY_COUNT(expected) || expected[header->type].states == 0) {
		return "a message is of no known type";
	}
	if (header->bytes < expected[header->type].bytes) {
		return "a message is too short for its type";
	}
	if (!(expected[header->type].states >> memory->state & 1)) {
		return "a message was not asked for";
	}
	return NULL;
}

static void handle(struct vdynmem *memory, const struct vdynmem_place *place, size_t bytes)
{
	const void *message = memory->packet;
	const struct dynmem_header *header = message;
	const char *wrong = judge(memory, header, bytes);

	if (wrong != NULL) {
		vdynmem_send_stop(memory, place, wrong);
		return;
	}
	switch (header->type) {
	case DYNMEM_VERSION_REQUEST:
		version_request(memory, message);
		break;
	case DYNMEM_CAPABILITIES:
		capabilities(memory, message);
		break;
	case DYNMEM_STATUS:
		status(memory, message);
		break;
	case DYNMEM_BALLOON_RESPONSE:
		vdynmem_answer_begin(memory, place);
		break;
	case DYNMEM_UNBALLOON_RESPONSE:
		memory->state = VDYNMEM_READY;
		break;
	case DYNMEM_HOT_ADD_RESPONSE:
		hot_add_response(memory, place, message);
		break;
	}
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* False: there is no room. */
static bool send_reply(struct vdynmem *memory, struct vdynmem_place *place)
{
	if (memory->reply_bytes > 0 &&
	    vdynmem_send(memory, place, memory->reply, memory->reply_bytes)) {
		memory->reply_bytes = 0;
	}
	return memory->reply_bytes == 0;
}

static bool release(struct vdynmem *memory, const struct vdynmem_place *place)
{
	if (memory->releasing) {
		memory->releasing = !balloon_release_step(place->guest.locked, place->guest.vm,
							  &memory->release_next);
		memory->next_tsc = memory->releasing ? place->now_tsc : WAKE_NEVER;
	}
	return !memory->releasing;
}

/* The next packet. False: there is none, or the end of this step. */
static bool read_packet(struct vdynmem *memory, struct vdynmem_place *place)
{
	size_t bytes;
	enum vvmring_result result = vvmring_read(place->from_guest, &place->guest, memory->packet,
						  sizeof(memory->packet), &bytes);

	switch (result) {
	case VVMRING_DONE:
		handle(memory, place, bytes);
		return true;
	case VVMRING_NOTHING:
		vdynmem_request(memory, place);
		return false;
	case VVMRING_LATER:
		vdynmem_send_later(memory, place);
		return false;
	case VVMRING_BROKEN:
		break;
	}
	vdynmem_send_stop(memory, place, "the ring from the guest is broken");
	return false;
}

/* As far as one step goes: true when it is to go on at once. */
static bool go_on(struct vdynmem *memory, struct vdynmem_place *place)
{
	for (unsigned i = 0; i < PACKETS_PER_STEP; i++) {
		if (place->from_guest == NULL || memory->state == VDYNMEM_CLOSED ||
		    memory->state == VDYNMEM_STOPPED || !send_reply(memory, place) ||
		    !vdynmem_answer_step(memory, place) || !read_packet(memory, place)) {
			return false;
		}
	}
	return true;
}

void vdynmem_step(struct vdynmem *memory, struct vdynmem_place *place)
{
	memory->next_tsc = WAKE_NEVER;
	if (!release(memory, place)) {
		return;
	}
	if (go_on(memory, place)) {
		memory->next_tsc = place->now_tsc;
	}
	vdynmem_publish(memory, place);
}
