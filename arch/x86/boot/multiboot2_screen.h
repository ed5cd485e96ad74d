/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what a multiboot2 loader says of the screen (specification 2.0, chapter 3.6.12). */
#ifndef ARCH_X86_BOOT_MULTIBOOT2_SCREEN_H
#define ARCH_X86_BOOT_MULTIBOOT2_SCREEN_H

#include "base/types.h"
#include "arch/screen.h"

/*
 * Pure: `tag` is the framebuffer tag of `bytes` bytes, header included. Answers NULL and fills
 * *screen; or what is wrong with the tag, and *screen is then none.
 */
const char *multiboot2_read_screen(const void *tag, size_t bytes, struct screen *screen);

#endif
