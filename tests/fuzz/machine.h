/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine in which the real kernel/ runs VMs without a processor: fake memory and TLB
 * (tests/host/fake), a clock that the test moves, a backend that prepares vCPUs and never runs
 * them. The test plays the guests.
 */
#ifndef FUZZ_MACHINE_H
#define FUZZ_MACHINE_H

#include "fake/cpus.h"
#include "kernel/vm/vm.h"

/* Pages of every guest that hold something when it starts. */
#define MACHINE_IMAGE_GFN 2
#define MACHINE_START_INFO_GFN 4

#define MACHINE_FRAMES_MAX 4400

/* `frames` of RAM, no VM yet; second-stage leaves up to `max_leaf_level`. */
void machine_start(uint64_t frames, unsigned max_leaf_level);

/* Ends all VMs; every frame must be free again then. */
void machine_stop(void);

/* vms_start() with a tiny image and these words; NULL when it was refused. */
struct vm *machine_start_vm(const char *text);

/* The vCPU is RUNNING then, whatever it was; it does not do anything before. It was started. */
void machine_pick(struct vcpu *vcpu);

/* A RUNNING vCPU leaves its CPU: it is QUEUED, ASLEEP or ENDED then. */
void machine_settle(struct vcpu *vcpu);

/* Audit, locks, and nothing stale in the TLB that could be reached. */
void machine_check(void);

#endif
