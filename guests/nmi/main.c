/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nmi: with devices=pc and two vCPUs. NMIs to itself and between vCPUs, while interrupts are off,
 * while one is being handled, to a vCPU that halts, one after another as fast as they arrive; then
 * INIT and startup IPIs for a vCPU that runs, that halts, and for itself.
 *
 *	rounds=N		NMIs in a row, and starts in a row
 */
#include <stdbool.h>
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/descriptor.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"
#include "guests/nmi/real_mode.h"

#define MSR_APIC_BASE 0x1b
#define MSR_SPURIOUS 0x80f
#define MSR_COMMAND 0x830
#define APIC_BASE_X2APIC 0xc00
#define APIC_ON 0x1ff

#define SEND_NMI 0x4400
#define SEND_INIT 0x4500
#define SEND_STARTUP 0x4600

#define PATIENCE_MS 4000
#define STILL_MS 20

enum handler_play {
	JUST_COUNT,
	SEND_TWO_MORE, /* NMIs to itself, while this one is being handled */
};

extern const char nmi_entry[];
extern const char real_start[], real_end[], real_nmi[];
uint64_t spin_marked(const uint32_t *until);
void nmi_handle(void);

static struct {
	uint32_t count;
	uint32_t inside; /* NMIs being handled now, and */
	uint32_t nested; /* how often that was more than one */
	uint32_t grown;	 /* by how much `count` rose during a handler */
	enum handler_play play;
} nmis[2];

static uint32_t stop, beats, other_ready, other_wrong, halted;
static bool all_right = true;

static void expect(const char *what, bool right, uint64_t found)
{
	if (!right) {
		console_print("%s: %lu\n", what, found);
		all_right = false;
	}
}

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static uint64_t msr_read(uint32_t index)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}

