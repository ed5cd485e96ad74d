/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest memory as a device sees it: copies, and single words that the guest and the device both
 * change while the other looks. Over mm/guest_copy.h; frames that other VMs wait for are not taken.
 *
 * Errors of all: OUTSIDE, SURRENDERED: there is no such RAM now. NO_MEMORY: the page has no frame,
 * and there is none at the moment.
 */
#ifndef DRIVERS_VIRT_VGUEST_H
#define DRIVERS_VIRT_VGUEST_H

#include "base/status.h"
#include "kernel/vm/vm.h"

/* A VM whose address space is locked by the caller. */
struct vguest {
	struct vm *vm;
	struct s2_locked locked;
};

MUST_CHECK enum status vguest_read(const struct vguest *guest, uint64_t address, void *to,
				   size_t bytes);
MUST_CHECK enum status vguest_write(const struct vguest *guest, uint64_t address, const void *from,
				    size_t bytes);

/*
 * The same with a frame of the emergency reserve, if need be. For what a guest must not be without;
 * the caller sees to it that one VM has it once.
 */
MUST_CHECK enum status vguest_write_reserve(const struct vguest *guest, uint64_t address,
					    const void *from, size_t bytes);

/*
 * Where `bytes` are that lie in one page, at a multiple of 8. Only while the lock is held and
 * nothing is taken out of the VM; through atomic accesses alone. MISALIGNED: not at such a
 * multiple.
 */
MUST_CHECK enum status vguest_find(const struct vguest *guest, uint64_t address, size_t bytes,
				   uint8_t **start);

static inline uint32_t vguest_load_32(const uint8_t *at)
{
	return __atomic_load_n((const uint32_t *)at, __ATOMIC_SEQ_CST);
}

static inline void vguest_store_32(uint8_t *at, uint32_t value)
{
	__atomic_store_n((uint32_t *)at, value, __ATOMIC_SEQ_CST);
}

#endif
