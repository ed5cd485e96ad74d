/* SPDX-License-Identifier: BSD-2-Clause */
/* See remote.h. */
#include "tests/lab/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lab/world.h"

#define FDS_MAX 256
#define SECONDS 60 /* of a process whose check was killed: it ends, too */

struct remote {
	pid_t pid; /* 0: none */
	int fd;
};

struct request {
	struct policy_host host;
	unsigned count;
};

void (*remote_lost)(const char *why, bool at_limit);
void (*remote_forget)(void);

static _Noreturn void __attribute__((format(printf, 2, 3)))
give_up(bool at_limit, const char *format, ...)
{
	char why[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	remote_lost(why, at_limit);
	abort();
}

static struct remote decides;
static struct remote repeats;
static unsigned decisions;

/* False: the other end is gone. */
static bool move(int fd, void *data, size_t size, bool sends)
{
	char *bytes = data;
	while (size > 0) {
		ssize_t moved =
			sends ? send(fd, bytes, size, MSG_NOSIGNAL) : recv(fd, bytes, size, 0);
		if (moved < 0 && errno == EINTR) {
			continue;
		}
		if (moved <= 0) {
			return false;
		}
		bytes += moved;
		size -= (size_t)moved;
	}
	return true;
}

static _Noreturn void serve(const struct policy *policy, int fd)
{
	static struct policy_vm vms[LAB_VMS_MAX];
	struct request request;
	while (move(fd, &request, sizeof(request), false) &&
	       move(fd, vms, request.count * sizeof(vms[0]), false)) {
		unsigned count = request.count;
		policy->decide(&request.host, vms, count);
		if (!move(fd, vms, count * sizeof(vms[0]), true)) {
			break;
		}
	}
	_exit(0);
}

static void stop(struct remote *remote)
{
	if (remote->pid > 0) {
		close(remote->fd);
		kill(remote->pid, SIGKILL);
		while (waitpid(remote->pid, NULL, 0) < 0 && errno == EINTR) {
		}
	}
	remote->pid = 0;
}

static void start(struct remote *remote, const struct policy *policy)
{
	int ends[2];
	stop(remote);
	fflush(NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || (remote->pid = fork()) < 0) {
		perror("a process for the policy");
		exit(2);
	}
	if (remote->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(SECONDS);
		int nothing = open("/dev/null", O_WRONLY);
		dup2(nothing, STDOUT_FILENO);
		/* Above all the pipe by which the check says that it has passed. */
		for (int fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++) {
			if (fd != ends[1]) {
				close(fd);
			}
		}
		if (remote_forget != NULL) {
			remote_forget();
		}
		serve(policy, ends[1]);
	}
	close(ends[1]);
	remote->fd = ends[0];
}

void remote_start(const struct policy *policy)
{
	stop(&repeats);
	start(&decides, policy);
	decisions = 0;
}

void remote_stop(void)
{
	stop(&decides);
	stop(&repeats);
}

void remote_compare(const struct policy *policy)
{
	start(&repeats, policy);
}

/* tools/lab_grade.py knows the first of these by its first words. */
static _Noreturn void explain_the_end(struct remote *remote)
{
	int status = 0;
	while (waitpid(remote->pid, &status, 0) < 0 && errno == EINTR) {
	}
	remote->pid = 0;
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (signal == SIGXCPU || signal == SIGKILL || signal == SIGALRM) {
		give_up(true,
			"it did not end within the time of a check: decision %u does not return",
			decisions);
	}
	if (signal != 0) {
		give_up(false, "the policy has crashed in decision %u: signal %d", decisions,
			signal);
	}
	give_up(false,
		"the policy has ended its process in decision %u (exit status %d): it has to "
		"return",
		decisions, WEXITSTATUS(status));
}

/* Of what comes back, targets, their reasons and memory are taken. */
static void ask(struct remote *remote, const struct policy_host *host, struct policy_vm *vms,
		unsigned count)
{
	static struct policy_vm decided[LAB_VMS_MAX];
	struct request request = {.host = *host, .count = count};
	if (!move(remote->fd, &request, sizeof(request), true) ||
	    !move(remote->fd, vms, count * sizeof(vms[0]), true) ||
	    !move(remote->fd, decided, count * sizeof(vms[0]), false)) {
		explain_the_end(remote);
	}
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages = decided[i].new_target_pages;
		vms[i].reason = decided[i].reason;
		memcpy(vms[i].memory, decided[i].memory, sizeof(vms[i].memory));
	}
}

void policy_decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	static struct policy_vm again[LAB_VMS_MAX];
	decisions++;
	memcpy(again, vms, count * sizeof(vms[0]));
	ask(&decides, host, vms, count);
	if (repeats.pid == 0 || decisions % 2 != 0) {
		return;
	}
	ask(&repeats, host, again, count);
	for (unsigned i = 0; i < count; i++) {
		if (again[i].new_target_pages != vms[i].new_target_pages) {
			give_up(false,
				"decision %u, VM %u of %u: a target of %llu pages, and of %llu "
				"pages from the "
				"same views when other decisions came before it. What is to be "
				"remembered "
				"belongs into memory[] of a view",
				decisions, i, count, (unsigned long long)vms[i].new_target_pages,
				(unsigned long long)again[i].new_target_pages);
		}
	}
}
