/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moves 64 MiB out of a Linux guest of QEMU and back through virtio-balloon, and counts what the
 * whole machine executes for it: the guest's driver, the exits, QEMU, and the Linux below. Prints
 * lines `peer NAME INSTRUCTIONS`, per page of 4 KiB. What the commands themselves cost is taken
 * off, found by giving commands that change nothing. With the word `plain` the
 * guest does not zero what it allocates; with the word `reports` it counts instead what the machine
 * executes for the guest's free-page reports, per 2 MiB.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "busy.h"

#define MIB (1ul << 20)
#define MEMORY_MIB 256
#define MOVED_MIB 64
#define PAGES (MOVED_MIB * MIB / 4096)
#define SLACK_MIB 2 /* QEMU's own memory comes and goes */
#define ROUNDS 3
#define REPORT_SECONDS 20
#define LINE_MAX_BYTES 1024
#define SERIAL "/run/serial"

#define COMMAND_LINE                                                                               \
	"console=ttyS0 quiet loglevel=3 mitigations=off nokaslr tsc=reliable no_timer_check "      \
	"random.trust_cpu=on cryptomgr.notests audit=0 apparmor=0 lsm= nosoftlockup nowatchdog "   \
	"panic=-1"

static bool plain;
static pid_t qemu;
static int to_monitor, from_monitor, to_guest, from_guest;

/* What commands that change nothing cost. */
static int64_t monitor_cost, guest_cost;

static void fail(const char *what)
{
	printf("peers: the balloon is not measured: %s\n", what);
	exit(1);
}

static int check(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		fail(what);
	}
	return result;
}

/* ---- Lines ---------------------------------------------------------------------------------- */

static void read_line(int from, char *line)
{
	size_t used = 0;
	char byte = 0;

	while (byte != '\n') {
		if (read(from, &byte, 1) != 1) {
			fail("QEMU has ended");
		}
		if (used < LINE_MAX_BYTES - 1) {
			line[used++] = byte;
		}
	}
	line[used] = 0;
}

/* Skips lines until one contains `wanted`; returns what follows that. */
static const char *await(int from, const char *wanted)
{
	static char line[LINE_MAX_BYTES];
	const char *found;

	do {
		read_line(from, line);
		found = strstr(line, wanted);
		if (!found && from == from_guest) {
			printf("peers: its guest says: %s", line);
		}
	} while (!found);
	return found + strlen(wanted);
}

static void send_text(int to, const char *text)
{
	if (write(to, text, strlen(text)) != (ssize_t)strlen(text)) {
		fail("QEMU does not listen");
	}
}

/* ---- QEMU ----------------------------------------------------------------------------------- */

static void become_qemu(int input, int output, const char *balloon)
{
	char memory[16], line[LINE_MAX_BYTES];

	snprintf(line, sizeof(line), "%s%s", COMMAND_LINE, plain ? " init_on_alloc=0" : "");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(memory, sizeof(memory), "%u", MEMORY_MIB);
	dup2(input, 0);
	dup2(output, 1);
	execl("/bin/qemu", "qemu", "-L", "/share", "-accel", "kvm", "-cpu", "host", "-m", memory,
	      "-nodefaults", "-no-reboot", "-display", "none", "-vga", "none", "-qmp", "stdio",
	      "-serial", "pipe:" SERIAL, "-device", balloon, "-kernel", "/guest/vmlinuz", "-initrd",
	      "/guest/initrd.img", "-append", line, (char *)NULL);
	perror("/bin/qemu");
	_exit(1);
}

static void start_qemu(const char *balloon)
{
	int commands[2], answers[2];

	check(pipe2(commands, O_CLOEXEC), "pipe");
	check(pipe2(answers, O_CLOEXEC), "pipe");
	unlink(SERIAL ".in"); /* of an earlier run */
	unlink(SERIAL ".out");
	check(mkfifo(SERIAL ".in", 0600), SERIAL ".in");
	check(mkfifo(SERIAL ".out", 0600), SERIAL ".out");
	/* Both ends: opening waits for nobody then. */
	to_guest = check(open(SERIAL ".in", O_RDWR | O_CLOEXEC), SERIAL ".in");
	from_guest = check(open(SERIAL ".out", O_RDWR | O_CLOEXEC), SERIAL ".out");
	qemu = check(fork(), "fork");
	if (qemu == 0) {
		become_qemu(commands[0], answers[1], balloon);
	}
	close(commands[0]);
	close(answers[1]);
	to_monitor = commands[1];
	from_monitor = answers[0];
	await(from_monitor, "\"QMP\"");
	send_text(to_monitor, "{\"execute\": \"qmp_capabilities\"}\n");
	await(from_monitor, "\"return\"");
}

static unsigned long resident_mib(void)
{
	char path[64], line[256];
	unsigned long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", qemu);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmRSS: %lu kB", &kib) == 1) {
			break;
		}
	}
	if (file) {
		fclose(file);
	}
	return kib / 1024;
}

/* Of all guests since KVM was loaded. */
static unsigned long exits(void)
{
	unsigned long count = 0;
	FILE *file = fopen("/sys/kernel/debug/kvm/exits", "r");

	if (!file || fscanf(file, "%lu", &count) != 1) {
		fail("KVM does not say how many exits there were");
	}
	fclose(file);
	return count;
}

