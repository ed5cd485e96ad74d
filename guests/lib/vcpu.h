/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vCPUs of this VM: which one runs this code, and giving work to the others. vCPU 0 runs
 * guest_main; the others run what they are given, one function after another, and sleep in between.
 * Each has a stack of 4 KiB from the page allocator, its own doorbell, and the page tables, vectors
 * and extended state of vCPU 0.
 */
#ifndef GUESTS_LIB_VCPU_H
#define GUESTS_LIB_VCPU_H

#include <stdbool.h>
#include <stdint.h>

/* Before any of the others; on vCPU 0. */
void vcpu_init(void);

/* How many there are, 1 .. AEROSTAT_VCPUS_MAX, started or not; and which this is. */
unsigned vcpu_count(void);
unsigned vcpu_index(void);

/* Not zero: this vCPU's doorbell has rung since somebody cleared it. */
volatile uint32_t *vcpu_doorbell_note(void);

/*
 * Has a vCPU other than this one run function(argument); it must have nothing to do. False: no
 * memory for its stack, or the hypervisor refused; a line has said so.
 */
bool vcpu_start(unsigned index, void (*function)(void *), void *argument);

/* Waits until it has nothing to do, serving the balloon meanwhile. */
void vcpu_wait(unsigned index);

/* Has all vCPUs run function(argument), this one (vCPU 0) too; back when the last has finished. */
bool vcpu_run_all(void (*function)(void *), void *argument);

/*
 * Which of `count` things are this vCPU's when all of them share: [*first, *end). With one vCPU it
 * is all of them.
 */
static inline void vcpu_share(uint64_t count, uint64_t *first, uint64_t *end)
{
	*first = count * vcpu_index() / vcpu_count();
	*end = count * (vcpu_index() + 1) / vcpu_count();
}

#endif
