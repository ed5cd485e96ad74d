/* SPDX-License-Identifier: BSD-2-Clause */
/* Lab 1: what kernel/exit/exit.c does about each kind of exit. */
#include "labs/check.h"

#include "fake/kernel.h"

#include <string.h>

#include "kernel/lifecycle/end.h"
#include "kernel/sched/run_queue.h"
#include "kernel/vm/exit.h"

#define PAGES 1000
#define MARK 0x1122334455667788

static struct vm *vm;
static struct vcpu *vcpu;

static void start(unsigned vcpus)
{
	kernel_start(3000, 1);
	vm = kernel_vm_with(vcpus, "vm", PAGES, PAGES, 100);
	vcpu = &vm->vcpus[0];
	vcpu_set_doorbell(vcpu, 0x40);
	kernel_pick(vcpu);
}

static const char *name_of(enum exit_action action)
{
	static const char *const names[] = {
		[EXIT_RESUME] = "EXIT_RESUME",
		[EXIT_ADVANCE] = "EXIT_ADVANCE",
		[EXIT_ADVANCE_DECODED] = "EXIT_ADVANCE_DECODED",
		[EXIT_INJECT] = "EXIT_INJECT",
		[EXIT_BLOCK] = "EXIT_BLOCK",
		[EXIT_WAIT] = "EXIT_WAIT",
		[EXIT_YIELD] = "EXIT_YIELD",
		[EXIT_KILL] = "EXIT_KILL",
	};
	return (unsigned)action < LABS_COUNT(names) ? names[action] : "no action that exists";
}

static void want_action(enum exit_action found, enum exit_action right)
{
	want(found == right, "the answer is %s, should be %s", name_of(found), name_of(right));
}

static enum exit_action touch(uint64_t gfn)
{
	const struct vm_exit vm_exit = {.kind = VM_EXIT_S2_FAULT, .fault.address = {gfn << 12}};
	return vm_exit_handle(vcpu, &vm_exit);
}

static enum exit_action simple(enum vm_exit_kind kind)
{
	const struct vm_exit vm_exit = {.kind = kind};
	return vm_exit_handle(vcpu, &vm_exit);
}

static enum exit_action port(unsigned bytes, bool in, bool string)
{
	const struct vm_exit vm_exit = {
		.kind = VM_EXIT_IO,
		.io = {.port = 0x80, .bytes = (uint8_t)bytes, .in = in, .string = string},
	};
	vcpu->regs[GPR_RAX] = MARK;
	return vm_exit_handle(vcpu, &vm_exit);
}

/* ---- Second-stage faults ----------------------------------------------------------------------
 */

static void fault_gives_a_page(void)
{
	start(1);
	want_action(touch(5), EXIT_RESUME);
	want(world_lookup(&vm->s2, 5).kind == S2_MAPPED,
	     "page 5 is not mapped after the guest has touched it: demand_fault() maps it");
}

static void fault_is_counted(void)
{
	start(1);
	(void)touch(5);
	(void)touch(600);
	want_number("vcpu->fault_count after two faults", vcpu->fault_count, 2);
}

static void last_page_is_ram(void)
{
	start(1);
	want_action(touch(PAGES - 1), EXIT_RESUME);
	want(vm->state == VM_RUNNING, "the last page of RAM ended the VM: %s", vm->end_reason);
}

static void beyond_ram_ends_the_vm(void)
{
	start(1);
	want_action(touch(PAGES), EXIT_KILL);
	want(vm->state == VM_KILLED, "the VM goes on after a touch of its page limit_pages");
	want(strstr(vm->end_reason, "beyond its RAM") != NULL,
	     "the reason is \"%s\": handle_beyond() has the right one", vm->end_reason);
}

/* ---- HLT --------------------------------------------------------------------------------------
 */

static void halt_sleeps(void)
{
	start(1);
	want_action(simple(VM_EXIT_HLT), EXIT_WAIT);
	want(vcpu->wait == WAIT_DOORBELL, "vcpu->wait does not say WAIT_DOORBELL: the scheduler"
					  " goes by it");
}

static void halt_with_a_call_goes_on(void)
{
	start(1);
	vcpu->doorbell_pending = true;
	want_action(simple(VM_EXIT_HLT), EXIT_ADVANCE);
}

static void halt_for_ever_ends_the_vm(void)
{
	start(1);
	fake_interrupts_on = false;
	want_action(simple(VM_EXIT_HLT), EXIT_KILL);
	want(strstr(vm->end_reason, "nothing can wake") != NULL, "the reason is \"%s\"",
	     vm->end_reason);
}

static void halt_with_brothers_sleeps(void)
{
	start(2);
	fake_interrupts_on = false;
	want_action(simple(VM_EXIT_HLT), EXIT_WAIT);
	want(!vcpu->doorbell_open, "interrupts are off, and vcpu->doorbell_open says they are on");
}

static void halt_ends_with_a_trap(void)
{
	start(1);
	fake_interrupts_on = false;
	fake_single_steps = true;
	want_action(simple(VM_EXIT_HLT), EXIT_ADVANCE);
}

/* ---- Ports ------------------------------------------------------------------------------------
 */

static void in_reads_ones(void)
{
	start(1);
	want_action(port(1, true, false), EXIT_ADVANCE);
	want_number("RAX after IN of a byte", vcpu->regs[GPR_RAX], (MARK & ~0xffull) | 0xff);
	(void)port(2, true, false);
	want_number("RAX after IN of a word", vcpu->regs[GPR_RAX], (MARK & ~0xffffull) | 0xffff);
}

static void out_is_swallowed(void)
{
	start(1);
	want_action(port(4, false, false), EXIT_ADVANCE);
	want_number("RAX after OUT", vcpu->regs[GPR_RAX], MARK);
}

