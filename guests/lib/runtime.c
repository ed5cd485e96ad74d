/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From start.S to guest_main and out: believes the start information only after a look at it, puts
 * the page allocator's books behind the image, and ends the VM with a code and a digest.
 */
#include <stddef.h>

#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/fault.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/paging.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"

#define PAGE_BYTES 4096ul

_Static_assert(offsetof(struct aerostat_start_info, ram_pages) == 8, "start.S");

uint64_t runtime_tsc_khz;
uint64_t runtime_ram_pages;
static uint64_t exit_digest;

_Noreturn void runtime_main(const struct aerostat_start_info *info);

void runtime_set_digest(uint64_t digest)
{
	exit_digest = digest;
}

_Noreturn void runtime_exit(int code)
{
	console_flush();
	hypercall(AEROSTAT_CALL_EXIT, (uint64_t)code, exit_digest, 0, 0);
	for (;;) {
		/* Not reached; a hypervisor that lets us go on gets nothing more out of us. */
		cpu_interrupts_off();
		__asm__ volatile("hlt");
	}
}

static void check_interface(const struct aerostat_start_info *info)
{
	struct cpuid leaf = cpu_identify(AEROSTAT_CPUID_SIGNATURE);

	if (leaf.ebx != AEROSTAT_SIGNATURE_EBX || leaf.ecx != AEROSTAT_SIGNATURE_ECX ||
	    leaf.edx != AEROSTAT_SIGNATURE_EDX) {
		runtime_exit(GUEST_EXIT_START);
	}
	if (info->magic != AEROSTAT_START_MAGIC || info->version != AEROSTAT_ABI_VERSION) {
		console_print("the start information is not of version %u\n", AEROSTAT_ABI_VERSION);
		runtime_exit(GUEST_EXIT_START);
	}
}

/*
 * The allocator's books come right behind the image, or behind the start information where that is
 * in the way. They need no clearing: RAM that was not touched reads as zero.
 */
static void place_allocator(const struct aerostat_start_info *info)
{
	uint64_t info_page = (uintptr_t)info / PAGE_BYTES;
	uint64_t books = (info->kernel_end + PAGE_BYTES - 1) / PAGE_BYTES;
	uint64_t books_pages = (palloc_books_bytes(info->ram_pages) + PAGE_BYTES - 1) / PAGE_BYTES;

	if (info_page >= books && info_page < books + books_pages) {
		books = info_page + 1;
	}
	if (books + books_pages >= info->ram_pages) {
		console_print("%lu pages of RAM are too few for the image\n", info->ram_pages);
		runtime_exit(GUEST_EXIT_START);
	}
	palloc_init(books + books_pages, info->ram_pages, (void *)(books * PAGE_BYTES));
	palloc_exclude(info_page);
}

static uint64_t seed_of_name(const char *name)
{
	uint64_t seed = 0;

	for (; *name; name++) {
		seed = runtime_mix(seed ^ (unsigned char)*name) + 1;
	}
	return seed;
}

_Noreturn void runtime_main(const struct aerostat_start_info *info)
{
	struct guest_arguments arguments = {info->name, info->command_line,
					    seed_of_name(info->name)};

	hypercall_init();
	fault_init();
	fault_load();
	check_interface(info);
	vcpu_init();
	runtime_tsc_khz = info->tsc_khz;
	runtime_ram_pages = info->ram_pages;
	place_allocator(info);
	if (!paging_map_above_4_gib(info->ram_pages)) {
		console_print("no memory for page tables of %lu pages\n", info->ram_pages);
		runtime_exit(GUEST_EXIT_START);
	}
	cpu_interrupts_on();
	runtime_exit(guest_main(&arguments));
}
