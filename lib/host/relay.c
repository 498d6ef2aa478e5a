// SPDX-License-Identifier: MIT
/*
 * A relay: freeze what is below, wait for what is above, write, let go. Where
 * this fails or dies, what is below is frozen, or says what was right until
 * then: see docs/decisions/0019.
 */

#include <errno.h>
#include <string.h>

#include "page_writer.h"
#include "relay.h"
#include "timekeeper.h"

#define REFRESH_NS (300ULL * NSEC_PER_SEC)
#define LEASE_NS   (4ULL * NSEC_PER_SEC)

/* How often the clock may be disrupted while one disruption is relayed. */
#define ROUNDS 3
#define AGAIN  1

/*
 * Two pages of one timeline may differ by as much: the one that is ahead the
 * most that <paraclock/host.h> allows (401 ns), the other behind (51 ns).
 */
#define LEAD_NS 500
/* What was seen is waited for so long; tries are for a counter that stops. */
#define WAIT_NS	   50000
#define WAIT_TRIES (1U << 14)

/* One outlet, and what is to be done with it. In it the world as its guest sees
 * it, for who writes its pages. */
struct job {
	struct paraclock_relay *relay;
	const struct relay_source *src; /* NULL: to freeze, or to let go */
	struct paraclock_outlet *outlet;
	struct outlet_kept *kept;
	struct paraclock_env env; /* its ctx is this */
};

typedef int job_fn(struct job *job);

static uint64_t guest_counter(void *ctx)
{
	const struct job *job = ctx;
	const struct paraclock *clk = job->relay->clk;
	const struct paraclock_coupling *coupling = &job->outlet->coupling;
	uint64_t counter = counter_read(clk->env, clk->how);

	/* Beyond any lease. */
	if (coupling->size &&
	    paraclock_coupling_to_device(coupling, counter, &counter))
		counter = UINT64_MAX;
	return counter;
}

static uint32_t guest_process_id(void *ctx)
{
	return pclk_page_process(((struct job *)ctx)->relay->clk->env);
}

static int guest_identify(void *ctx, uint32_t id,
			  struct paraclock_process *ret_who)
{
	const struct paraclock_env *env = ((struct job *)ctx)->relay->clk->env;

	return env->identify(env->ctx, id, ret_who);
}

/* Whatever fails keeps no other outlet from its turn; the first error. */
static int for_all(struct paraclock_relay *relay,
		   const struct relay_source *src, job_fn *fn)
{
	char *outlet = (void *)relay->outlets;
	int first = 0;

	for (size_t i = 0; i < relay->n_outlets; i++) {
		struct job job = {
			.relay = relay,
			.src = src,
			.outlet = (void *)outlet,
			.env.size = sizeof(job.env),
			.env.ctx = &job,
			.env.counter_id = relay->clk->env->counter_id,
			.env.counter = guest_counter,
			.env.process_id = guest_process_id,
			.env.identify = relay->clk->env->identify
						? guest_identify
						: NULL,
		};

		job.kept = (void *)job.outlet->opaque;
		job.outlet->error = fn(&job);
		if (!first)
			first = job.outlet->error;
		outlet += relay->outlets->size;
	}
	return first;
}

/* --- what readers have seen ----------------------------------------------- */

/* By now. What was noted before stays: after a move that nobody announced the
 * counter may be less than it was, even before the base. */
static void note_seen(struct job *job)
{
	u128 time;

	if (!pclk_timeline_time(&job->outlet->timeline, guest_counter(job),
				&time))
		relay_raise_seen(job->outlet, time);
}

static int note_running(struct job *job)
{
	if (job->outlet->state == PARACLOCK_OUTLET_RUNNING)
		note_seen(job);
	return job->outlet->error;
}

/* --- freezing ------------------------------------------------------------- */

