/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a guest's memory at addresses of its own page tables (Intel SDM vol. 3, chapter 4; the
 * paging modes that guests are offered: none, 32-bit, 4-level). Takes s2->lock.
 */
#ifndef ARCH_X86_GUEST_GUEST_WALK_H
#define ARCH_X86_GUEST_GUEST_WALK_H

#include "arch/x86/guest/guest_state.h"
#include "mm/stage2/map.h"

/*
 * Translates a linear address. False: the guest's tables have nothing there, or lie outside its
 * RAM. Rights are not looked at: for instructions that the guest is executing already.
 */
bool guest_translate(const struct vcpu *vcpu, struct s2_locked locked, uint64_t linear, gpa_t *gpa);

/* The same in 64-bit code, and *trace says which entries led there. */
bool guest_translate_traced(const struct vcpu *vcpu, struct s2_locked locked, uint64_t linear,
			    gpa_t *gpa, struct guest_walk_trace *trace);

/*
 * Copies up to `count` bytes of code from `linear` on, at most a page; answers how many there are
 * before the first that cannot be read.
 */
size_t guest_fetch(const struct vcpu *vcpu, uint64_t linear, void *to, size_t count);

#endif
