/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Life of a VM: started from a module at boot, ended by itself or by us, torn down in bounded steps
 * by the boot CPU. Slots of the table are filled at boot; a VM may be ended by any CPU.
 */
#include "kernel/vm/vm.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "kernel/balloon/balloon.h"
#include "kernel/sched/boost.h"
#include "arch/boot_info.h"
#include "kernel/lib/elf.h"
#include "kernel/lifecycle/load_native.h"
#include "kernel/sched/stop_machine.h"
#include "kernel/sched/scheduler.h"
#include "mm/audit.h"
#include "mm/phys.h"

struct vm vms[VMS_MAX];
unsigned vm_count;

#define TEARDOWN_ENTRIES_PER_STEP 8192

static bool name_is_taken(const struct vm *vm)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (&vms[i] != vm && strcmp(vms[i].config.name, vm->config.name) == 0) {
			return true;
		}
	}
	return false;
}

static void refuse(struct vm *vm, const char *sentence)
{
	vm->state = VM_REFUSED;
	vm->end_reason = "refused";
	log_event(vm->config.name, "refused: %s", sentence);
}

/* The arithmetic of a promise that cannot be made. */
static void refuse_promise(struct vm *vm)
{
	char sentence[VM_SENTENCE_BYTES];
	uint64_t tables = s2_table_pages_worst(vm->config.max_pages);
	snprintf(sentence, sizeof(sentence),
		 "min=%lluK and %lluK for its page tables are more than the %lluK that are not "
		 "promised to others",
		 (unsigned long long)vm->config.min_pages * 4, (unsigned long long)tables * 4,
		 (unsigned long long)promise_spare() * 4);
	refuse(vm, sentence);
}

static void destroy_vcpus(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		if (vm->vcpus[i].arch != NULL) {
			backend->vcpu_destroy(&vm->vcpus[i]);
			vm->vcpus[i].arch = NULL;
		}
	}
}

/* All of them; those but the first are OFF until the guest starts them. */
static enum status create_vcpus(struct vm *vm)
{
	enum status status = STATUS_OK;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		scheduler_place(&vm->vcpus[i]);
	}
	for (unsigned i = 0; i < vm->config.vcpus && status == STATUS_OK; i++) {
		status = backend->vcpu_create(&vm->vcpus[i], &vm->s2);
	}
	if (status != STATUS_OK) {
		CHECK(scheduler_retire(vm));
		destroy_vcpus(vm);
	}
	return status;
}

/* Memory, image and vCPU for a VM whose address space exists. */
static enum status furnish(struct vm *vm, const void *file, const struct elf_image *image,
			   uint32_t *start_info, char *sentence)
{
	enum status status = loader_load(vm, file, image, start_info);
	if (status == STATUS_OUTSIDE) {
		snprintf(sentence, VM_SENTENCE_BYTES,
			 "max=%lluK leaves no page for the start information behind its image",
			 (unsigned long long)vm->config.max_pages * 4);
		return status;
	}
	if (status == STATUS_OK) {
		status = create_vcpus(vm);
	}
	if (status != STATUS_OK) {
		snprintf(sentence, VM_SENTENCE_BYTES,
			 "the host is too small: its image needs %lluK, and %lluK are free",
			 (unsigned long long)(image->end + KIB(64)) >> 10,
			 (unsigned long long)promise_spare() * 4);
	}
	return status;
}

/* `begin_tsc` is when its start began: only one that runs has taken any time to. */
static void start_checked(struct vm *vm, const void *file, const struct elf_image *image,
			  uint64_t begin_tsc)
{
	char sentence[VM_SENTENCE_BYTES];
	uint32_t start_info;
	enum status status = s2_create(&vm->s2, backend->s2_format(), vm->id, vm->config.max_pages,
				       vm->config.min_pages);
	if (status != STATUS_OK) {
		refuse_promise(vm);
		return;
	}
	vm->s2_exists = true;
	status = furnish(vm, file, image, &start_info, sentence);
	if (status != STATUS_OK) {
		while (!s2_destroy_step(&vm->s2, TEARDOWN_ENTRIES_PER_STEP)) {
		}
		vm->s2_exists = false;
		refuse(vm, sentence);
		return;
	}
	vm->held_peak_pages = vm->s2.mapped_pages;
	__atomic_store_n(&vm->state, VM_RUNNING, __ATOMIC_RELEASE);
	vm->start_ticks = arch_tsc() - begin_tsc;
	log_event(vm_name(vm), "started mem=%lluK min=%lluK max=%lluK shares=%llu",
		  (unsigned long long)vm->config.mem_pages * 4,
		  (unsigned long long)vm->config.min_pages * 4,
		  (unsigned long long)vm->config.max_pages * 4,
		  (unsigned long long)vm->config.shares);
	vm->vcpus[0].entry = image->entry;
	vm->vcpus[0].regs[GPR_RBX] = start_info;
}

