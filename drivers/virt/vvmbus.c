/* SPDX-License-Identifier: BSD-2-Clause */
/* See vvmbus.h. */
#include "drivers/virt/vvmbus.h"

#include "base/bits.h"
#include "base/string.h"

#define VERSION_4_0 0x40000u
#define VERSION_5_0 0x50000u /* from here on there is another connection for messages */

enum message_type {
	MESSAGE_OFFER = 1,
	MESSAGE_REQUEST_OFFERS = 3,
	MESSAGE_ALL_OFFERS = 4,
	MESSAGE_OPEN = 5,
	MESSAGE_OPEN_RESULT = 6,
	MESSAGE_CLOSE = 7,
	MESSAGE_GPADL_HEADER = 8,
	MESSAGE_GPADL_CREATED = 10,
	MESSAGE_GPADL_TEARDOWN = 11,
	MESSAGE_GPADL_TORN_DOWN = 12,
	MESSAGE_INITIATE_CONTACT = 14,
	MESSAGE_VERSION_RESPONSE = 15,
	MESSAGE_UNLOAD = 16,
	MESSAGE_UNLOAD_RESPONSE = 17,
};

#define REFUSED 1u /* a status other than 0 */

/* All begin with these two words. */
struct header {
	uint32_t type;
	uint32_t reserved;
};

struct initiate_contact {
	struct header header;
	uint32_t version;
	uint32_t target;
};

struct version_response {
	struct header header;
	uint8_t supported;
	uint8_t state;
	uint16_t reserved;
	uint32_t connection;
};

struct gpadl_header {
	struct header header;
	uint32_t channel;
	uint32_t id;
	uint16_t range_bytes;
	uint16_t ranges;
	uint32_t bytes;
	uint32_t offset;
	uint64_t gfns[VVMBUS_GPADL_PAGES];
} __attribute__((packed));

struct gpadl_created {
	struct header header;
	uint32_t channel;
	uint32_t id;
	uint32_t status;
};

struct gpadl_teardown {
	struct header header;
	uint32_t channel;
	uint32_t id;
};

struct gpadl_torn_down {
	struct header header;
	uint32_t id;
};

struct open {
	struct header header;
	uint32_t channel;
	uint32_t id;
	uint32_t gpadl;
	uint32_t target;
	uint32_t to_guest_page; /* where the second ring begins */
};

struct open_result {
	struct header header;
	uint32_t channel;
	uint32_t id;
	uint32_t status;
};

struct offer {
	struct header header;
	uint8_t type[16];
	uint8_t instance[16];
	uint8_t reserved[16];
	uint16_t flags;
	uint16_t mmio_megabytes;
	uint8_t user[120];
	uint16_t sub_channel;
	uint16_t reserved_2;
	uint32_t channel;
	uint8_t monitor;
	uint8_t has_monitor;
	uint16_t own_interrupt;
	uint32_t connection;
};

_Static_assert(sizeof(struct version_response) == 16, "layout of VMBus");
_Static_assert(offsetof(struct gpadl_header, gfns) == 28, "layout of VMBus");
_Static_assert(sizeof(struct gpadl_header) <= VSYNIC_PAYLOAD_MAX, "one message");
_Static_assert(sizeof(struct gpadl_created) == 20 && sizeof(struct gpadl_teardown) == 16 &&
		       sizeof(struct gpadl_torn_down) == 12,
	       "layout of VMBus");
_Static_assert(sizeof(struct open) == 28 && sizeof(struct open_result) == 20, "layout of VMBus");
_Static_assert(offsetof(struct offer, channel) == 0xb8 && sizeof(struct offer) == 196,
	       "layout of VMBus");

/* 525074dc-8985-46e2-8057-a307dc18a502, Dynamic Memory; and a name for the one that there is. */
static const uint8_t type_dynamic_memory[16] = {0xdc, 0x74, 0x50, 0x52, 0x85, 0x89, 0xe2, 0x46,
						0x80, 0x57, 0xa3, 0x07, 0xdc, 0x18, 0xa5, 0x02};
