/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying and filling memory. */
#ifndef GUESTS_LIB_MEMORY_H
#define GUESTS_LIB_MEMORY_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

#endif
