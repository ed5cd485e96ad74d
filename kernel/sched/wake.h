/* SPDX-License-Identifier: BSD-2-Clause */
/* Waking of vCPUs: what one CPU may do to a vCPU that another CPU runs. Any CPU. */
#ifndef KERNEL_SCHED_WAKE_H
#define KERNEL_SCHED_WAKE_H

#include "base/status.h"
#include "base/types.h"

struct vcpu;

/* Rings its doorbell, wherever it is. NOT_FOUND: it was not started, or has none. Any CPU. */
MUST_CHECK enum status vcpu_ring(struct vcpu *vcpu);

/* The balloon's target has changed: ends its WAIT, and rings its doorbell if it has one. */
void vcpu_signal(struct vcpu *vcpu);

/* A vCPU that waits for a frame may try again. */
void vcpu_wake_for_memory(struct vcpu *vcpu);

/* It was started, and only another vCPU can wake it: no clock does, and nothing is on its way. */
bool vcpu_sleeps_for_good(const struct vcpu *vcpu);

#endif
