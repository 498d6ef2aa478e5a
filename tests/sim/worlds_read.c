// SPDX-License-Identifier: MIT
/* Random worlds: readers, followers, and their judges. */

#include "worlds.h"

#define USER   PARACLOCK_SIM_USER
#define KERNEL PARACLOCK_SIM_KERNEL

/* Faults that are shown one by one; the others are counted. */
#define SHOWN_MAX 20
/* The time that reading a system clock takes in these worlds, ns. */
#define CLOCK_NS 20
/* Around a leap second UTC alone does not say which second it is. */
#define LEAP_NS (5 * SEC)
/* By <paraclock/host.h>, for a counter that has run for half an hour. */
#define HYPERV_LIFTED_NS 102

struct tally tallies[SOURCES];
uint64_t leaps_seen, crossed, cross_failed;
static unsigned int shown;

static const struct source_kind {
	const char *name;
	const char *backend;
	unsigned int ring;
	unsigned int page; /* enum paraclock_sim_page_kind, or 3 */
} kinds[SOURCES] = {
	[SOURCE_KVMCLOCK] = { "kvmclock", "kvmclock", USER,
			      PARACLOCK_SIM_PVCLOCK },
	[SOURCE_KVMCLOCK_RING0] = { "kvmclock in ring 0", "kvmclock", KERNEL,
				    PARACLOCK_SIM_PVCLOCK },
	[SOURCE_HYPERV] = { "hyperv", "hyperv", USER, PARACLOCK_SIM_HYPERV },
	[SOURCE_VMCLOCK] = { "vmclock", "vmclock", USER,
			     PARACLOCK_SIM_VMCLOCK },
	[SOURCE_PTP_HYPERV] = { "Hyper-V's PTP clock", "phc", USER, 3 },
	[SOURCE_PAIRING] = { "pairing hypercall", "kvm-pairing", KERNEL, 3 },
	[SOURCE_NESTED] = { "nested vmclock", "vmclock", USER,
			    PARACLOCK_SIM_VMCLOCK },
};

static bool is_page(const struct reader *r)
{
	return kinds[r->source].page < 3;
}

static bool any_torn(const struct world *w)
{
	return w->torn[0] || w->torn[1] || w->torn[2];
}

void complain(struct world *w, const char *who, const char *what, int64_t off,
	      uint64_t allowed)
{
	static uint64_t last_seed;
	static const char *last;
	bool again = last_seed == w->seed && last == what;

	last_seed = w->seed;
	last = what;
	/* The first of each sort. */
	if (!again && shown++ < SHOWN_MAX)
		print_message("  seed %llu, pass %u, %s: %s: %lld ns, of %llu "
			      "allowed\n",
			      (unsigned long long)w->seed, w->pass, who, what,
			      (long long)off, (unsigned long long)allowed);
}

/* --- against true time ---------------------------------------------------- */

/* false: the sample does not say where it is on TAI. */
static bool to_tai(const struct paraclock_sample *sample, int64_t *ret_ns)
{
	*ret_ns = sample->host_ns;
	if (sample->timescale == TAI)
		return true;
	*ret_ns += sample->tai_offset_sec * SEC;
	return sample->timescale == UTC &&
	       sample->flags & PARACLOCK_FLAG_TAI_OFFSET;
}

/* The sample's bound, against true time. */
void judge_bound(struct world *w, struct tally *t, const char *who,
		 const struct paraclock_sim_vm *vm,
		 const struct paraclock_sample *sample)
{
	uint64_t allowed = sample->clock_error_ns;
	int64_t ns, off;

	if (allowed == PARACLOCK_ERROR_UNKNOWN || !to_tai(sample, &ns))
		return;
	t->bounded++;
	allowed += sample->pair_error_ns + ROUNDED_NS;
	off = ns - tai_at(w, vm, sample->host_tsc);
	if ((uint64_t)llabs(off) > allowed) {
		t->wrong++;
		complain(w, who, "not within its bound", off, allowed);
	} else if (llabs(off) > t->worst_ns) {
		t->worst_ns = llabs(off);
	}
}

