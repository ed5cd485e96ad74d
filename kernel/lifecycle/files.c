/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. */
#include "kernel/lifecycle/files.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/string.h"
#include "arch/arch.h"
#include "mm/audit.h"
#include "mm/frame.h"
#include "mm/phys.h"

static struct boot_module *modules;
static unsigned module_count;
static vm_id_t owners[BOOT_MODULES_MAX]; /* 0: no VM has it */

void files_init(struct boot_module *table, unsigned count)
{
	CHECK(count <= BOOT_MODULES_MAX);
	modules = table;
	module_count = count;
	memset(owners, 0, sizeof(owners));
}

bool files_is_taken(unsigned index)
{
	return owners[index] != 0;
}

/* What goes with the VM of that name; a string that is bad behind a good name does, too. */
static bool is_further_of(unsigned index, const char *name, struct vm_file_config *config,
			  struct error *error)
{
	if (!vm_config_is_file(modules[index].text)) {
		return false;
	}
	(void)(vm_config_parse_file(modules[index].text, config, error) == STATUS_OK);
	return strcmp(config->of, name) == 0;
}

static enum status check_further(unsigned index, unsigned own, const struct vm_config *config,
				 const struct error *parsed, struct error *error)
{
	const struct boot_module *module = &modules[index];
	if (index < own) {
		return error_set(error, STATUS_INVALID,
				 "the module with of=%s stands before its own", config->name);
	}
	if (module->text_truncated) {
		return error_set(error, STATUS_INVALID,
				 "the string of a module with of=%s is longer than the hypervisor "
				 "keeps",
				 config->name);
	}
	if (parsed->text[0] != '\0') {
		return error_set(error, STATUS_INVALID, "%s", parsed->text);
	}
	if (module->start == module->end) {
		return error_set(error, STATUS_INVALID,
				 "a module with of=%s is empty: the boot loader loaded no byte of "
				 "it",
				 config->name);
	}
	return STATUS_OK;
}

enum status files_take(const struct vm *vm, unsigned index, struct load_files *files,
		       struct error *error)
{
	const struct vm_config *config = &vm->config;
	enum status status = STATUS_OK;
	uint64_t further = 0;
	error->text[0] = '\0';
	owners[index] = vm->id;
	for (unsigned i = 0; i < module_count; i++) {
		struct vm_file_config file;
		struct error parsed;
		if (!is_further_of(i, config->name, &file, &parsed)) {
			continue;
		}
		owners[i] = vm->id;
		further++;
		if (status == STATUS_OK) {
			status = check_further(i, index, config, &parsed, error);
		}
	}
	if (status == STATUS_OK && further > VM_FILES_MAX) {
		status = error_set(error, STATUS_INVALID,
				   "%lu modules have of=%s, and a VM takes at most %d", further,
				   config->name, VM_FILES_MAX);
	}
	if (status == STATUS_OK && config->files != 0 && config->files != further) {
		status = error_set(error, STATUS_INVALID,
				   "files=%lu, but the boot loader passed %lu modules with of=%s",
				   config->files, further, config->name);
	}
	if (status == STATUS_OK) {
		files_find(vm, files);
	}
	return status;
}

void files_find(const struct vm *vm, struct load_files *files)
{
	files->count = 0;
	for (unsigned i = 0; i < module_count; i++) {
		const struct boot_module *module = &modules[i];
		struct vm_file_config file = {.arguments = vm->config.arguments};
		struct error ignored;
		if (owners[i] != vm->files_of) {
			continue;
		}
		CHECK(!module->released && files->count < LOAD_FILES_MAX);
		if (vm_config_is_file(module->text)) {
			CHECK(vm_config_parse_file(module->text, &file, &ignored) == STATUS_OK);
		}
		files->file[files->count++] = (struct load_file){
			.bytes = phys_to_virt((hpa_t){module->start}),
			.size = module->end - module->start,
			.text = file.arguments,
		};
	}
}

/* Some VM bears the name, or will: its module comes later. */
static bool is_name_of_vm(const char *name, unsigned index)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (strcmp(vms[i].config.name, name) == 0) {
			return true;
		}
	}
	for (unsigned i = index + 1; i < module_count; i++) {
		struct vm_config config;
		struct error ignored;
		(void)(vm_config_parse(modules[i].text, &config, &ignored) == STATUS_OK);
		if (!vm_config_is_file(modules[i].text) && strcmp(config.name, name) == 0) {
			return true;
		}
	}
	return false;
}

