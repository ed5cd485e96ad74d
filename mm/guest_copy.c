/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies between guest memory and ours, page by page, through the second-stage tables. */
#include "mm/guest_copy.h"

#include "base/bits.h"
#include "base/string.h"
#include "mm/phys.h"

static bool is_inside(const struct s2 *s2, gpa_t address, size_t bytes)
{
	uint64_t limit = s2->limit_pages << PAGE_SHIFT;
	return address.v <= limit && bytes <= limit - address.v;
}

/* Bytes from `address` to the end of its page, at most `bytes`. */
static size_t in_page(gpa_t address, size_t bytes)
{
	return (size_t)min_u64(bytes, PAGE_BYTES - (address.v & (PAGE_BYTES - 1)));
}

static uint8_t *byte_of(pfn_t pfn, gpa_t address)
{
	return (uint8_t *)pfn_to_virt(pfn) + (address.v & (PAGE_BYTES - 1));
}

enum status guest_copy_in(struct s2_locked locked, gpa_t from, void *to, size_t bytes)
{
	uint8_t *target = to;
	if (!is_inside(locked.s2, from, bytes)) {
		return STATUS_OUTSIDE;
	}
	while (bytes > 0) {
		size_t part = in_page(from, bytes);
		struct s2_slot slot = s2_lookup(locked, gpa_to_gfn(from));
		if (slot.kind == S2_BALLOONED) {
			return STATUS_SURRENDERED;
		}
		if (slot.kind == S2_EMPTY) {
			memset(target, 0, part);
		} else {
			memcpy(target, byte_of(slot.pfn, from), part);
		}
		from.v += part;
		target += part;
		bytes -= part;
	}
	return STATUS_OK;
}

enum status guest_copy_find(struct s2_locked locked, gpa_t at, size_t bytes, const uint8_t **start)
{
	struct s2_slot slot;
	if (!is_inside(locked.s2, at, bytes) || in_page(at, bytes) != bytes) {
		return STATUS_OUTSIDE;
	}
	slot = s2_lookup(locked, gpa_to_gfn(at));
	if (slot.kind != S2_MAPPED) {
		return slot.kind == S2_BALLOONED ? STATUS_SURRENDERED : STATUS_INVALID;
	}
	*start = byte_of(slot.pfn, at);
	return STATUS_OK;
}

/* Where a page's byte is that may be written: EMPTY pages are populated. */
static enum status find_to_write(struct s2_locked locked, gpa_t at, uint8_t **byte)
{
	gfn_t gfn = gpa_to_gfn(at);
	struct s2_slot slot = s2_lookup(locked, gfn);
	if (slot.kind == S2_BALLOONED) {
		return STATUS_SURRENDERED;
	}
	if (slot.kind == S2_EMPTY) {
		uint64_t pages;
		enum status status = s2_populate(locked, gfn, ORDER_4K, &pages);
		if (status != STATUS_OK) {
			return status;
		}
		slot = s2_lookup(locked, gfn);
	}
	*byte = byte_of(slot.pfn, at);
	return STATUS_OK;
}

enum status guest_copy_out(struct s2_locked locked, gpa_t to, const void *from, size_t bytes)
{
	const uint8_t *source = from;
	if (!is_inside(locked.s2, to, bytes)) {
		return STATUS_OUTSIDE;
	}
	while (bytes > 0) {
		size_t part = in_page(to, bytes);
		uint8_t *target;
		enum status status = find_to_write(locked, to, &target);
		if (status != STATUS_OK) {
			return status;
		}
		memcpy(target, source, part);
		to.v += part;
		source += part;
		bytes -= part;
	}
	return STATUS_OK;
}

enum status guest_window_open(struct s2_locked locked, gpa_t at, size_t bytes,
			      struct guest_window *window)
{
	if (!is_inside(locked.s2, at, bytes) || in_page(at, bytes) != bytes) {
		return STATUS_OUTSIDE;
	}
	window->bytes = bytes;
	return find_to_write(locked, at, &window->start);
}