static void msr_write(uint32_t index, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static void lapic_on(void)
{
	msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	msr_write(MSR_SPURIOUS, APIC_ON);
}

static void send(uint64_t to, uint64_t command)
{
	msr_write(MSR_COMMAND, to << 32 | command);
}

static void spin_ms(uint64_t ms)
{
	uint64_t end = cpu_read_tsc() + ms * runtime_tsc_khz;

	while (cpu_read_tsc() < end) {
		__asm__ volatile("pause");
	}
}

/* False: it is not `least` after a long time. */
static bool wait_for(const uint32_t *word, uint32_t least)
{
	uint64_t end = cpu_read_tsc() + PATIENCE_MS * runtime_tsc_khz;

	while (load(word) < least && cpu_read_tsc() < end) {
		(void)hypercall(AEROSTAT_CALL_WAIT, 1, 0, 0, 0);
	}
	return load(word) >= least;
}

void nmi_handle(void)
{
	unsigned me = vcpu_index();

	if (++nmis[me].inside != 1) {
		nmis[me].nested++;
	}
	uint32_t count = __atomic_add_fetch(&nmis[me].count, 1, __ATOMIC_ACQ_REL);
	if (nmis[me].play == SEND_TWO_MORE) {
		nmis[me].play = JUST_COUNT;
		send(me, SEND_NMI);
		send(me, SEND_NMI);
		spin_ms(STILL_MS);
		nmis[me].grown = load(&nmis[me].count) - count;
	}
	nmis[me].inside--;
}

/* All vCPUs share the table that guests/lib/fault.c has filled. */
static void nmi_install(void)
{
	struct table_pointer table;

	__asm__ volatile("sidt %0" : "=m"(table));
	((struct gate *)table.base)[NMI_VECTOR] =
		gate_to((uintptr_t)nmi_entry, GUEST_CODE_SELECTOR, GATE_INTERRUPT);
}

/* ---- NMIs ---- */

static void test_to_itself(void)
{
	send(0, SEND_NMI);
	(void)hypercall(AEROSTAT_CALL_NULL, 0, 0, 0, 0);
	expect("NMIs with interrupts on", nmis[0].count == 1, nmis[0].count);
	cpu_interrupts_off();
	send(0, SEND_NMI);
	(void)hypercall(AEROSTAT_CALL_NULL, 0, 0, 0, 0);
	expect("NMIs with interrupts off", nmis[0].count == 2, nmis[0].count);
	cpu_interrupts_on();
}

/* Two that come while one is being handled are one, and that comes when it is done. */
static void test_blocking(void)
{
	uint32_t before = nmis[0].count;

	nmis[0].play = SEND_TWO_MORE;
	send(0, SEND_NMI);
	(void)wait_for(&nmis[0].count, before + 2);
	spin_ms(STILL_MS);
	expect("NMIs during one", nmis[0].grown == 0, nmis[0].grown);
	expect("NMIs behind it", nmis[0].count == before + 2, nmis[0].count - before);
}

static void wake_first(void *unused)
{
	(void)unused;
	lapic_on();
	cpu_interrupts_off();
	__atomic_store_n(&other_ready, 1, __ATOMIC_RELEASE);
	while (load(&halted) == 0) {
		__asm__ volatile("pause");
	}
	spin_ms(STILL_MS);
	send(0, SEND_NMI);
	if (spin_marked(&stop) != 0) {
		__atomic_store_n(&other_wrong, 1, __ATOMIC_RELEASE);
	}
	for (;;) {
		__atomic_fetch_add(&beats, 1, __ATOMIC_ACQ_REL);
	}
}

/* It ends a HLT even where interrupts are off. */
static bool test_halt(void)
{
	uint32_t before = nmis[0].count;

	if (!vcpu_start(1, wake_first, NULL) || !wait_for(&other_ready, 1)) {
		return false;
	}
	cpu_interrupts_off();
	__atomic_store_n(&halted, 1, __ATOMIC_RELEASE);
	__asm__ volatile("hlt" : : : "memory");
	expect("NMIs that ended a HLT", nmis[0].count == before + 1, nmis[0].count - before);
	cpu_interrupts_on();
	return true;
}

static void test_storm(uint64_t rounds)
{
	for (uint64_t i = 1; i <= rounds; i++) {
		send(1, SEND_NMI);
		if (!wait_for(&nmis[1].count, (uint32_t)i)) {
			expect("NMIs of vCPU 1", false, nmis[1].count);
			break;
		}
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	expect("vCPU 1 goes on", wait_for(&beats, 1), 0);
	expect("its registers", load(&other_wrong) == 0, 0);
}

/* ---- INIT and startup ---- */

static uint32_t *note(unsigned which)
{
	return (uint32_t *)(uintptr_t)(REAL_PAGE + which);
}

static void real_install(void)
{
	char *page = (char *)(uintptr_t)REAL_PAGE;
	volatile uint32_t *vectors = (uint32_t *)(uintptr_t)0;
	uint32_t offset = (uint32_t)((uintptr_t)real_nmi - (uintptr_t)real_start);

	for (size_t i = 0; i < (uintptr_t)real_end - (uintptr_t)real_start; i++) {
		page[i] = real_start[i];
	}
	__asm__("" : "+r"(vectors)); /* real mode has its vectors at 0 */
	vectors[NMI_VECTOR] = REAL_PAGE / 16 << 16 | offset;
	*note(REAL_SIGNATURE) = cpu_identify(1).eax;
}

static void startup(void)
{
	send(1, SEND_STARTUP | REAL_PAGE >> 12);
}

/* One that runs stops, and is deaf until it is started. */
static void test_init(void)
{
	uint32_t nmis_before = nmis[1].count;

	startup();
	spin_ms(STILL_MS);
	expect("starts of a vCPU that runs", *note(REAL_STARTS) == 0, *note(REAL_STARTS));
	send(1, SEND_INIT);
	spin_ms(STILL_MS);
	uint32_t last = load(&beats);
	send(1, SEND_NMI);
	spin_ms(STILL_MS);
	expect("it went on behind INIT", load(&beats) == last, load(&beats) - last);
	startup();
	startup();
	expect("start", wait_for(note(REAL_READY), 1), 0);
	spin_ms(STILL_MS);
	expect("starts", *note(REAL_STARTS) == 1, *note(REAL_STARTS));
	expect("NMIs without a table", nmis[1].count == nmis_before && *note(REAL_NMIS) == 0,
	       *note(REAL_NMIS));
	send(1, SEND_NMI);
	expect("NMI in real mode", wait_for(note(REAL_NMIS), 1), 0);
}

/* One that halts for good, again and again, without a pause between the two messages. */
static void test_starts(uint64_t rounds)
{
	uint32_t before = *note(REAL_STARTS);

	for (uint64_t i = 1; i <= rounds; i++) {
		send(1, SEND_INIT);
		startup();
		if (!wait_for(note(REAL_STARTS), before + (uint32_t)i)) {
			break;
		}
	}
	expect("starts in a row", *note(REAL_STARTS) == before + rounds,
	       *note(REAL_STARTS) - before);
	expect("values that INIT does not make", *note(REAL_WRONG) == 0, *note(REAL_FOUND));
}

static void test_init_of_itself(void)
{
	uint32_t before = *note(REAL_STARTS);

	*note(REAL_PLAY) = 1;
	for (uint32_t i = 1; i <= 3; i++) {
		send(1, SEND_INIT);
		startup();
		expect("start", wait_for(note(REAL_STARTS), before + i), i);
		spin_ms(STILL_MS);
	}
	*note(REAL_PLAY) = 0;
	startup();
	expect("start behind its own INIT", wait_for(note(REAL_STARTS), before + 4), 0);
	expect("it went on behind its own INIT", *note(REAL_BEYOND) == 0, *note(REAL_BEYOND));
}

int guest_main(const struct guest_arguments *arguments)
{
	uint64_t rounds = 100;
	const struct argument known[] = {
		{"rounds", ARGUMENT_COUNT, false, &rounds, NULL},
	};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	nmi_install();
	real_install();
	lapic_on();
	test_to_itself();
	test_blocking();
	console_print("%u NMIs to itself\n", nmis[0].count);
	if (!test_halt()) {
		return GUEST_EXIT_INTERFACE;
	}
	test_storm(rounds);
	console_print("%u NMIs to vCPU 1\n", nmis[1].count);
	test_init();
	test_starts(rounds);
	console_print("%u starts\n", *note(REAL_STARTS));
	test_init_of_itself();
	expect("NMIs in an NMI", nmis[0].nested == 0 && nmis[1].nested == 0, nmis[1].nested);
	if (!all_right) {
		return GUEST_EXIT_INTERFACE;
	}
	console_print("all NMIs and starts came\n");
	return GUEST_EXIT_SUCCESS;
}
