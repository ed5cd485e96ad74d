/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the hypervisor's own page tables once, at boot (Intel SDM volume 3, 4.5): see paging.h for
 * the layout. Until the switch, physical memory is reached through the identity map of entry.S,
 * which is a direct map at distance 0; afterwards through the real one. What is added later is
 * mapped where nothing was, but for the window. Boot CPU only, no lock.
 */
#include "arch/x86/trap/paging.h"

#include "arch/x86/cpu/console_screen.h"
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/registers.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/string.h"
#include "drivers/phys/physical.h"
#include "mm/alloc.h"
#include "mm/phys.h"

#define PAGE_PRESENT 0x001ull
#define PAGE_WRITE 0x002ull
#define PAGE_WRITE_THROUGH 0x008ull
#define PAGE_CACHE_DISABLE 0x010ull
#define PAGE_LARGE 0x080ull
#define PAGE_GLOBAL 0x100ull
#define PAGE_NX (1ull << 63)
#define PAGE_ADDRESS 0x000ffffffffff000ull

#define RIGHTS_CODE (PAGE_PRESENT | PAGE_GLOBAL)
#define RIGHTS_CONSTANT (PAGE_PRESENT | PAGE_GLOBAL | PAGE_NX)
#define RIGHTS_DATA (PAGE_PRESENT | PAGE_GLOBAL | PAGE_NX | PAGE_WRITE)
/* Write-through and cache-disable together select PAT entry 3: uncached. */
#define RIGHTS_DEVICE (RIGHTS_DATA | PAGE_CACHE_DISABLE | PAGE_WRITE_THROUGH)

/*
 * PAT entry 2, uncached unless a range register of the processor (MTRR) says "write-combining", as
 * firmware sets it for many framebuffers (Intel SDM volume 3, 12.5.2.2).
 */
#define RIGHTS_SCREEN (RIGHTS_DATA | PAGE_CACHE_DISABLE)

#define ENTRY_COUNT 512
#define LEVEL_TOP 4
#define TABLES_FLOOR MIB(1)

struct builder {
	struct memmap *available;
	struct memmap *hypervisor;
	uint64_t *top;
	const struct screen *screen; /* NULL: none */
};

static uint64_t *upper_directory; /* of level 2: MMIO_BASE and the gigabyte behind it */
static uint64_t *mmio_table;
static unsigned mmio_used;

#define WINDOW_ENTRY (ENTRY_COUNT - 1) /* of mmio_table */

static const struct frame_tag table_tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};

static unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

static uint64_t *table_of(uint64_t entry)
{
	return phys_to_virt((hpa_t){entry & PAGE_ADDRESS});
}

static enum status take_table(struct builder *builder, hpa_t *place)
{
	enum status status = memmap_take(builder->available, PAGE_BYTES, PAGE_BYTES, TABLES_FLOOR,
					 EARLY_MAP_BYTES, place);
	if (status != STATUS_OK) {
		return status;
	}
	memset(phys_to_virt(*place), 0, PAGE_BYTES);
	return memmap_add(builder->hypervisor, place->v, place->v + PAGE_BYTES);
}

/* Finds the entry for `address` in its table of `level`, building the tables above it. */
static enum status find_entry(struct builder *builder, uint64_t address, unsigned level,
			      uint64_t **entry)
{
	uint64_t *table = builder->top;

	for (unsigned at = LEVEL_TOP;; at--) {
		*entry = &table[address >> level_shift(at) & (ENTRY_COUNT - 1)];
		if (at == level) {
			return STATUS_OK;
		}
		if ((**entry & PAGE_PRESENT) == 0) {
			hpa_t place;
			enum status status = take_table(builder, &place);

			if (status != STATUS_OK) {
				return status;
			}
			**entry = place.v | PAGE_PRESENT | PAGE_WRITE;
		}
		CHECK((**entry & PAGE_LARGE) == 0);
		table = table_of(**entry);
	}
}

/* The largest page that both addresses and the rest of the range allow. */
static unsigned choose_level(uint64_t address, uint64_t place, uint64_t bytes)
{
	unsigned level = cpu_features.gib_pages ? 3 : 2;

	while (level > 1 && (!is_aligned_u64(address | place, 1ull << level_shift(level)) ||
			     bytes < 1ull << level_shift(level))) {
		level--;
	}
	return level;
}

static enum status map_range(struct builder *builder, uint64_t address, uint64_t place,
			     uint64_t bytes, uint64_t rights)
{
	CHECK(is_aligned_u64(address | place | bytes, PAGE_BYTES));
	while (bytes > 0) {
		unsigned level = choose_level(address, place, bytes);
		uint64_t step = 1ull << level_shift(level);
		uint64_t table_bytes = step * ENTRY_COUNT;
		uint64_t left = min_u64(table_bytes - (address & (table_bytes - 1)), bytes);
		uint64_t *entry;
		enum status status = find_entry(builder, address, level, &entry);

		if (status != STATUS_OK) {
			return status;
		}
		/* A larger page can begin only in another table. */
		bytes -= align_down_u64(left, step);
		for (; left >= step; left -= step) {
			CHECK(*entry == 0);
			*entry++ = place | rights | (level > 1 ? PAGE_LARGE : 0);
			address += step;
			place += step;
		}
	}
	return STATUS_OK;
}