/* ---- Commands ------------------------------------------------------------------------------- */

static unsigned long guest_memory_mib(void)
{
	send_text(to_monitor, "{\"execute\": \"query-balloon\"}\n");
	/* Events name it, too, but only the answer is the newest. */
	return strtoul(await(from_monitor, "\"return\": {\"actual\": "), NULL, 10) / MIB;
}

/* Instructions until the guest has the memory that it is told to have. */
static int64_t retarget(unsigned long mib)
{
	char command[128];
	unsigned long reached;
	int64_t work;

	snprintf(command, sizeof(command),
		 "{\"execute\": \"balloon\", \"arguments\": {\"value\": %lu}}\n", mib * MIB);
	send_text(to_monitor, command);
	work = busy_until_quiet();
	reached = guest_memory_mib();
	if (reached != mib) {
		printf("peers: the guest has %lu MiB instead of %lu\n", reached, mib);
		fail("the guest did not reach its target");
	}
	return work - monitor_cost;
}

/* Instructions until the guest has done what it is told, and how much that was. */
static int64_t order(const char *command, unsigned long *amount)
{
	int64_t work;

	send_text(to_guest, command);
	work = busy_until_quiet();
	*amount = strtoul(await(from_guest, "done "), NULL, 10);
	return work - guest_cost;
}

/* ---- Figures -------------------------------------------------------------------------------- */

enum figure { INFLATE, DEFLATE, FILL, FIGURES };

static const char *const names[FIGURES] = {"balloon_inflate", "balloon_deflate", "balloon_fill"};
static int64_t figures[FIGURES][ROUNDS];
static unsigned long exits_to_inflate;

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

static void show(const char *name, double value)
{
	printf("peer %s%s %.1f\n", plain ? "plain_" : "", name, value);
}

/* What touching costs the guest itself, with its memory there already, is not counted. */
static void move(unsigned round)
{
	unsigned long pages, again;
	unsigned long before = resident_mib();
	int64_t own = order("touch\n", &pages);
	unsigned long without, exits_before;

	exits_before = exits();
	figures[INFLATE][round] = retarget(MEMORY_MIB - MOVED_MIB);
	exits_to_inflate = exits() - exits_before;
	without = resident_mib();
	figures[DEFLATE][round] = retarget(MEMORY_MIB);
	figures[FILL][round] = order("touch\n", &again) - own;
	printf("peers: round %u: QEMU held %lu, %lu, %lu MiB, the guest touched %lu pages for %.0f "
	       "each\n",
	       round, before, without, resident_mib(), pages, (double)own / (double)pages);
	if (pages != again || pages < PAGES || without + MOVED_MIB - SLACK_MIB > before ||
	    resident_mib() + SLACK_MIB < before) {
		fail("the host did not get the memory, or the guest did not get it back");
	}
}

static void measure_commands(void)
{
	unsigned long instructions;
	int64_t work;

	retarget(MEMORY_MIB);
	monitor_cost = retarget(MEMORY_MIB);
	order("nothing\n", &instructions);
	guest_cost = order("nothing\n", &instructions);
	work = order("spin\n", &instructions);
	printf("peers: a command costs %ld or %ld\n", monitor_cost, guest_cost);
	show("balloon_interrupts_percent", 100.0 * (double)work / (double)instructions - 100.0);
}

static void begin(const char *balloon)
{
	start_qemu(balloon);
	printf("peers: QEMU has started\n");
	await(from_guest, "ready");
	printf("peers: its guest is ready\n");
}

/* What the guest has freed it reports from two seconds on, in several passes. */
static void measure_reports(void)
{
	int64_t costs[ROUNDS];

	begin("virtio-balloon-pci,free-page-reporting=on");
	sleep(REPORT_SECONDS); /* all that was free when it came */
	busy_prepare();
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned long pages, before, after;
		int64_t work;

		order("touch\n", &pages);
		before = resident_mib();
		work = busy_for(REPORT_SECONDS);
		after = resident_mib();
		printf("peers: round %u: QEMU held %lu MiB before the reports, and %lu behind "
		       "them\n",
		       round, before, after);
		if (after + MOVED_MIB > before) {
			fail("the guest has not reported what is free");
		}
		costs[round] = work * 2 / (int64_t)(before - after);
	}
	qsort(costs, ROUNDS, sizeof(costs[0]), compare);
	show("balloon_report_2m", (double)costs[ROUNDS / 2]);
}

static void measure_balloon(void)
{
	begin("virtio-balloon-pci");
	busy_prepare();
	measure_commands();
	for (unsigned round = 0; round < ROUNDS; round++) {
		move(round);
	}
	for (unsigned i = 0; i < FIGURES; i++) {
		qsort(figures[i], ROUNDS, sizeof(figures[i][0]), compare);
		show(names[i], (double)figures[i][ROUNDS / 2] / PAGES);
	}
	show("balloon_exits_per_2m", (double)exits_to_inflate * 512 / PAGES);
}

int main(int count, char **words)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	plain = count > 1 && strcmp(words[1], "plain") == 0;
	if (count > 1 && strcmp(words[1], "reports") == 0) {
		measure_reports();
	} else {
		measure_balloon();
	}
	kill(qemu, SIGKILL);
	waitpid(qemu, NULL, 0);
	return 0;
}
