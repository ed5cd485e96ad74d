/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmbus: a driver of Hyper-V's Dynamic Memory, for a VM that is as=hyper-v. It has no native calls,
 * so it uses of guests/lib only the way from the start to C.
 *
 *	messages=N seed=S	speaks wrongly: N messages of all kinds, at random. After each it
 *				looks at pages: what it wrote is there, or zeros if it ever gave
 *them
 *
 * The last line is `vmbus: ok` or says what was wrong; then the VM switches itself off.
 */
#include <stdbool.h>

#include "abi/aerostat.h"
#include "guests/lib/bare.h"
#include "guests/lib/cpu.h"
#include "guests/vmbus/speak.h"

#define REQUEST_SECONDS 3 /* so long the host may take to ask for the first pages */

/* Where guests/lib/start.S goes. */
_Noreturn void runtime_main(const struct aerostat_start_info *info);

void runtime_main(const struct aerostat_start_info *info)
{
	uint64_t messages = bare_number(info->command_line, "messages");

	cpu_interrupts_off();
	uint64_t until_tsc = cpu_read_tsc() + REQUEST_SECONDS * 1000 * info->tsc_khz;
	if (bare_number(info->command_line, "everything") > 0) {
		speak_of_everything(info->ram_pages, until_tsc);
	}
	bool right =
		speak_wrongly(info->ram_pages, messages, bare_number(info->command_line, "seed"),
			      until_tsc, bare_number(info->command_line, "two") > 0);
	bare_print("vmbus: messages=%u\n", messages);
	bare_print("vmbus: beside=%u\n", bare_second_runs());
	bare_print(right ? "vmbus: ok\n" : "vmbus: wrong\n");
	bare_power_off();
}
