// SPDX-License-Identifier: MIT
/* Can the sources still be read? Events say when that changes. */

#include <errno.h>

#include "base/env_call.h"
#include "base/fixed.h"
#include "clock.h"

/* A source with transient failures is lost when they have lasted for so long:
 * 5000 times as long as a read waits for a writer. A source is asked no more
 * often than that, because it may be a device. */
#define FAILING_NS (NSEC_PER_SEC / 2)

static bool is_transient(int error)
{
	return error == -EAGAIN || error == -ETIMEDOUT || error == -ENOMEM;
}

/* By a clock that may return anything: if it went back, it has. */
static bool has_lasted(int64_t since_ns, int64_t now_ns)
{
	return (uint64_t)now_ns - (uint64_t)since_ns >= FAILING_NS;
}

/* Is the source still there? A look does not tell: it only shows whether a page
 * has changed, it does not read a source without a page, and a file that was
 * removed or replaced can still be read. */
static int ask(struct paraclock *clk, int64_t now_ns)
{
	struct event_loss *loss = &clk->loss;
	struct observation obs;
	int ret = clk->be->is_there ? clk->be->is_there(clk->state) : 0;

	for (unsigned int i = 0; !ret && i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (source->be->is_there)
			ret = source->be->is_there(source->state);
	}
	if (ret)
		return pclk_env_error(ret);
	if (!loss->asked_ns || has_lasted(loss->asked_ns, now_ns)) {
		loss->asked_ns = now_ns;
		loss->asked = pclk_observe(clk, &obs);
	}
	return loss->asked;
}

/* Without a clock, the second failure in a row counts as lasting, and the
 * source is asked each time. */
static int64_t mono_ns(struct paraclock *clk)
{
	const struct paraclock_env *env = clk->env;
	int64_t ns;

	if (env->read_clock &&
	    !env->read_clock(env->ctx, pclk_clock_id[PARACLOCK_CLOCK_MONOTONIC],
			     &ns))
		return ns;
	clk->loss.asked_ns = 0;
	return (int64_t)((uint64_t)clk->loss.failing_ns + FAILING_NS);
}

/* The error of a look, or of a source that is gone although the look succeeded.
 * *ret_undecided: it fails, but that may be transient. */
static int error_now(struct paraclock *clk, int error, bool *ret_undecided)
{
	struct event_loss *loss = &clk->loss;
	int64_t now = mono_ns(clk);
	struct observation obs;

	/* Another thread may have been changing the handle, which is not a
	 * fault of the source. */
	if (error == -EAGAIN)
		error = pclk_observe(clk, &obs);
	if (!error)
		error = ask(clk, now);
	if (!is_transient(error))
		loss->failing_ns = 0;
	else if (!loss->failing_ns)
		loss->failing_ns = now;
	*ret_undecided =
		is_transient(error) && !has_lasted(loss->failing_ns, now);
	return error;
}

/* The first source that fails. */
static const char *failing_source(const struct paraclock *clk)
{
	struct paraclock_marker marker;

	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (source->be->get_marker(source->state, &marker) ||
		    look_error(source))
			return source->be->name;
	}
	return clk->be->name;
}

int pclk_event_source(struct paraclock *clk, int error,
		      struct paraclock_event *ret_ev)
{
	struct event_loss *loss = &clk->loss;
	bool undecided;

	error = error_now(clk, error, &undecided);
	if (undecided || !error == !loss->told)
		return 1;
	*ret_ev = (struct paraclock_event){
		.size = ret_ev->size,
		.kind = error ? PARACLOCK_EVENT_SOURCE_LOST
			      : PARACLOCK_EVENT_SOURCE_FOUND,
		.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
		.counter = clk->env->counter_id,
		.source = error ? failing_source(clk) : clk->be->name,
		.epoch = __atomic_load_n(&clk->now.epoch, __ATOMIC_RELAXED),
		.counter_before =
			__atomic_load_n(&clk->log.looked_tsc, __ATOMIC_RELAXED),
		.counter_after = counter_read(clk->env, clk->how),
		.error = error,
	};
	loss->told = error;
	return 0;
}