/* It must be able to run somewhere. */
static bool has_cpu(const struct vm *vm)
{
	uint64_t all = ~0ull >> (64 - arch_cpu_count());
	return (vm->config.cpu_mask & all) != 0;
}

void vm_start(const struct boot_module *module)
{
	if (vm_count == VMS_MAX) {
		log_event(NULL, "refused: there are more than %d modules", VMS_MAX);
		return;
	}
	uint64_t begin_tsc = arch_tsc();
	struct vm *vm = &vms[vm_count++];
	vm->id = (vm_id_t)vm_count;
	boost_init(vm);
	for (unsigned i = 0; i < AEROSTAT_VCPUS_MAX; i++) {
		vcpu_init(&vm->vcpus[i], vm, i);
	}
	char sentence[VM_SENTENCE_BYTES];
	enum status status = vm_config_parse(module->text, &vm->config, sentence);
	if (vm->config.name[0] == '\0') {
		snprintf(vm->config.name, sizeof(vm->config.name), "module%u", vm_count);
	}
	if (module->text_truncated) {
		refuse(vm, "its command line is longer than the hypervisor keeps");
		return;
	}
	if (status != STATUS_OK) {
		refuse(vm, sentence);
		return;
	}
	if (name_is_taken(vm)) {
		snprintf(sentence, sizeof(sentence), "name=%s is used twice", vm->config.name);
		refuse(vm, sentence);
		return;
	}
	if (!has_cpu(vm)) {
		snprintf(sentence, sizeof(sentence),
			 "cpu= names none of the %u processors that run", arch_cpu_count());
		refuse(vm, sentence);
		return;
	}
	const void *file = phys_to_virt((hpa_t){module->start});
	struct elf_image image;
	status = elf_check(file, module->end - module->start, vm->config.max_pages << PAGE_SHIFT,
			   &image, sentence);
	if (status != STATUS_OK) {
		refuse(vm, sentence);
		return;
	}
	start_checked(vm, file, &image, begin_tsc);
}

void vms_release(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		struct vcpu *first = &vms[i].vcpus[0];
		if (vms[i].state == VM_RUNNING && first->state == VCPU_OFF) {
			uint32_t start_info = (uint32_t)first->regs[GPR_RBX];
			CHECK(scheduler_start(first, first->entry, start_info) == STATUS_OK);
		}
	}
}

/* Of the lines that the rate limit has swallowed there is one line at least. */
static void say_suppressed(struct vm *vm)
{
	unsigned lines = __atomic_exchange_n(&vm->log.suppressed, 0, __ATOMIC_RELAXED);
	if (lines > 0) {
		log_event(vm_name(vm), "suppressed lines=%u", lines);
	}
}

/* The first reason to end counts. Its vCPUs come out of the guest and do not go back. */
static bool end(struct vm *vm, enum vm_state state)
{
	enum vm_state running = VM_RUNNING;
	if (!__atomic_compare_exchange_n(&vm->state, &running, state, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST)) {
		return false;
	}
	say_suppressed(vm);
	struct s2_locked locked = s2_lock(&vm->s2);
	balloon_note_peaks(vm);
	s2_unlock(locked);
	vm->ended_tsc = arch_tsc();
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		scheduler_signal(&vm->vcpus[i]);
	}
	return true;
}

void vm_finish(struct vm *vm, uint64_t exit_code, uint64_t digest)
{
	if (end(vm, VM_FINISHED)) {
		vm->exit_code = exit_code;
		vm->digest = digest;
		log_event(vm_name(vm), "finished code=%llu digest=0x%llx",
			  (unsigned long long)exit_code, (unsigned long long)digest);
	}
}

void vm_kill(struct vm *vm, const char *reason)
{
	if (end(vm, VM_KILLED)) {
		vm->end_reason = reason;
		log_event(vm_name(vm), "killed: %s", reason);
	}
}

