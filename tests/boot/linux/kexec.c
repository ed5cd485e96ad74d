/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First process of a stock Linux that starts another one in its place (kexec) while its balloon is
 * full. Words: modules=A,B to load; full_s=N, how long it waits until an operator has filled the
 * balloon. The other one gets the word again=yes: it loads the same modules, works in most of its
 * memory, and switches the VM off. Every line that begins with "kexec: " is one result.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/reboot.h>

#define PAGE 4096ul
#define LEFT_FREE (24ul << 20)
#define DRIVER_S 8u /* so long the driver has to come to terms with its device */

static void off(const char *what)
{
	printf("kexec: %s\n", what);
	fflush(stdout);
	sleep(1);
	reboot(RB_POWER_OFF);
}

static void load(const char *module)
{
	int status = 1;
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/modprobe", "modprobe", module, (char *)NULL);
		_exit(1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
		off("a module is not loaded");
	}
}

static void load_all(const char *modules)
{
	char *names = strdup(modules);

	for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		load(name);
	}
	free(names);
}

/* That of this kernel: the hypervisor has added what a kernel without its timers cannot find out.
 */
static void read_line(char *line, size_t room)
{
	FILE *file = fopen("/proc/cmdline", "r");

	if (!file || !fgets(line, (int)room, file)) {
		off("the command line is not known");
	}
	fclose(file);
	line[strcspn(line, "\n")] = 0;
	strncat(line, " again=yes", room - strlen(line) - 1);
}

static void start_other(void)
{
	char line[1024];
	int kernel = open("/vmlinuz", O_RDONLY);
	int disk = open("/initrd.img", O_RDONLY);

	read_line(line, sizeof(line));
	if (syscall(SYS_kexec_file_load, kernel, disk, strlen(line) + 1, line, 0ul) != 0) {
		perror("kexec: kexec_file_load");
		off("the other kernel is refused");
	}
	printf("kexec: begins\n");
	fflush(stdout);
	sleep(1);
	reboot(LINUX_REBOOT_CMD_KEXEC);
	off("it did not begin");
}

/* Each page has its own content, and keeps it. */
static void work(void)
{
	struct sysinfo info;
	unsigned long wrong = 0;
	size_t bytes;
	unsigned long *area;

	sysinfo(&info);
	bytes = (info.freeram * info.mem_unit - LEFT_FREE) & ~(PAGE - 1);
	area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED) {
		off("mmap failed");
	}
	for (size_t i = 0; i < bytes / sizeof(*area); i += PAGE / sizeof(*area)) {
		wrong += area[i] != 0;
		area[i] = i;
	}
	for (size_t i = 0; i < bytes / sizeof(*area); i += PAGE / sizeof(*area)) {
		wrong += area[i] != i;
	}
	printf("kexec: work mib=%zu wrong=%lu\n", bytes >> 20, wrong);
}

int main(void)
{
	const char *modules = getenv("modules");
	const char *full = getenv("full_s");

	setvbuf(stdout, NULL, _IOLBF, 0);
	mount("proc", "/proc", "proc", 0, NULL);
	load_all(modules ? modules : "");
	if (!getenv("again")) {
		sleep(full ? (unsigned)atoi(full) : 1);
		start_other();
	}
	printf("kexec: the other one\n");
	sleep(DRIVER_S);
	work();
	off("off");
	return 0;
}
