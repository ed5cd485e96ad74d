/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypercall by which a guest reports free memory: hints that it is cold, and may be discarded.
 */
#ifndef DRIVERS_VIRT_VHYPERV_HINT_H
#define DRIVERS_VIRT_VHYPERV_HINT_H

#include "drivers/virt/vguest.h"

/*
 * The call with this control word, from its start index on; answers RAX with how many ranges are
 * done. Bounded work: when that is used up the guest makes the call again for the others.
 */
uint64_t vhyperv_memory_hint(const struct vguest *guest, uint64_t control, uint64_t input);

#endif
