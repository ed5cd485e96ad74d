/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of VMs that get next to nothing of the processors: kernel/sched/boost.c, run_queue.c,
 * driver_health.c, wait_queue.c and oom.c together, on simulated CPUs that run simulated guests for
 * real slices. A donor has idle pages and gives what it is asked for, when it runs; busy guests
 * spin; a needy one touches pages that are its allotment. Weights, affinities and the numbers of
 * CPUs and vCPUs are drawn.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/overcommit/driver_health.h"
#include "kernel/balloon/ranges.h"
#include "kernel/sched/boost.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"

#define FRAMES 6000
#define MS 1000ull
#define STEP (MS / 4) /* of the simulation */
#define SLICE (2 * MS)
#define WAIT_MOST (200 * MS)
#define CPUS 4
#define GIVEN_PER_STEP 40
#define TOUCHED_PER_STEP 20

enum role { SPINS, GIVES, NEEDS, PRETENDS };

static struct guest {
	enum role role;
	bool sleeps; /* between its looks at the balloon */
	bool begun;
	unsigned driver; /* the first of its vCPUs that looks at the balloon, */
	bool is_slow;	 /* which takes five times as long for a page */
	uint64_t next_gfn;
	uint64_t need_pages;
	struct aerostat_balloon_page *page;
	uint64_t boosted_ticks;
	uint64_t wait_peak;
} guests[VMS_MAX];

static struct cpu {
	struct vcpu *vcpu;
	uint64_t since, until, balance;
} cpus[CPUS];

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (seed >> 33) % below;
}

/* 1 to 10000, small ones as often as large ones. */
static unsigned draw_weight(void)
{
	static const unsigned decades[] = {1, 10, 100, 1000};
	return decades[draw(4)] * (unsigned)(1 + draw(10));
}

static struct vm *add(enum role role, unsigned vcpus, uint64_t mem_pages, unsigned weight,
		      uint64_t mask)
{
	struct vm *vm = kernel_vm_with(vcpus, "vm", FRAMES, mem_pages, 100);
	struct guest *guest = &guests[vm - vms];
	*guest = (struct guest){.role = role, .next_gfn = 200};
	if (role == GIVES || role == PRETENDS) {
		guest->page = kernel_attach(vm);
	}
	vm->config.weight = weight;
	kernel_settle(&vm->vcpus[0]);
	for (unsigned i = 1; i < vcpus; i++) {
		assert_int_equal(scheduler_start(&vm->vcpus[i], 0x5000, 0), STATUS_OK);
	}
	for (unsigned i = 0; i < vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];
		unsigned cpu = (unsigned)__builtin_ctzll(mask);
		run_queue_end(&run_queues[vcpu->home], vcpu);
		vcpu->home = cpu;
		vcpu->doorbell_vector = 0x40;
		vcpu->virtual_ticks = 0;
		run_queues[cpu].member_count++;
		run_queue_add(&run_queues[cpu], vcpu);
	}
	vm->config.cpu_mask = mask;
	return vm;
}

static void say_idle(struct guest *guest, uint64_t pages)
{
	guest->page->total_pages = FRAMES;
	guest->page->free_pages = pages;
	guest->page->idle_pages = pages;
}

/* It gives a part of what it is asked for, and sleeps when nothing is missing. */
static bool give(struct vcpu *vcpu, struct guest *guest)
{
	struct vm *vm = vcpu->vm;
	uint64_t missing = sub_floor_u64(vm->balloon.target_pages, vm->s2.ballooned_pages);
	uint64_t most = guest->is_slow ? GIVEN_PER_STEP / 5 : GIVEN_PER_STEP;
	uint64_t count = min_u64(min_u64(missing, most), guest->page->idle_pages);
	vcpu->doorbell_pending = false;
	if (count > 0) {
		kernel_give(vm, guest->next_gfn, (uint32_t)count);
		guest->next_gfn += count;
		say_idle(guest, guest->page->idle_pages - count);
	} else if (guest->sleeps) {
		vcpu->wait = WAIT_EVENT;
		vcpu->wake_tsc = fake_tsc + 10 * MS;
		return false;
	}
	return true;
}

static bool touch(struct vcpu *vcpu, struct guest *guest)
{
	for (unsigned i = 0; i < TOUCHED_PER_STEP && guest->begun; i++) {
		if (vcpu->vm->s2.mapped_pages >= guest->need_pages) {
			return true;
		}
		vcpu->fault_count++;
		if (demand_fault(vcpu, (gfn_t){guest->next_gfn}) == EXIT_BLOCK) {
			return false;
		}
		guest->next_gfn++;
	}
	return true;
}