void judge_promise(struct world *w, struct tally *t, const char *who,
		   int64_t *seen_ns, const struct paraclock_sample *sample)
{
	bool promised = sample->flags & PARACLOCK_FLAG_MONOTONIC;
	/* UTC repeats a second there, and says so. */
	bool leaps = w->leaps && sample->timescale == UTC;

	if (promised && !leaps && sample->host_ns < *seen_ns) {
		t->broken++;
		complain(w, who, "a step back", sample->host_ns - *seen_ns, 0);
	}
	*seen_ns = promised ? sample->host_ns : INT64_MIN;
}

/* --- a source ------------------------------------------------------------- */

/*
 * The age of a page, ns. Hyper-V's has no reference point, and is renewed by
 * acts alone.
 */
static int64_t age_of(struct world *w, unsigned int page)
{
	const uint64_t *word = paraclock_sim_page(w->vm, page, 0, NULL);

	if (page == PARACLOCK_SIM_HYPERV)
		return mono_now(w) - w->hyperv_ns;
	return truth(w->vm, MONO) -
	       truth_at(w->vm, word[page == PARACLOCK_SIM_PVCLOCK ? 1 : 5],
			MONO);
}

/*
 * How far a reading may be off the host's clock, beside its pair's error: by
 * <paraclock/host.h>. With the promise a page may be ahead, and is slower from
 * its write on: by 0.7 ppb a pvclock, 0.466 Hyper-V's, 0.233 a vmclock.
 */
static int64_t resolution(struct world *w, const struct reader *r)
{
	const unsigned int page = kinds[r->source].page;
	const bool lifts = w->monotonic;
	int64_t quarter_ppb;

	if (page == 3)
		return 1;
	quarter_ppb = age_of(w, page) / (4 * SEC) + 1;
	if (page == PARACLOCK_SIM_PVCLOCK)
		return (lifts ? PVCLOCK_NS + 1 : PVCLOCK_NS) +
		       (lifts ? 3 : 1) * quarter_ppb;
	if (page == PARACLOCK_SIM_HYPERV)
		return lifts ? HYPERV_LIFTED_NS + 2 * quarter_ppb : HYPERV_NS;
	return lifts ? VMCLOCK_NS + 1 + quarter_ppb : VMCLOCK_NS;
}

/* Is the host's clock what this reader should have given? */
static bool is_comparable(struct world *w, const struct reader *r)
{
	const unsigned int page = kinds[r->source].page;

	if (r->source == SOURCE_NESTED ||
	    (page == PARACLOCK_SIM_VMCLOCK && w->old[page]))
		return false;
	return is_page(r) || !w->leaps ||
	       llabs(tai_now(w) - w->leap_ns) > LEAP_NS;
}

static void judge_valid(struct world *w, struct reader *r,
			const struct paraclock_sample *sample)
{
	const char *who = kinds[r->source].name;
	const unsigned int page = kinds[r->source].page;
	struct tally *t = &tallies[r->source];
	int64_t off, allowed;

	t->valid++;
	if (is_comparable(w, r)) {
		off = sample->host_ns -
		      truth_at(r->vm, sample->host_tsc, sample->timescale);
		allowed = resolution(w, r) + (int64_t)sample->pair_error_ns;
		if (llabs(off) > allowed) {
			t->wrong++;
			complain(w, who, "not the host's clock", off,
				 (uint64_t)allowed);
		}
	}
	/* A page below keeps its time until the relay is next called. */
	if (r->source != SOURCE_NESTED || w->lasting)
		judge_bound(w, t, who, r->vm, sample);
	/*
	 * A page that is shown late may have skipped one without the promise.
	 */
	if (page == PARACLOCK_SIM_VMCLOCK && w->old[page])
		r->seen_ns = INT64_MIN;
	judge_promise(w, t, who, &r->seen_ns, sample);
	if (sample->marker_class == PARACLOCK_MARKER_AUTHORITATIVE &&
	    r->epoch == sample->epoch && r->moves != w->moves) {
		t->broken++;
		complain(w, who, "a move left the epoch", 0, 0);
	}
	r->epoch = sample->epoch;
	r->moves = w->moves;
	leaps_seen += sample->leap == PARACLOCK_LEAP_POS;
}

