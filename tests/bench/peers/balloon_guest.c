/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Works on command inside the Linux guest of QEMU: one command per line on the serial port, which
 * is standard input and output here, and one answer. `touch` takes nearly all free memory, stores a
 * byte to each of its pages, and gives it back; always the same amount.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <termios.h>

#define PAGE 4096ul
#define LEFT_FREE (24ul << 20)
#define SPIN_ROUNDS 20000000ul /* of two instructions */

static size_t touch_bytes;

static void raw_terminal(void)
{
	struct termios settings;

	if (tcgetattr(0, &settings) == 0) {
		cfmakeraw(&settings);
		tcsetattr(0, TCSANOW, &settings);
	}
}

static size_t bytes_to_touch(void)
{
	struct sysinfo info;

	if (sysinfo(&info) != 0 || info.freeram * info.mem_unit <= LEFT_FREE) {
		return 0;
	}
	return (info.freeram * info.mem_unit - LEFT_FREE) & ~(PAGE - 1);
}

static void touch(void)
{
	char *area = mmap(NULL, touch_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED) {
		printf("failed\n");
		return;
	}
	for (size_t i = 0; i < touch_bytes; i += PAGE) {
		area[i] = 1;
	}
	munmap(area, touch_bytes);
	printf("done %zu\n", touch_bytes / PAGE);
}

/* A known number of instructions without any exit: what is counted beyond them is interrupts. */
static void spin(void)
{
	unsigned long rounds = SPIN_ROUNDS;

	__asm__ volatile("1: dec %0\n"
			 "jnz 1b"
			 : "+r"(rounds));
	printf("done %lu\n", 2 * SPIN_ROUNDS);
}

static void obey(const char *command)
{
	if (strcmp(command, "touch\n") == 0) {
		touch();
	} else if (strcmp(command, "spin\n") == 0) {
		spin();
	} else {
		printf("done 0\n");
	}
}

int main(void)
{
	char command[64];

	raw_terminal();
	setvbuf(stdout, NULL, _IOLBF, 0);
	touch_bytes = bytes_to_touch();
	touch();
	touch();
	printf("ready\n");
	while (fgets(command, sizeof(command), stdin)) {
		obey(command);
	}
	return 1;
}
