/* SPDX-License-Identifier: BSD-2-Clause */
/* See commands.h. */
#include "fake/commands.h"

#include <string.h>

#include "kernel/log/log.h"
#include "kernel/monitor/attach.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/frame_map.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/results.h"

#define FRAMES 12000
#define STEPS_MOST 1000

char terminal[65536];
struct vm *attached_vm;
bool results_pass;
static size_t used;

void terminal_clear(void)
{
	used = 0;
	terminal[0] = '\0';
}

void log_text(const char *text, size_t bytes)
{
	assert_true(bytes > 0 && text[bytes - 1] == '\n');
	assert_true(used + bytes < sizeof(terminal));
	memcpy(terminal + used, text, bytes);
	used += bytes;
	terminal[used] = '\0';
}

uint64_t log_origin_tsc(void)
{
	return 0;
}

bool map_shown;
const char *map_message;

const char *frame_map_set(bool on)
{
	map_shown = map_message == NULL ? on : map_shown;
	return map_message;
}

void attach_begin(struct vm *vm)
{
	attached_vm = vm;
}

struct arch_walk guest_walk;
bool guest_has_run;

bool arch_guest_walk(struct vcpu *vcpu, uint64_t linear, struct arch_walk *walk)
{
	(void)linear;
	assert_int_not_equal(vcpu->state, VCPU_RUNNING);
	assert_int_equal(vcpu->resident, CPU_NONE);
	*walk = guest_walk;
	return guest_has_run;
}

bool report_results(bool details)
{
	assert_true(details);
	return results_pass;
}

_Noreturn void arch_end(enum end end, bool pass)
{
	panic("end %d %d", (int)end, pass);
}

void commands_start(void)
{
	static const char *const names[] = {"one", "two"};
	kernel_start(FRAMES, 1);
	for (unsigned i = 0; i < 2; i++) {
		struct vm *vm = kernel_vm(names[i], 4000, 3000, 500);
		struct aerostat_balloon_page *page = kernel_attach(vm);
		kernel_touch_pages(vm, 100, 1000);
		page->free_pages = 800;
		page->idle_pages = 800;
	}
	attached_vm = NULL;
	terminal_clear();
}

enum status command_type(const char *line)
{
	struct error error;
	enum status status = command_run(line, false, &error);
	terminal_clear();
	if (status != STATUS_OK) {
		output_print("%s", error.text);
	}
	for (unsigned i = 0; i < STEPS_MOST && (command_is_busy() || !output_is_empty()); i++) {
		fake_tsc += 100;
		command_step(fake_tsc, -1);
		output_poll();
	}
	fake_locks_check();
	return status;
}
