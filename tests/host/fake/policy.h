/* SPDX-License-Identifier: BSD-2-Clause */
/* VMs and hosts that tests show to the policy. */
#ifndef FAKE_POLICY_H
#define FAKE_POLICY_H

#include "kernel/overcommit/policy.h"

/* Holds 8000 of 10000 pages, half of them idle, and may be asked down to 1000. */
struct policy_vm policy_typical(void);

/* What is drawn next depends on it alone; not 0. */
extern uint64_t policy_random;
uint64_t policy_draw(uint64_t limit);

/* What the configuration and the frame table allow; the guest's words are anything at all. */
struct policy_vm policy_random_vm(void);
struct policy_host policy_random_host(void);

/* Fails where a VM has another target, or another reason for it. `round`: for the message. */
void policy_expect_alike(const struct policy_vm *vms, const struct policy_vm *expected,
			 unsigned count, unsigned round);

#endif
