/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of our own functions, for back-traces. The table is made by tools/gen-symbols. */
#ifndef KERNEL_LOG_SYMBOLS_H
#define KERNEL_LOG_SYMBOLS_H

#include "base/types.h"

/* The function that `address` lies in and the distance from its start, or NULL outside the code. */
const char *symbol_find(uintptr_t address, uint64_t *offset);

#endif
