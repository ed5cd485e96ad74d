/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kernel/ needs of the processor and the backend, faked, and VMs to try it on: the real
 * kernel/vm/vm.c, balloon, hypercalls, scheduler and governor run over a world (world.h). The test
 * plays the guests: a vCPU that can run is taken from its queue before it does something, and put
 * back when it waits.
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

#include "fake/cpus.h"
#include "fake/world.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/ranges.h"
#include "kernel/vm/vm.h"

/* A world with an empty table of VMs, everything scrubbed, the governor started. One CPU. */
void kernel_start(uint64_t frames, unsigned max_leaf_level);

/* The backend finds no memory for a vCPU. */
extern bool fake_vcpu_fails;
extern unsigned fake_vcpu_resets; /* by INIT, so far */

/* cmocka teardown. */
int kernel_teardown(void **state);

/* A running VM without an image; vCPU 0 runs, on CPU 0, and the others are OFF. */
struct vm *kernel_vm(const char *name, uint64_t max_pages, uint64_t mem_pages, uint64_t min_pages);
struct vm *kernel_vm_with(unsigned vcpus, const char *name, uint64_t max_pages, uint64_t mem_pages,
			  uint64_t min_pages);

/* Ends it, if it has not ended yet, and tears it down. */
void kernel_vm_end(struct vm *vm);

/* A QUEUED vCPU is taken out of its queue and RUNNING; one that runs already stays so. */
void kernel_pick(struct vcpu *vcpu);

/* A RUNNING vCPU leaves its CPU: it is QUEUED, ASLEEP or ENDED then. */
void kernel_settle(struct vcpu *vcpu);

/*
 * The vCPU, which can run, calls with these arguments at CPL 0 and settles if it waits or is over;
 * answers RAX. Checks the world. The first is for vCPU 0.
 */
int64_t kernel_call(struct vm *vm, uint64_t number, uint64_t rdi, uint64_t rsi);
int64_t kernel_vcpu_call(struct vcpu *vcpu, uint64_t number, uint64_t rdi, uint64_t rsi,
			 uint64_t rdx);

/* vCPU 0, which can run, touches a page that is not mapped; settles likewise. */
enum exit_action kernel_touch(struct vm *vm, uint64_t gfn);

/* Touches pages from `gfn` on until vCPU 0 blocks or `count` are touched; answers how many. */
uint64_t kernel_touch_pages(struct vm *vm, uint64_t gfn, uint64_t count);

/* Touches pages from 0 on until vCPU 0 does not run any more; answers how many it got. */
uint64_t kernel_drain(struct vm *vm);

/* Uses up all memory: the VM waits then. */
void kernel_exhaust(struct vm *vm);

/* vCPU 0 waits for a frame, or runs. */
bool kernel_waits(const struct vm *vm);

/* Attaches a balloon page. */
#define KERNEL_BALLOON_GFN 4
struct aerostat_balloon_page *kernel_attach(struct vm *vm);

/* Surrenders single pages, which it has. */
void kernel_give(struct vm *vm, uint64_t gfn, uint32_t count);

#define FAKE_VCPU_PAGES 3u /* that the backend says each vCPU takes; it takes none */

/* Lets a period of the governor pass `count` times. */
void kernel_periods(unsigned count);

/* One call of balloon_run_ranges() with the lock. */
unsigned kernel_ranges(struct vm *vm, enum balloon_operation operation,
		       struct aerostat_range *ranges, unsigned count, uint64_t array_gfn);

/* Guest memory through the fake TLB, populated on the way. */
void *kernel_guest_page(struct vm *vm, uint64_t gfn);

#endif
