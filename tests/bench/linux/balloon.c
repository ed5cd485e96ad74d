/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First and only process of the Linux whose balloon driver `make bench-dialects` measures. It loads
 * the modules that the kernel's command line names, stores to nearly all free pages once, so that
 * they have frames, and gives them back: as a whole, or every second MiB of them, which leaves no
 * free 2 MiB in one piece. XCHG BX, BX is where the emulator's debugger stops: before and behind
 * a stretch in which it merely computes.
 *
 * Words: modules=A,B; free=whole|pieces|report. With `report` there are further stops: behind
 * seconds in which nothing happens, and around those in which the kernel reports what is free.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1ul << 20)
#define PAGE 4096ul
#define LEFT_FREE (24 * MIB)
#define REPORTED (64 * MIB)
#define SETTLE_S 6u /* the driver's first words; and until all that is free is reported */
#define WATCH_S 12u
#define SPIN_ROUNDS 20000000ul /* of two instructions */

static void mark(void)
{
	__asm__ volatile("xchgw %%bx, %%bx" : : : "memory");
}

static void end(const char *why)
{
	printf("balloon: %s\n", why);
	fflush(stdout);
	sleep(1);
	reboot(RB_POWER_OFF);
}

static void load(const char *module)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/modprobe", "modprobe", module, (char *)NULL);
		_exit(1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
		end("a module is not loaded");
	}
	printf("balloon: loaded %s\n", module);
}

static void load_all(char *names)
{
	for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		load(name);
	}
}

/* Single pages, as the guest of QEMU has them. */
static void refuse_huge_pages(void)
{
	int file = open("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY);

	if (file >= 0 && write(file, "never", 5) != 5) {
		end("huge pages stay");
	}
	close(file);
}

static char *fill(size_t *bytes)
{
	struct sysinfo info;
	char *area;

	if (sysinfo(&info) != 0 || info.freeram * info.mem_unit <= LEFT_FREE) {
		end("there is too little memory");
	}
	*bytes = (info.freeram * info.mem_unit - LEFT_FREE) & ~(MIB - 1);
	area = mmap(NULL, *bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED) {
		end("mmap failed");
	}
	for (size_t i = 0; i < *bytes; i += PAGE) {
		area[i] = 1;
	}
	return area;
}

static void free_pieces(char *area, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 2 * MIB) {
		munmap(area + i, MIB);
	}
}

/* What is executed beyond these instructions is interrupts of timers. */
static void compute(void)
{
	unsigned long rounds = SPIN_ROUNDS;

	mark();
	__asm__ volatile("1: dec %0\n"
			 "jnz 1b"
			 : "+r"(rounds));
	mark();
}

static void report(char *area)
{
	sleep(WATCH_S);
	mark();
	munmap(area, REPORTED);
	mark();
	sleep(SETTLE_S);
	mark();
	end("done");
}

int main(void)
{
	const char *how = getenv("free");
	char *modules = getenv("modules");
	size_t bytes;
	char *area;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!how || !modules) {
		end("a word is missing");
	}
	refuse_huge_pages();
	load_all(modules);
	area = fill(&bytes);
	printf("balloon: touched %zu MiB\n", bytes / MIB);
	if (strcmp(how, "report") == 0) {
		sleep(SETTLE_S);
		compute();
		report(area);
	}
	if (strcmp(how, "pieces") == 0) {
		free_pieces(area, bytes);
	} else {
		munmap(area, bytes);
	}
	sleep(SETTLE_S);
	printf("balloon: ready\n");
	compute();
	for (;;) {
		pause();
	}
}
