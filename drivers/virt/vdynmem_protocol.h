/* SPDX-License-Identifier: BSD-2-Clause */
/* The messages of Dynamic Memory, as Linux's hv_balloon and Windows have them. Units: 4 KiB pages.
 */
#ifndef DRIVERS_VIRT_VDYNMEM_PROTOCOL_H
#define DRIVERS_VIRT_VDYNMEM_PROTOCOL_H

#include "base/types.h"

enum vdynmem_type {
	DYNMEM_VERSION_REQUEST = 1,
	DYNMEM_VERSION_RESPONSE = 2,
	DYNMEM_CAPABILITIES = 3,
	DYNMEM_CAPABILITIES_RESPONSE = 4,
	DYNMEM_STATUS = 5,
	DYNMEM_BALLOON = 6,
	DYNMEM_BALLOON_RESPONSE = 7,
	DYNMEM_UNBALLOON = 8,
	DYNMEM_UNBALLOON_RESPONSE = 9,
	DYNMEM_HOT_ADD = 10,
	DYNMEM_HOT_ADD_RESPONSE = 11,
};

#define DYNMEM_VERSION_1_0 0x10000u /* the first that adds memory by regions */
#define DYNMEM_VERSION_2_0 0x20000u

struct dynmem_header {
	uint16_t type;
	uint16_t bytes; /* with the header */
	uint32_t transaction;
};

struct dynmem_version_request {
	struct dynmem_header header;
	uint32_t version;
	uint32_t is_last;
};

/* To a version, and to capabilities. */
struct dynmem_response {
	struct dynmem_header header;
	uint64_t accepted;
};

#define DYNMEM_CAN_BALLOON 1u
#define DYNMEM_CAN_HOT_ADD 2u
#define DYNMEM_ALIGN_SHIFT 2 /* bits 2 to 5: the exponent of so many MiB */
#define DYNMEM_ALIGN_MASK 15u

struct dynmem_capabilities {
	struct dynmem_header header;
	uint64_t capabilities;
	uint64_t min_pages;
	uint64_t max_pages;
};

struct dynmem_status {
	struct dynmem_header header;
	uint64_t available_pages;
	uint64_t committed_pages;
	uint64_t reserved[3];
};

struct dynmem_balloon {
	struct dynmem_header header;
	uint32_t pages;
	uint32_t reserved;
};

/* Followed by ranges: the first page in bits 0 to 39, their number in the others. */
#define DYNMEM_RANGE_PAGES_SHIFT 40
#define DYNMEM_RANGE_GFN_MASK ((1ull << DYNMEM_RANGE_PAGES_SHIFT) - 1)

struct dynmem_balloon_response {
	struct dynmem_header header;
	uint32_t reserved;
	uint32_t ranges; /* bit 0: there is more to come; number of ranges above it */
};

struct dynmem_unballoon {
	struct dynmem_header header;
	uint32_t more;
	uint32_t ranges;
};

struct dynmem_hot_add {
	struct dynmem_header header;
	uint64_t range;
	uint64_t region;
};

struct dynmem_hot_add_response {
	struct dynmem_header header;
	uint32_t pages;
	uint32_t result;
};

_Static_assert(sizeof(struct dynmem_version_request) == 16, "layout of Dynamic Memory");
_Static_assert(sizeof(struct dynmem_response) == 16, "layout of Dynamic Memory");
_Static_assert(sizeof(struct dynmem_capabilities) == 32, "layout of Dynamic Memory");
_Static_assert(sizeof(struct dynmem_status) == 48, "layout of Dynamic Memory");
_Static_assert(sizeof(struct dynmem_balloon) == 16, "layout of Dynamic Memory");
_Static_assert(sizeof(struct dynmem_balloon_response) == 16, "layout of Dynamic Memory");
_Static_assert(sizeof(struct dynmem_unballoon) == 16, "layout of Dynamic Memory");
_Static_assert(sizeof(struct dynmem_hot_add) == 24, "layout of Dynamic Memory");
_Static_assert(sizeof(struct dynmem_hot_add_response) == 16, "layout of Dynamic Memory");

static inline uint64_t dynmem_range(uint64_t gfn, uint64_t pages)
{
	return gfn | pages << DYNMEM_RANGE_PAGES_SHIFT;
}

static inline uint64_t dynmem_range_gfn(uint64_t range)
{
	return range & DYNMEM_RANGE_GFN_MASK;
}

static inline uint64_t dynmem_range_pages(uint64_t range)
{
	return range >> DYNMEM_RANGE_PAGES_SHIFT;
}

#endif