/* Part of the image, without the guard pages of stacks. */
static enum status map_image(struct builder *builder, const char *start, const char *end,
			     uint64_t rights)
{
	enum status status = STATUS_OK;

	for (const char *at = start; status == STATUS_OK && at < end; at += PAGE_BYTES) {
		if (cpu_guard_name(cpu_current(), (uintptr_t)at) != NULL) {
			status = map_range(builder, (uintptr_t)start, image_to_hpa(start).v,
					   at - start, rights);
			start = at + PAGE_BYTES;
		}
	}
	if (status == STATUS_OK) {
		status = map_range(builder, (uintptr_t)start, image_to_hpa(start).v, end - start,
				   rights);
	}
	return status;
}

/* A piece of RAM in the direct map. */
static enum status map_direct(struct builder *builder, uint64_t start, uint64_t end,
			      uint64_t rights)
{
	if (start >= end) {
		return STATUS_OK;
	}
	return map_range(builder, DIRECT_MAP_BASE + start, start, end - start, rights);
}

/* RAM [start, end): code and constants of the image are not writable through this map either. */
static enum status map_ram(struct builder *builder, uint64_t start, uint64_t end)
{
	uint64_t fixed_start = image_to_hpa(text_start).v;
	uint64_t fixed_end = image_to_hpa(rodata_end).v;
	enum status status = map_direct(builder, start, min_u64(end, fixed_start), RIGHTS_DATA);

	if (status == STATUS_OK) {
		status = map_direct(builder, max_u64(start, fixed_start), min_u64(end, fixed_end),
				    RIGHTS_CONSTANT);
	}
	if (status == STATUS_OK) {
		status = map_direct(builder, max_u64(start, fixed_end), end, RIGHTS_DATA);
	}
	return status;
}

#define SCREEN_WINDOW 0x40000000ull /* large pages stay possible, of 1 GiB, too */

/* Letters of a VGA: there is room with the device registers, and no table is needed. */
#define SCREEN_SMALL_PAGES 16

static bool screen_is_small(const struct screen *screen)
{
	return screen->bytes <= SCREEN_SMALL_PAGES * PAGE_BYTES;
}

static uint64_t screen_address(const struct screen *screen)
{
	return SCREEN_BASE + screen->place % SCREEN_WINDOW;
}

/* Whole pages. Nothing else that is in them is ever touched through this map. */
static enum status map_screen(struct builder *builder, const struct screen *screen)
{
	uint64_t start = align_down_u64(screen->place, PAGE_BYTES);
	uint64_t end = align_up_u64(screen->place + screen->bytes, PAGE_BYTES);

	return map_range(builder, align_down_u64(screen_address(screen), PAGE_BYTES), start,
			 end - start, RIGHTS_SCREEN);
}

static enum status build(struct builder *builder, const struct memmap *ram)
{
	enum status status = map_image(builder, text_start, text_end, RIGHTS_CODE);

	if (status == STATUS_OK) {
		status = map_image(builder, rodata_start, rodata_end, RIGHTS_CONSTANT);
	}
	if (status == STATUS_OK) {
		status = map_image(builder, data_start, bss_end, RIGHTS_DATA);
	}
	for (unsigned i = 0; status == STATUS_OK && i < ram->count; i++) {
		status = map_ram(builder, ram->regions[i].start, ram->regions[i].end);
	}
	if (status == STATUS_OK && builder->screen != NULL && !screen_is_small(builder->screen)) {
		status = map_screen(builder, builder->screen);
	}
	return status;
}

/* Where it is in the final tables; NULL: nowhere. */
static volatile void *screen_memory(const struct screen *screen)
{
	if (screen == NULL) {
		return NULL;
	}
	return screen_is_small(screen) ? paging_map_mmio((hpa_t){screen->place}, screen->bytes)
				       : (volatile void *)screen_address(screen);
}

enum status paging_init(const struct memmap *ram, struct memmap *available,
			struct memmap *hypervisor)
{
	const struct screen *screen = console_screen_to_map(cpu_features.physical_bits);
	struct builder builder = {
		.available = available,
		.hypervisor = hypervisor,
		.screen = screen,
	};
	uint64_t *directory_entry;
	uint64_t *mmio_entry;
	hpa_t place;
	enum status status = take_table(&builder, &place);

