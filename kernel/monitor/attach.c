/* SPDX-License-Identifier: BSD-2-Clause */
/* See attach.h. State of the boot CPU; the terminal is written to under the lock of the log. */
#include "kernel/monitor/attach.h"

#include "arch/arch.h"
#include "base/log.h"
#include "base/time.h"
#include "kernel/log/log.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/guest_console.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

#define PAGE_LINES 24 /* what was said last is shown first */
#define PAGE_BYTES_MOST 2048
#define OUTPUT_BYTES 256 /* at once: a serial port takes 22 ms for them */
#define KEYS_AT_ONCE 256
#define DEAF_MS 1000 /* a VM that takes no key for that time loses what is typed */
#define NO_KEY (-1)
#define NUMBER_MOST 999

static struct {
	struct vm *vm;	   /* NULL: the keys are the monitor's */
	uint64_t position; /* of the console's output: what comes next */
	int held;	   /* a key that the VM had no room for, or NO_KEY */
	uint64_t full_tsc; /* since when it has no room; 0: it has */
	bool choosing;	   /* a number is being typed */
	unsigned number;
} attach = {.held = NO_KEY};

bool attach_is_on(void)
{
	return attach.vm != NULL;
}

void attach_begin(struct vm *vm)
{
	log_event(NULL, "console of %s: Ctrl-] leaves", vm_name(vm));
	attach.vm = vm;
	attach.position = guest_console_tail(vm->console, PAGE_LINES, PAGE_BYTES_MOST);
	attach.held = NO_KEY;
	attach.full_tsc = 0;
	scheduler_set_typing(true);
}

static void leave(const char *why)
{
	/* The VM's cursor may be anywhere in a line. */
	log_text("\n", 1);
	log_event(NULL, "console of %s: %s", vm_name(attach.vm), why);
	attach.vm = NULL;
	scheduler_set_typing(false);
}

void attach_ask(void)
{
	unsigned count = 0;
	struct vm *only = NULL;
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].console != NULL) {
			only = &vms[i];
			count++;
		}
	}
	if (count == 0) {
		log_event(NULL, "console: no VM has one");
		return;
	}
	if (count == 1) {
		attach_begin(only);
		return;
	}
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].console != NULL) {
			log_event(NULL, "console: %u is %s", i + 1, vm_name(&vms[i]));
		}
	}
	log_event(NULL, "console: type a number and Enter");
	attach.choosing = true;
	attach.number = 0;
}

bool attach_choose(int key, uint64_t now_tsc)
{
	if (!attach.choosing) {
		return false;
	}
	if (key >= '0' && key <= '9' && attach.number <= NUMBER_MOST) {
		attach.number = attach.number * 10 + (unsigned)(key - '0');
		return true;
	}
	attach.choosing = false;
	if (key != '\r' && key != '\n') {
		log_event(NULL, "console: no number, nothing chosen");
	} else if (attach.number < 1 || attach.number > vm_count ||
		   vms[attach.number - 1].console == NULL) {
		log_event(NULL, "console: VM %u has none", attach.number);
	} else {
		attach_begin(&vms[attach.number - 1]);
		attach_poll(now_tsc);
	}
	return true;
}

/* False: the VM has no room for the key, which is kept. */
static bool type(struct guest_console *console, uint64_t now_tsc)
{
	if (guest_console_type(console, (uint8_t)attach.held)) {
		attach.full_tsc = 0;
		return true;
	}
	if (attach.full_tsc == 0) {
		attach.full_tsc = now_tsc;
	}
	/* Or what waits would keep Ctrl-] from being read. */
	return now_tsc - attach.full_tsc > ticks_from_ms(DEAF_MS);
}

static void move_keys(struct vm *vm, uint64_t now_tsc)
{
	unsigned moved = 0;
	while (moved < KEYS_AT_ONCE) {
		if (attach.held == NO_KEY) {
			attach.held = arch_console_read();
		}
		if (attach.held == NO_KEY) {
			break;
		}
		if (attach.held == ATTACH_LEAVE) {
			attach.held = NO_KEY;
			leave("left");
			break;
		}
		if (!type(vm->console, now_tsc)) {
			break;
		}
		attach.held = NO_KEY;
		moved++;
	}
	if (moved > 0) {
		platform_console_input(vm);
	}
}

static void show_output(const struct guest_console *console)
{
	uint8_t bytes[OUTPUT_BYTES];
	size_t count = guest_console_read(console, &attach.position, bytes, sizeof(bytes));
	if (count > 0) {
		log_text((const char *)bytes, count);
	}
}

void attach_poll(uint64_t now_tsc)
{
	struct vm *vm = attach.vm;
	if (vm != NULL && vm->console == NULL) {
		leave("the VM has ended");
		vm = NULL;
	}
	if (vm != NULL) {
		show_output(vm->console);
		move_keys(vm, now_tsc);
	}
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].console != NULL) {
			guest_console_poll(vms[i].console, vm_name(&vms[i]), now_tsc,
					   &vms[i] == vm || log_level_now() == LOG_QUIET);
		}
	}
}
