/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fake physical memory: a mapping that starts at direct_map_base, one guard page behind it, and the
 * frame table over it. Frames cost nothing until they are touched.
 *
 * It can record writes: then every store of the code under test is caught, one by one, and a test's
 * function sees each word before and after, while the rest of memory stands still.
 */
#ifndef FAKE_PHYS_H
#define FAKE_PHYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"

/* Memory of `frames` frames; nothing in the frame table yet. */
void fake_phys_start(uint64_t frames);
void fake_phys_stop(void);

/* Fills a frame with a pattern word; is it filled with that word throughout? */
void fake_frame_fill(pfn_t pfn, uint64_t word);
bool fake_frame_is(pfn_t pfn, uint64_t word);

/* Calls `observe` after each store to frame `pfn` that changed word `index` of it. */
typedef void (*fake_write_observer)(pfn_t pfn, unsigned index, uint64_t before, uint64_t after);
void fake_writes_record(fake_write_observer observe);
void fake_writes_stop(void);

#endif
