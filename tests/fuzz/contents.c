/* SPDX-License-Identifier: BSD-2-Clause */
/* See contents.h. A page that a guest fills holds one word: mark, VM, serial. */
#include "contents.h"

#include "fake/world.h"
#include "fuzz.h"

#include "mm/phys.h"

#define MARK 0x5ec0ull
#define WORDS (PAGE_BYTES / sizeof(uint64_t))
#define PAGES_MAX 8192

struct written {
	uint32_t gfn;
	bool shared;
	uint64_t word;
};

struct guest {
	struct written pages[PAGES_MAX];
	unsigned count;
	uint16_t place[CONTENTS_GFNS]; /* index in `pages` + 1 */
};

static struct guest guests[CONTENTS_VMS];
static uint64_t serial;

static struct guest *guest_of(const struct vm *vm)
{
	FUZZ_CHECK(vm->id >= 1 && vm->id <= CONTENTS_VMS);
	return &guests[vm->id - 1];
}

static void drop(struct guest *guest, unsigned index)
{
	struct written *last = &guest->pages[--guest->count];
	guest->place[guest->pages[index].gfn] = 0;
	if (&guest->pages[index] != last) {
		guest->pages[index] = *last;
		guest->place[last->gfn] = (uint16_t)(index + 1);
	}
}

void contents_reset(void)
{
	for (unsigned i = 0; i < CONTENTS_VMS; i++) {
		while (guests[i].count > 0) {
			drop(&guests[i], 0);
		}
	}
	serial = 0;
}

static struct written *page_of(struct guest *guest, uint64_t gfn)
{
	FUZZ_CHECK(gfn < CONTENTS_GFNS);
	if (guest->place[gfn] == 0) {
		FUZZ_CHECK(guest->count < PAGES_MAX);
		guest->pages[guest->count] = (struct written){.gfn = (uint32_t)gfn};
		guest->place[gfn] = (uint16_t)++guest->count;
	}
	return &guest->pages[guest->place[gfn] - 1];
}

void contents_write(struct vm *vm, uint64_t gfn, uint64_t *page)
{
	struct written *written = page_of(guest_of(vm), gfn);
	uint64_t word = MARK << 48 | (uint64_t)vm->id << 40 | ++serial;
	for (unsigned i = 0; i < WORDS; i++) {
		page[i] = word;
	}
	written->word = word;
}

void contents_share(struct vm *vm, uint64_t gfn)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	if (s2_lookup(locked, (gfn_t){gfn}).kind == S2_MAPPED) {
		page_of(guest_of(vm), gfn)->shared = true;
	}
	s2_unlock(locked);
}

uint64_t contents_harmless(uint64_t value)
{
	return value >> 48 == MARK || value == WORLD_FORMER_OWNER ? 0 : value;
}

static bool is_foreign(const struct vm *vm, uint64_t word)
{
	return word == WORLD_FORMER_OWNER || (word >> 48 == MARK && (word >> 40 & 0xff) != vm->id);
}

void contents_check_page(const struct vm *vm, uint64_t gfn, const uint64_t *page)
{
	const struct guest *guest = guest_of(vm);
	const struct written *written = NULL;
	if (gfn < CONTENTS_GFNS && guest->place[gfn] != 0) {
		written = &guest->pages[guest->place[gfn] - 1];
	}
	bool shared = written != NULL && written->shared;
	uint64_t expected = written != NULL ? written->word : 0;
	if (!shared && page[0] == expected &&
	    memcmp(page, page + 1, PAGE_BYTES - sizeof(*page)) == 0) {
		return;
	}
	for (unsigned i = 0; i < WORDS; i++) {
		if (is_foreign(vm, page[i]) || (!shared && page[i] != expected)) {
			fail_msg("VM %u gfn %#llx word %u is %#llx, expected %#llx", vm->id,
				 (unsigned long long)gfn, i, (unsigned long long)page[i],
				 (unsigned long long)expected);
		}
	}
}

static void forget_gone(struct vm *vm, struct s2_locked locked, bool (*may_go)(uint64_t gfn))
{
	struct guest *guest = guest_of(vm);
	for (unsigned i = guest->count; i-- > 0;) {
		uint64_t gfn = guest->pages[i].gfn;
		if (s2_lookup(locked, (gfn_t){gfn}).kind != S2_MAPPED) {
			if (may_go == NULL || !may_go(gfn)) {
				fail_msg("VM %u gfn %#llx has lost its memory", vm->id,
					 (unsigned long long)gfn);
			}
			drop(guest, i);
		}
	}
}

void contents_check(struct vm *vm, bool (*may_go)(uint64_t gfn))
{
	struct s2_locked locked = s2_lock(&vm->s2);
	forget_gone(vm, locked, may_go);
	for (uint64_t gfn = 0; gfn < vm->s2.limit_pages;) {
		struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
		uint64_t pages = 1ull << slot.order;
		for (uint64_t i = 0; slot.kind == S2_MAPPED && i < pages; i++) {
			contents_check_page(vm, gfn + i, pfn_to_virt((pfn_t){slot.pfn.n + i}));
		}
		gfn += pages - (gfn & (pages - 1));
	}
	s2_unlock(locked);
}
