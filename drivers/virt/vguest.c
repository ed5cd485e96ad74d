/* SPDX-License-Identifier: BSD-2-Clause */
/* See vguest.h. */
#include "drivers/virt/vguest.h"

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "mm/guest_copy.h"

#define WORD_ALIGN 8u

static bool may_populate(const struct vguest *guest, uint64_t address, size_t bytes)
{
	uint64_t last = address + bytes - 1;

	for (uint64_t at = address; at >> PAGE_SHIFT <= last >> PAGE_SHIFT; at += PAGE_BYTES) {
		if (!balloon_may_populate(guest->locked, guest->vm, gpa_to_gfn((gpa_t){at}))) {
			return false;
		}
	}
	return true;
}

static bool is_inside(const struct vguest *guest, uint64_t address, size_t bytes)
{
	uint64_t limit = guest->vm->s2.limit_pages << PAGE_SHIFT;

	return bytes > 0 && address < limit && bytes <= limit - address;
}

enum status vguest_read(const struct vguest *guest, uint64_t address, void *to, size_t bytes)
{
	return guest_copy_in(guest->locked, (gpa_t){address}, to, bytes);
}

enum status vguest_write(const struct vguest *guest, uint64_t address, const void *from,
			 size_t bytes)
{
	if (!is_inside(guest, address, bytes)) {
		return STATUS_OUTSIDE;
	}
	if (!may_populate(guest, address, bytes)) {
		return STATUS_NO_MEMORY;
	}
	return guest_copy_out(guest->locked, (gpa_t){address}, from, bytes);
}

enum status vguest_write_reserve(const struct vguest *guest, uint64_t address, const void *from,
				 size_t bytes)
{
	struct promise *promise = &guest->vm->s2.promise;

	promise->emergency = true;
	enum status status = guest_copy_out(guest->locked, (gpa_t){address}, from, bytes);
	promise->emergency = false;
	return status;
}

enum status vguest_find(const struct vguest *guest, uint64_t address, size_t bytes, uint8_t **start)
{
	struct guest_window window;

	if (!is_aligned_u64(address, WORD_ALIGN)) {
		return STATUS_MISALIGNED;
	}
	if (!is_inside(guest, address, bytes)) {
		return STATUS_OUTSIDE;
	}
	if (!may_populate(guest, address, bytes)) {
		return STATUS_NO_MEMORY;
	}
	enum status status = guest_window_open(guest->locked, (gpa_t){address}, bytes, &window);
	if (status == STATUS_OK) {
		*start = window.start;
	}
	return status;
}
