/* SPDX-License-Identifier: BSD-2-Clause */
/* See panic.h. One thread, no lock. */
#include "fake/panic.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "mm/frame.h"

#define HELD_MAX 8

jmp_buf fake_panic_target;
char fake_panic_text[256];
char fake_log_text[4096];
void (*fake_on_unlock)(void);
void (*fake_on_release)(const struct lock *lock);
void (*fake_on_acquire)(const struct lock *lock);

static bool armed;
static struct lock *held[HELD_MAX];
static unsigned held_count;
static unsigned log_bytes;

void fake_panic_arm(void)
{
	armed = true;
}

void fake_panic_disarm(void)
{
	armed = false;
}

void fake_panic_check(const char *text)
{
	fake_locks_reset();
	if (strstr(fake_panic_text, text) == NULL) {
		fail_msg("panic says \"%s\", expected \"%s\"", fake_panic_text, text);
	}
}

_Noreturn void panic(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(fake_panic_text, sizeof(fake_panic_text), format, arguments);
	va_end(arguments);
	if (armed) {
		armed = false;
		longjmp(fake_panic_target, 1);
	}
	fail_msg("panic: %s", fake_panic_text);
	__builtin_unreachable();
}

void fake_locks_reset(void)
{
	while (held_count > 0) {
		held_count--;
		lock_init(held[held_count], held[held_count]->rank);
	}
	lock_init(&frame_lock, LOCK_FRAMES);
	fake_on_unlock = NULL;
	fake_on_release = NULL;
	fake_on_acquire = NULL;
}

void fake_locks_check(void)
{
	if (held_count != 0) {
		fail_msg("a lock of rank %u is still held", held[held_count - 1]->rank);
	}
}

void lock_order_check(const struct lock *lock, bool taken)
{
	if (!taken) {
		CHECK(held_count > 0 && held[held_count - 1] == lock);
		held_count--;
		if (lock == &frame_lock && fake_on_unlock != NULL) {
			fake_on_unlock();
		}
		if (fake_on_release != NULL) {
			fake_on_release(lock);
		}
		return;
	}
	if (fake_on_acquire != NULL) {
		fake_on_acquire(lock);
	}
	if (lock_is_taken(lock)) {
		panic("lock of rank %u is taken by who holds it already", lock->rank);
	}
	if (held_count > 0 && held[held_count - 1]->rank >= lock->rank) {
		panic("lock of rank %u is taken under one of rank %u", lock->rank,
		      held[held_count - 1]->rank);
	}
	CHECK(held_count < HELD_MAX);
	held[held_count++] = (struct lock *)(uintptr_t)lock;
}

void (*fake_on_log)(const char *line);

void fake_log_clear(void)
{
	log_bytes = 0;
	fake_log_text[0] = '\0';
}

static enum log_level level = LOG_NORMAL;

void log_level_set(enum log_level to)
{
	level = to;
}

enum log_level log_level_now(void)
{
	return level;
}

void log_event(const char *vm, const char *format, ...)
{
	char line[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	size_t room = sizeof(fake_log_text) - log_bytes;
	int length =
		snprintf(fake_log_text + log_bytes, room, "%s %s\n", vm == NULL ? "-" : vm, line);
	if (length > 0) {
		log_bytes += (size_t)length < room ? (unsigned)length : (unsigned)room - 1;
	}
	if (fake_on_log != NULL) {
		fake_on_log(line);
	}
}
