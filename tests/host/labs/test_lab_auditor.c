/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lab 6: mm/audit.c finds what is wrong in the tables and counters of a VM. Each check damages one
 * thing in a sound world. It is lost as well when the auditor complains about the sound one.
 *
 * With the arguments `show NAME...` it prints what the auditor says of these damages
 * (tools/lab_media.py).
 */
#include <stdio.h>
#include <string.h>

#include "labs/check.h"

#include "fake/audited.h"

#include "base/bits.h"
#include "mm/pool.h"

static struct s2_path path;

static void start(void)
{
	(void)audited_setup(NULL);
	want(frame_count_free() > 0, "the model is wrong");
}

static void want_complaint(const char *what)
{
	audited_run();
	want(audited_report.error_count > 0, "the auditor finds nothing wrong: %s", what);
}

static void want_no_complaint(const char *what)
{
	audited_run();
	want(audited_report.error_count == 0, "%s, and the auditor says: %s", what,
	     audited_report.first_error);
}

static uint64_t *entry(uint64_t gfn)
{
	return audited_entry(audited_vm, gfn, &path);
}

/* ---- Leaves ------------------------------------------------------------------------------------
 */

static void wrong_gfn(void)
{
	start();
	audited_record(audited_vm, 3)->gfn = 4;
	want_complaint("the record of a mapped frame names another gfn");
}

static void wrong_gfn_of_a_large_leaf(void)
{
	start();
	audited_record(audited_vm, 1024)->gfn += 512;
	want_complaint("the record of a large frame names another gfn");
}

static void mapped_twice_in_one_vm(void)
{
	start();
	*entry(4) = *entry(3);
	want_complaint("pages 3 and 4 have the same frame");
}

static void mapped_in_two_vms(void)
{
	start();
	*audited_entry(audited_other, 3, &path) = *entry(3);
	want_complaint("two VMs have the same frame");
}

static void mapped_and_free(void)
{
	start();
	pfn_t frame = {(uint64_t)(audited_listed(FRAME_DIRTY) - frame_table)};
	*entry(3) = leaf_value(&fake_format, frame, 0);
	want_complaint("a frame that is free is mapped");
}

static void mapped_table(void)
{
	start();
	*entry(3) = leaf_value(&fake_format, audited_vm->root, 0);
	want_complaint("a VM can write its own page table");
}

static void mapped_beyond_memory(void)
{
	start();
	*entry(3) = leaf_value(&fake_format, (pfn_t){BIT(40)}, 0);
	want_complaint("a frame that does not exist is mapped");
}

static void piece_of_an_extent(void)
{
	start();
	pfn_t piece = {world_lookup(audited_vm, 1024).pfn.n + 5};
	*entry(3) = leaf_value(&fake_format, piece, 0);
	want_complaint("a piece of a large frame is mapped by itself");
}

/* ---- Tables ------------------------------------------------------------------------------------
 */

static void dropped_entry(void)
{
	start();
	*entry(3) = 0;
	want_complaint("an entry is gone, and its frame is the VM's still");
}

static void table_of_another_vm(void)
{
	start();
	struct s2_path theirs;
	(void)entry(3);
	(void)audited_entry(audited_other, 3, &theirs);
	*table_entry(path.table[1], 0) = *table_entry(theirs.table[1], 0);
	want_complaint("a VM uses another VM's page table");
}

static void table_beyond_memory(void)
{
	start();
	(void)entry(3);
	*table_entry(path.table[1], 0) = pfn_to_hpa((pfn_t){BIT(38)}).v | fake_format.table_flags;
	want_complaint("a page table that does not exist");
}

static void lost_root(void)
{
	start();
	frame_of(audited_vm->root)->tag.owner = 0;
	want_complaint("the root is not the VM's");
}

/* ---- Sums --------------------------------------------------------------------------------------
 */

/* Out of the tables and of every counter, but not given back: the frame belongs to nobody. */
static void the_lost_frame(void)
{
	start();
	*entry(3) = 0;
	table_set_counts(path.table[0], 0, table_present(path.table[0]) - 1,
			 table_ballooned(path.table[0]));
	audited_vm->mapped_pages--;
	promise_held_remove(&audited_vm->promise, 1);
	want_complaint("a frame is in no table and in no list");
}

static void frames_of_no_vm(void)
{
	struct s2 *rest[1];
	start();
	rest[0] = audited_vm;
	audit_run(rest, 1, &audited_report);
	want(audited_report.error_count > 0, "the auditor finds nothing wrong: the frames of a VM"
					     " that is not in the list are nobody's");
}

static void counter(const char *what, uint64_t *value)
{
	*value += 1;
	want_complaint(what);
	*value -= 2;
	want_complaint(what);
	*value += 1;
	want_no_complaint("the counter is right again");
}

