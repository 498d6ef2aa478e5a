// SPDX-License-Identifier: MIT
/* Opening and closing one source of time, with every source of markers. */

#include <errno.h>
#include <string.h>

#include "base/counter.h"
#include "base/env_call.h"
#include "base/text.h"
#include "clock.h"
#include "open.h"
#include "registry.h"

/* Wider than any atomic pair, narrower than the jitter of a system call. */
#define MAX_PAIR_ERROR_NS 1000

const char *paraclock_backend_name(const struct paraclock *clk)
{
	return clk ? clk->be->name : NULL;
}

static void add_marker_source(struct paraclock *clk,
			      const struct paraclock_backend *be, void *state)
{
	const uint64_t *words[2] = { NULL, NULL };

	clk->marker[clk->n_markers].be = be;
	clk->marker[clk->n_markers].state = state;
	clk->n_markers++;
	if (be->marker_class > clk->marker_class)
		clk->marker_class = be->marker_class;
	/* The hot read watches the words of one source, and is off with
	 * more. */
	if (clk->n_markers > 1 || !be->watch_marker ||
	    be->watch_marker(state, words)) {
		clk->markers_in_memory = false;
		return;
	}
	for (unsigned int i = 0; i < 2; i++) {
		if (words[i])
			clk->watch[i] = words[i];
	}
}

/* A source of markers that is absent or broken does not stop the open. */
static void open_marker_sources(struct paraclock *clk, const char *device)
{
	struct paraclock_options none = { .size = sizeof(none) };

	clk->markers_in_memory = true;
	if (clk->be->get_marker && !clk->be->copies_marker)
		add_marker_source(clk, clk->be, clk->state);
	/* It may be a page of another machine, which the markers of this one
	 * say nothing about; see backend.h. */
	clk->may_be_foreign = device && clk->be->takes_image;
	if (clk->may_be_foreign)
		return;
	for (const struct paraclock_backend *const *be = pclk_backends;
	     *be && clk->n_markers < MARKERS_MAX; be++) {
		struct paraclock_marker marker;
		void *state;

		if (!(*be)->get_marker || (*be)->copies_marker ||
		    *be == clk->be ||
		    (*be)->open(clk->env, &none, NULL, &state))
			continue;
		if ((*be)->get_marker(state, &marker))
			(*be)->close(state);
		else
			add_marker_source(clk, *be, state);
	}
}

static bool has_marker_source(const struct paraclock *clk, const char *name)
{
	for (unsigned int i = 0; i < clk->n_markers; i++) {
		if (pclk_text_equal(clk->marker[i].be->name, name))
			return true;
	}
	return false;
}

/*
 * The pages in physical memory that were asked for. A page that a driver shows
 * is looked at there, by reads as well, and not a second time. 0, or an error
 * with its sentence: whoever asks wants to know of each disruption.
 */
static int open_memory(struct paraclock *clk,
		       const struct paraclock_options *opts)
{
	const struct paraclock_backend *const *be = pclk_memory_backends;
	int ret = -EOPNOTSUPP;
	void *state;

	if (clk->may_be_foreign) {
		TEXT(opts->detail, opts->detail_size,
		     "the page of options.device may be another machine's, so "
		     "this machine's memory (PARACLOCK_DEVICE_MEMORY, "
		     "--dev-mem) says nothing about it; omit one of the two");
		return -EINVAL;
	}
	TEXT(opts->detail, opts->detail_size,
	     "no backend of this build has a page in physical memory");
	for (; *be && clk->n_markers < MARKERS_MAX; be++) {
		clk->log.memory_tsc = counter_read(clk->env, clk->how);
		ret = has_marker_source(clk, (*be)->name)
			      ? 1
			      : (*be)->open(clk->env, opts, NULL, &state);
		if (ret < 0)
			break;
		if (!ret)
			add_marker_source(clk, *be, state);
	}
	return ret < 0 ? pclk_env_error(ret) : 0;
}

/* The page's copy of the machine's marker: compared with it, or instead of
 * it. */
static void use_copy(struct paraclock *clk)
{
	if (!clk->be->copies_marker)
		return;
	clk->checks_copy = clk->n_markers > 0;
	if (!clk->n_markers)
		add_marker_source(clk, clk->be, clk->state);
}

static struct paraclock *new_clock(const struct paraclock_env *env,
				   const struct paraclock_backend *be,
				   const struct paraclock_options *opts)
{
	struct paraclock *clk = env->alloc(env->ctx, sizeof(*clk));

	if (!clk)
		return NULL;
	memset(clk, 0, sizeof(*clk));
	memset(clk->nothing, 0xff, sizeof(clk->nothing));
	clk->env = env;
	clk->be = be;
	clk->how = pclk_counter_choose(env);
	clk->marker_class = be->marker_class;
	clk->now.epoch = 1;
	clk->now.conv.page = clk->nothing;
	clk->watch[0] = clk->nothing;
	clk->watch[1] = clk->nothing;
	clk->max_pair_error_ns = opts->max_pair_error_ns
					 ? opts->max_pair_error_ns
					 : MAX_PAIR_ERROR_NS;
	return clk;
}

