/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First and only process of the Linux that `make bench-linux` boots, on the bare emulated machine
 * and as a VM. It executes XCHG BX, BX, at which the emulator's debugger stops: where it begins,
 * and before and behind each operation. What it has counted itself comes in lines `probe: ...`.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SLEEPS 8
#define SLEEP_NS 2000000
#define BYTES_WARM 4096
#define BYTES 512
#define IPIS 8
#define MEMBARRIER_PRIVATE_EXPEDITED 8
#define MEMBARRIER_REGISTER 16

static void mark(void)
{
	__asm__ volatile("xchgw %%bx, %%bx" : : : "memory");
}

/* Interrupts of the local timers so far. */
static long timer_interrupts(void)
{
	char line[512];
	long sum = 0;
	FILE *file = fopen("/proc/interrupts", "r");

	while (file && fgets(line, sizeof(line), file)) {
		char *at = strstr(line, "LOC:");
		for (at = at ? at + 4 : NULL; at;) {
			char *end;
			long count = strtol(at, &end, 10);
			if (end == at) {
				break;
			}
			sum += count;
			at = end;
		}
	}
	if (file) {
		fclose(file);
	}
	return sum;
}

/* An idle hypervisor zeroes what is free; that is done when this returns. */
static void let_the_host_idle(void)
{
	struct timespec time = {.tv_sec = 2};

	nanosleep(&time, NULL);
}

static void sleep_short(void)
{
	struct timespec time = {.tv_nsec = SLEEP_NS};

	for (int i = 0; i < SLEEPS; i++) {
		nanosleep(&time, NULL);
	}
}

static void write_all(int file, size_t count)
{
	static char text[BYTES_WARM];

	memset(text, 'x', sizeof(text));
	for (size_t done = 0; done < count;) {
		ssize_t now = write(file, text, count - done);
		done += now > 0 ? (size_t)now : 0;
	}
	tcdrain(file);
}

static volatile int spins;

static void *spin(void *unused)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(1, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (;;) {
		spins = 1;
	}
	return unused;
}

/* Each call interrupts the other CPU, and waits until it has answered. */
static void interrupt_other(void)
{
	for (int i = 0; i < IPIS; i++) {
		syscall(SYS_membarrier, MEMBARRIER_PRIVATE_EXPEDITED, 0, 0);
	}
}

static void test_pair(void)
{
	pthread_t thread;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	syscall(SYS_membarrier, MEMBARRIER_REGISTER, 0, 0);
	pthread_create(&thread, NULL, spin, NULL);
	while (!spins) {
		usleep(1000);
	}
	interrupt_other();
	mark();
	interrupt_other();
	mark();
}

int main(void)
{
	int serial;
	long before, after;

	mark();
	if (getenv("stop")) { /* a word of the kernel's command line */
		reboot(RB_POWER_OFF);
	}
	mount("proc", "/proc", "proc", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		test_pair();
	} else {
		serial = open("/dev/ttyS0", O_WRONLY | O_NOCTTY);
		let_the_host_idle();
		sleep_short();
		before = timer_interrupts();
		mark();
		sleep_short();
		mark();
		after = timer_interrupts();
		printf("probe: timer_interrupts=%ld\n", after - before);
		fflush(stdout);
		tcdrain(serial);
		write_all(serial, BYTES_WARM);
		mark();
		write_all(serial, BYTES);
		mark();
	}
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