static int freeze(struct job *job)
{
	struct paraclock_outlet *outlet = job->outlet;
	bool is_new = outlet->state == PARACLOCK_OUTLET_NEW;
	int ret = 0;

	if (outlet->state == PARACLOCK_OUTLET_FROZEN ||
	    (is_new && outlet->flags & PARACLOCK_OUTLET_HELD))
		return 0;
	if (outlet->timekeeper)
		ret = paraclock_timekeeper_freeze(outlet->timekeeper,
						  &job->env);
	else if (outlet->freeze)
		ret = outlet->freeze(outlet->page, outlet->writer, &job->env);
	/* A page that nobody has written yet says nothing. */
	if (is_new && ret == -EPROTO)
		ret = 0;
	if (!ret && outlet->pause && outlet->state != PARACLOCK_OUTLET_WRITTEN)
		ret = outlet->pause(outlet->arg, 1);
	if (ret)
		return ret;
	if (!is_new)
		note_seen(job);
	outlet->state = PARACLOCK_OUTLET_FROZEN;
	return 0;
}

/* --- writing -------------------------------------------------------------- */

/* What an outlet is to say. */
static int make(const struct job *job, struct paraclock_timeline *tl)
{
	const struct paraclock_outlet *outlet = job->outlet;
	uint64_t lease = job->relay->lease_ns;
	int ret;

	*tl = job->src->tl;
	lease = timeline_after(tl->base_tsc,
			       pclk_timekeeper_ticks(tl,
						     lease ? lease : LEASE_NS));
	tl->t_end = !outlet->timekeeper ? 0
		    : lease < tl->t_end ? lease
					: tl->t_end;
	ret = pclk_relay_couple(&outlet->coupling, tl);
	if (ret)
		return ret;
	relay_set_base(tl, relay_base(tl) +
				   ((u128)(uint64_t)outlet->offset_sec << 64 |
				    outlet->offset_frac));
	tl->disruption =
		outlet->disruption + (job->kept->marks & MARK_DISRUPTED);
	tl->generation = outlet->generation + (job->kept->marks >> 1);
	if (outlet->flags & PARACLOCK_OUTLET_MONOTONIC)
		tl->flags |= PARACLOCK_TIMELINE_MONOTONIC;
	if (outlet->flags & PARACLOCK_OUTLET_GENERATION)
		tl->flags |= PARACLOCK_TIMELINE_GENERATION;
	/* A page below vouches for no more than what is above does. */
	if (job->src->inferred)
		tl->flags |= PARACLOCK_TIMELINE_INFERRED;
	return 0;
}

static void note_written(const struct job *job,
			 const struct paraclock_timeline *tl)
{
	struct paraclock_outlet *outlet = job->outlet;

	/* Without the promise they may see a step back. */
	if (!(outlet->flags & PARACLOCK_OUTLET_MONOTONIC))
		relay_set_seen(outlet, 0);
	relay_raise_seen(outlet, relay_base(tl));
	outlet->timeline = *tl;
	outlet->disruption = tl->disruption;
	outlet->generation = tl->generation;
	job->kept->marks = 0;
	job->kept->version = relay_kept(job->relay)->version;
	job->kept->written_tsc = job->src->tl.base_tsc;
}

/* Until no reader sees less than one has seen. -ESTALE: that takes longer. */
static int catch_up(struct job *job, const struct paraclock_timeline *tl)
{
	const struct paraclock_outlet *outlet = job->outlet;
	u128 seen = relay_seen(outlet) + (u128)LEAD_NS * TIMELINE_NSEC;
	u128 time;

	for (unsigned int i = 0; i < WAIT_TRIES; i++) {
		int ret = pclk_timeline_time(tl, guest_counter(job), &time);

		if (ret || time >= seen)
			return ret;
		if (seen - time > (u128)WAIT_NS * TIMELINE_NSEC)
			break;
		cpu_relax();
	}
	return -ESTALE;
}

static int write_page(struct job *job, const struct paraclock_timeline *tl)
{
	const struct paraclock_outlet *outlet = job->outlet;

	return outlet->write(outlet->page, outlet->writer, &job->env, tl);
}

static int write_running(struct job *job)
{
	struct paraclock_outlet *outlet = job->outlet;
	struct paraclock_timeline tl;
	int ret = make(job, &tl);

	if (ret)
		return ret;
	ret = outlet->timekeeper ? paraclock_timekeeper_set(outlet->timekeeper,
							    &job->env, &tl, 0)
				 : write_page(job, &tl);
	if (!ret)
		note_written(job, &tl);
	return ret;
}

/*
 * What a page says now is of another counter, so the page's own comparison of
 * old and new is none; what readers have seen is compared instead. Written
 * once without the promise, it is one that the promise can be given from.
 */
