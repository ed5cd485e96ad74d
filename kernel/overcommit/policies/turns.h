/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose turn it is: `need` pages move in portions of `step`, each time by the VM of the largest
 * key, and of equal ones by the first. A VM has rank.room_pages to move; its key falls with each
 * turn. A policy counts each VM, sets the bounds, and takes each VM: those that are sure move all
 * they have at once, and of the others those that may have a turn are in a heap, in the views
 * themselves, so that a policy needs no memory of its own: place n is vms[n].rank, with the key and
 * the index (slot) of a VM. A turn of n VMs costs O(log n).
 *
 * Of many VMs few need the heap. A VM with no more than `step` has one turn at most. What such VMs
 * have is summed up by places on a scale of keys, and with that
 *
 *	sure_key	from here on that one turn is sure to come: if all with higher keys, and all
 *			that may have several turns, moved everything, there would be need left
 *	vain_key	below it no turn comes: those with one turn and higher keys meet the need
 *
 * Where many keys are between the two, the scale is drawn again for these. If they are all one key,
 * the same holds for the order of the VMs. Pure.
 */
#ifndef KERNEL_OVERCOMMIT_POLICIES_TURNS_H
#define KERNEL_OVERCOMMIT_POLICIES_TURNS_H

#include "base/bits.h"
#include "kernel/overcommit/policy.h"

#define TURNS_PLACES_BITS 8
#define TURNS_PLACES (1u << TURNS_PLACES_BITS) /* with fewer VMs nothing is summed up */

struct turns {
	uint64_t step;
	uint64_t need;
	uint64_t sum; /* of the room of all that were counted */
	uint64_t most_key;
	uint64_t at_once_pages; /* one that is sure has no more room; 0: none is sure */
	uint64_t sure_key;
	uint64_t vain_key;
	bool tied; /* all between the two have the key vain_key: of them the next ones in order */
	uint64_t tied_sure_pages; /* are sure with so many together, */
	uint64_t tied_need_pages; /* and have a turn at all */
	unsigned size;		  /* of the heap */
};

static inline struct turns turns_begin(uint64_t step, uint64_t need)
{
	return (struct turns){.step = step, .need = need};
}

static inline void turns_count(struct turns *turns, struct policy_vm *vm, uint64_t key)
{
	vm->rank.key = key;
	turns->sum += vm->rank.room_pages;
	turns->most_key = max_u64(turns->most_key, key);
}

/* The bounds, for many VMs. */
void turns_sum_up(struct turns *turns, struct policy_vm *vms, unsigned count);

/* True: this one of equal ones is sure. */
bool turns_take_tied(struct turns *turns, uint64_t room, bool *vain);

/* All VMs have been counted; those without room have a key that is none. */
static inline void turns_bound(struct turns *turns, struct policy_vm *vms, unsigned count)
{
	if (turns->sum <= turns->need) { /* no need to choose */
		turns->at_once_pages = UINT64_MAX;
	} else if (count >= TURNS_PLACES) {
		turns_sum_up(turns, vms, count);
	}
}

/* One after the other, from the first. True: it moves all that it has. */
static inline bool turns_take(struct turns *turns, struct policy_vm *vms, unsigned i)
{
	uint64_t room = vms[i].rank.room_pages;
	uint64_t key = vms[i].rank.key;
	if (room == 0 || key < turns->vain_key) {
		return false;
	}
	if (room <= turns->at_once_pages && key >= turns->sure_key) {
		return true;
	}
	if (turns->tied && key == turns->vain_key && room <= turns->step) {
		bool vain;
		bool sure = turns_take_tied(turns, room, &vain);
		if (sure || vain) {
			return sure;
		}
	}
	vms[turns->size].rank.key = key;
	vms[turns->size++].rank.slot = i;
	return false;
}

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

/* All VMs have been taken: what is left has its turns now. */
static inline void turns_sort(struct turns *turns, struct policy_vm *vms)
{
	for (unsigned at = turns->size / 2; at-- > 0;) {
		turns_sift_down(vms, turns->size, at);
	}
}

/* The VM whose turn it is; there is one. */
static inline struct policy_vm *turns_first(struct policy_vm *vms)
{
	return &vms[vms[0].rank.slot];
}

/* It has had its turn: it goes on with this key, or leaves if it has no room any more. */
static inline void turns_next(struct turns *turns, struct policy_vm *vms, uint64_t key)
{
	bool done = vms[vms[0].rank.slot].rank.room_pages == 0;
	vms[0].rank.key = key;
	if (done) {
		turns->size--;
		vms[0].rank.key = vms[turns->size].rank.key;
		vms[0].rank.slot = vms[turns->size].rank.slot;
	}
	turns_sift_down(vms, turns->size, 0);
}

#endif
