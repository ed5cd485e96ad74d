/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen that a boot loader describes, and the keyboard. Real: arch/x86/boot/multiboot2_screen.c
 * and drivers/phys/keyboard.c. Stubbed: nothing.
 */
#include "tests/proofs/proof.h"

#include "arch/x86/boot/multiboot2_screen.c"
#include "drivers/phys/keyboard.c"

/*
 * PROOF screen_tag_is_judged_once
 * Shows: a screen that is taken has a size that is drawn on, lines that hold it, colours inside of a
 * pixel and apart, and ends before the last address; the tag is read inside its length only
 * Bound: tags of up to 40 bytes of any content, any length
 * Assumes: nothing
 * Classes: files
 * Sources: arch/x86/boot/multiboot2_screen.c kernel/lib/string.c
 * Mutants: screen-pitch-not-checked
 */
void screen_tag_is_judged_once(void)
{
	uint64_t words[5];
	struct screen screen;
	HAVOC(words);
	size_t bytes = 8 * any_below(6);
	const void *tag = words + 5 - bytes / 8;
	if (multiboot2_read_screen(tag, bytes, &screen) != NULL) {
		PROVE(screen.bytes == 0 && screen.width == 0);
		return;
	}
	PROVE(screen.width >= 1 && screen.width <= SCREEN_SIDE_MOST);
	PROVE(screen.height >= 1 && screen.height <= SCREEN_SIDE_MOST);
	PROVE(screen.pitch >= screen.width * screen.pixel_bytes);
	PROVE(screen.bytes <= SCREEN_BYTES_MOST && screen.place + screen.bytes >= screen.place);
	PROVE(screen.kind == SCREEN_TEXT || (mask_of(screen.red) & mask_of(screen.green)) == 0);
	PROVE(screen.kind == SCREEN_TEXT || screen.red.at + screen.red.bits <= 32);
}

/*
 * PROOF keyboard_types_in_its_room
 * Shows: whatever a keyboard sends, at most 4 bytes come of one code, none is 0, and no table is
 * read beyond its end; a key that is released types nothing
 * Bound: all states and codes; one code
 * Assumes: no more codes are skipped than Pause has
 * Classes: files
 * Sources: drivers/phys/keyboard.c kernel/lib/string.c
 * Options: --unwind 24
 * Fault: drivers/phys/keyboard.c | if (code >= CODES || plain[code] == 0 || (extended && code != 0x1c
 * && code != 0x35)) { | if (plain[code] == 0 || (extended && code != 0x1c && code != 0x35)) {
 */
void keyboard_types_in_its_room(void)
{
	char typed[KEYBOARD_BYTES_MOST];
	struct keyboard keyboard = {any_bool(), any_bool(), any_bool(), any_bool(),
				    any_bool(), any_bool(), any_u32()};
	ASSUME(keyboard.skip <= PAUSE_CODES);
	uint8_t code = any_u8();
	size_t bytes = keyboard_take(&keyboard, code, typed);
	PROVE(bytes <= KEYBOARD_BYTES_MOST && keyboard.skip <= PAUSE_CODES);
	PROVE(!(code & RELEASED) || bytes == 0);
	if (bytes > 0) {
		PROVE(typed[0] != 0 && typed[bytes - 1] != 0);
	}
}
