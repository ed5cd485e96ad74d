/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See phys.h. Recording: the memory is read-only; a store faults, the page is opened for that one
 * instruction (trap flag, SDM vol. 3, 18.3.1.4), compared with its copy and closed again.
 */
#define _GNU_SOURCE
#include "fake/phys.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "fake/panic.h"

#include "mm/phys.h"

#define TRAP_FLAG 0x100
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))

static uint64_t frame_count_max;
static fake_write_observer observer;
static uint64_t open_pfns[2]; /* a store may cross a page border */
static unsigned open_count;
static uint64_t copies[2][PAGE_WORDS];

void fake_phys_start(uint64_t frames)
{
	size_t bytes = frames * PAGE_BYTES;
	uint8_t *base = mmap(NULL, bytes + PAGE_BYTES, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(base != MAP_FAILED);
	assert_int_equal(mprotect(base, bytes, PROT_READ | PROT_WRITE), 0);
	/* Tests with gigabytes touch all of them; a hint only. */
	(void)madvise(base, bytes, frames > 262144 ? MADV_HUGEPAGE : MADV_NORMAL);
	direct_map_base = (uintptr_t)base;
	frame_count_max = frames;
}

void fake_phys_stop(void)
{
	fake_writes_stop();
	munmap((void *)direct_map_base, (frame_count_max + 1) * PAGE_BYTES);
	direct_map_base = 0;
}

void fake_frame_fill(pfn_t pfn, uint64_t word)
{
	uint64_t *words = pfn_to_virt(pfn);
	for (unsigned i = 0; i < PAGE_WORDS; i++) {
		words[i] = word;
	}
}

bool fake_frame_is(pfn_t pfn, uint64_t word)
{
	const uint64_t *words = pfn_to_virt(pfn);
	return words[0] == word && memcmp(words, words + 1, PAGE_BYTES - sizeof(*words)) == 0;
}

static void *all_of_it(void)
{
	return (void *)direct_map_base;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	uint64_t at = (uint64_t)(uintptr_t)info->si_addr - direct_map_base;
	ucontext_t *user = context;
	if (observer == NULL || at >= frame_count_max * PAGE_BYTES || open_count == 2) {
		signal(number, SIG_DFL);
		return;
	}
	void *page = (void *)(direct_map_base + (at & ~(PAGE_BYTES - 1)));
	memcpy(copies[open_count], page, PAGE_BYTES);
	open_pfns[open_count++] = at >> PAGE_SHIFT;
	mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE);
	user->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int number, siginfo_t *info, void *context)
{
	ucontext_t *user = context;
	(void)number;
	(void)info;
	user->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	for (unsigned i = 0; i < open_count; i++) {
		const uint64_t *page = pfn_to_virt((pfn_t){open_pfns[i]});
		mprotect((void *)(uintptr_t)page, PAGE_BYTES, PROT_READ);
		for (unsigned word = 0; word < PAGE_WORDS; word++) {
			if (page[word] != copies[i][word]) {
				observer((pfn_t){open_pfns[i]}, word, copies[i][word], page[word]);
			}
		}
	}
	open_count = 0;
}

void fake_writes_record(fake_write_observer observe)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO};
	action.sa_sigaction = on_fault;
	sigaction(SIGSEGV, &action, NULL);
	action.sa_sigaction = on_step;
	sigaction(SIGTRAP, &action, NULL);
	observer = observe;
	open_count = 0;
	mprotect(all_of_it(), frame_count_max * PAGE_BYTES, PROT_READ);
}

void fake_writes_stop(void)
{
	if (observer != NULL) {
		observer = NULL;
		mprotect(all_of_it(), frame_count_max * PAGE_BYTES, PROT_READ | PROT_WRITE);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGTRAP, SIG_DFL);
	}
}
