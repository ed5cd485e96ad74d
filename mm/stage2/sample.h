/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of its memory a VM uses, without its help: of some pages, drawn at random among those
 * that are mapped, the processor's accessed flag is cleared; those that have it again some time
 * later were used meanwhile, and stand for all others.
 *
 * A page inside a large leaf has the flag of the whole leaf and stands for itself alone. So the
 * estimate errs on the side of "in use" where memory is mapped large.
 *
 * Lock: s2->lock for both steps, which are bounded; not in between.
 */
#ifndef MM_STAGE2_SAMPLE_H
#define MM_STAGE2_SAMPLE_H

#include "mm/stage2/map.h"

#define S2_SAMPLE_PAGES 128
/* Guest frames that are looked at, at most, to find that many mapped ones. */
#define S2_SAMPLE_DRAWS (4 * S2_SAMPLE_PAGES)

struct s2_sample {
	uint64_t random;
	unsigned count;
	uint32_t gfns[S2_SAMPLE_PAGES]; /* the same one may be drawn twice */
};

/* Can pages of this address space be sampled: does the processor set accessed flags? */
static inline bool s2_can_sample(const struct s2 *s2)
{
	return s2->format->accessed_flag != 0;
}

/* The pages that will be drawn follow from `seed`. */
void s2_sample_init(struct s2_sample *sample, uint64_t seed);

/*
 * Draws pages, forgets that they were accessed, and asks for the flush without which a processor
 * that has their translations would not say so again. No CPU waits for that: each flushes when
 * it next enters the guest.
 */
void s2_sample_begin(struct s2_locked locked, struct s2_sample *sample);

/*
 * How many of the VM's mapped pages have been used since, estimated from the drawn ones that are
 * still mapped. Where there are none, all of them: nothing is known that would speak against it.
 */
uint64_t s2_sample_end(struct s2_locked locked, const struct s2_sample *sample);

#endif