static const uint8_t instance[16] = {0x41, 0x45, 0x52, 0x4f, 0x53, 0x54, 0x41, 0x54,
				     0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01};

void vvmbus_reset(struct vvmbus *bus)
{
	memset(bus, 0, sizeof(*bus));
}

static bool initiate_contact(struct vvmbus *bus, struct vsynic *synic, const struct vguest *guest,
			     const struct initiate_contact *message)
{
	struct version_response response = {.header.type = MESSAGE_VERSION_RESPONSE};

	vvmbus_reset(bus);
	if (message->version >= VERSION_5_0 || message->target >= guest->vm->config.vcpus) {
		return false;
	}
	bus->connected = message->version == VERSION_4_0;
	response.supported = bus->connected;
	vsynic_set_target(synic, message->target);
	vsynic_post(synic, &response, sizeof(response));
	return true;
}

static void request_offers(struct vsynic *synic)
{
	const struct header all = {.type = MESSAGE_ALL_OFFERS};
	struct offer offer = {
		.header.type = MESSAGE_OFFER,
		.channel = VVMBUS_CHANNEL,
		.own_interrupt = 1,
		.connection = VVMBUS_CHANNEL_CONNECTION,
	};

	memcpy(offer.type, type_dynamic_memory, sizeof(offer.type));
	memcpy(offer.instance, instance, sizeof(offer.instance));
	vsynic_post(synic, &offer, sizeof(offer));
	vsynic_post(synic, &all, sizeof(all));
}

/* A guest may use the same number again, but not while the channel is open on it. */
static bool gpadl_is_good(const struct vvmbus *bus, const struct gpadl_header *message,
			  size_t bytes, unsigned *pages)
{
	size_t listed = (bytes - offsetof(struct gpadl_header, gfns)) / sizeof(uint64_t);

	*pages = message->bytes / (uint32_t)PAGE_BYTES;
	return !bus->open && message->channel == VVMBUS_CHANNEL && message->ranges == 1 &&
	       message->offset == 0 && message->bytes % PAGE_BYTES == 0 && *pages >= 4 &&
	       *pages <= VVMBUS_GPADL_PAGES && *pages <= listed;
}

static void gpadl_header(struct vvmbus *bus, struct vsynic *synic, const struct vguest *guest,
			 const struct gpadl_header *message, size_t bytes)
{
	struct gpadl_created created = {
		.header.type = MESSAGE_GPADL_CREATED,
		.channel = message->channel,
		.id = message->id,
	};
	unsigned pages;
	bool good = gpadl_is_good(bus, message, bytes, &pages);

	for (unsigned i = 0; good && i < pages; i++) {
		good = message->gfns[i] < guest->vm->s2.limit_pages;
	}
	if (good) {
		bus->gpadl.exists = true;
		bus->gpadl.id = message->id;
		bus->gpadl.pages = pages;
		memcpy(bus->gpadl.gfns, message->gfns, pages * sizeof(message->gfns[0]));
	} else {
		created.status = REFUSED;
	}
	vsynic_post(synic, &created, sizeof(created));
}

/* The channel is closed, and its pages are not ours any more. Without a number: another one. */
static enum vvmbus_event gpadl_teardown(struct vvmbus *bus, struct vsynic *synic,
					const struct gpadl_teardown *message)
{
	const struct gpadl_torn_down torn_down = {
		.header.type = MESSAGE_GPADL_TORN_DOWN,
		.id = message->id,
	};
	bool was_open = false;

	if (bus->gpadl.exists && bus->gpadl.id == message->id) {
		was_open = bus->open;
		bus->open = false;
		bus->gpadl.exists = false;
	}
	vsynic_post(synic, &torn_down, sizeof(torn_down));
	return was_open ? VVMBUS_CLOSED : VVMBUS_NOTHING;
}