/*
 * Remember what later looks are compared with: the markers, and then the page.
 * No marker will show a disruption just before this again, so confirm the page
 * as if a marker had changed. Do not wait for it: that may take 300 s, and most
 * opens do not follow a disruption. Until the page is confirmed, the markers
 * are not said to vouch for it.
 */
static void prime(struct paraclock *clk)
{
	struct remembered first = clk->now;

	first.primed = !pclk_look_at_markers(clk, first.seen, first.watched);
	if (first.primed)
		pclk_event_primed(clk, first.seen);
	if (clk->be->confirm_fresh)
		first.unconfirmed = clk->be->confirm_fresh(clk->state, 1) != 0;
	pclk_publish(clk, &first);
}

/* Put a failure into words, unless the backend has. */
static int fail(const struct paraclock_options *opts, int error)
{
	if (opts->detail && !opts->detail[0])
		(void)paraclock_explain(NULL, error, NULL, opts->detail,
					opts->detail_size);
	return error;
}

static bool scale_is_wanted(const struct paraclock_options *opts,
			    const struct paraclock_sample *sample)
{
	return !opts->timescales || opts->timescales >> sample->timescale & 1;
}

/*
 * Does its first read accept the source? need_valid: it is being chosen, not
 * opened by name, so it must be valid. 0 or an error, with its sentence.
 */
static int check_first_read(const struct paraclock *clk,
			    const struct paraclock_options *opts,
			    bool need_valid, int error,
			    const struct paraclock_sample *sample)
{
	const char *name = clk->be->name;

	if (!error && !scale_is_wanted(opts, sample)) {
		TEXT(opts->detail, opts->detail_size, name, " gives ",
		     paraclock_timescale_name(sample->timescale),
		     " time, which is not what was asked for");
		return -ENODEV;
	}
	if (!error && need_valid && sample->flags & PARACLOCK_FLAG_OWN_KERNEL) {
		TEXT(opts->detail, opts->detail_size,
		     "it only repeats this kernel's own clock; open it by name "
		     "to use it");
		return -ENODEV;
	}
	if (!error && need_valid && sample->flags & PARACLOCK_FLAG_UNVOUCHED) {
		TEXT(opts->detail, opts->detail_size,
		     "its driver hides whether the host still vouches for its "
		     "clock; open it by name to use it");
		return -ENODEV;
	}
	if ((need_valid && (error || !sample->valid)) ||
	    (error && opts->timescales)) {
		paraclock_explain(clk, error, sample, opts->detail,
				  opts->detail_size);
		return error ? error : -ENODEV;
	}
	/* Opened by name: reads report its errors. */
	return 0;
}

/* The first read primes what later ones are compared with. */
int pclk_open_one(struct paraclock **ret_clk,
		  const struct paraclock_backend *be, struct opening *opening)
{
	const struct paraclock_options *opts = &opening->opts;
	const struct paraclock_env *env = opts->env;
	struct paraclock_sample sample;
	struct paraclock *clk;
	int ret;

	if (!be->get_time) {
		TEXT(opts->detail, opts->detail_size, be->name,
		     " is a source of markers only");
		return -EOPNOTSUPP;
	}
	TEXT(opts->detail, opts->detail_size, "");
	opening->is_unwanted = false;
	clk = new_clock(env, be, opts);
	if (!clk)
		return fail(opts, -ENOMEM);
	ret = pclk_env_error(be->open(env, opts, opening->arg, &clk->state));
	if (ret) {
		env->free(env->ctx, clk);
		return fail(opts, ret);
	}
	open_marker_sources(clk, opts->device);
	if (opening->want_memory)
		ret = open_memory(clk, opts);
	use_copy(clk);
	opening->is_final = ret || opening->is_final;
	if (!ret) {
		prime(clk);
		ret = pclk_read_slow(clk, &sample);
		if (!ret) {
			opening->is_unwanted =
				sample.valid && !scale_is_wanted(opts, &sample);
			opening->unwanted_scale = sample.timescale;
		}
		ret = check_first_read(clk, opts, opening->need_valid, ret,
				       &sample);
	}
	if (ret) {
		paraclock_close(clk);
		return ret;
	}
	TEXT(opts->detail, opts->detail_size, "");
	*ret_clk = clk;
	return 0;
}

void paraclock_close(struct paraclock *clk)
{
	const struct paraclock_env *env;

	if (!clk)
		return;
	env = clk->env;
	pclk_event_close(clk);
	for (unsigned int i = 0; i < clk->n_markers; i++) {
		if (clk->marker[i].state != clk->state)
			clk->marker[i].be->close(clk->marker[i].state);
	}
	clk->be->close(clk->state);
	env->free(env->ctx, clk);
}
