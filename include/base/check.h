/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks of our own invariants. CHECK is in every build, ASSERT in debug builds only but always
 * compiled. Neither is ever applied to something a guest, a file or an operator can choose.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#ifdef AEROSTAT_DEBUG
#define DEBUG_BUILD 1
#else
#define DEBUG_BUILD 0
#endif

/* Stops the whole machine with a report; implemented by kernel/log/panic.c and by the host tests.
 */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (__builtin_expect(!(condition), 0)) {                                           \
			panic("%s:%d: CHECK(%s) failed", __FILE__, __LINE__, #condition);          \
		}                                                                                  \
	} while (0)

#define ASSERT(condition)                                                                          \
	do {                                                                                       \
		if (DEBUG_BUILD && __builtin_expect(!(condition), 0)) {                            \
			panic("%s:%d: ASSERT(%s) failed", __FILE__, __LINE__, #condition);         \
		}                                                                                  \
	} while (0)

#endif