static void string_io_is_refused(void)
{
	start(1);
	vcpu->inject.error = 77;
	want_action(port(1, true, true), EXIT_INJECT);
	want_number("the vector of the exception after INS", vcpu->inject.vector, 13);
	want(vcpu->inject.has_error, "#GP has an error code, and inject.has_error is false");
	want_number("the error code", vcpu->inject.error, 0);
	want_number("RAX after INS", vcpu->regs[GPR_RAX], MARK);
}

/* ---- The others -------------------------------------------------------------------------------
 */

static void interrupt_resumes(void)
{
	start(1);
	want_action(simple(VM_EXIT_INTERRUPT), EXIT_RESUME);
}

static void interrupt_of_a_wanted_cpu_yields(void)
{
	start(1);
	run_queues[vcpu->home].wanted = true;
	want_action(simple(VM_EXIT_INTERRUPT), EXIT_YIELD);
}

static void interrupt_of_an_ended_vm_ends(void)
{
	start(1);
	want_action(simple(VM_EXIT_INTERRUPT), EXIT_RESUME); /* while it runs */
	vm_kill(vm, "the test has ended it");
	want_action(simple(VM_EXIT_INTERRUPT), EXIT_KILL);
}

static void window_resumes(void)
{
	start(1);
	want_action(simple(VM_EXIT_WINDOW), EXIT_RESUME);
}

static void triple_fault_ends(void)
{
	start(1);
	want_action(simple(VM_EXIT_TRIPLE_FAULT), EXIT_KILL);
	want(strstr(vm->end_reason, "triple fault") != NULL, "the reason is \"%s\"",
	     vm->end_reason);
}

static void unknown_never_advances(void)
{
	const struct vm_exit vm_exit = {
		.kind = VM_EXIT_UNKNOWN, .raw_reason = 99, .text = "an exit of another world"};
	start(1);
	want_action(vm_exit_handle(vcpu, &vm_exit), EXIT_KILL);
	want(strcmp(vm->end_reason, "an exit of another world") == 0,
	     "the report says \"%s\", the backend's text was \"an exit of another world\"",
	     vm->end_reason);
	want(strstr(fake_log_text, "exit reason=99") != NULL,
	     "the log does not have the processor's own number, as `exit reason=99`");
}

static void kinds_are_counted(void)
{
	start(1);
	(void)simple(VM_EXIT_WINDOW);
	(void)port(1, true, false);
	(void)port(1, false, false);
	want_number("the count of VM_EXIT_WINDOW", vcpu->exits_by_kind[VM_EXIT_WINDOW], 1);
	want_number("the count of VM_EXIT_IO", vcpu->exits_by_kind[VM_EXIT_IO], 2);
}

/* ---- Questions --------------------------------------------------------------------------------
 */

static const char *rax_after_inb(void)
{
	start(1);
	(void)port(1, true, false);
	return text_of(vcpu->regs[GPR_RAX]);
}

static const char *rax_after_inl(void)
{
	start(1);
	(void)port(4, true, false);
	return text_of(vcpu->regs[GPR_RAX]);
}

static const char *first_fatal_address(void)
{
	return text_of(8ull << 20);
}

static const char *action_of_a_fault(void)
{
	start(1);
	return name_of(touch(5));
}

static const char *action_of_port_io(void)
{
	start(1);
	return name_of(port(1, false, false));
}

int main(void)
{
	const struct check checks[] = {
		{"fault_gives_a_page", 3, fault_gives_a_page},
		{"fault_is_counted", 1, fault_is_counted},
		{"last_page_is_ram", 1, last_page_is_ram},
		{"beyond_ram_ends_the_vm", 2, beyond_ram_ends_the_vm},
		{"halt_sleeps", 2, halt_sleeps},
		{"halt_with_a_call_goes_on", 2, halt_with_a_call_goes_on},
		{"halt_for_ever_ends_the_vm", 2, halt_for_ever_ends_the_vm},
		{"halt_with_brothers_sleeps", 2, halt_with_brothers_sleeps},
		{"halt_ends_with_a_trap", 1, halt_ends_with_a_trap},
		{"in_reads_ones", 2, in_reads_ones},
		{"out_is_swallowed", 1, out_is_swallowed},
		{"string_io_is_refused", 2, string_io_is_refused},
		{"interrupt_resumes", 1, interrupt_resumes},
		{"interrupt_of_a_wanted_cpu_yields", 1, interrupt_of_a_wanted_cpu_yields},
		{"interrupt_of_an_ended_vm_ends", 1, interrupt_of_an_ended_vm_ends},
		{"window_resumes", 1, window_resumes},
		{"triple_fault_ends", 1, triple_fault_ends},
		{"unknown_never_advances", 2, unknown_never_advances},
		{"kinds_are_counted", 1, kinds_are_counted},
	};
	const struct question questions[] = {
		{"q1", 1, rax_after_inb,
		 "kernel/exit/port.h: which bytes does IN of a byte change?"},
		{"q2", 1, rax_after_inl,
		 "kernel/exit/port.h: what does a 32-bit result do to RAX?"},
		{"q3", 1, first_fatal_address, "docs/abi.md, RAM: it is [0, max)"},
		{"q4", 1, action_of_a_fault,
		 "kernel/vm/exit.h: the page is there now, and the"
		 " instruction has not happened yet"},
		{"q5", 1, action_of_port_io,
		 "kernel/vm/exit.h: the hypervisor has done all that"
		 " the instruction is to do"},
	};
	return labs_run(checks, LABS_COUNT(checks), questions, LABS_COUNT(questions));
}