enum status files_check_orphan(unsigned index, struct error *error)
{
	struct vm_file_config file;
	enum status status = vm_config_parse_file(modules[index].text, &file, error);
	if (file.of[0] == '\0') {
		return status;
	}
	if (!is_name_of_vm(file.of, index)) {
		return error_set(error, STATUS_INVALID, "of=%s is the name of no VM", file.of);
	}
	return STATUS_OK;
}

static uint64_t release(unsigned index)
{
	return modules[index].released ? 0 : arch_module_release(&modules[index]);
}

const char *files_text(const struct vm *vm)
{
	for (unsigned i = 0; i < module_count; i++) {
		if (owners[i] == vm->files_of && !vm_config_is_file(modules[i].text)) {
			return modules[i].text;
		}
	}
	return "";
}

/* It begins from its files yet, or again; or it has ended a moment ago and has not let go. */
static bool may_need_files(const struct vm *vm)
{
	bool again = vm->config.on_reboot == ON_REBOOT_RESTART;
	return vm->state == VM_LATER || (again && (vm_is_alive(vm) || vm->s2_exists));
}

static bool is_needed(vm_id_t files_of, const struct vm *besides)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (&vms[i] != besides && vms[i].files_of == files_of && may_need_files(&vms[i])) {
			return true;
		}
	}
	return false;
}

bool files_are_held(const struct vm *vm)
{
	bool held = false;
	for (unsigned i = 0; i < module_count; i++) {
		if (owners[i] == vm->files_of && !vm_config_is_file(modules[i].text)) {
			held = !modules[i].released; /* the others are given back with it */
		}
	}
	return held;
}

uint64_t files_release(const struct vm *vm)
{
	uint64_t pages = 0;
	bool kept = is_needed(vm->files_of, vm);
	for (unsigned i = 0; i < module_count && !kept; i++) {
		pages += owners[i] == vm->files_of ? release(i) : 0;
	}
	return pages;
}

uint64_t files_release_orphan(unsigned index)
{
	return release(index);
}

static uint64_t first_page(const struct boot_module *module)
{
	return module->start >> PAGE_SHIFT;
}

/* 0: it is nowhere any more, or was empty. */
static uint64_t pages_kept(const struct boot_module *module)
{
	bool kept = !module->released && module->start < module->end;
	return kept ? (align_up_u64(module->end, PAGE_BYTES) >> PAGE_SHIFT) - first_page(module)
		    : 0;
}

uint64_t files_pages(const struct vm *vm)
{
	uint64_t pages = 0;
	for (unsigned i = 0; i < module_count; i++) {
		pages += owners[i] == vm->files_of ? pages_kept(&modules[i]) : 0;
	}
	return pages;
}

/* Of the extent that `pfn` is in; a frame without a head is an error of its own. */
static struct frame_tag tag_of_extent(uint64_t pfn)
{
	unsigned order = 0;
	uint64_t head = pfn;
	while (frame_table[head].tag.state == FRAME_TAIL && order < FRAME_ORDER_MAX) {
		head = align_down_u64(pfn, order_pages(++order));
	}
	return frame_table[head].tag;
}

/* Those beyond the frame table are no memory of ours. */
static void audit_frames(uint64_t pfn, uint64_t pages, struct audit_report *report)
{
	for (uint64_t end = min_u64(pfn + pages, frame_table_count); pfn < end; pfn++) {
		const struct frame_tag tag = tag_of_extent(pfn);
		if (tag.state != FRAME_HYPERVISOR || tag.owner != VM_ID_HOST) {
			audit_complain(report, "frame of a module that is kept, state", pfn,
				       tag.state, FRAME_HYPERVISOR);
		}
	}
}

uint64_t files_audit(struct audit_report *report)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < module_count; i++) {
		uint64_t pages = pages_kept(&modules[i]);
		uint64_t pfn = first_page(&modules[i]);
		if (pages > 0 && !is_needed(owners[i], NULL)) {
			audit_complain(report, "module that no VM can begin from, pages", pfn,
				       pages, 0);
		}
		audit_frames(pfn, pages, report);
		sum += pages;
	}
	return sum;
}
