/* SPDX-License-Identifier: BSD-2-Clause */
/* The policies that there are, one file each; their table is in kernel/overcommit/policy.c. */
#ifndef KERNEL_OVERCOMMIT_POLICIES_POLICIES_H
#define KERNEL_OVERCOMMIT_POLICIES_POLICIES_H

#include "kernel/overcommit/policy.h"

extern const struct policy policy_spare;
extern const struct policy policy_shares;
extern const struct policy policy_demand;
extern const struct policy policy_static;
extern const struct policy policy_threshold;
extern const struct policy policy_controller;
extern const struct policy policy_refault;

#endif
