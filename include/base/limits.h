/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits that several layers share. Each is written here and nowhere else. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/*
 * Logical processors that run guests. A set of CPUs is one 64-bit word (masks of flushes, kicks and
 * affinity), so more than 64 need another type there.
 */
#define CPUS_MAX 64

/* A limit as text, for messages: LIMIT_TEXT(CPUS_MAX) is "64". */
#define LIMIT_TEXT_OF(number) #number
#define LIMIT_TEXT(limit) LIMIT_TEXT_OF(limit)

#endif
