// SPDX-License-Identifier: MIT
/* Statements that act on the world: each is a call of sim.h. */

#include <errno.h>

#include "play.h"

/* A VM's TSC starts here in virtual time, unless the script says otherwise:
 * later than any real machine's, so that a reader of its page in a file finds
 * that this machine's counter is before the page's window, instead of a wrong
 * time. */
#define TSC_START (1ULL << 62)
/* A live vmclock is read by other processes, which want it fresh. */
#define LIVE_EVERY_NS 100000000

/* The flags of a move, in the order of the arguments from first on. */
static uint32_t flags_of(const struct statement *s, unsigned int first)
{
	static const uint32_t flags[] = {
		PARACLOCK_SIM_COUNTER_STOPS, PARACLOCK_SIM_CLOCK_STOPS,
		PARACLOCK_SIM_TELLS_STOP,    PARACLOCK_SIM_SILENT,
		PARACLOCK_SIM_SCALED,	     PARACLOCK_SIM_ANNOUNCED,
	};
	uint32_t all = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(flags); i++) {
		if (GIVEN(s, first + i))
			all |= flags[i];
	}
	return all;
}

static struct paraclock_sim_host *host_of(struct paraclock_sim_play *play,
					  const struct statement *s,
					  unsigned int i)
{
	return GIVEN(s, i) ? play->host[s->value[i]] : NULL;
}

/* The four error terms, in the order of 'host' and 'errors'. */
static void set_errors(const struct statement *s,
		       struct paraclock_sim_host_options *opts)
{
	static const uint32_t flags[] = {
		PARACLOCK_TIMELINE_MAXERROR,
		PARACLOCK_TIMELINE_MAXERROR_RATE,
		PARACLOCK_TIMELINE_ESTERROR,
		PARACLOCK_TIMELINE_ESTERROR_RATE,
	};
	uint64_t *value[] = {
		&opts->maxerror_ns,
		&opts->maxerror_ppb,
		&opts->esterror_ns,
		&opts->esterror_ppb,
	};

	for (unsigned int i = 0; i < ARRAY_LEN(flags); i++) {
		if (!GIVEN(s, ERRORS_AT + i))
			continue;
		*value[i] = (uint64_t)s->value[ERRORS_AT + i];
		opts->error_flags |= flags[i];
	}
}

static int new_host(struct paraclock_sim_play *play, const struct statement *s)
{
	struct paraclock_sim_host_options opts = {
		.size = sizeof(opts),
		.tsc_hz = play->opts.counter ? 0 : (uint64_t)s->value[HOST_TSC],
		.clock_ahead_ns = s->value[HOST_AHEAD],
		.clock_ppb = s->value[HOST_FAST],
	};
	struct paraclock_sim_host **host = &play->host[s->value[0]];
	int ret;

	set_errors(s, &opts);
	ret = paraclock_sim_host_new(host, play->sim, &opts);
	if (ret)
		return ret;
	/* In the options 0 means the default, not the status "unknown". */
	return GIVEN(s, HOST_STATUS)
		       ? paraclock_sim_status(
				 *host, (unsigned int)s->value[HOST_STATUS])
		       : 0;
}

static void add_vm(struct paraclock_sim_play *play, int64_t index,
		   struct paraclock_sim_vm *vm)
{
	struct paraclock_sim_script *script =
		(struct paraclock_sim_script *)(uintptr_t)play->script;

	play->vm[index].vm = vm;
	play->vm[index].name =
		pclk_sim_script_name_of(script, KIND_VM, index)->text;
	play->vms++;
}

