// SPDX-License-Identifier: MIT
/* One target of a relay: freeze it, write it, unfreeze it. */

#include <errno.h>

#include "page_writer.h"
#include "relay_parts.h"
#include "timekeeper.h"

#define REFRESH_NS (300ULL * NSEC_PER_SEC)
#define LEASE_NS   (4ULL * NSEC_PER_SEC)

/*
 * How much two pages of one timeline may differ: one is ahead by the most that
 * <paraclock/host.h> allows (401 ns), the other behind (51 ns).
 */
#define LEAD_NS 500
/* How long catch_up() waits for what readers have seen; the number of tries is
 * for a counter that stands still. */
#define WAIT_NS	   50000
#define WAIT_TRIES (1U << 14)

/* What is done with one target. The env is the world as the target's guest sees
 * it, for the functions that write its pages. */
struct job {
	struct paraclock_relay *relay;
	const struct relay_source *src; /* NULL: to freeze or unfreeze */
	struct paraclock_target *target;
	struct target_private *priv;
	struct paraclock_env env; /* its ctx is this job */
};

typedef int job_fn(struct job *job);

static uint64_t guest_counter(void *ctx)
{
	const struct job *job = ctx;
	const struct paraclock *clk = job->relay->clk;
	const struct paraclock_coupling *coupling = &job->target->coupling;
	uint64_t counter = counter_read(clk->env, clk->how);

	/* No counter of the guest: beyond any lease. */
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

/* Every target has its turn, whether others fail or not. Returns the first
 * error. */
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

		job.priv = (void *)job.target->opaque;
		job.target->error = fn(&job);
		if (!first)
			first = job.target->error;
		target += relay->targets->size;
	}
	return first;
}

/* --- what readers have seen ----------------------------------------------- */

/* Note what readers may have seen by now. What was noted before is never
 * lowered: after a move that nobody announced the counter may be less than it
 * was, even less than the base. */
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
	/* A page that nobody has written yet has nothing to freeze. */
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

/* The timeline that the target is to show. */
static int make_timeline(const struct job *job, struct paraclock_timeline *tl)
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
	tl->marker = target->marker + (job->priv->marks & MARK_DISRUPTED);
	tl->generation = target->generation + (job->priv->marks >> 1);
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

	/* Without the promise readers may see a step back. */
	if (!(target->flags & PARACLOCK_TARGET_MONOTONIC))
		relay_set_seen(target, 0);
	relay_raise_seen(target, relay_base(tl));
	target->timeline = *tl;
	target->marker = tl->marker;
	target->generation = tl->generation;
	job->priv->marks = 0;
	job->priv->version = relay_private(job->relay)->version;
	job->priv->written_tsc = job->src->tl.base_tsc;
}

/* Wait until no reader would see less than one has seen. -ESTALE: that would
 * take longer than WAIT_NS. */
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
	int ret = make_timeline(job, &tl);

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
 * The frozen page uses another counter, so its writer cannot compare old and
 * new; the new timeline is compared with what readers have seen instead. The
 * page is then written twice: once without the promise, and once more with it,
 * now that old and new can be compared.
 */
static int write_frozen(struct job *job)
{
	const uint32_t promise = PARACLOCK_TIMELINE_MONOTONIC;
	struct paraclock_target *target = job->target;
	struct paraclock_timeline tl;
	int ret = make_timeline(job, &tl);
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
		/* The clock above has left its own bound: the page below may
		 * not go on as if nothing had happened. */
		if (ret == -ESTALE)
			job->priv->marks |= MARK_DISRUPTED;
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
	       job->priv->version == relay_private(job->relay)->version &&
	       job->src->tl.base_tsc - job->priv->written_tsc < ticks;
}

static int serve(struct job *job)
{
	struct paraclock_target *target = job->target;
	bool runs = target->state == PARACLOCK_TARGET_RUNNING;
	int ret;

	if (target->flags & PARACLOCK_TARGET_HELD) {
		if (job->priv->version)
			job->priv->marks |= MARK_DISRUPTED;
		return freeze(job);
	}
	(void)note_running(job);
	if (runs && is_fresh(job))
		return 0;
	/* If it cannot be written while it runs, write it frozen. */
	if (runs && (target->timekeeper || target->freeze) &&
	    !write_running(job))
		return 0;
	ret = freeze(job);
	return ret ? ret : write_frozen(job);
}

static int unfreeze(struct job *job)
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

/* --- all of them ---------------------------------------------------------- */

int pclk_targets_freeze(struct paraclock_relay *relay)
{
	return for_all(relay, NULL, freeze);
}

int pclk_targets_serve(struct paraclock_relay *relay,
		       const struct relay_source *src)
{
	return for_all(relay, src, serve);
}

int pclk_targets_unfreeze(struct paraclock_relay *relay)
{
	return for_all(relay, NULL, unfreeze);
}

void pclk_targets_note(struct paraclock_relay *relay)
{
	(void)for_all(relay, NULL, note_running);
}
