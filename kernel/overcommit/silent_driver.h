/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A balloon driver that says nothing of its VM, and comes for its target by itself, about once a
 * second. What the VM could give is measured instead (kernel/overcommit/working_set.h):
 *
 *	idle	what it holds and does not use, as far as it keeps a part more than it uses
 *	wanted	what its size lacks of a smaller part more than it uses
 *
 * What is not used may be needed all the same, and the guest cannot say so. Its driver shows it: it
 * has come twice and given less than it was asked for, or gives single pages where it could give
 *larger ones. Such a VM is given a part of its size back, and for some time it is not asked to
 *become as small again, unless others wait for what it has above its allotment.
 *
 * Lock: the VM's address space, for those that take a VM and no statistics, which take it.
 */
#ifndef KERNEL_OVERCOMMIT_SILENT_DRIVER_H
#define KERNEL_OVERCOMMIT_SILENT_DRIVER_H

#include "kernel/balloon/balloon.h"

/* The reserve is that for a host without such drivers. Boot, before the first VM. */
void silent_driver_init(void);

/* Its driver has attached, and is such a one; until it detaches. Any CPU. */
void silent_driver_begin(struct vm *vm);

/* It has come for its target. Any CPU. */
void silent_driver_came(struct vm *vm);

/*
 * It gives single pages, though it could give 2 MiB at once: its guest has no such piece free any
 * more, and would take the last pages from its own processes. It is told to stop. Any CPU.
 */
void silent_driver_scrapes(struct vm *vm);

/*
 * The target that it is told: that of the policy, but in steps where its guest may need many frames
 * to reach it. A kernel may clear each page that its driver takes (Linux: init_on_alloc), and a
 * page that was never touched has no frame yet; the driver gives the page only after that, and with
 * it the frame. A host that is short has few frames to lend. Any context.
 */
uint64_t silent_driver_target(const struct vm *vm);

/*
 * Which VMs wait for memory, and for how long: while others do, what the guest of a silent driver
 * could not do without counts only up to its allotment. Once in a period, before
 * silent_driver_statistics. Boot CPU.
 */
void silent_driver_note_waits(uint64_t now_tsc);

/*
 * What balloon drivers of devices may owe the reserve (balloon_may_use_reserve) is there for each
 * of them: where there are several, the reserve is so much larger. Else one could use it up, and
 * the others would wait for frames while they are asked for some. One that is unresponsive has
 * none. Once in a period. Boot CPU.
 */
void silent_driver_keep_reserve(void);

/*
 * What the policy is to go by: `said` itself, where the driver says something. After each change of
 * the target, before the next one. Boot CPU.
 */
struct balloon_statistics silent_driver_statistics(struct vm *vm, struct balloon_statistics said,
						   uint64_t now_tsc);

#endif