static int write_frozen(struct job *job)
{
	const uint32_t promise = PARACLOCK_TIMELINE_MONOTONIC;
	struct paraclock_outlet *outlet = job->outlet;
	struct paraclock_timeline tl;
	int ret = make(job, &tl);
	uint32_t promised = tl.flags & promise;

	if (!ret && promised)
		ret = catch_up(job, &tl);
	if (ret)
		return ret;
	if (outlet->timekeeper) {
		ret = paraclock_timekeeper_reconfigure(outlet->timekeeper,
						       &job->env, &tl);
		promised = 0;
	} else {
		tl.flags &= ~promise;
		ret = write_page(job, &tl);
		/* The clock above has left its own bound: that is none that
		 * the page below may go on with. */
		if (ret == -ESTALE)
			job->kept->marks |= MARK_DISRUPTED;
	}
	if (ret)
		return ret;
	note_written(job, &tl);
	outlet->state = PARACLOCK_OUTLET_WRITTEN;
	tl.flags |= promised;
	ret = promised ? write_page(job, &tl) : 0;
	if (ret)
		(void)freeze(job);
	return ret;
}

static bool is_fresh(const struct job *job)
{
	uint64_t ns = job->relay->refresh_ns;
	uint64_t ticks =
		pclk_timekeeper_ticks(&job->src->tl, ns ? ns : REFRESH_NS);

	return !job->outlet->timekeeper &&
	       job->kept->version == relay_kept(job->relay)->version &&
	       job->src->tl.base_tsc - job->kept->written_tsc < ticks;
}

static int serve(struct job *job)
{
	struct paraclock_outlet *outlet = job->outlet;
	bool runs = outlet->state == PARACLOCK_OUTLET_RUNNING;
	int ret;

	if (outlet->flags & PARACLOCK_OUTLET_HELD) {
		if (job->kept->version)
			job->kept->marks |= MARK_DISRUPTED;
		return freeze(job);
	}
	(void)note_running(job);
	if (runs && is_fresh(job))
		return 0;
	/* What does not work while its readers read is tried without them. */
	if (runs && (outlet->timekeeper || outlet->freeze) &&
	    !write_running(job))
		return 0;
	ret = freeze(job);
	return ret ? ret : write_frozen(job);
}

static int let_go(struct job *job)
{
	struct paraclock_outlet *outlet = job->outlet;
	int ret = 0;

	if (outlet->state != PARACLOCK_OUTLET_WRITTEN)
		return outlet->error;
	if (outlet->timekeeper)
		ret = paraclock_timekeeper_unfreeze(outlet->timekeeper,
						    &job->env);
	if (!ret && outlet->pause)
		ret = outlet->pause(outlet->arg, 0);
	if (!ret)
		outlet->state = PARACLOCK_OUTLET_RUNNING;
	return ret;
}

/* --- the walk ------------------------------------------------------------- */

static bool is_complete(const struct paraclock_outlet *outlet)
{
	return outlet->state <= PARACLOCK_OUTLET_WRITTEN &&
	       (outlet->timekeeper ||
		(outlet->page && outlet->writer && outlet->write &&
		 (outlet->freeze || outlet->pause)));
}

int pclk_relay_check(const struct paraclock_relay *relay)
{
	const struct paraclock_outlet *outlet;

	if (!relay || relay->size < sizeof(*relay) || !relay->clk ||
	    (relay->n_outlets && !relay->outlets))
		return -EINVAL;
	outlet = relay->outlets;
	for (size_t i = 0; i < relay->n_outlets; i++) {
		if (outlet->size < sizeof(*outlet) ||
		    outlet->size != relay->outlets->size ||
		    !is_complete(outlet))
			return -EINVAL;
		outlet = (const void *)((const char *)outlet + outlet->size);
	}
	return 0;
}

/* The markers below move with the next write. The first one is the caller's. */
static void mark_all(struct paraclock_relay *relay, unsigned int marks)
{
	struct paraclock_outlet *outlet = relay->outlets;
	uint8_t *counted = &relay_kept(relay)->counted;

	/* Whoever tells of it second, the clock or the caller, tells of the
	 * same one. */
	if (marks & MARK_DISRUPTED & ~*counted)
		relay->disruptions++;
	*counted |= marks & MARK_DISRUPTED;
	for (size_t i = 0; i < relay->n_outlets; i++) {
		struct outlet_kept *kept = (void *)outlet->opaque;

		if (kept->version)
			kept->marks |= marks;
		outlet = (void *)((char *)outlet + outlet->size);
	}
}

