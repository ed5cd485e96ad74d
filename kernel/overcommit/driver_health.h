/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does a balloon driver do what it is asked for? One that said that it has idle pages, and has not
 * given a good part of them in a second, is unresponsive: the policy asks others, and those that
 * wait go before it. Only time in which each of its VM's vCPUs could have run counts against it
 * (vcpu->chance_ticks): none of them needs to be the one that serves the balloon. Boot CPU, but for
 * driver_health_note_given.
 *
 * Times are the clock's (kernel/sched/clock.h).
 */
#ifndef KERNEL_OVERCOMMIT_DRIVER_HEALTH_H
#define KERNEL_OVERCOMMIT_DRIVER_HEALTH_H

#include "base/types.h"

struct vm;

/* Once a period, which was so many ticks long, for each VM that runs, with what its driver says
 * that it has idle, in pages. */
void driver_health_judge(struct vm *vm, uint64_t ticks, uint64_t idle_pages, uint64_t now_tsc);

/* The policy has decided on a target for this VM, which is not published yet: it may be asked now,
 * for the first time. */
void driver_health_note_target(struct vm *vm, uint64_t target_pages, uint64_t idle_pages,
			       uint64_t now_tsc);

/*
 * It has been asked for a tenth of a second and has given next to nothing: that others are asked as
 * well costs little. Nothing is held against it for that.
 */
bool driver_health_is_slow(const struct vm *vm, uint64_t now_tsc);

/* What it has given since it was built, in pages that others could have. */
uint64_t driver_health_given_pages(const struct vm *vm);

/* Its deadline would be over if it had had a CPU: what it was asked for may still come. */
bool driver_health_lacks_cpu(const struct vm *vm, uint64_t now_tsc);

/* It cannot be expected to give: it does not answer, or had the time to attach and has not. */
bool driver_health_cannot_give(const struct vm *vm);

/* The vCPU that could have run for the least time since the driver was asked. */
unsigned driver_health_neediest(const struct vm *vm);

/*
 * The vCPU that time out of turn goes to first: any may run the driver, so each has its part, and
 * the one that attached the balloon has two.
 */
unsigned driver_health_next_boosted(const struct vm *vm);

/* It was paused, and could do nothing: what it was asked for and what it waits for count from now.
 */
void driver_health_note_resumed(struct vm *vm, uint64_t now_tsc);

/* Frames came back from the VM that others can have. Any CPU. */
void driver_health_note_given(struct vm *vm, uint64_t pages);

#endif