/* A step of the guest on this CPU; false: it waits. */
static bool guest_step(struct vcpu *vcpu)
{
	struct guest *guest = &guests[vcpu->vm - vms];
	switch (guest->role) {
	case GIVES:
		return vcpu->index < guest->driver || give(vcpu, guest);
	case NEEDS:
		return touch(vcpu, guest);
	case SPINS:
	case PRETENDS:
		break;
	}
	return true;
}

static struct vcpu *steal(unsigned cpu, unsigned least)
{
	for (unsigned i = 1; i < fake_cpu_count; i++) {
		struct run_queue *victim = &run_queues[(cpu + i) % fake_cpu_count];
		struct vcpu *vcpu =
			victim->queued_count >= least ? run_queue_give(victim, cpu) : NULL;
		if (vcpu != NULL) {
			run_queues[cpu].member_count++;
			vcpu->virtual_ticks += run_queues[cpu].virtual_now;
			run_queue_add(&run_queues[cpu], vcpu);
			return vcpu;
		}
	}
	return NULL;
}

/* As kernel/sched/scheduler.c does it. */
static void pick(unsigned cpu)
{
	struct run_queue *queue = &run_queues[cpu];
	if (fake_tsc >= cpus[cpu].balance) {
		cpus[cpu].balance = fake_tsc + 10 * MS;
		(void)steal(cpu, queue->queued_count + 2);
	}
	(void)run_queue_wake(queue, fake_tsc);
	struct vcpu *vcpu = run_queue_take(queue);
	if (vcpu == NULL && steal(cpu, 1) != NULL) {
		vcpu = run_queue_take(queue);
	}
	uint64_t slice = vcpu != NULL && vcpu->boosted ? boost_slice(vcpu->vm, SLICE) : SLICE;
	cpus[cpu].vcpu = vcpu;
	cpus[cpu].since = fake_tsc;
	cpus[cpu].until = fake_tsc + slice;
}

static void cpu_step(unsigned cpu)
{
	struct cpu *at = &cpus[cpu];
	fake_cpu = cpu;
	if (at->vcpu == NULL) {
		if (cpu == 0) {
			governor_poll(fake_tsc);
		}
		pick(cpu);
	}
	struct vcpu *vcpu = at->vcpu;
	if (vcpu == NULL) {
		return;
	}
	bool goes_on = vcpu->vm->state == VM_RUNNING && guest_step(vcpu);
	uint64_t ran = fake_tsc + STEP - at->since;
	if (!goes_on || fake_tsc + STEP >= at->until) {
		guests[vcpu->vm - vms].boosted_ticks += vcpu->boosted ? ran : 0;
		run_queue_put(&run_queues[cpu], vcpu, ran, fake_tsc + STEP);
		at->vcpu = NULL;
	}
}

static void note_waits(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		uint64_t waits = sub_floor_u64(fake_tsc, vm_blocked_since(&vms[i]));
		guests[i].wait_peak = max_u64(guests[i].wait_peak, waits);
	}
}

static void simulate(uint64_t ticks)
{
	for (uint64_t end = fake_tsc + ticks; fake_tsc < end; fake_tsc += STEP) {
		for (unsigned cpu = 0; cpu < fake_cpu_count; cpu++) {
			cpu_step(cpu);
		}
		note_waits();
	}
	fake_cpu = 0;
}

static void begin(unsigned cpu_count)
{
	kernel_start(FRAMES, 0);
	fake_cpus_reset(cpu_count);
	governor_init();
	memset(guests, 0, sizeof(guests));
	memset(cpus, 0, sizeof(cpus));
}

/* The vCPUs that are on a CPU leave it, so that the world can end. */
static int end(void **state)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		if (cpus[cpu].vcpu != NULL) {
			run_queue_put(&run_queues[cpu], cpus[cpu].vcpu, 0, fake_tsc);
			cpus[cpu].vcpu = NULL;
		}
	}
	return kernel_teardown(state);
}

static struct vm *add_donor(unsigned vcpus, unsigned weight, uint64_t mask, bool sleeps)
{
	struct vm *donor = add(GIVES, vcpus, 4200, weight, mask);
	struct guest *guest = &guests[donor - vms];
	kernel_pick(&donor->vcpus[0]);
	kernel_touch_pages(donor, 200, 4000);
	kernel_settle(&donor->vcpus[0]);
	say_idle(guest, 3800);
	guest->sleeps = sleeps;
	return donor;
}

static struct vm *add_needy(unsigned weight, uint64_t mask)
{
	struct vm *needy = add(NEEDS, 1, 3000, weight, mask);
	guests[needy - vms].need_pages = 2500;
	return needy;
}

static void begin_to_need(struct vm *needy)
{
	guests[needy - vms].begun = true;
}

static uint64_t ran_ticks(const struct vm *vm)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		sum += vm->vcpus[i].ran_ticks;
	}
	return sum;
}

