/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lab 5: a proof that a flush of the quarantine lets no frame be free while a CPU can still reach
 * it through an old translation. The checks of the lab show it right and wrong ones.
 */
#ifndef HOST_LABS_PROOF_H
#define HOST_LABS_PROOF_H

#include "mm/stage2/map.h"

enum proof {
	PROOF_RIGHT, /* nothing was found */
	PROOF_STALE, /* a frame was out of the quarantine, and a CPU could reach it still */
};

/*
 * Makes a world with a VM, has a CPU cache translations, takes pages out, and calls `flush` with
 * the VM's lock, as the product calls reclaim_flush().
 */
enum proof prove_flush(void (*flush)(struct s2_locked locked));

#endif