static void counter_of_mapped_pages(void)
{
	start();
	counter("mapped_pages", &audited_vm->mapped_pages);
}

static void counter_of_large_pages(void)
{
	start();
	counter("large_pages", &audited_vm->large_pages);
}

static void counter_of_the_balloon(void)
{
	start();
	counter("ballooned_pages", &audited_vm->ballooned_pages);
}

static void counter_of_tables(void)
{
	start();
	counter("table_pages", &audited_vm->table_pages);
	counter("promise.table_pages", &audited_vm->promise.table_pages);
}

static void counter_of_what_is_held(void)
{
	start();
	counter("promise.held_pages", &audited_vm->promise.held_pages);
}

static void quarantine(void)
{
	start();
	counter("revoking_pages", &audited_vm->revoking_pages);
	uint32_t head = audited_vm->revoking_head;
	audited_vm->revoking_head = frame_table[head].next;
	want_complaint("a frame has left the list of the quarantine, but not its state");
	frame_table[head].next = head;
	audited_vm->revoking_head = head;
	want_complaint("the list of the quarantine is a circle");
}

static void what_is_owed(void)
{
	start();
	counter("promise.min_pages", &audited_vm->promise.min_pages);
}

static void changes_nothing(void)
{
	start();
	*entry(4) = *entry(3);
	struct world_image before = world_image();
	want_complaint("pages 3 and 4 have the same frame");
	struct world_image after = world_image();
	want(world_image_equal(&before, &after), "the auditor has changed what it looks at");
}

/* ---- Questions ---------------------------------------------------------------------------------
 */

static const char *pages_mapped(void)
{
	start();
	return text_of(audited_vm->mapped_pages);
}

static const char *pages_in_the_balloon(void)
{
	start();
	return text_of(audited_vm->ballooned_pages);
}

static const char *pages_of_tables(void)
{
	start();
	return text_of(audited_vm->table_pages);
}

static const char *state_in_quarantine(void)
{
	start();
	return frame_table[audited_vm->revoking_head].tag.state == FRAME_REVOKING ? "FRAME_REVOKING"
										  : "";
}

/* False: no check has this name. */
static bool show(const struct check *checks, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(checks[i].name, name) == 0) {
			checks[i].run();
			printf("%s: %llu complaints, the first: %s\n", name,
			       (unsigned long long)audited_report.error_count,
			       audited_report.first_error);
			return true;
		}
	}
	return false;
}

int main(int words_count, char **words)
{
	const struct check checks[] = {
		{"wrong_gfn", 2, wrong_gfn},
		{"wrong_gfn_of_a_large_leaf", 1, wrong_gfn_of_a_large_leaf},
		{"mapped_twice_in_one_vm", 2, mapped_twice_in_one_vm},
		{"mapped_in_two_vms", 2, mapped_in_two_vms},
		{"mapped_and_free", 2, mapped_and_free},
		{"mapped_table", 1, mapped_table},
		{"mapped_beyond_memory", 1, mapped_beyond_memory},
		{"piece_of_an_extent", 1, piece_of_an_extent},
		{"dropped_entry", 2, dropped_entry},
		{"table_of_another_vm", 2, table_of_another_vm},
		{"table_beyond_memory", 1, table_beyond_memory},
		{"lost_root", 1, lost_root},
		{"the_lost_frame", 3, the_lost_frame},
		{"frames_of_no_vm", 2, frames_of_no_vm},
		{"counter_of_mapped_pages", 1, counter_of_mapped_pages},
		{"counter_of_large_pages", 1, counter_of_large_pages},
		{"counter_of_the_balloon", 1, counter_of_the_balloon},
		{"counter_of_tables", 1, counter_of_tables},
		{"counter_of_what_is_held", 2, counter_of_what_is_held},
		{"quarantine", 3, quarantine},
		{"what_is_owed", 2, what_is_owed},
		{"changes_nothing", 1, changes_nothing},
	};
	const struct question questions[] = {
		{"q1", 1, pages_mapped,
		 "tests/host/fake/audited.c: what was surrendered is not mapped"},
		{"q2", 1, pages_in_the_balloon,
		 "tests/host/fake/audited.c: an extent of 2 MiB is 512"},
		{"q3", 1, pages_of_tables,
		 "the root, one table below it, and on; 2 MiB need no last one"},
		{"q4", 1, state_in_quarantine, "mm/frame.h: enum frame_state"},
	};
	if (words_count > 2 && strcmp(words[1], "show") == 0) {
		bool found = true;
		for (int i = 2; i < words_count; i++) {
			found &= show(checks, LABS_COUNT(checks), words[i]);
		}
		return found ? 0 : 2;
	}
	return labs_run(checks, LABS_COUNT(checks), questions, LABS_COUNT(questions));
}
