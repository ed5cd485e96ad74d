/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose turn it is: a heap of VMs in the views themselves, so that a policy needs no memory of its
 * own. Place n is vms[n].rank, with the key and the index (slot) of a VM; the largest key comes
 * first, and of equal ones the lower index. Finding the next VM of n costs O(log n). Pure.
 */
#ifndef KERNEL_OVERCOMMIT_POLICIES_TURNS_H
#define KERNEL_OVERCOMMIT_POLICIES_TURNS_H

#include "kernel/overcommit/policy.h"

static inline bool turns_goes_before(const struct policy_rank *a, uint64_t key, unsigned slot)
{
	return a->key != key ? a->key > key : a->slot < slot;
}

static inline void turns_sift_down(struct policy_vm *vms, unsigned size, unsigned at)
{
	uint64_t key = vms[at].rank.key;
	unsigned slot = vms[at].rank.slot;
	for (unsigned child = 2 * at + 1; child < size; child = 2 * at + 1) {
		const struct policy_rank *left = &vms[child].rank;
		if (child + 1 < size &&
		    turns_goes_before(&vms[child + 1].rank, left->key, left->slot)) {
			child++;
		}
		if (!turns_goes_before(&vms[child].rank, key, slot)) {
			break;
		}
		vms[at].rank.key = vms[child].rank.key;
		vms[at].rank.slot = vms[child].rank.slot;
		at = child;
	}
	vms[at].rank.key = key;
	vms[at].rank.slot = slot;
}

/* Behind the last of `size` VMs; makes no heap yet. Answers the new size. */
static inline unsigned turns_add(struct policy_vm *vms, unsigned size, unsigned slot, uint64_t key)
{
	vms[size].rank.key = key;
	vms[size].rank.slot = slot;
	return size + 1;
}

static inline void turns_begin(struct policy_vm *vms, unsigned size)
{
	for (unsigned at = size / 2; at-- > 0;) {
		turns_sift_down(vms, size, at);
	}
}

/* The first one goes on with another key, or leaves (`done`). Answers the new size. */
static inline unsigned turns_next(struct policy_vm *vms, unsigned size, uint64_t key, bool done)
{
	vms[0].rank.key = key;
	if (done) {
		size--;
		vms[0].rank.key = vms[size].rank.key;
		vms[0].rank.slot = vms[size].rank.slot;
	}
	turns_sift_down(vms, size, 0);
	return size;
}

#endif
