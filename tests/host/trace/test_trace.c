/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/trace: on and off, what the words of `trace=` mean, rings of all CPUs, what leaves by the
 * port and when, and that the rings cost no VM what it was promised. VMs and memory are real.
 */
#include "fake/kernel.h"

#include <pthread.h>
#include <string.h>

#include "arch/arch.h"
#include "base/time.h"
#include "fake/cpus.h"
#include "fake/trace_port.h"
#include "kernel/trace/block.h"
#include "kernel/trace/mask.h"
#include "kernel/trace/owners.h"
#include "kernel/trace/text.h"
#include "kernel/trace/trace.h"
#include "mm/alloc.h"
#include "mm/frame_extent.h"
#include "mm/promise.h"

#define FRAMES 6000
#define RING_FRAMES (1u << TRACE_RING_ORDER)

static struct error error;

uint64_t log_origin_tsc(void)
{
	return 0;
}

static void start(void)
{
	kernel_start(FRAMES, 1);
	trace_reset();
	trace_port_reset();
}

static int teardown(void **state)
{
	trace_reset();
	return kernel_teardown(state);
}

static uint32_t mask_of(const char *text)
{
	uint32_t mask = 0;
	assert_int_equal(trace_mask_parse((struct word){text, strlen(text)}, &mask, &error),
			 STATUS_OK);
	return mask;
}

static void refuse(const char *text, const char *why)
{
	uint32_t mask = 77;
	assert_int_equal(trace_mask_parse((struct word){text, strlen(text)}, &mask, &error),
			 STATUS_INVALID);
	assert_int_equal(mask, 77);
	if (strstr(error.text, why) == NULL) {
		fail_msg("\"%s\" is not in: %s", why, error.text);
	}
}

static void test_masks(void **state)
{
	(void)state;
	assert_int_equal(mask_of("off"), 0);
	assert_int_equal(mask_of("0"), 0);
	assert_int_equal(mask_of("all"), TRACE_ALL);
	assert_int_equal(mask_of("on"), TRACE_ALL & ~(1u << TRACE_exit | 1u << TRACE_entry));
	assert_int_equal(mask_of("exits"), 1u << TRACE_exit | 1u << TRACE_entry);
	assert_int_equal(mask_of("exit"), 1u << TRACE_exit);
	assert_int_equal(mask_of("faults,decision"), 1u << TRACE_fault | 1u << TRACE_decision);
	assert_int_equal(mask_of("0x15"), 0x15);
	refuse("", "is not on, off, all");
	refuse("balloons", "balloons is not on, off");
	refuse("balloon,", " is not on, off");
	refuse("balloon,,faults", " is not on, off");
	refuse("faults,on", "on is not on, off");
	refuse("0x80000000", "0x80000000 is not");
	refuse("-1", "-1 is not");
}

static void test_rings_come_with_the_first_event(void **state)
{
	(void)state;
	start();
	uint64_t free_pages = frame_count_free();
	assert_int_equal(trace_set(0, &error), STATUS_OK);
	assert_false(trace_is_used);
	assert_false(trace_poll(fake_tsc));
	assert_int_equal(trace_set(TRACE_ALL, &error), STATUS_OK);
	assert_true(trace_is_used);
	assert_true(trace_exits_on);
	assert_int_equal(frame_count_free(), free_pages - arch_cpu_count() * RING_FRAMES);
	assert_int_equal(trace_set(TRACE_ALL & ~TRACE_EXITS, &error), STATUS_OK);
	assert_false(trace_exits_on);
	assert_int_equal(trace_set(0, &error), STATUS_OK);
	assert_int_equal(trace_set(1, &error), STATUS_OK);
	assert_int_equal(frame_count_free(), free_pages - arch_cpu_count() * RING_FRAMES);
}