static int new_vm(struct paraclock_sim_play *play, const struct statement *s)
{
	struct paraclock_sim_host *host = host_of(play, s, VM_HOST);
	bool live = play->opts.counter != NULL;
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = (uint32_t)s->value[VM_PARTS],
		.vcpus = (uint32_t)s->value[VM_VCPUS],
		.tsc_hz = live ? 0 : (uint64_t)s->value[VM_TSC],
		.tsc_start = TSC_START,
		.timeline_flags = GIVEN(s, VM_MONOTONIC)
					  ? PARACLOCK_TIMELINE_MONOTONIC
					  : 0,
		.vmclock_timescale = GIVEN(s, VM_TIMESCALE)
					     ? (uint8_t)s->value[VM_TIMESCALE]
					     : PARACLOCK_TIMESCALE_TAI,
		.pvclock_period_ns = (uint64_t)s->value[VM_PVCLOCK_EVERY],
		.vmclock_period_ns = (uint64_t)s->value[VM_VMCLOCK_EVERY],
	};
	struct paraclock_sim_vm *vm;
	int ret;

	if (GIVEN(s, VM_CLOCKSOURCE))
		opts.clocksource = pclk_sim_script_word(
			KIND_GUEST_SOURCE, s->value[VM_CLOCKSOURCE]);
	if (live && !GIVEN(s, VM_VMCLOCK_EVERY))
		opts.vmclock_period_ns = LIVE_EVERY_NS;
	/* The counter stands still meanwhile: the VM's is equal to the tick. */
	if (live || GIVEN(s, VM_OFFSET))
		opts.tsc_start = paraclock_sim_host_counter(host) +
				 (uint64_t)s->value[VM_OFFSET];
	ret = paraclock_sim_vm_new(&vm, host, &opts);
	if (ret)
		return ret;
	add_vm(play, s->value[0], vm);
	play->vm[s->value[0]].timeline_flags = opts.timeline_flags;
	play->vm[s->value[0]].timescale = opts.vmclock_timescale;
	return 0;
}

static int migrate(struct paraclock_sim_play *play, const struct statement *s)
{
	struct paraclock_sim_vm *vm = play->vm[s->value[0]].vm;
	uint64_t downtime_ns = (uint64_t)s->value[MIGRATE_DOWNTIME];
	uint32_t flags = flags_of(s, FLAGS_AT);
	int ret = 0;

	/* The downtime is over: see wait_for_move(). */
	if (play->opts.counter) {
		downtime_ns = 0;
		ret = paraclock_sim_resume(vm,
					   flags & PARACLOCK_SIM_CLOCK_STOPS);
	}
	return ret ? ret
		   : paraclock_sim_migrate(vm, host_of(play, s, MIGRATE_TO),
					   downtime_ns, flags);
}

static int save(struct paraclock_sim_play *play, const struct statement *s)
{
	int ret = paraclock_sim_save(&play->state[s->value[1]],
				     play->vm[s->value[0]].vm);

	play->states += !ret;
	return ret;
}

static int clone(struct paraclock_sim_play *play, const struct statement *s)
{
	struct paraclock_sim_vm *vm;
	int ret = paraclock_sim_clone(&vm, play->vm[s->value[0]].vm,
				      host_of(play, s, COPY_TO),
				      flags_of(s, FLAGS_AT));

	if (ret)
		return ret;
	add_vm(play, s->value[1], vm);
	play->vm[s->value[1]].timeline_flags =
		play->vm[s->value[0]].timeline_flags;
	play->vm[s->value[1]].timescale = play->vm[s->value[0]].timescale;
	return 0;
}

static int fault(struct paraclock_sim_vm *vm, const struct statement *s)
{
	static const uint8_t faults[] = {
		PARACLOCK_SIM_FAULT_NONE, PARACLOCK_SIM_FAULT_STALE,
		PARACLOCK_SIM_FAULT_TORN, PARACLOCK_SIM_FAULT_DIES,
		PARACLOCK_SIM_FAULT_SLOW,
	};
	unsigned int i = 0;

	while (!GIVEN(s, FAULT_NONE + i))
		i++;
	return paraclock_sim_fault(vm, page_kind(s->value[PAGE_AT]),
				   page_vcpu(s->value[PAGE_AT]), faults[i],
				   (uint64_t)s->value[FAULT_SLOW]);
}

