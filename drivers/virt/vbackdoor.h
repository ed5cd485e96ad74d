/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMware's backdoor: calls that a guest makes by IN EAX, DX with a magic number in EAX, the command
 * in ECX and arguments in EBX and ESI. Here registers become commands, and answers registers. Pure.
 *
 * Source: what Linux does, where it looks for its hypervisor and in its driver vmw_balloon.
 */
#ifndef DRIVERS_VIRT_VBACKDOOR_H
#define DRIVERS_VIRT_VBACKDOOR_H

#include "base/types.h"
#include "drivers/virt/vvmballoon.h"
#include "kernel/vm/platform.h"

/* Questions about the machine; and the balloon's port, with a magic number of its own. */
#define VBACKDOOR_PORT 0x5658u
#define VBACKDOOR_MAGIC 0x564d5868u
#define VBACKDOOR_BALLOON_PORT 0x5670u
#define VBACKDOOR_BALLOON_MAGIC 0x456c6d6fu

/* `regs` are a vCPU's, by enum gpr. */

/* This access is a call of the given port, and no IN or OUT that finds no device there. */
bool vbackdoor_is_call(const uint64_t *regs, const struct device_access *access, uint32_t magic);

/*
 * A question about the machine. Answers EAX; other registers change only where the command is known
 * and says more: GETVERSION, GETHZ, GETVCPU_INFO. All others: ones, "there is no such command".
 */
uint32_t vbackdoor_question(uint64_t *regs, uint64_t tsc_khz);

/* A command for the balloon, and its answer; returns EAX. */
struct vvmballoon_call vbackdoor_balloon_call(const uint64_t *regs);
uint32_t vbackdoor_balloon_answer(uint64_t *regs, const struct vvmballoon_answer *answer);

#endif