/* Is what is above another than what is written? */
static void note_source(struct paraclock_relay *relay,
			const struct relay_source *src)
{
	const size_t from = offsetof(struct paraclock_line, base_tsc);
	const size_t to = offsetof(struct paraclock_line, usable);
	struct relay_kept *kept = relay_kept(relay);

	/* Whoever was told that nothing is missed is told that it may be. */
	if (kept->version && src->inferred && !kept->inferred)
		mark_all(relay, MARK_DISRUPTED);
	if (!kept->version || kept->inferred != src->inferred ||
	    memcmp((const char *)&kept->line + from,
		   (const char *)&src->line + from, to - from) != 0 ||
	    memcmp(kept->qualifiers, src->qualifiers,
		   sizeof(kept->qualifiers)) != 0)
		kept->version++;
	if (kept->generations != src->generations)
		mark_all(relay, MARK_RESTORED);
	kept->inferred = src->inferred;
	kept->generations = src->generations;
	kept->line = src->line;
	memcpy(kept->qualifiers, src->qualifiers, sizeof(kept->qualifiers));
}

/* Was the clock disrupted since the last look? */
static bool note_epoch(struct paraclock_relay *relay,
		       const struct relay_source *src)
{
	struct relay_kept *kept = relay_kept(relay);
	bool moved = kept->epoch && src->epoch && kept->epoch != src->epoch;

	if (moved)
		mark_all(relay, MARK_DISRUPTED);
	if (src->epoch)
		kept->epoch = src->epoch;
	return moved;
}

/* Once through; AGAIN: the clock was disrupted meanwhile. */
static int walk(struct paraclock_relay *relay)
{
	struct relay_kept *kept = relay_kept(relay);
	struct relay_source src;
	int ret = pclk_relay_look(relay, &src);
	bool moved = note_epoch(relay, &src);
	int error = 0;

	if (ret == RELAY_AS_IT_WAS && !moved && !kept->held && kept->version &&
	    memcmp(kept->line.key, src.line.key, sizeof(src.line.key)) == 0) {
		(void)for_all(relay, NULL, note_running);
		return -EAGAIN;
	}
	if (ret || moved || kept->held)
		error = for_all(relay, NULL, freeze);
	if (ret)
		return ret < 0 ? ret : -EAGAIN;
	if (kept->held)
		return error ? error : -EAGAIN;
	note_source(relay, &src);
	kept->counted = 0;
	(void)for_all(relay, &src, serve);
	/* While those who cannot be frozen are still paused. */
	return paraclock_disrupted(relay->clk, src.epoch)
		       ? AGAIN
		       : for_all(relay, NULL, let_go);
}

/* --- the calls ------------------------------------------------------------ */

int paraclock_relay_update(struct paraclock_relay *relay)
{
	int ret = pclk_relay_check(relay);

	if (ret)
		return ret;
	ret = AGAIN;
	for (unsigned int i = 0; ret == AGAIN && i < ROUNDS; i++)
		ret = walk(relay);
	if (ret != AGAIN)
		return ret;
	(void)for_all(relay, NULL, freeze);
	return -EAGAIN;
}

int paraclock_relay_freeze(struct paraclock_relay *relay)
{
	int ret = pclk_relay_check(relay);

	if (ret)
		return ret;
	relay_kept(relay)->held = 1;
	return for_all(relay, NULL, freeze);
}

int paraclock_relay_resume(struct paraclock_relay *relay)
{
	struct relay_kept *kept;
	int ret = pclk_relay_check(relay);

	if (ret)
		return ret;
	kept = relay_kept(relay);
	kept->held = 0;
	kept->unsettled = 1;
	kept->noticed = 0;
	/* What the clock itself has noticed of it is the same disruption. */
	kept->epoch = 0;
	mark_all(relay, MARK_DISRUPTED);
	(void)for_all(relay, NULL, freeze);
	return paraclock_relay_update(relay);
}