static int act_on_host(struct paraclock_sim_play *play,
		       const struct statement *s)
{
	struct paraclock_sim_host_options errors = { .size = sizeof(errors) };
	struct paraclock_sim_host *host = host_of(play, s, 0);
	int64_t value = s->value[1];

	switch (verb_of(s)) {
	case VERB_STEP:
		return paraclock_sim_step(host, value);
	case VERB_SLEW:
		return paraclock_sim_slew(host, value);
	case VERB_STATUS:
		return paraclock_sim_status(host, (unsigned int)value);
	case VERB_LEAP:
		return paraclock_sim_leap(host, (unsigned int)value);
	case VERB_TAI:
		return paraclock_sim_tai(host, (int)value);
	case VERB_ERRORS:
		set_errors(s, &errors);
		return paraclock_sim_errors(host, &errors);
	case VERB_CLOCKSOURCE:
		return paraclock_sim_clocksource(host, (int)value);
	default:
		return paraclock_sim_tsc(host, (uint64_t)value, 0,
					 (uint64_t)s->value[TSC_JUMP],
					 (int)GIVEN(s, TSC_NOTICED));
	}
}

static int act_on_vm(struct paraclock_sim_play *play, const struct statement *s)
{
	struct paraclock_sim_vm *vm = play->vm[s->value[0]].vm;
	unsigned int value = (unsigned int)s->value[1];

	switch (verb_of(s)) {
	case VERB_PAUSE:
		return paraclock_sim_pause(vm);
	case VERB_RESUME:
		return paraclock_sim_resume(vm, flags_of(s, 1));
	case VERB_MIGRATE:
		return migrate(play, s);
	case VERB_RESTORE:
		return paraclock_sim_restore(vm, play->state[value],
					     host_of(play, s, COPY_TO),
					     flags_of(s, FLAGS_AT));
	case VERB_HALT:
		return paraclock_sim_vcpu_halt(vm, value);
	case VERB_ENTER:
		return paraclock_sim_vcpu_run(vm, value);
	case VERB_SKEW:
		return paraclock_sim_vcpu_skew(vm, value,
					       (uint64_t)s->value[2]);
	case VERB_FAULT:
		return fault(vm, s);
	case VERB_UPDATE:
		return paraclock_sim_update(vm, page_kind(value),
					    page_vcpu(value));
	case VERB_GUEST_STEP:
		return paraclock_sim_guest_step(vm, s->value[1]);
	default:
		return paraclock_sim_guest_clocksource(
			vm,
			pclk_sim_script_word(KIND_GUEST_SOURCE, s->value[1]));
	}
}

static int act(struct paraclock_sim_play *play, const struct statement *s)
{
	switch (verb_of(s)) {
	case VERB_HOST:
		return new_host(play, s);
	case VERB_NESTED_HOST:
		return paraclock_sim_host_nested(&play->host[s->value[0]],
						 play->vm[s->value[1]].vm);
	case VERB_VM:
		return new_vm(play, s);
	case VERB_SAVE:
		return save(play, s);
	case VERB_CLONE:
		return clone(play, s);
	default:
		return s->verb->arg[0].kind == KIND_HOST ? act_on_host(play, s)
							 : act_on_vm(play, s);
	}
}

/* In a live world, wait for the downtime here: paraclock_sim_migrate() would
 * sleep on when a signal asks to stop. */
static int wait_for_move(struct paraclock_sim_play *play,
			 const struct statement *s)
{
	int ret;

	if (verb_of(s) != VERB_MIGRATE)
		return 0;
	ret = paraclock_sim_pause(play->vm[s->value[0]].vm);
	return ret ? ret : pclk_sim_play_wait(play, s->value[MIGRATE_DOWNTIME]);
}

int pclk_sim_play_act(struct paraclock_sim_play *play,
		      const struct statement *s)
{
	uint64_t counter;
	int ret;

	if (!play->opts.counter)
		return act(play, s);
	ret = wait_for_move(play, s);
	if (ret)
		return ret;
	/* The counter stands still, so that everything that the act computes
	 * from several readings of it is of one instant. */
	counter = play->opts.counter(play->opts.arg);
	__atomic_store_n(&play->frozen, counter, __ATOMIC_RELEASE);
	ret = act(play, s);
	__atomic_store_n(&play->frozen, 0, __ATOMIC_RELEASE);
	return ret;
}
