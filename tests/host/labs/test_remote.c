/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/lab/remote.h: a policy that crashes, ends, loops, prints, keeps a secret or looks for the
 * world of the tests gets nothing by it, and what is said about it is the reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/lab/remote.h"

#define VMS 3
#define SAID 400
#define LEFT_OPEN 9 /* a file of the tests that no policy may write to */

static struct policy_vm vms[VMS];
static struct policy_host host = {.spare_pages = 100};
static uint64_t secret; /* of the tests, after the process of the policy was made */

static void half(const struct policy_host *view, struct policy_vm *all, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		all[i].new_target_pages = all[i].max_pages / 2 + view->spare_pages;
		all[i].memory[1]++;
	}
}

static void crash(const struct policy_host *view, struct policy_vm *all, unsigned count)
{
	(void)all;
	if (count > 0 && view->spare_pages > 0) {
		abort();
	}
}

static void end(const struct policy_host *view, struct policy_vm *all, unsigned count)
{
	(void)view;
	(void)all;
	if (count > 0) {
		_exit(0);
	}
}

static void loop(const struct policy_host *view, struct policy_vm *all, unsigned count)
{
	(void)view;
	for (volatile bool on = count > 0; on;) {
		all[0].new_target_pages++;
	}
}

static void print(const struct policy_host *view, struct policy_vm *all, unsigned count)
{
	static const char forged[] = "ok 1 - all\n";
	half(view, all, count);
	puts("ok 1 - all");
	fflush(stdout);
	for (int fd = STDERR_FILENO + 1; fd <= LEFT_OPEN; fd++) {
		all[1].new_target_pages += write(fd, forged, 0) == 0 && fd == LEFT_OPEN ? 1000 : 0;
	}
}

static void keep_a_secret(const struct policy_host *view, struct policy_vm *all, unsigned count)
{
	static unsigned calls;
	half(view, all, count);
	all[0].new_target_pages += calls++;
}

static void look(const struct policy_host *view, struct policy_vm *all, unsigned count)
{
	half(view, all, count);
	all[0].new_target_pages = secret;
	secret = 77;
}

static void write_elsewhere(const struct policy_host *view, struct policy_vm *all, unsigned count)
{
	half(view, all, count);
	all[0].held_pages = 0;
	all[0].wanted_pages = 5;
}

/* ---- One decision or some, in a process: what was said, or "" ---------------------------------
 */

static int said_end;

static void say_and_end(const char *why, bool at_limit)
{
	static const char limit[] = "limit: ";
	if ((at_limit && write(said_end, limit, strlen(limit)) < 0) ||
	    write(said_end, why, strlen(why)) < 0) {
		_exit(2);
	}
	_exit(1);
}

static void start(const struct policy *policy, bool compares)
{
	for (unsigned i = 0; i < VMS; i++) {
		vms[i] = (struct policy_vm){.max_pages = 1000 * (i + 1), .attached = true};
	}
	secret = 0;
	remote_start(policy);
	if (compares) {
		remote_compare(policy);
	}
	secret = 5;
}

static const char *said_of(void (*decide)(const struct policy_host *, struct policy_vm *, unsigned),
			   bool compares)
{
	static char said[SAID];
	const struct policy policy = {.decide = decide};
	int ends[2];
	memset(said, 0, sizeof(said));
	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		const struct rlimit second = {1, 1};
		said_end = ends[1];
		setrlimit(RLIMIT_CPU, &second);
		remote_lost = say_and_end;
		start(&policy, compares);
		for (unsigned i = 0; i < 4; i++) {
			policy_decide(&host, vms, VMS);
		}
		remote_stop();
		_exit(0);
	}
	close(ends[1]);
	/* It says it in several writes. */
	size_t size = 0;
	ssize_t more;
	while ((more = read(ends[0], said + size, sizeof(said) - 1 - size)) > 0) {
		size += (size_t)more;
	}
	assert_int_equal(more, 0);
	close(ends[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	return said;
}

static void test_decisions_come_back(void **state)
{
	(void)state;
	const struct policy policy = {.decide = half};
	start(&policy, true);
	for (unsigned n = 1; n <= 5; n++) {
		host.spare_pages = 10 * n;
		policy_decide(&host, vms, VMS);
		for (unsigned i = 0; i < VMS; i++) {
			assert_int_equal(vms[i].new_target_pages, 500 * (i + 1) + 10 * n);
			assert_int_equal(vms[i].memory[1], n);
		}
	}
	policy_decide(&host, vms, 0);
	remote_stop();
	host.spare_pages = 100;
}

static void test_ends_are_explained(void **state)
{
	(void)state;
	assert_string_equal(said_of(half, true), "");
	assert_string_equal(said_of(crash, false),
			    "the policy has crashed in decision 1: signal 6");
	assert_string_equal(
		said_of(end, false),
		"the policy has ended its process in decision 1 (exit status 0): it has to return");
	/* As tests/host/labs/check.c says it: nothing is booted then. */
	assert_string_equal(
		said_of(loop, false),
		"limit: it did not end within the time of a check: decision 1 does not return");
}

static void test_what_is_remembered_elsewhere(void **state)
{
	(void)state;
	assert_string_equal(said_of(keep_a_secret, false), "");
	const char *said = said_of(keep_a_secret, true);
	assert_non_null(
		strstr(said, "decision 2, VM 0 of 3: a target of 601 pages, and of 600 pages"));
}

/* Neither its standard output nor any file of the tests is open there. */
static void test_no_file_is_open(void **state)
{
	(void)state;
	const struct policy policy = {.decide = print};
	assert_int_equal(dup2(STDOUT_FILENO, LEFT_OPEN), LEFT_OPEN);
	start(&policy, false);
	policy_decide(&host, vms, VMS);
	assert_int_equal(vms[1].new_target_pages, 1000 + 100);
	remote_stop();
	close(LEFT_OPEN);
}

/* What the tests know afterwards is not there, and what is changed there is not changed here. */
static void test_memory_is_its_own(void **state)
{
	(void)state;
	const struct policy policy = {.decide = look};
	start(&policy, false);
	policy_decide(&host, vms, VMS);
	assert_int_equal(vms[0].new_target_pages, 0);
	assert_int_equal(secret, 5);
	remote_stop();
}

static void forget(void)
{
	secret = 0;
}

/* What is to be forgotten is, before the first decision, and only there. */
static void test_what_the_tester_knows_is_forgotten(void **state)
{
	(void)state;
	const struct policy policy = {.decide = look};
	secret = 9;
	remote_forget = forget;
	remote_start(&policy);
	policy_decide(&host, vms, VMS);
	assert_int_equal(vms[0].new_target_pages, 0);
	assert_int_equal(secret, 9);
	remote_forget = NULL;
	remote_start(&policy);
	policy_decide(&host, vms, VMS);
	assert_int_equal(vms[0].new_target_pages, 9);
	remote_stop();
}

static void test_only_decisions_are_taken(void **state)
{
	(void)state;
	const struct policy policy = {.decide = write_elsewhere};
	start(&policy, false);
	vms[0].held_pages = 9;
	policy_decide(&host, vms, VMS);
	assert_int_equal(vms[0].held_pages, 9);
	assert_int_equal(vms[0].wanted_pages, 0);
	remote_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decisions_come_back),
		cmocka_unit_test(test_ends_are_explained),
		cmocka_unit_test(test_what_is_remembered_elsewhere),
		cmocka_unit_test(test_no_file_is_open),
		cmocka_unit_test(test_memory_is_its_own),
		cmocka_unit_test(test_what_the_tester_knows_is_forgotten),
		cmocka_unit_test(test_only_decisions_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
