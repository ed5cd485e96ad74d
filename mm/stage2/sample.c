/* SPDX-License-Identifier: BSD-2-Clause */
/* See sample.h. Integer arithmetic only. */
#include "mm/stage2/sample.h"

#include "mm/stage2/table.h"
#include "mm/tlb.h"

void s2_sample_init(struct s2_sample *sample, uint64_t seed)
{
	sample->random = (seed + 1) * 0x9e3779b97f4a7c15;
	sample->count = 0;
}

/* A number below `limit`, which fits in 32 bits (xorshift64*). */
static uint64_t draw(struct s2_sample *sample, uint64_t limit)
{
	sample->random ^= sample->random >> 12;
	sample->random ^= sample->random << 25;
	sample->random ^= sample->random >> 27;
	return (sample->random * 0x2545f4914f6cdd1d >> 32) * limit >> 32;
}

/* The leaf that maps gfn, or NULL. */
static uint64_t *leaf_of(const struct s2 *s2, gfn_t gfn)
{
	struct s2_path path;
	uint64_t *entry = s2_walk(s2, gfn, &path);
	return entry_kind(s2->format, entry_read(entry), path.level) == ENTRY_LEAF ? entry : NULL;
}

void s2_sample_begin(struct s2_locked locked, struct s2_sample *sample)
{
	struct s2 *s2 = locked.s2;
	const uint64_t accessed = s2->format->accessed_flag;
	bool cleared = false;
	CHECK(s2_can_sample(s2));
	sample->count = 0;
	for (unsigned i = 0; i < S2_SAMPLE_DRAWS && sample->count < S2_SAMPLE_PAGES; i++) {
		gfn_t gfn = {draw(sample, s2->limit_pages)};
		uint64_t *leaf = leaf_of(s2, gfn);
		if (leaf == NULL) {
			continue;
		}
		if ((entry_read(leaf) & accessed) != 0) {
			entry_clear_flags(leaf, accessed);
			cleared = true;
		}
		sample->gfns[sample->count++] = (uint32_t)gfn.n;
	}
	if (cleared) {
		(void)tlb_epoch_request(s2);
	}
}

uint64_t s2_sample_end(struct s2_locked locked, const struct s2_sample *sample)
{
	const struct s2 *s2 = locked.s2;
	uint64_t mapped = 0;
	uint64_t used = 0;
	for (unsigned i = 0; i < sample->count; i++) {
		const uint64_t *leaf = leaf_of(s2, (gfn_t){sample->gfns[i]});
		if (leaf != NULL) {
			mapped++;
			used += (entry_read(leaf) & s2->format->accessed_flag) != 0 ? 1 : 0;
		}
	}
	return mapped == 0 ? s2->mapped_pages : s2->mapped_pages * used / mapped;
}
