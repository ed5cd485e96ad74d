/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy in a process of its own. It sees the views that it is sent, as a pure function should:
 * not the world that they are of, no file but its error output, no result of a check. What it sends
 * back is its targets and its memory.
 */
#ifndef LAB_REMOTE_H
#define LAB_REMOTE_H

#include "kernel/overcommit/policy.h"

/* From now on policy_decide() asks this policy, in a new process; the one before it ends. */
void remote_start(const struct policy *policy);

/*
 * And every second decision is made once more, by another new process that sees only those: they
 * have to be the same. Until the next remote_start().
 */
void remote_compare(const struct policy *policy);

/* Both of them end. */
void remote_stop(void);

/*
 * Called when it cannot go on: the process has ended, at a limit of its time or not, or two of them
 * do not agree. It must not return.
 */
extern void (*remote_lost)(const char *why, bool at_limit);

/* Called in the new process before its first decision: clears what the tester knows. Or NULL. */
extern void (*remote_forget)(void);

#endif
