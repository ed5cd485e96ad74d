/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers that are neither general ones nor extended state. */
#ifndef GUESTS_LEFTOVER_REGISTERS_H
#define GUESTS_LEFTOVER_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

/* Puts a mark made of `mark` into each. False: one of them did not take it. */
bool registers_plant(uint64_t mark);

/* Each still holds what registers_plant() left. */
bool registers_are_own(void);

/* In a VM that has written none of them: each is as at the entry. */
bool registers_are_initial(void);

/* Instructions that read what is not offered are refused or tell nothing. */
bool registers_tell_nothing(void);

#endif
