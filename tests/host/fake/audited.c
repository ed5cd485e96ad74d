/* SPDX-License-Identifier: BSD-2-Clause */
/* See audited.h. */
#include "fake/audited.h"

#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"

struct s2 *audited_vm;
struct s2 *audited_other;
struct audit_report audited_report;

void audited_run(void)
{
	audit_run(world_spaces, world_space_count, &audited_report);
}

int audited_setup(void **state)
{
	(void)state;
	world_start(512, 2600, 2);
	pfn_t host_page;
	assert_int_equal(frame_alloc(0, (struct frame_tag){FRAME_HYPERVISOR, 0, 0}, &host_page),
			 STATUS_OK);
	audited_vm = world_create(1, 4000, 1000); /* holds less than it was promised */
	audited_other = world_create(2, 1000, 50);
	for (uint64_t gfn = 0; gfn < 8; gfn++) {
		world_write(audited_vm, gfn, gfn + 1);
		world_write(audited_other, gfn, gfn + 1);
	}
	assert_int_equal(world_populate(audited_vm, 1024, ORDER_2M), STATUS_OK);
	assert_int_equal(world_surrender(audited_vm, 2048, ORDER_2M), STATUS_OK);
	assert_int_equal(world_surrender(audited_vm, 100, 0), STATUS_OK);
	assert_int_equal(world_surrender(audited_other, 7, 0), STATUS_OK);
	world_flush(audited_other);
	(void)scrub_step(0);
	assert_int_equal(world_surrender(audited_vm, 7, 0), STATUS_OK); /* waits for the flush */
	assert_int_equal(world_surrender(audited_vm, 6, 0), STATUS_OK);
	audited_run();
	assert_int_equal(audited_report.error_count, 0);
	assert_string_equal(audited_report.first_error, "");
	return 0;
}

void expect_complaint(const char *text)
{
	audited_run();
	if (audited_report.error_count == 0 || strstr(audited_report.first_error, text) == NULL) {
		fail_msg("%u errors, first \"%s\", expected \"%s\"",
			 (unsigned)audited_report.error_count, audited_report.first_error, text);
	}
}

uint64_t *audited_entry(const struct s2 *s2, uint64_t gfn, struct s2_path *path)
{
	return s2_walk(s2, (gfn_t){gfn}, path);
}

struct frame *audited_record(struct s2 *s2, uint64_t gfn)
{
	return frame_of(world_lookup(s2, gfn).pfn);
}

struct frame *audited_listed(enum frame_state state)
{
	for (uint64_t pfn = 0; pfn < frame_table_count;) {
		struct frame *frame = &frame_table[pfn];
		if (frame->tag.state == state &&
		    (state == FRAME_ZEROED || frame->next != FRAME_NONE)) {
			return frame;
		}
		pfn += order_pages(frame->tag.order);
	}
	fail_msg("no such frame");
	return NULL;
}