static bool open_is_good(const struct vvmbus *bus, const struct vguest *guest,
			 const struct open *message)
{
	return !bus->open && bus->gpadl.exists && message->channel == VVMBUS_CHANNEL &&
	       message->gpadl == bus->gpadl.id && message->target < guest->vm->config.vcpus &&
	       message->to_guest_page >= 2 && message->to_guest_page < bus->gpadl.pages &&
	       bus->gpadl.pages - message->to_guest_page >= 2;
}

static enum vvmbus_event open_channel(struct vvmbus *bus, struct vsynic *synic,
				      const struct vguest *guest, const struct open *message)
{
	struct open_result result = {
		.header.type = MESSAGE_OPEN_RESULT,
		.channel = message->channel,
		.id = message->id,
		.status = REFUSED,
	};
	const uint64_t *gfns = bus->gpadl.gfns;
	unsigned first = message->to_guest_page;

	if (open_is_good(bus, guest, message) &&
	    vvmring_open(&bus->from_guest, guest, gfns, first, false) == VVMRING_DONE &&
	    vvmring_open(&bus->to_guest, guest, gfns + first, bus->gpadl.pages - first, true) ==
		    VVMRING_DONE) {
		bus->open = true;
		bus->target = message->target;
		result.status = 0;
	}
	vsynic_post(synic, &result, sizeof(result));
	return result.status == 0 ? VVMBUS_OPENED : VVMBUS_NOTHING;
}

static enum vvmbus_event close_channel(struct vvmbus *bus)
{
	bool was_open = bus->open;

	bus->open = false;
	return was_open ? VVMBUS_CLOSED : VVMBUS_NOTHING;
}

/* How long a message is at least. */
static size_t bytes_of(uint32_t type)
{
	switch (type) {
	case MESSAGE_INITIATE_CONTACT:
		return sizeof(struct initiate_contact);
	case MESSAGE_GPADL_HEADER:
		return offsetof(struct gpadl_header, gfns);
	case MESSAGE_GPADL_TEARDOWN:
		return sizeof(struct gpadl_teardown);
	case MESSAGE_OPEN:
		return sizeof(struct open);
	}
	return sizeof(struct header);
}

static enum vvmbus_event connected_message(struct vvmbus *bus, struct vsynic *synic,
					   const struct vguest *guest, const void *message,
					   size_t bytes, uint32_t type)
{
	switch (type) {
	case MESSAGE_REQUEST_OFFERS:
		request_offers(synic);
		break;
	case MESSAGE_GPADL_HEADER:
		gpadl_header(bus, synic, guest, message, bytes);
		break;
	case MESSAGE_GPADL_TEARDOWN:
		return gpadl_teardown(bus, synic, message);
	case MESSAGE_OPEN:
		return open_channel(bus, synic, guest, message);
	case MESSAGE_CLOSE:
		return close_channel(bus);
	}
	return VVMBUS_NOTHING;
}

bool vvmbus_message(struct vvmbus *bus, struct vsynic *synic, const struct vguest *guest,
		    const void *message, size_t bytes, enum vvmbus_event *event)
{
	const struct header unloaded = {.type = MESSAGE_UNLOAD_RESPONSE};
	struct header header;

	*event = VVMBUS_NOTHING;
	if (bytes < sizeof(header)) {
		return true;
	}
	memcpy(&header, message, sizeof(header));
	if (bytes < bytes_of(header.type)) {
		return true;
	}
	if (header.type == MESSAGE_INITIATE_CONTACT) {
		*event = VVMBUS_CLOSED;
		return initiate_contact(bus, synic, guest, message);
	}
	if (header.type == MESSAGE_UNLOAD) {
		vvmbus_reset(bus);
		vsynic_post(synic, &unloaded, sizeof(unloaded));
		*event = VVMBUS_CLOSED;
	} else if (bus->connected) {
		*event = connected_message(bus, synic, guest, message, bytes, header.type);
	}
	return true;
}
