/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does a balloon driver do what it is asked for? One that said that it has idle pages, and has not
 * given a good part of them in a second, is unresponsive: the policy asks others, and those that
 * wait go before it. Boot CPU, but for answers_note_given.
 */
#ifndef KERNEL_ANSWERS_H
#define KERNEL_ANSWERS_H

#include "base/types.h"

struct vm;

/* Once a period, for each VM that runs, with what its driver says that it has idle, in pages. */
void answers_judge(struct vm *vm, uint64_t idle_pages, uint64_t now_tsc);

/* The policy has decided on a target for this VM, which is not published yet. */
void answers_note_target(struct vm *vm, uint64_t target_pages, uint64_t idle_pages,
			 uint64_t now_tsc);

/* Frames came back from the VM that others can have. Any CPU. */
void answers_note_given(struct vm *vm, uint64_t pages);

#endif