/* All or nothing: a host that is full keeps what it has. */
static void test_no_memory_for_rings(void **state)
{
	(void)state;
	start();
	struct vm *vm = kernel_vm("all", 8000, 4000, 10);
	kernel_exhaust(vm);
	uint64_t free_pages = frame_count_free();
	assert_int_equal(trace_set(1, &error), STATUS_NO_MEMORY);
	assert_non_null(strstr(error.text, "no memory for a trace"));
	assert_int_equal(trace_mask, 0);
	assert_false(trace_is_used);
	assert_int_equal(frame_count_free(), free_pages);
	kernel_vm_end(vm);
	/* The third CPU gets none. */
	fake_cpu_count = 3;
	free_pages = frame_count_free();
	frame_alloc_fail_at = 3;
	assert_int_equal(trace_set(1, &error), STATUS_NO_MEMORY);
	assert_int_equal(frame_count_free(), free_pages);
	assert_int_equal(trace_set(1, &error), STATUS_OK);
	assert_int_equal(frame_count_free(), free_pages - 3 * RING_FRAMES);
	fake_cpu_count = 1;
}

static void test_events_of_a_vm(void **state)
{
	struct trace_record records[8];
	char line[TRACE_LINE_BYTES];
	(void)state;
	start();
	struct vm *vm = kernel_vm("one", 4000, 3000, 500);
	(void)kernel_attach(vm);
	assert_int_equal(trace_set(mask_of("faults,balloon"), &error), STATUS_OK);
	kernel_touch_pages(vm, 100, 3);
	kernel_give(vm, 100, 3);
	assert_int_equal(trace_last(records, 8), 4);
	assert_int_equal(records[0].words[1] & 0xffff, TRACE_fault);
	assert_int_equal(records[0].words[1] >> 16 & 0xffff, vm->id);
	assert_int_equal(records[0].words[2], 100);
	assert_int_equal(records[0].words[3], 1);
	assert_int_equal(records[2].words[2], 102);
	assert_int_equal(records[3].words[1] & 0xff, TRACE_surrender);
	assert_int_equal(records[3].words[2], 3);
	assert_int_equal(records[3].words[3], vm->s2.mapped_pages);
	trace_text_record(&records[2], line);
	assert_non_null(strstr(line, " 0 one.0 fault gfn=0x66 pages=0x1"));
	/* Fewer than there are: the last ones. */
	assert_int_equal(trace_last(records, 2), 2);
	assert_int_equal(records[0].words[2], 102);
	assert_int_equal(trace_set(0, &error), STATUS_OK);
	kernel_touch_pages(vm, 200, 3);
	assert_int_equal(trace_sums().written, 4);
	kernel_vm_end(vm);
}

/* A call whose ranges are all refused moved nothing, and that is no event. */
static void test_refused_ranges_are_no_event(void **state)
{
	struct trace_record records[4];
	(void)state;
	start();
	struct vm *vm = kernel_vm("one", 4000, 3000, 500);
	(void)kernel_attach(vm);
	kernel_touch_pages(vm, 100, 4);
	kernel_give(vm, 100, 4);
	assert_int_equal(trace_set(mask_of("balloon"), &error), STATUS_OK);
	struct aerostat_range ranges[2] = {{.gfn = 100, .count = 2}, {.gfn = 102, .count = 2}};
	(void)kernel_ranges(vm, BALLOON_SURRENDER, ranges, 2, 2999);
	assert_int_equal(ranges[0].status, AEROSTAT_RANGE_SURRENDERED);
	assert_int_equal(ranges[1].status, AEROSTAT_RANGE_SURRENDERED);
	assert_int_equal(trace_last(records, 4), 0);
	assert_int_equal(trace_set(0, &error), STATUS_OK);
	kernel_vm_end(vm);
}

/* Blocks stand at any byte. */
static const struct trace_block_head *head_at(size_t at)
{
	static struct trace_block_head head;
	memcpy(&head, &trace_port_bytes[at], sizeof(head));
	return &head;
}

static bool text_has(size_t at, const char *what)
{
	char text[TRACE_BLOCK_BYTES];
	size_t bytes = head_at(at)->bytes;
	memcpy(text, &trace_port_bytes[at + sizeof(struct trace_block_head)], bytes);
	text[bytes] = '\0';
	return strstr(text, what) != NULL;
}

