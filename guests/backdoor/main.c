/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backdoor: a driver of VMware's balloon, for a VM that is as=vmware. It has no native calls, so it
 * uses of guests/lib only the way from the start to C.
 *
 *	messages=N seed=S	speaks wrongly: N messages of all kinds, at random. After each it
 *				looks at a page: what it wrote is there, or zeros if it ever gave it
 *	two=1			both vCPUs speak at once, in the same words
 *	everything=1		gives all its pages away, its code included
 *	measure			speaks rightly, and says what each message costs in ticks of the TSC
 *
 * The last line is `backdoor: ok` or says what was wrong; then the VM switches itself off.
 */
#include <stdbool.h>

#include "abi/aerostat.h"
#include "guests/backdoor/port.h"
#include "guests/backdoor/speak.h"
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
	if (bare_number(info->command_line, "everything") > 0) {
		speak_of_everything(ram_pages);
	}
	if (messages > 0) {
		right = speak_wrongly(ram_pages, messages, bare_number(info->command_line, "seed"),
				      bare_number(info->command_line, "two") > 0);
		bare_print("backdoor: messages=%u\n", messages);
		bare_print("backdoor: beside=%u\n", bare_second_runs());
	} else {
		right = speak_rightly(ram_pages);
	}
	bare_print(right ? "backdoor: ok\n" : "backdoor: wrong\n");
	bare_power_off();
}
