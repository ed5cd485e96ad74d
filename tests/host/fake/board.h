/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O ports for the sources of drivers/phys: each test puts its own devices behind them. */
#ifndef TESTS_HOST_FAKE_BOARD_H
#define TESTS_HOST_FAKE_BOARD_H

#include "base/types.h"

/* Implemented by the test; `bytes` is 1, 2 or 4. What nothing answers reads as ones. */
void board_write(uint16_t port, unsigned bytes, uint32_t value);
uint32_t board_read(uint16_t port, unsigned bytes);

#endif
