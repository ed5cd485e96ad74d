/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleeping. */
#ifndef GUESTS_LIB_WAIT_H
#define GUESTS_LIB_WAIT_H

#include <stdint.h>

/* Sleeps until the time stamp counter has reached `tsc`, serving the balloon meanwhile. */
void wait_until(uint64_t tsc);

/* The same, from now on. */
void wait_ms(uint64_t milliseconds);

/* Without serving the balloon. */
void wait_ms_quietly(uint64_t milliseconds);

#endif
