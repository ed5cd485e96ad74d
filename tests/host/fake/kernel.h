/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kernel/ needs of the processor and the backend, faked, and VMs to try it on: the real
 * kernel/vm.c, balloon, hypercalls and governor run over a world (world.h).
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

#include "fake/world.h"
#include "kernel/vm.h"

/* The clock; it stands still unless a test moves it. 1000 ticks are a millisecond. */
extern uint64_t fake_tsc;

/* Calls of arch_cpu_kick(). */
extern unsigned fake_kicks;

/* A world with an empty table of VMs, everything scrubbed, the governor started. */
void kernel_start(uint64_t frames, unsigned max_leaf_level);

/* cmocka teardown. */
int kernel_teardown(void **state);

/* A running VM without an image. */
struct vm *kernel_vm(const char *name, uint64_t max_pages, uint64_t mem_pages, uint64_t min_pages);

/* Ends it, if it has not ended yet, and tears it down. */
void kernel_vm_end(struct vm *vm);

/* The vCPU calls with these arguments at CPL 0; answers RAX. Checks the world. */
int64_t kernel_call(struct vm *vm, uint64_t number, uint64_t rdi, uint64_t rsi);

/* Guest memory through the fake TLB, populated on the way. */
void *kernel_guest_page(struct vm *vm, uint64_t gfn);

#endif
