/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon core: what a surrender, a return and a touch mean. Front ends (the
 * native hypercalls, devices) translate to these calls; the core knows none of them.
 *
 * Lock: the VM's address space. Functions that take a struct s2_locked want it held by the caller,
 * the others take it themselves.
 */
#ifndef KERNEL_BALLOON_BALLOON_H
#define KERNEL_BALLOON_BALLOON_H

#include "abi/aerostat.h"
#include "base/status.h"
#include "kernel/vm/exit.h"
#include "kernel/vm/vm.h"

/* What a guest says of itself in its balloon page: one copy, not to be believed blindly. */
struct balloon_statistics {
	uint64_t total_pages;
	uint64_t free_pages;
	uint64_t idle_pages;
	uint64_t wanted_pages;
	uint64_t refault_count;
};

/*
 * Makes `gfn` the balloon page (pinned from now on) and `vector` the doorbell of the calling vCPU.
 * EXISTS: attached already; OUTSIDE, SURRENDERED, NO_MEMORY as s2_pin.
 */
MUST_CHECK enum status balloon_attach(struct vcpu *vcpu, gfn_t gfn, uint8_t vector);

/*
 * Lets the balloon page go, and the calling vCPU's doorbell if it came with it. What is in the
 * balloon stays there.
 * NOT_FOUND: not attached, or by a device.
 */
MUST_CHECK enum status balloon_detach(struct vcpu *vcpu);

/*
 * The same for a driver that speaks to a device of the VM (drivers/virt) and makes no calls: `page`
 * is the device's own memory. The core writes targets there and tells platform_balloon_changed();
 * the device writes what its driver reports. EXISTS: attached already. The device's lock may be
 * held.
 */
MUST_CHECK enum status balloon_attach_device(struct vm *vm, struct aerostat_balloon_page *page);

/* The driver has gone, or was reset. What is in the balloon stays there. Not attached: nothing. */
void balloon_detach_device(struct vm *vm);

/*
 * The guest touched `gfn`, which is not mapped. Populates it, answers a touch of a surrendered page
 * as the configuration says, or blocks the vCPU until a frame is free.
 */
enum exit_action demand_fault(struct vcpu *vcpu, gfn_t gfn);

/*
 * May a touch take a frame from the emergency reserve when there is no other? A few, for a VM whose
 * driver may need them to be able to give.
 */
bool balloon_may_use_reserve(const struct vm *vm);

/*
 * May a call put a frame behind this page? If it has one already, or a touch could have one: calls
 * get no frame for which another VM waits that goes first. What is beyond RAM is refused elsewhere.
 */
bool balloon_may_populate(struct s2_locked locked, const struct vm *vm, gfn_t gfn);

/* Publishes the target and the pressure; rings the doorbell when the target has changed. */
void balloon_set_target(struct vm *vm, uint64_t target_pages, uint32_t pressure);

/* Writes the balloon's size to the balloon page; after every change of it. */
void balloon_publish_size(struct vm *vm);

/* The guest's word, each value clamped to what is possible; all zero when not attached. */
struct balloon_statistics balloon_read_statistics(struct vm *vm);

#endif
