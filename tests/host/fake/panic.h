/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What panic(), the lock checks and log_event() are in host tests. A panic fails the test that runs
 * unless it was expected; a lock taken twice or out of order panics; log lines are kept for the
 * test to read.
 */
#ifndef FAKE_PANIC_H
#define FAKE_PANIC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/lock.h"

extern jmp_buf fake_panic_target;
extern char fake_panic_text[256];
extern char fake_log_text[4096]; /* all lines since fake_log_clear(), as far as they fit */

void fake_panic_arm(void);
void fake_panic_disarm(void);
void fake_panic_check(const char *text); /* the panic's message contains `text` */
void fake_log_clear(void);
extern void (*fake_on_log)(const char *line); /* with each line; or NULL */

/* Forgets all locks that are held; between tests and after an expected panic. */
void fake_locks_reset(void);

/* No lock is held now. */
void fake_locks_check(void);

/* Called when frame_lock has just been let go: another CPU's chance. NULL: nobody there. */
extern void (*fake_on_unlock)(void);

/* The same for every lock: it has been let go, or is about to be taken. */
extern void (*fake_on_release)(const struct lock *lock);
extern void (*fake_on_acquire)(const struct lock *lock);

/* The statement panics, and the message contains `text`. */
#define expect_panic(text, statement)                                                              \
	do {                                                                                       \
		fake_panic_arm();                                                                  \
		if (setjmp(fake_panic_target) == 0) {                                              \
			statement;                                                                 \
			fake_panic_disarm();                                                       \
			fail_msg("no panic: %s", #statement);                                      \
		}                                                                                  \
		fake_panic_check(text);                                                            \
	} while (0)

#endif
