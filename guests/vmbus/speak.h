/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver of guests/vmbus; false: something was wrong. */
#ifndef GUESTS_VMBUS_SPEAK_H
#define GUESTS_VMBUS_SPEAK_H

#include <stdbool.h>
#include <stdint.h>

/* Begins when the host has asked for pages, or at a time of the TSC. `two`: vCPU 1 speaks, too. */
bool speak_wrongly(uint64_t ram_pages, uint64_t messages, uint64_t seed, uint64_t until_tsc,
		   bool two);

/* All pages at once, the code as well, so it does not return. */
void speak_of_everything(uint64_t ram_pages, uint64_t until_tsc);

#endif