/*
 * Regression: a VM that could not run was given up on for not giving: one CPU, an idle VM of weight
 * 1, a busy one of weight 2000, and one that needs its allotment.
 */
static void test_donor_without_a_share(void **state)
{
	(void)state;
	begin(1);
	struct vm *donor = add_donor(1, 1, 1, false);
	(void)add(SPINS, 1, 100, 2000, 1);
	struct vm *needy = add_needy(100, 1);
	simulate(300 * MS);
	begin_to_need(needy);
	simulate(5000 * MS);
	assert_int_equal(needy->s2.mapped_pages, 2500);
	assert_false(donor->balloon.unresponsive);
	assert_int_equal(donor->state, VM_RUNNING);
	assert_true(guests[needy - vms].wait_peak <= WAIT_MOST);
}

/* ... and in all settings: nobody waits for long, and no VM that cooperates is judged. */
static void test_all_settings(void **state)
{
	uint64_t longest = 0;
	(void)state;
	for (unsigned round = 0; round < 150; round++) {
		seed = round;
		unsigned count = 1 + (unsigned)draw(CPUS);
		begin(count);
		uint64_t all = BIT(count) - 1;
		struct vm *donor = add_donor(1 + (unsigned)draw(3), draw_weight(), 1 + draw(all),
					     draw(2) == 0);
		for (unsigned i = 0; i <= draw(5); i++) {
			(void)add(SPINS, 1 + (unsigned)draw(3), 100, draw_weight(), 1 + draw(all));
		}
		struct vm *needy = add_needy(draw_weight(), 1 + draw(all));
		simulate((100 + draw(400)) * MS);
		begin_to_need(needy);
		simulate(2500 * MS);
		uint64_t waited = guests[needy - vms].wait_peak;
		longest = max_u64(longest, waited);
		if (waited > WAIT_MOST || donor->balloon.unresponsive ||
		    strstr(fake_log_text, "killed") != NULL) {
			fail_msg("round %u: waited for %llu us", round, (unsigned long long)waited);
		}
		uint64_t most = 2800 * MS * tunables.boost_percent / 100 +
				(tunables.boost_most_ms + 3) * MS;
		assert_true(guests[donor - vms].boosted_ticks <= most);
		assert_int_equal(end(NULL), 0);
	}
	print_message("longest wait: %llu us\n", (unsigned long long)longest);
	kernel_start(FRAMES, 0);
}

/* One that is asked all the time and gives nothing has its budget, however many vCPUs it has. */
static void farm(unsigned vcpus)
{
	begin(1);
	struct vm *farmer = add(PRETENDS, vcpus, 4200, 1, 1);
	kernel_pick(&farmer->vcpus[0]);
	kernel_touch_pages(farmer, 200, 4000);
	kernel_settle(&farmer->vcpus[0]);
	say_idle(&guests[farmer - vms], 3800);
	struct vm *busy = add(SPINS, 1, 100, 10000, 1);
	struct vm *needy = add_needy(100, 1);
	simulate(100 * MS);
	begin_to_need(needy);
	uint64_t before = ran_ticks(farmer);
	uint64_t busy_before = ran_ticks(busy);
	for (unsigned i = 0; i < 40; i++) {
		say_idle(&guests[farmer - vms], 3000 + 20 * i); /* the target rises again */
		simulate(50 * MS);
	}
	uint64_t had = ran_ticks(farmer) - before;
	assert_true(had <=
		    2000 * MS * tunables.boost_percent / 100 + (tunables.boost_most_ms + 3) * MS);
	assert_true(ran_ticks(busy) - busy_before >= 2000 * MS * 80 / 100);
}

static void test_nobody_farms_it(void **state)
{
	(void)state;
	for (unsigned vcpus = 1; vcpus <= 8; vcpus += 7) {
		farm(vcpus);
		assert_int_equal(end(NULL), 0);
	}
	kernel_start(FRAMES, 0);
}

/* Many that are boosted at once leave four parts in five to those that are not. */
static void test_many_leave_room(void **state)
{
	(void)state;
	begin(1);
	struct vm *busy = add(SPINS, 1, 100, 10000, 1);
	for (unsigned i = 0; i < 3; i++) {
		struct vm *vm = add(SPINS, 8, 100, 1, 1);
		vm->boost.wanted = true;
		vm->boost.left_ticks = INT64_MAX / 2;
	}
	uint64_t before = ran_ticks(busy);
	fake_tsc += STEP;
	for (unsigned i = 0; i < 4000; i++) { /* in place of the governor, which would end it */
		for (unsigned j = 0; i % 5 == 0 && j < 24; j++) {
			scheduler_boost(&vms[1 + j / 8].vcpus[j % 8]);
		}
		pick(0);
		fake_tsc += SLICE;
		run_queue_put(&run_queues[0], cpus[0].vcpu, SLICE, fake_tsc);
		cpus[0].vcpu = NULL;
	}
	assert_in_range(ran_ticks(busy) - before, 4000 * SLICE * 79 / 100, 4000 * SLICE * 85 / 100);
}

