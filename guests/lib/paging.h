/* SPDX-License-Identifier: BSD-2-Clause */
/* The one-to-one map of RAM. */
#ifndef GUESTS_LIB_PAGING_H
#define GUESTS_LIB_PAGING_H

#include <stdbool.h>
#include <stdint.h>

/* start.S has mapped RAM up to 4 GiB. False: no memory for tables. */
bool paging_map_above_4_gib(uint64_t ram_pages);

#endif