bool vm_waits_for_memory(const struct vm *vm)
{
	return vm_blocked_since(vm) != UINT64_MAX;
}

uint64_t vm_blocked_since(const struct vm *vm)
{
	uint64_t since = UINT64_MAX;
	if (vm_state_now(vm) != VM_RUNNING) {
		return since;
	}
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		if (__atomic_load_n(&vcpu->wait, __ATOMIC_ACQUIRE) == WAIT_MEMORY) {
			since = min_u64(since, vcpu->blocked_since_tsc);
		}
	}
	return since;
}

static bool can_act(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		enum vcpu_state state = __atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE);
		enum vcpu_wait wait = __atomic_load_n(&vcpu->wait, __ATOMIC_ACQUIRE);
		bool runs = state == VCPU_QUEUED || state == VCPU_RUNNING;
		bool hears = wait == WAIT_EVENT ||
			     (wait == WAIT_DOORBELL && vcpu->doorbell_open &&
			      __atomic_load_n(&vcpu->doorbell_vector, __ATOMIC_RELAXED) != 0);
		if ((runs && wait != WAIT_MEMORY) || (state == VCPU_ASLEEP && hears)) {
			return true;
		}
	}
	return false;
}

bool vm_acts_while_waiting(const struct vm *vm)
{
	return vm->s2.promise.held_pages >= vm->config.mem_pages && can_act(vm);
}

bool vm_is_stuck(const struct vm *vm)
{
	uint64_t exits = vm_exit_count(vm);
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		if (vcpu->state != VCPU_OFF && !vcpu_sleeps_for_good(vcpu)) {
			return false;
		}
	}
	/*
	 * One that was seen asleep may have been rung since, by another one that slept before it
	 * was looked at itself: but not without an exit in between.
	 */
	return vm_exit_count(vm) == exits;
}

uint64_t vm_exit_count(const struct vm *vm)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		count += vm->vcpus[i].exit_count;
	}
	return count;
}

uint64_t vm_fault_count(const struct vm *vm)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		count += vm->vcpus[i].fault_count;
	}
	return count;
}

uint64_t vm_hypercall_count(const struct vm *vm)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		count += vm->vcpus[i].hypercall_count;
	}
	return count;
}

static bool teardown_step(struct vm *vm)
{
	if (vm->balloon.attached) {
		vm->balloon.attached = false;
		vm->balloon.page = NULL;
	}
	destroy_vcpus(vm);
	if (!s2_destroy_step(&vm->s2, TEARDOWN_ENTRIES_PER_STEP)) {
		return false;
	}
	vm->s2_exists = false;
	return true;
}

bool vm_teardown_step(struct vm *vm)
{
	if (!vm->s2_exists) {
		return true;
	}
	uint64_t start = arch_tsc();
	bool done = teardown_step(vm);
	uint64_t ticks = arch_tsc() - start;
	vm->teardown_ticks += ticks;
	vm->teardown_step_ticks = max_u64(vm->teardown_step_ticks, ticks);
	return done;
}

/* Several vCPUs may log at once; a line more or less at the turn of a second does not matter. */
void vm_log(struct vm *vm, const char *format, ...)
{
	uint64_t now = arch_tsc();
	uint64_t start = __atomic_load_n(&vm->log.window_start_tsc, __ATOMIC_RELAXED);
	/* Another CPU's clock, by which the second began, may be a little ahead of ours. */
	if (sub_floor_u64(now, start) > arch_tsc_khz() * 1000) {
		say_suppressed(vm);
		__atomic_store_n(&vm->log.window_start_tsc, now, __ATOMIC_RELAXED);
		__atomic_store_n(&vm->log.lines, 0, __ATOMIC_RELAXED);
	}
	if (__atomic_fetch_add(&vm->log.lines, 1, __ATOMIC_RELAXED) >= VM_LOG_LINES_PER_SECOND) {
		__atomic_fetch_add(&vm->log.suppressed, 1, __ATOMIC_RELAXED);
		return;
	}
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_event(vm_name(vm), "%s", text);
}

void vms_audit(struct audit_report *report)
{
	static struct s2 *spaces[VMS_MAX];
	unsigned count = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].s2_exists) {
			spaces[count++] = &vms[i].s2;
		}
	}
	stop_machine();
	audit_run(spaces, count, report);
	stop_machine_release();
}