/* A loan: who has more than its budget by its weight has no more for being boosted. */
static void test_boost_is_a_loan(void **state)
{
	(void)state;
	uint64_t had[2];
	for (unsigned boosted = 0; boosted < 2; boosted++) {
		begin(1);
		struct vm *one = add(SPINS, 1, 100, 100, 1);
		struct vm *other = add(SPINS, 1, 100, 100, 1);
		for (unsigned i = 0; i < 1000; i++) {
			one->boost.wanted = boosted == 1;
			boost_fill(one, SLICE);
			pick(0);
			fake_tsc += SLICE;
			run_queue_put(&run_queues[0], cpus[0].vcpu, SLICE, fake_tsc);
			cpus[0].vcpu = NULL;
		}
		had[boosted] = ran_ticks(one);
		assert_int_equal(had[boosted] + ran_ticks(other), 1000 * SLICE);
		assert_int_equal(end(NULL), 0);
	}
	assert_in_range(had[1], had[0] - tunables.boost_most_ms * MS,
			had[0] + tunables.boost_most_ms * MS);
	kernel_start(FRAMES, 0);
}

/*
 * Regression: of several vCPUs the first had all the time out of turn. A driver on another one got
 * none, and one that did not give was never found out, because its last vCPU had not run.
 */
static void test_driver_on_the_last_vcpu(void **state)
{
	(void)state;
	for (unsigned vcpus = 2; vcpus <= 4; vcpus++) {
		begin(1);
		struct vm *donor = add_donor(vcpus, 1, 1, false);
		guests[donor - vms].driver = vcpus - 1;
		guests[donor - vms].is_slow = true;
		(void)add(SPINS, 1, 100, 10000, 1);
		struct vm *needy = add_needy(100, 1);
		simulate(300 * MS);
		donor->boost.left_ticks = 0; /* what it has saved would do */
		begin_to_need(needy);
		simulate(8000 * MS);
		assert_int_equal(needy->s2.mapped_pages, 2500);
		assert_false(donor->balloon.unresponsive);
		assert_int_equal(donor->state, VM_RUNNING);
		assert_int_equal(end(NULL), 0);
	}
	kernel_start(FRAMES, 0);
}

/* A donor that runs and does not give is found out, whatever its weight is, and its vCPUs are. */
static void test_deaf_all_the_same(void **state)
{
	(void)state;
	for (unsigned vcpus = 1; vcpus <= 8; vcpus++) {
		begin(1);
		struct vm *unresponsive = add(PRETENDS, vcpus, 4200, 1, 1);
		kernel_pick(&unresponsive->vcpus[0]);
		kernel_touch_pages(unresponsive, 200, 4000);
		kernel_settle(&unresponsive->vcpus[0]);
		say_idle(&guests[unresponsive - vms], 3800);
		(void)add(SPINS, 1, 100, 10000, 1);
		struct vm *needy = add_needy(100, 1);
		simulate(100 * MS);
		begin_to_need(needy);
		simulate((2 + 2 * vcpus) * 1000 * MS);
		assert_non_null(strstr(fake_log_text, "driver does not answer"));
		assert_int_equal(end(NULL), 0);
	}
	kernel_start(FRAMES, 0);
}

/* The vCPU that attached the balloon has two parts of the time out of turn, each other one has one.
 */
static void test_driver_has_two_parts(void **state)
{
	(void)state;
	kernel_start(6000, 1);
	struct vm *vm = kernel_vm_with(3, "donor", 1000, 1000, 100);
	unsigned had[3] = {0};
	vm->vcpus[2].doorbell_attached = true;
	for (unsigned i = 0; i < 400; i++) {
		unsigned next = driver_health_next_boosted(vm);
		vm->vcpus[next].chance_ticks += 10;
		had[next]++;
	}
	assert_in_range(had[2], 198, 202);
	assert_in_range(had[0], 98, 102);
	assert_in_range(had[1], 98, 102);
	assert_int_equal(driver_health_neediest(vm), had[0] <= had[1] ? 0 : 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_donor_without_a_share),   TEST(test_all_settings),
		TEST(test_driver_has_two_parts),    TEST(test_all_settings),
		TEST(test_nobody_farms_it),	    TEST(test_many_leave_room),
		TEST(test_boost_is_a_loan),	    TEST(test_deaf_all_the_same),
		TEST(test_driver_on_the_last_vcpu),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
