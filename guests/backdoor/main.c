/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backdoor: a driver of VMware's balloon, for a VM that is as=vmware. It has no native calls, so it
 * uses of guests/lib only the way from the start to C.
 *
 *	messages=N seed=S	speaks wrongly: N messages of all kinds, at random. After each it
 *				looks at a page: what it wrote is there, or zeros if it ever gave it
 *	measure			speaks rightly, and says what each message costs in ticks of the TSC
 *
 * The last line is `backdoor: ok` or says what was wrong; then the VM switches itself off.
 */
#include <stdbool.h>

#include "abi/aerostat.h"
#include "guests/backdoor/port.h"
#include "guests/backdoor/speak.h"
#include "guests/lib/cpu.h"

/* guests/lib/start.S refers to them; there is one vCPU. */
uint64_t vcpus[64];
_Noreturn void vcpu_main(void *vcpu);
_Noreturn void runtime_main(const struct aerostat_start_info *info);

void vcpu_main(void *vcpu)
{
	(void)vcpu;
	port_power_off();
}

/* The number behind `name=` on the command line, or 0. */
static uint64_t number_of(const char *line, const char *name)
{
	for (; *line != '\0'; line++) {
		unsigned i = 0;
		while (name[i] != '\0' && line[i] == name[i]) {
			i++;
		}
		if (name[i] == '\0' && line[i] == '=') {
			uint64_t number = 0;
			for (i++; line[i] >= '0' && line[i] <= '9'; i++) {
				number = number * 10 + (uint64_t)(line[i] - '0');
			}
			return number;
		}
	}
	return 0;
}

void runtime_main(const struct aerostat_start_info *info)
{
	uint64_t messages = number_of(info->command_line, "messages");
	uint64_t ram_pages = info->ram_pages;
	bool right;

	cpu_interrupts_off();
	if (messages > 0) {
		right = speak_wrongly(ram_pages, messages, number_of(info->command_line, "seed"));
		port_print("backdoor: messages=%u\n", messages);
	} else {
		right = speak_rightly(ram_pages);
	}
	port_print(right ? "backdoor: ok\n" : "backdoor: wrong\n");
	port_power_off();
}
