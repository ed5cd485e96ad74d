/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last resort when the host is out of memory: a vCPU waits for a frame, no VM has given one
 * back for seconds, and so one VM is killed.
 */
#ifndef KERNEL_OVERCOMMIT_OOM_H
#define KERNEL_OVERCOMMIT_OOM_H

#include "base/types.h"

/* Time counts from now. Boot. */
void oom_init(uint64_t now_tsc);

/* Frames have come back. Any CPU. */
void oom_note_progress(uint64_t now_tsc);

/* Kills one VM if it is time to. Boot CPU. */
void oom_check(uint64_t now_tsc);

#endif