	if (status != STATUS_OK) {
		return status;
	}
	builder.top = phys_to_virt(place);
	status = build(&builder, ram);
	if (status == STATUS_OK) {
		status = find_entry(&builder, MMIO_BASE, 1, &mmio_entry);
	}
	if (status == STATUS_OK) {
		status = find_entry(&builder, MMIO_BASE, 2, &directory_entry);
	}
	if (status != STATUS_OK) {
		return status;
	}
	/* The identity map is still in use. */
	hpa_t directory_place = {(uintptr_t)directory_entry};
	hpa_t mmio_place = {(uintptr_t)mmio_entry};
	write_cr3(place.v);
	direct_map_base = DIRECT_MAP_BASE;
	upper_directory = phys_to_virt(directory_place);
	mmio_table = phys_to_virt(mmio_place);
	console_screen_mapped(screen_memory(screen));
	return STATUS_OK;
}

volatile void *paging_map_mmio(hpa_t place, size_t bytes)
{
	uint64_t start = align_down_u64(place.v, PAGE_BYTES);
	uint64_t end = align_up_u64(place.v + bytes, PAGE_BYTES);
	uint64_t pages = (end - start) / PAGE_BYTES;

	if (pages > WINDOW_ENTRY - mmio_used) {
		return NULL;
	}
	uintptr_t address = MMIO_BASE + mmio_used * PAGE_BYTES + (place.v - start);
	for (; start < end; start += PAGE_BYTES) {
		mmio_table[mmio_used++] = start | RIGHTS_DEVICE;
	}
	return (volatile void *)address;
}

volatile void *physical_map_device(uint64_t place, size_t bytes)
{
	if (mmio_table == NULL || bytes > UINT64_MAX - PAGE_BYTES - place ||
	    (place + bytes) >> cpu_features.physical_bits != 0 || physical_is_ram(place, bytes)) {
		return NULL;
	}
	return paging_map_mmio((hpa_t){place}, bytes);
}

/* ---- The window ------------------------------------------------------------------------------ */

static void set_window(uint64_t entry)
{
	mmio_table[WINDOW_ENTRY] = entry;
	invalidate_page(MMIO_BASE + WINDOW_ENTRY * PAGE_BYTES);
}

void *paging_window(hpa_t frame)
{
	uint64_t entry = frame.v | RIGHTS_DATA;

	if (cpu_features.physical_bits < 64 && frame.v >> cpu_features.physical_bits != 0) {
		return NULL;
	}
	if (mmio_table[WINDOW_ENTRY] != entry) {
		set_window(entry);
	}
	return (void *)(MMIO_BASE + WINDOW_ENTRY * PAGE_BYTES);
}

void paging_window_close(void)
{
	set_window(0);
}

bool physical_read(uint64_t place, void *to, size_t bytes)
{
	char *next = to;

	if (bytes > UINT64_MAX - place) {
		return false;
	}
	while (bytes > 0) {
		uint64_t offset = place & (PAGE_BYTES - 1);
		size_t count = min_u64(bytes, PAGE_BYTES - offset);
		const char *window = paging_window((hpa_t){place - offset});

		if (window == NULL) {
			return false;
		}
		memcpy(next, window + offset, count);
		next += count;
		place += count;
		bytes -= count;
	}
	return true;
}

/* ---- Stacks ---------------------------------------------------------------------------------- */

/* Maps a fresh frame at `address`, in the gigabyte of upper_directory, unless one is there. */
static enum status back_page(uint64_t address)
{
	uint64_t *directory_entry = &upper_directory[address >> level_shift(2) & (ENTRY_COUNT - 1)];
	pfn_t pfn;

	if ((*directory_entry & PAGE_PRESENT) == 0) {
		enum status status = frame_alloc(ORDER_4K, table_tag, &pfn);

		if (status != STATUS_OK) {
			return status;
		}
		*directory_entry = pfn_to_hpa(pfn).v | PAGE_PRESENT | PAGE_WRITE;
	}
	uint64_t *entry =
		&table_of(*directory_entry)[address >> level_shift(1) & (ENTRY_COUNT - 1)];
	if (*entry & PAGE_PRESENT) {
		return STATUS_OK;
	}
	enum status status = frame_alloc(ORDER_4K, table_tag, &pfn);
	if (status == STATUS_OK) {
		*entry = pfn_to_hpa(pfn).v | RIGHTS_DATA;
	}
	return status;
}

struct cpu_stacks *paging_back_stacks(unsigned index)
{
	struct cpu_stacks *stacks = (struct cpu_stacks *)STACKS_BASE + index;
	const struct cpu cpu = {.stacks = stacks};

	for (uint64_t at = (uintptr_t)stacks; at < (uintptr_t)(stacks + 1); at += PAGE_BYTES) {
		if (cpu_guard_name(&cpu, at) == NULL && back_page(at) != STATUS_OK) {
			return NULL;
		}
	}
	return stacks;
}