/* Is there a cause for this reason? */
static bool is_explained(struct world *w, const struct reader *r,
			 const struct paraclock_sample *sample)
{
	const unsigned int page = kinds[r->source].page;

	switch (sample->reason) {
	case PARACLOCK_REASON_SEQUENCE:
		return page == PARACLOCK_SIM_HYPERV && w->torn[page];
	case PARACLOCK_REASON_STATUS:
		return r->source == SOURCE_NESTED ||
		       (page == PARACLOCK_SIM_VMCLOCK &&
			(w->old[page] ||
			 w->on->status == PARACLOCK_STATUS_UNRELIABLE));
	case PARACLOCK_REASON_UNSTABLE:
		return page == PARACLOCK_SIM_PVCLOCK &&
		       (w->old[page] || w->on->jiffies);
	case PARACLOCK_REASON_DISRUPTED:
	case PARACLOCK_REASON_WINDOW:
		return true;
	case PARACLOCK_REASON_WIDE:
		return page == 3;
	default:
		return false;
	}
}

static void judge_invalid(struct world *w, struct reader *r,
			  const struct paraclock_sample *sample)
{
	struct tally *t = &tallies[r->source];

	if (sample->clock_error_ns != PARACLOCK_ERROR_UNKNOWN ||
	    (sample->pair_error_ns != PARACLOCK_ERROR_UNKNOWN &&
	     sample->reason != PARACLOCK_REASON_WIDE) ||
	    !is_explained(w, r, sample)) {
		t->broken++;
		complain(w, kinds[r->source].name, "no cause for reason",
			 sample->reason, 0);
	}
}

static void judge(struct world *w, struct reader *r, int ret,
		  const struct paraclock_sample *sample)
{
	struct tally *t = &tallies[r->source];

	t->reads++;
	if (ret) {
		if ((ret == -EAGAIN &&
		     (any_torn(w) || r->source == SOURCE_NESTED)) ||
		    (ret == -EOPNOTSUPP && w->on->jiffies))
			return;
		t->broken++;
		complain(w, kinds[r->source].name, "no cause for error", ret,
			 0);
		return;
	}
	if (sample->valid != (sample->reason == PARACLOCK_REASON_OK))
		t->broken++;
	if (sample->valid)
		judge_valid(w, r, sample);
	else
		judge_invalid(w, r, sample);
}

static void look_once(struct world *w, struct reader *r)
{
	struct paraclock_sample sample;
	int ret = paraclock_read(r->clk, &sample);

	judge(w, r, ret, &sample);
	if (ret || !sample.valid)
		return;
	if (paraclock_epoch(r->clk) != sample.epoch ||
	    paraclock_disrupted(r->clk, sample.epoch) != 0)
		tallies[r->source].broken++;
}

/* At a counter value since the last act. */
static void look_back(struct world *w, struct reader *r)
{
	uint64_t now = paraclock_sim_counter(r->vm, 0);
	int64_t seen_ns = r->seen_ns;
	struct paraclock_sample sample;
	int ret;

	if (!is_page(r) || now <= r->noticed)
		return;
	r->seen_ns = INT64_MIN;
	ret = paraclock_read_at(r->clk, now - dice(w, now - r->noticed),
				&sample);
	judge(w, r, ret, &sample);
	r->seen_ns = seen_ns;
}

/* --- cross timestamps ----------------------------------------------------- */

