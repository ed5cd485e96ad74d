/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio: a driver of the virtio balloon, for a VM that is as=kvm. It has no native calls, so it
 * uses of guests/lib only the way from the start to C.
 *
 *	messages=N seed=S	speaks wrongly: N messages of all kinds, at random. After each it
 *				looks at a page: what it wrote is there, or zeros if it ever gave it
 *	two=1			both vCPUs speak at once, in the same words
 *	everything=1		gives all its pages away, its code included
 *	measure			speaks rightly, and says what each message costs in ticks of the TSC
 *	fill=1 until=S		fills its balloon and resets the VM, in the TSC's first S seconds
 *
 * The last line is `virtio: ok` or says what was wrong; then the VM switches itself off.
 */
#include <stdbool.h>

#include "abi/aerostat.h"
#include "guests/virtio/board.h"
#include "guests/virtio/speak.h"
#include "guests/lib/bare.h"
#include "guests/lib/cpu.h"

/* Where guests/lib/start.S goes. */
_Noreturn void runtime_main(const struct aerostat_start_info *info);

void runtime_main(const struct aerostat_start_info *info)
{
	uint64_t messages = bare_number(info->command_line, "messages");
	uint64_t ram_pages = info->ram_pages;
	bool right;

	cpu_interrupts_off();
	board_map();
	if (bare_number(info->command_line, "everything") > 0) {
		speak_of_everything(ram_pages);
	}
	if (bare_number(info->command_line, "fill") > 0) {
		right = speak_until(ram_pages, cpu_read_tsc(), info->tsc_khz * 1000,
				    bare_number(info->command_line, "until"));
	} else if (messages > 0) {
		right = speak_wrongly(ram_pages, messages, bare_number(info->command_line, "seed"),
				      bare_number(info->command_line, "two") > 0);
		bare_print("virtio: messages=%u\n", messages);
		bare_print("virtio: beside=%u\n", bare_second_runs());
	} else {
		right = speak_rightly(ram_pages);
	}
	bare_print(right ? "virtio: ok\n" : "virtio: wrong\n");
	bare_power_off();
}