/* The text first, then records; never more than the port takes, and all of it at the end. */
static void test_the_way_out(void **state)
{
	const struct console *any = NULL;
	(void)state;
	start();
	struct vm *vm = kernel_vm("one", 4000, 3000, 500);
	trace_port_absent = true;
	assert_string_equal(trace_use_port(any), "no serial port answers there");
	assert_false(trace_has_port());
	trace_port_absent = false;
	assert_null(trace_use_port(any));
	assert_true(trace_has_port());
	assert_int_equal(trace_set(mask_of("faults"), &error), STATUS_OK);
	kernel_touch_pages(vm, 100, 70);
	assert_false(trace_poll(fake_tsc));
	assert_int_equal(trace_port_used, 0);
	trace_port_room = 10;
	assert_false(trace_poll(fake_tsc)); /* the port takes no more */
	assert_int_equal(trace_port_used, 10);
	trace_port_room = sizeof(trace_port_bytes);
	assert_true(trace_poll(fake_tsc)); /* a bounded part of it */
	assert_int_equal(trace_port_used, 10 + 2048);
	while (trace_poll(fake_tsc)) {
	}
	size_t text = sizeof(struct trace_block_head) + head_at(0)->bytes;
	assert_int_equal(head_at(0)->kind, TRACE_BLOCK_TEXT);
	assert_true(text_has(0, "\nvm=1 name=one\n"));
	assert_true(text_has(0, "\nend=0\n"));
	assert_true(text_has(0, "\nevents_on=4\n"));
	assert_true(text_has(0, "\nevent=2 name=fault group=faults first=gfn second=pages\n"));
	assert_true(text_has(0, "\nreason=1 text="));
	assert_int_equal(head_at(text)->kind, TRACE_BLOCK_RECORDS);
	size_t records = 2 * sizeof(struct trace_block_head) + 70 * sizeof(struct trace_record);
	assert_int_equal(trace_port_used, text + records);
	trace_port_room = 0;
	kernel_touch_pages(vm, 300, 1);
	/* What was on for a while only is named at the end, too. */
	assert_int_equal(trace_set(1u << TRACE_wait, &error), STATUS_OK);
	assert_int_equal(trace_set(1u << TRACE_fault, &error), STATUS_OK);
	trace_finish();
	size_t last =
		text + records + sizeof(struct trace_block_head) + sizeof(struct trace_record);
	assert_int_equal(head_at(last)->kind, TRACE_BLOCK_TEXT);
	assert_int_equal(head_at(last)->number, 4);
	assert_true(text_has(last, "\nend=1\n"));
	assert_true(text_has(last, "\nevents_on=32772\n"));
	assert_true(text_has(last, "\ncpu=0 records=71 lost=0\n"));
	assert_int_equal(trace_sums().unsent, 0);
	assert_int_equal(trace_mask, 0);
	assert_false(trace_exits_on);
	kernel_vm_end(vm);
}

/* Without a port the last ones are kept, and what they have replaced is counted. */
static void test_without_a_port(void **state)
{
	(void)state;
	start();
	struct vm *vm = kernel_vm("one", 4000, 3000, 500);
	assert_int_equal(trace_set(mask_of("faults"), &error), STATUS_OK);
	for (unsigned i = 0; i < TRACE_RING_RECORDS + 9; i++) {
		trace_note(TRACE_fault, 0, i, 0);
	}
	assert_false(trace_poll(fake_tsc));
	trace_finish();
	assert_int_equal(trace_port_used, 0);
	assert_int_equal(trace_sums().written, TRACE_RING_RECORDS + 9);
	assert_int_equal(trace_sums().lost, 10);
	assert_int_equal(trace_sums().unsent, TRACE_RING_RECORDS - 1);
	kernel_vm_end(vm);
}

#define WRITTEN 300000u

