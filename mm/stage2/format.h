/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What mm/ has to know of a processor's second-stage page-table format, and nothing else: masks and
 * flag words. Tables have 512 entries of 64 bits on four levels; level 0 maps 4 KiB, level 1 2 MiB,
 * level 2 1 GiB. One constant per backend (EPT: SDM vol. 3, 29.3.2), a fake one in host tests.
 *
 * The processor writes to entries, too: with atomic operations, and only to present ones, it sets
 * the accessed flag (and, in a leaf, one that says dirty). What mm/ compares of a present entry is
 * therefore never all of it.
 */
#ifndef MM_STAGE2_FORMAT_H
#define MM_STAGE2_FORMAT_H

#include "base/types.h"

struct s2_format {
	uint64_t present_mask; /* an entry with none of these bits is ignored by the processor */
	uint64_t table_flags;  /* set in an entry that points to a table */
	uint64_t leaf_flags;   /* set in an entry that maps memory: all rights, write-back */
	uint64_t large_flag;   /* set besides in a leaf above level 0 */
	uint64_t address_mask; /* the frame's address */
	/*
	 * Software's own, ignored by the processor. `ballooned_entry` is the whole value of a
	 * not-present entry whose extent is in the balloon; `pinned_flag` marks a 4 KiB leaf that
	 * the hypervisor itself uses.
	 */
	uint64_t ballooned_entry;
	uint64_t pinned_flag;
	uint64_t accessed_flag;	 /* set by the processor when it uses an entry; 0: never */
	unsigned max_leaf_level; /* highest level that may map memory: 0, 1 or 2 */
};

#endif
