/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio: a driver of the virtio balloon, for a VM that is as=kvm. It has no native calls, so it
 * uses of guests/lib only the way from the start to C.
 *
 *	messages=N seed=S	speaks wrongly: N messages of all kinds, at random. After each it
 *				looks at a page: what it wrote is there, or zeros if it ever gave it
 *	measure			speaks rightly, and says what each message costs in ticks of the TSC
 *
 *	fill=1 until=S		fills its balloon and resets the VM, in the first S seconds of the
 *TSC
 *
 * The last line is `virtio: ok` or says what was wrong; then the VM switches itself off.
 */
#include <stdbool.h>

#include "abi/aerostat.h"
#include "guests/virtio/board.h"
#include "guests/virtio/speak.h"
#include "guests/lib/cpu.h"

/* guests/lib/start.S refers to them; there is one vCPU. */
uint64_t vcpus[64];
_Noreturn void vcpu_main(void *vcpu);
_Noreturn void runtime_main(const struct aerostat_start_info *info);

void vcpu_main(void *vcpu)
{
	(void)vcpu;
	board_power_off();
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
	board_map();
	if (number_of(info->command_line, "fill") > 0) {
		right = speak_until(ram_pages, cpu_read_tsc(), info->tsc_khz * 1000,
				    number_of(info->command_line, "until"));
	} else if (messages > 0) {
		right = speak_wrongly(ram_pages, messages, number_of(info->command_line, "seed"));
		board_print("virtio: messages=%u\n", messages);
	} else {
		right = speak_rightly(ram_pages);
	}
	board_print(right ? "virtio: ok\n" : "virtio: wrong\n");
	board_power_off();
}
