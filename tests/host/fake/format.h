/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second-stage page-table format with other bits than EPT and nested tables, so that nothing in
 * mm/ can rely on theirs.
 */
#ifndef FAKE_FORMAT_H
#define FAKE_FORMAT_H

#include "base/bits.h"
#include "mm/stage2/format.h"

/* An initializer; what differs between tests comes behind it, as .accessed_flag or so. */
#define FAKE_FORMAT                                                                                \
	.present_mask = BIT(62) | BIT(3), .table_flags = BIT(62) | BIT(1),                         \
	.leaf_flags = BIT(3) | BIT(9) | BIT(58), .large_flag = BIT(61),                            \
	.address_mask = 0x00fffffffffff000, .ballooned_entry = 0x2ba1100000ba1105,                 \
	.pinned_flag = BIT(57)

#define FAKE_ACCESSED_FLAG BIT(7)

#endif