static void *write_all(void *argument)
{
	bool *done = argument;
	for (unsigned i = 0; i < WRITTEN; i++) {
		trace_note(TRACE_fault, 0, i, 0);
	}
	__atomic_store_n(done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* The last ones of a CPU are in a row, none twice, however many it writes meanwhile. */
static void test_the_last_ones_while_others_write(void **state)
{
	struct trace_record records[TRACE_SHOWN_MOST];
	pthread_t writer;
	bool done = false;
	(void)state;
	start();
	assert_int_equal(trace_set(mask_of("faults"), &error), STATUS_OK);
	assert_int_equal(pthread_create(&writer, NULL, write_all, &done), 0);
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		unsigned count = trace_last(records, TRACE_SHOWN_MOST);
		for (unsigned i = 1; i < count; i++) {
			assert_int_equal(records[i].words[2], records[i - 1].words[2] + 1);
		}
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(trace_last(records, TRACE_SHOWN_MOST), TRACE_SHOWN_MOST);
	assert_int_equal(records[TRACE_SHOWN_MOST - 1].words[2], WRITTEN - 1);
}

static void note_on(unsigned cpu, unsigned count, uint64_t first)
{
	fake_cpu = cpu;
	for (unsigned i = 0; i < count; i++) {
		trace_note(TRACE_fault, 0, first + i, 0);
	}
	fake_cpu = 0;
}

/* Lines of the log with this text. */
static unsigned lines_with(const char *what)
{
	unsigned count = 0;
	for (const char *at = fake_log_text; (at = strstr(at, what)) != NULL; at++) {
		count++;
	}
	return count;
}

/* What a panic shows: the last ones of each CPU, also of one that was quiet for long. */
static void test_the_report_of_a_panic(void **state)
{
	(void)state;
	start();
	fake_log_clear();
	trace_report(); /* never on: nothing to say */
	assert_string_equal(fake_log_text, "");
	fake_cpu_count = 3;
	assert_int_equal(trace_set(mask_of("faults"), &error), STATUS_OK);
	note_on(1, 2, 0x10);
	note_on(0, TRACE_RING_RECORDS + 20, 0x1000);
	trace_report();
	assert_int_equal(lines_with("trace: the last records of each CPU, 8 at most"), 1);
	assert_int_equal(lines_with(" fault gfn="), 10);
	/* The latest last, of each CPU. */
	const char *last = strstr(fake_log_text, " 0 - fault gfn=0x1813 ");
	const char *other = strstr(fake_log_text, " 1 - fault gfn=0x10 ");
	assert_non_null(strstr(fake_log_text, " 0 - fault gfn=0x180c "));
	assert_null(strstr(fake_log_text, "gfn=0x180b "));
	assert_non_null(last);
	assert_non_null(other);
	assert_true(last < other);
	assert_true(other < strstr(fake_log_text, " 1 - fault gfn=0x11 "));
	fake_cpu_count = 1;
}

/* Many CPUs: fewer of each, or the report of a real machine would take minutes. */
static void test_the_report_of_many_cpus(void **state)
{
	(void)state;
	start();
	fake_cpu_count = CPUS_MAX;
	assert_int_equal(trace_set(mask_of("faults"), &error), STATUS_OK);
	note_on(0, 9, 0x20);
	note_on(CPUS_MAX - 1, 9, 0x40);
	fake_log_clear();
	trace_report();
	assert_int_equal(lines_with(" fault gfn="), 4);
	assert_int_equal(lines_with("gfn=0x28 "), 1);
	assert_int_equal(lines_with("gfn=0x47 "), 1);
	fake_cpu_count = 1;
}

static void test_samples(void **state)
{
	struct trace_record records[8];
	(void)state;
	start();
	struct vm *vm = kernel_vm("one", 4000, 3000, 500);
	kernel_touch_pages(vm, 100, 7);
	assert_int_equal(trace_set(mask_of("samples"), &error), STATUS_OK);
	(void)trace_poll(fake_tsc);
	assert_int_equal(trace_last(records, 8), 3);
	assert_int_equal(records[0].words[1] & 0xff, TRACE_host);
	assert_int_equal(records[0].words[2], frame_count_free());
	assert_int_equal(records[1].words[1] & 0xff, TRACE_limits);
	assert_int_equal(records[2].words[1] & 0xffffff, TRACE_memory | vm->id << 16);
	assert_int_equal(records[2].words[2], vm->s2.mapped_pages);
	(void)trace_poll(fake_tsc); /* not yet again */
	assert_int_equal(trace_last(records, 8), 3);
	(void)trace_poll(fake_tsc + ticks_from_ms(10));
	assert_int_equal(trace_last(records, 8), 6);
	/* A port that is slow is not given more of them than it has room for. */
	assert_null(trace_use_port(NULL));
	for (unsigned i = 0; i < 251; i++) {
		trace_note(TRACE_host, 0, i, 0);
	}
	(void)trace_poll(fake_tsc + ticks_from_ms(20));
	assert_int_equal(trace_sums().written, 257);
	kernel_vm_end(vm);
}

/* ---- Owners of frames ------------------------------------------------------------------------ */

#define WINDOWS_MOST 64u

/* What the records of the event say each frame is: the owner and the look without its pages. */
static struct {
	uint64_t look;
	unsigned owner;
} drawn[FRAMES + TRACE_WINDOW_PAGES];
static size_t read_so_far; /* bytes of the port */
static unsigned extents;

static void draw(const struct trace_record *record)
{
	uint64_t pages = record->words[3] & TRACE_EXTENT_PAGES;
	uint64_t first = record->words[2];

	assert_int_equal(record->words[1] & 0xff, TRACE_extent);
	assert_true(pages > 0 && first + pages <= frame_table_count);
	/* In one window, and the last one of it says so. */
	assert_int_equal(first / TRACE_WINDOW_PAGES, (first + pages - 1) / TRACE_WINDOW_PAGES);
	bool last = (first + pages) % TRACE_WINDOW_PAGES == 0 || first + pages == frame_table_count;
	assert_int_equal(last, (record->words[3] & TRACE_EXTENT_LAST) != 0);
	for (uint64_t i = first; i < first + pages; i++) {
		drawn[i].look = record->words[3] & ~(TRACE_EXTENT_PAGES | TRACE_EXTENT_LAST);
		drawn[i].owner = record->words[1] >> 16 & 0xff;
	}
	extents++;
}

static void draw_all(void)
{
	while (read_so_far < trace_port_used) {
		const struct trace_block_head *head = head_at(read_so_far);
		size_t at = read_so_far + sizeof(*head);
		read_so_far = at + head->bytes;
		for (; head->kind == TRACE_BLOCK_RECORDS && at < read_so_far;
		     at += sizeof(struct trace_record)) {
			struct trace_record record;
			memcpy(&record, &trace_port_bytes[at], sizeof(record));
			draw(&record);
		}
	}
}

/* A whole round of the table, and how many records it made. */
static unsigned round_of_owners(void)
{
	extents = 0;
	fake_tsc += ticks_from_ms(10);
	for (unsigned i = 0; i < WINDOWS_MOST; i++) {
		(void)trace_poll(fake_tsc);
	}
	draw_all();
	return extents;
}

static void assert_drawn(void)
{
	struct frame_tag tag;
	uint64_t head;

	for (uint64_t i = 0; i < frame_table_count; i++) {
		assert_true(frame_extent_now(i, &head, &tag));
		assert_int_equal(drawn[i].owner, tag.owner);
		assert_int_equal(drawn[i].look >> TRACE_EXTENT_STATE_SHIFT & 0xff, tag.state);
		assert_int_equal((drawn[i].look & TRACE_EXTENT_LARGE) != 0, tag.order >= ORDER_2M);
	}
}

static void test_owners_of_frames(void **state)
{
	(void)state;
	start();
	read_so_far = 0;
	memset(drawn, 0xff, sizeof(drawn));
	trace_port_room = sizeof(trace_port_bytes);
	struct vm *vm = kernel_vm("one", 4000, 3000, 500);
	(void)kernel_attach(vm);
	assert_null(trace_use_port(NULL));
	assert_int_equal(trace_set(mask_of("map"), &error), STATUS_OK);
	assert_true(round_of_owners() >= frame_table_count / TRACE_WINDOW_PAGES);
	assert_drawn();
	/* Only what differs is told again. */
	assert_int_equal(round_of_owners(), 0);
	kernel_touch_pages(vm, 100, 3);
	unsigned few = round_of_owners();
	assert_true(few > 0 && few < frame_table_count / TRACE_WINDOW_PAGES + 8);
	assert_drawn();
	/* The same looks in the same order; only the sizes differ. */
	kernel_touch_pages(vm, 103, 1);
	assert_true(round_of_owners() > 0);
	assert_drawn();
	kernel_give(vm, 100, 3);
	assert_true(round_of_owners() > 0);
	assert_drawn();
	kernel_vm_end(vm);
	assert_true(round_of_owners() > 0);
	assert_drawn();
	/* Regression: a record that was lost may have been any window's; all are told again. */
	assert_int_equal(round_of_owners(), 0);
	for (unsigned i = 0; i <= TRACE_RING_RECORDS; i++) {
		trace_note(TRACE_extent, 0, 0, 1);
	}
	assert_true(trace_sums().lost > 0);
	(void)trace_poll(fake_tsc);
	assert_true(round_of_owners() >= frame_table_count / TRACE_WINDOW_PAGES);
	assert_drawn();
	assert_int_equal(round_of_owners(), 0);
	/* Not before its time. */
	extents = 0;
	vm = kernel_vm("two", 4000, 3000, 500);
	(void)trace_poll(fake_tsc);
	draw_all();
	assert_int_equal(extents, 0);
	/* And not into a ring that VMs need. */
	for (unsigned i = 0; i <= TRACE_RING_RECORDS / 2 - TRACE_WINDOW_PAGES; i++) {
		trace_note(TRACE_extent, 0, 0, 1);
	}
	trace_port_room = 0;
	uint64_t written = trace_sums().written;
	(void)trace_poll(fake_tsc + ticks_from_ms(10));
	assert_int_equal(trace_sums().written, written);
	kernel_vm_end(vm);
}

static void test_no_memory_for_owners(void **state)
{
	(void)state;
	start();
	trace_port_room = 0;
	uint64_t free_pages = frame_count_free();
	assert_null(trace_use_port(NULL));
	/* First the sums, then the ring. */
	frame_alloc_fail_at = 1;
	assert_int_equal(trace_set(mask_of("map"), &error), STATUS_NO_MEMORY);
	assert_non_null(strstr(error.text, "no memory for a trace of frames: it needs 4K"));
	assert_int_equal(frame_count_free(), free_pages);
	frame_alloc_fail_at = 2;
	assert_int_equal(trace_set(mask_of("map"), &error), STATUS_NO_MEMORY);
	assert_int_equal(frame_count_free(), free_pages);
	assert_false(trace_is_used);
	assert_int_equal(trace_set(mask_of("map"), &error), STATUS_OK);
	assert_int_equal(frame_count_free(), free_pages - RING_FRAMES - 1);
	assert_int_equal(trace_set(mask_of("map,samples"), &error), STATUS_OK);
	assert_int_equal(frame_count_free(), free_pages - RING_FRAMES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masks),
		cmocka_unit_test_teardown(test_rings_come_with_the_first_event, teardown),
		cmocka_unit_test_teardown(test_no_memory_for_rings, teardown),
		cmocka_unit_test_teardown(test_events_of_a_vm, teardown),
		cmocka_unit_test_teardown(test_refused_ranges_are_no_event, teardown),
		cmocka_unit_test_teardown(test_the_way_out, teardown),
		cmocka_unit_test_teardown(test_without_a_port, teardown),
		cmocka_unit_test_teardown(test_the_last_ones_while_others_write, teardown),
		cmocka_unit_test_teardown(test_the_report_of_a_panic, teardown),
		cmocka_unit_test_teardown(test_the_report_of_many_cpus, teardown),
		cmocka_unit_test_teardown(test_samples, teardown),
		cmocka_unit_test_teardown(test_owners_of_frames, teardown),
		cmocka_unit_test_teardown(test_no_memory_for_owners, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
