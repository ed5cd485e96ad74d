/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each guest has written, and that it reads exactly that: its own last bytes, or zero, and
 * never a word of anybody else.
 */
#ifndef FUZZ_CONTENTS_H
#define FUZZ_CONTENTS_H

#include "kernel/vm/vm.h"

#define CONTENTS_VMS 8
#define CONTENTS_GFNS (1u << 19)

/* Forgets everything. */
void contents_reset(void);

/* The guest fills the page behind `page` with a word of its own. */
void contents_write(struct vm *vm, uint64_t gfn, uint64_t *page);

/*
 * From now on the page, if there is memory, may hold anything but another VM's words: hypervisor
 * and guest share it.
 */
void contents_share(struct vm *vm, uint64_t gfn);

/* What a guest sees of a page, stale or not. */
void contents_check_page(const struct vm *vm, uint64_t gfn, const uint64_t *page);

/*
 * Compares all pages of a VM. A page whose memory is gone is forgotten; `may_go` says whether it
 * was allowed to (NULL: it was not).
 */
void contents_check(struct vm *vm, bool (*may_go)(uint64_t gfn));

/* A value that a guest chose must not look like a word of ours. */
uint64_t contents_harmless(uint64_t value);

#endif
