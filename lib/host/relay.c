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

/* One target, and what is to be done with it. In it the world as its guest sees
 * it, for who writes its pages. */
struct job {
	struct paraclock_relay *relay;
	const struct relay_source *src; /* NULL: to freeze, or to let go */
	struct paraclock_target *target;
	struct target_kept *kept;
	struct paraclock_env env; /* its ctx is this */
};

typedef int job_fn(struct job *job);

static uint64_t guest_counter(void *ctx)
{
	const struct job *job = ctx;
	const struct paraclock *clk = job->relay->clk;
	const struct paraclock_coupling *coupling = &job->target->coupling;
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

/* Whatever fails keeps no other target from its turn; the first error. */
static int for_all(struct paraclock_relay *relay,
		   const struct relay_source *src, job_fn *fn)
{
	char *target = (void *)relay->targets;
	int first = 0;

	for (size_t i = 0; i < relay->n_targets; i++) {
		struct job job = {
			.relay = relay,
			.src = src,
			.target = (void *)target,
			.env.size = sizeof(job.env),
			.env.ctx = &job,
			.env.counter_id = relay->clk->env->counter_id,
			.env.counter = guest_counter,
			.env.process_id = guest_process_id,
			.env.identify = relay->clk->env->identify
						? guest_identify
						: NULL,
		};

		job.kept = (void *)job.target->opaque;
		job.target->error = fn(&job);
		if (!first)
			first = job.target->error;
		target += relay->targets->size;
	}
	return first;
}

/* --- what readers have seen ----------------------------------------------- */

/* By now. What was noted before stays: after a move that nobody announced the
 * counter may be less than it was, even before the base. */
static void note_seen(struct job *job)
{
	u128 time;

	if (!pclk_timeline_time(&job->target->timeline, guest_counter(job),
				&time))
		relay_raise_seen(job->target, time);
}

static int note_running(struct job *job)
{
	if (job->target->state == PARACLOCK_TARGET_RUNNING)
		note_seen(job);
	return job->target->error;
}

/* --- freezing ------------------------------------------------------------- */

static int freeze(struct job *job)
{
	struct paraclock_target *target = job->target;
	bool is_new = target->state == PARACLOCK_TARGET_NEW;
	int ret = 0;

	if (target->state == PARACLOCK_TARGET_FROZEN ||
	    (is_new && target->flags & PARACLOCK_TARGET_HELD))
		return 0;
	if (target->timekeeper)
		ret = paraclock_timekeeper_freeze(target->timekeeper,
						  &job->env);
	else if (target->freeze)
		ret = target->freeze(target->page, target->writer, &job->env);
	/* A page that nobody has written yet says nothing. */
	if (is_new && ret == -EPROTO)
		ret = 0;
	if (!ret && target->pause && target->state != PARACLOCK_TARGET_WRITTEN)
		ret = target->pause(target->arg, 1);
	if (ret)
		return ret;
	if (!is_new)
		note_seen(job);
	target->state = PARACLOCK_TARGET_FROZEN;
	return 0;
}

/* --- writing -------------------------------------------------------------- */

/* What an target is to say. */
static int make(const struct job *job, struct paraclock_timeline *tl)
{
	const struct paraclock_target *target = job->target;
	uint64_t lease = job->relay->lease_ns;
	int ret;

	*tl = job->src->tl;
	lease = timeline_after(tl->base_tsc,
			       pclk_timeline_ticks(tl,
						   lease ? lease : LEASE_NS));
	tl->t_end = !target->timekeeper ? 0
		    : lease < tl->t_end ? lease
					: tl->t_end;
	ret = pclk_relay_couple(&target->coupling, tl);
	if (ret)
		return ret;
	relay_set_base(tl, relay_base(tl) +
				   ((u128)(uint64_t)target->offset_sec << 64 |
				    target->offset_frac));
	tl->marker = target->marker + (job->kept->marks & MARK_DISRUPTED);
	tl->generation = target->generation + (job->kept->marks >> 1);
	if (target->flags & PARACLOCK_TARGET_MONOTONIC)
		tl->flags |= PARACLOCK_TIMELINE_MONOTONIC;
	if (target->flags & PARACLOCK_TARGET_GENERATION)
		tl->flags |= PARACLOCK_TIMELINE_GENERATION;
	/* A page below vouches for no more than what is above does. */
	if (job->src->inferred)
		tl->flags |= PARACLOCK_TIMELINE_INFERRED;
	return 0;
}

static void note_written(const struct job *job,
			 const struct paraclock_timeline *tl)
{
	struct paraclock_target *target = job->target;

	/* Without the promise they may see a step back. */
	if (!(target->flags & PARACLOCK_TARGET_MONOTONIC))
		relay_set_seen(target, 0);
	relay_raise_seen(target, relay_base(tl));
	target->timeline = *tl;
	target->marker = tl->marker;
	target->generation = tl->generation;
	job->kept->marks = 0;
	job->kept->version = relay_kept(job->relay)->version;
	job->kept->written_tsc = job->src->tl.base_tsc;
}

/* Until no reader sees less than one has seen. -ESTALE: that takes longer. */
static int catch_up(struct job *job, const struct paraclock_timeline *tl)
{
	const struct paraclock_target *target = job->target;
	u128 seen = relay_seen(target) + (u128)LEAD_NS * TIMELINE_NSEC;
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
	const struct paraclock_target *target = job->target;

	return target->write(target->page, target->writer, &job->env, tl);
}

static int write_running(struct job *job)
{
	struct paraclock_target *target = job->target;
	struct paraclock_timeline tl;
	int ret = make(job, &tl);

	if (ret)
		return ret;
	ret = target->timekeeper ? paraclock_timekeeper_set(target->timekeeper,
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
	struct paraclock_target *target = job->target;
	struct paraclock_timeline tl;
	int ret = make(job, &tl);
	uint32_t promised = tl.flags & promise;

	if (!ret && promised)
		ret = catch_up(job, &tl);
	if (ret)
		return ret;
	if (target->timekeeper) {
		ret = paraclock_timekeeper_reconfigure(target->timekeeper,
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
	target->state = PARACLOCK_TARGET_WRITTEN;
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
		pclk_timeline_ticks(&job->src->tl, ns ? ns : REFRESH_NS);

	return !job->target->timekeeper &&
	       job->kept->version == relay_kept(job->relay)->version &&
	       job->src->tl.base_tsc - job->kept->written_tsc < ticks;
}

static int serve(struct job *job)
{
	struct paraclock_target *target = job->target;
	bool runs = target->state == PARACLOCK_TARGET_RUNNING;
	int ret;

	if (target->flags & PARACLOCK_TARGET_HELD) {
		if (job->kept->version)
			job->kept->marks |= MARK_DISRUPTED;
		return freeze(job);
	}
	(void)note_running(job);
	if (runs && is_fresh(job))
		return 0;
	/* What does not work while its readers read is tried without them. */
	if (runs && (target->timekeeper || target->freeze) &&
	    !write_running(job))
		return 0;
	ret = freeze(job);
	return ret ? ret : write_frozen(job);
}

static int let_go(struct job *job)
{
	struct paraclock_target *target = job->target;
	int ret = 0;

	if (target->state != PARACLOCK_TARGET_WRITTEN)
		return target->error;
	if (target->timekeeper)
		ret = paraclock_timekeeper_unfreeze(target->timekeeper,
						    &job->env);
	if (!ret && target->pause)
		ret = target->pause(target->arg, 0);
	if (!ret)
		target->state = PARACLOCK_TARGET_RUNNING;
	return ret;
}

/* --- the walk ------------------------------------------------------------- */

static bool is_complete(const struct paraclock_target *target)
{
	return target->state <= PARACLOCK_TARGET_WRITTEN &&
	       (target->timekeeper ||
		(target->page && target->writer && target->write &&
		 (target->freeze || target->pause)));
}

int pclk_relay_check(const struct paraclock_relay *relay)
{
	const struct paraclock_target *target;

	if (!relay || relay->size < sizeof(*relay) || !relay->clk ||
	    (relay->n_targets && !relay->targets))
		return -EINVAL;
	target = relay->targets;
	for (size_t i = 0; i < relay->n_targets; i++) {
		if (target->size < sizeof(*target) ||
		    target->size != relay->targets->size ||
		    !is_complete(target))
			return -EINVAL;
		target = (const void *)((const char *)target + target->size);
	}
	return 0;
}

/* The markers below move with the next write. The first one is the caller's. */
static void mark_all(struct paraclock_relay *relay, unsigned int marks)
{
	struct paraclock_target *target = relay->targets;
	uint8_t *counted = &relay_kept(relay)->counted;

	/* Whoever tells of it second, the clock or the caller, tells of the
	 * same one. */
	if (marks & MARK_DISRUPTED & ~*counted)
		relay->disruptions++;
	*counted |= marks & MARK_DISRUPTED;
	for (size_t i = 0; i < relay->n_targets; i++) {
		struct target_kept *kept = (void *)target->opaque;

		if (kept->version)
			kept->marks |= marks;
		target = (void *)((char *)target + target->size);
	}
}

/* Is what is above another than what is written? */
static void note_source(struct paraclock_relay *relay,
			const struct relay_source *src)
{
	const size_t from = offsetof(struct paraclock_conversion, base_tsc);
	const size_t to = offsetof(struct paraclock_conversion, usable);
	struct relay_kept *kept = relay_kept(relay);

	/* Whoever was told that nothing is missed is told that it may be. */
	if (kept->version && src->inferred && !kept->inferred)
		mark_all(relay, MARK_DISRUPTED);
	if (!kept->version || kept->inferred != src->inferred ||
	    memcmp((const char *)&kept->conv + from,
		   (const char *)&src->conv + from, to - from) != 0 ||
	    memcmp(kept->qualifiers, src->qualifiers,
		   sizeof(kept->qualifiers)) != 0)
		kept->version++;
	if (kept->generations != src->generations)
		mark_all(relay, MARK_RESTORED);
	kept->inferred = src->inferred;
	kept->generations = src->generations;
	kept->conv = src->conv;
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
	    memcmp(kept->conv.key, src.conv.key, sizeof(src.conv.key)) == 0) {
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
	kept->unconfirmed = 1;
	kept->noticed = 0;
	/* What the clock itself has noticed of it is the same disruption. */
	kept->epoch = 0;
	mark_all(relay, MARK_DISRUPTED);
	(void)for_all(relay, NULL, freeze);
	return paraclock_relay_update(relay);
}
