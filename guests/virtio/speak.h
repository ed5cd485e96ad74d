/* SPDX-License-Identifier: BSD-2-Clause */
/* The two drivers of guests/virtio; false: something was wrong. */
#ifndef GUESTS_VIRTIO_SPEAK_H
#define GUESTS_VIRTIO_SPEAK_H

#include <stdbool.h>
#include <stdint.h>

#define FIRST_GFN 4096ul /* of the pages that are given and taken back */

bool speak_rightly(uint64_t ram_pages);
/*
 * Fills its balloon, stays so until the VM has lived for 1.2 s, and resets the VM, as long as it
 * began in the first `seconds` of the TSC. Then it ends with a full balloon.
 */
bool speak_until(uint64_t ram_pages, uint64_t begin_tsc, uint64_t ticks_per_second,
		 uint64_t seconds);
/* `two`: vCPU 1 speaks, too. */
bool speak_wrongly(uint64_t ram_pages, uint64_t messages, uint64_t seed, bool two);
/* All pages but those that it needs for saying so; the code as well, so it does not return. */
void speak_of_everything(uint64_t ram_pages);

#endif