/* CLOCK_REALTIME at a counter value: it runs as true time does. */
static int64_t realtime_at(struct world *w, uint64_t counter)
{
	const struct paraclock_env *env = paraclock_sim_env(w->vm, USER);
	int64_t tai = tai_now(w) + CLOCK_NS / 2, ns = 0;

	assert_int_equal(env->read_clock(env->ctx, 0, &ns), 0);
	return ns - (tai - tai_at(w, w->vm, counter));
}

static void cross(struct world *w)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	struct reader *r = &w->reader[SOURCE_VMCLOCK];
	struct tally *t = &tallies[SOURCE_VMCLOCK];
	int64_t off;

	if (paraclock_crosststamp(r->clk, NULL, &xt)) {
		cross_failed++;
		return;
	}
	judge(w, r, 0, &xt.sample);
	if (!(xt.known & 1U << PARACLOCK_CLOCK_REALTIME))
		return;
	crossed++;
	off = xt.ns[PARACLOCK_CLOCK_REALTIME] - realtime_at(w, xt.counter);
	if ((uint64_t)llabs(off) > xt.uncertainty_ns + ROUNDED_NS) {
		t->wrong++;
		complain(w, "cross", "not what the kernel's clock said", off,
			 xt.uncertainty_ns);
	}
}

/* --- all of them ---------------------------------------------------------- */

static void open_reader(struct world *w, enum source source,
			struct paraclock_sim_vm *vm)
{
	struct reader *r = &w->reader[source];

	r->vm = vm;
	r->source = source;
	r->seen_ns = INT64_MIN;
	r->noticed = paraclock_sim_counter(vm, 0);
	r->clk = open_in(vm, kinds[source].backend, kinds[source].ring);
}

void readers_open(struct world *w)
{
	for (enum source s = 0; s < SOURCE_NESTED; s++)
		open_reader(w, s, w->vm);
}

void guest_readers_open(struct world *w)
{
	open_reader(w, SOURCE_NESTED, w->guest);
	for (unsigned int i = 0; i < KEEPERS; i++)
		keeper_open(w, &w->keeper[i],
			    i == 3   ? SOURCE_KVMCLOCK
			    : i == 4 ? SOURCE_NESTED
				     : SOURCE_VMCLOCK);
}

void readers_close(struct world *w)
{
	for (unsigned int i = 0; i < KEEPERS; i++)
		paraclock_close(w->keeper[i].clk);
	for (unsigned int i = 0; i < SOURCES; i++)
		paraclock_close(w->reader[i].clk);
}

/*
 * A promise from before something happened may have been dropped for one page
 * that nobody read.
 */
void forget_promises(struct world *w)
{
	const void *hyperv =
		paraclock_sim_page(w->vm, PARACLOCK_SIM_HYPERV, 0, NULL);

	if (memcmp(hyperv, w->hyperv, sizeof(w->hyperv)) != 0)
		w->hyperv_ns = mono_now(w);
	memcpy(w->hyperv, hyperv, sizeof(w->hyperv));
	for (unsigned int i = 0; i < SOURCES; i++) {
		w->reader[i].seen_ns = INT64_MIN;
		w->reader[i].noticed =
			paraclock_sim_counter(w->reader[i].vm, 0);
	}
}

void look(struct world *w, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		for (unsigned int s = 0; s < SOURCES; s++) {
			struct reader *r = &w->reader[s];

			/*
			 * Asking the host takes time, and readers wait for a
			 * torn page: less often.
			 */
			if (i && (!is_page(r) || any_torn(w)))
				continue;
			look_once(w, r);
			if (i % 8 == 7)
				look_back(w, r);
		}
		for (unsigned int k = 0; k < KEEPERS && i % 8 == 0; k++)
			look_kept(w, &w->keeper[k], i % 16 == 8);
		if (i % 8 == 0)
			look_guest_kept(w);
		pass(w, any_size(w, 22));
	}
	cross(w);
}
