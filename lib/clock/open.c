// SPDX-License-Identifier: MIT
/* Opening and closing: one source of time and every source of markers. */

#include <errno.h>
#include <string.h>

#include "base/counter.h"
#include "base/env.h"
#include "base/env_call.h"
#include "base/text.h"
#include "clock.h"
#include "registry.h"

/* Wider than any atomic pair, narrower than a system call's jitter. */
#define MAX_PAIR_ERROR_NS 1000

/* Options of any version are shorter; more is a size that nobody set, and
 * not to be followed through memory. */
#define OPTIONS_SIZE_MAX 4096

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
	/* The hot read watches one source's words; with more it stays out. */
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

/* A source of markers that is absent or broken is no reason not to open. */
static void open_marker_sources(struct paraclock *clk, const char *device)
{
	struct paraclock_options none = { .size = sizeof(none) };

	clk->markers_in_memory = true;
	if (clk->be->get_marker)
		add_marker_source(clk, clk->be, clk->state);
	/* What may be another machine's page; see backend.h. */
	clk->takes_other_machines = device && clk->be->takes_image;
	if (clk->takes_other_machines)
		return;
	for (const struct paraclock_backend *const *be = pclk_backends;
	     *be && clk->n_markers < MARKERS_MAX; be++) {
		struct paraclock_marker marker;
		void *state;

		if (!(*be)->get_marker || *be == clk->be ||
		    (*be)->open(clk->env, &none, &state))
			continue;
		if ((*be)->get_marker(state, &marker))
			(*be)->close(state);
		else
			add_marker_source(clk, *be, state);
	}
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
 * What later looks are compared with: the markers, and then the page. A
 * disruption just before this is one that no marker will show again, so it is
 * settled as if one had changed; but where that cannot be done now, it is not
 * waited for: it may take 300 s, and most opens do not follow a disruption.
 * Until it can, the markers are not said to vouch for the page.
 */
static void prime(struct paraclock *clk)
{
	struct remembered first = clk->now;

	first.primed = !pclk_look_at_markers(clk, first.seen, first.watched);
	if (clk->be->confirm_fresh)
		first.unconfirmed = clk->be->confirm_fresh(clk->state, 1) != 0;
	pclk_publish(clk, &first);
}

/* A failure that nobody has put into words yet. */
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
 * Open one source. The first read primes what later ones are compared with;
 * its answer decides about the timescale and, if need_valid, about all.
 */
static int open_one(struct paraclock **ret_clk,
		    const struct paraclock_backend *be,
		    const struct paraclock_options *opts, bool need_valid)
{
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
	clk = new_clock(env, be, opts);
	if (!clk)
		return fail(opts, -ENOMEM);
	ret = pclk_env_error(be->open(env, opts, &clk->state));
	if (ret) {
		env->free(env->ctx, clk);
		return fail(opts, ret);
	}
	open_marker_sources(clk, opts->device);
	prime(clk);
	ret = pclk_read_slow(clk, &sample);
	if (!ret && !scale_is_wanted(opts, &sample)) {
		TEXT(opts->detail, opts->detail_size, be->name, " gives ",
		     paraclock_timescale_name(sample.timescale),
		     " time, which is not what was asked for");
		ret = -ENODEV;
	} else if (!ret && need_valid &&
		   sample.flags & PARACLOCK_FLAG_UNVOUCHED) {
		TEXT(opts->detail, opts->detail_size,
		     "its driver hides whether the host still vouches for its "
		     "clock; taken by name only");
		ret = -ENODEV;
	} else if ((need_valid && (ret || !sample.valid)) ||
		   (ret && opts->timescales)) {
		paraclock_explain(clk, ret, &sample, opts->detail,
				  opts->detail_size);
		ret = ret ? ret : -ENODEV;
	} else {
		/* Opened by name: its errors are for the reads to report. */
		ret = 0;
	}
	if (ret) {
		paraclock_close(clk);
		return ret;
	}
	TEXT(opts->detail, opts->detail_size, "");
	*ret_clk = clk;
	return 0;
}

/* Half a member is none: options end where one of them begins. */
static bool ends_at_a_member(size_t size)
{
	static const uint8_t ends[] = {
		offsetof(struct paraclock_options, env),
		offsetof(struct paraclock_options, device),
		offsetof(struct paraclock_options, max_age_ns),
		offsetof(struct paraclock_options, max_pair_error_ns),
		offsetof(struct paraclock_options, detail),
		offsetof(struct paraclock_options, detail_size),
		offsetof(struct paraclock_options, flags),
	};

	for (size_t i = 0; i < sizeof(ends); i++) {
		if (size == ends[i])
			return true;
	}
	return size >= sizeof(struct paraclock_options);
}

/* Does a newer caller ask for what this library does not know? */
static bool asks_for_more(const struct paraclock_options *opts)
{
	const unsigned char *bytes = (const void *)opts;

	for (size_t i = sizeof(*opts); i < opts->size; i++) {
		if (bytes[i])
			return true;
	}
	return false;
}

static int copy_options(struct paraclock_options *full,
			const struct paraclock_options *opts)
{
	if (opts->size > OPTIONS_SIZE_MAX || !ends_at_a_member(opts->size))
		return -EINVAL;
	memcpy(full, opts,
	       opts->size < sizeof(*full) ? opts->size : sizeof(*full));
	if (!full->detail_size)
		full->detail = NULL;
	TEXT(full->detail, full->detail_size, "");
	if (!asks_for_more(opts) &&
	    !(full->flags & ~(uint64_t)PARACLOCK_DEVICE_FIXED_SIZE))
		return 0;
	TEXT(full->detail, full->detail_size,
	     "options ask for something that this version does not know: "
	     "a flag, or bytes beyond its members that are not 0");
	return -EINVAL;
}

/* The options with every default in its place; checks what can be checked. */
static int complete(struct paraclock_options *full,
		    const struct paraclock_options *opts)
{
	const struct paraclock_env *env;

	memset(full, 0, sizeof(*full));
	if (opts) {
		int ret = copy_options(full, opts);

		if (ret)
			return ret;
	}
	full->size = sizeof(*full);
	if (!full->env)
		full->env = pclk_builtin_env;
	env = full->env;
	if (!env) {
		TEXT(full->detail, full->detail_size,
		     "this build has no env of its own; give one");
		return -ENODEV;
	}
	if (env->size < sizeof(*env) || !env->alloc || !env->free) {
		TEXT(full->detail, full->detail_size,
		     "the env is incomplete: size, alloc or free");
		return -EINVAL;
	}
	if (env->check_counter && env->check_counter(env->ctx)) {
		TEXT(full->detail, full->detail_size,
		     "this thread may not read the CPU counter (PR_SET_TSC, or "
		     "a record/replay tool); allow it with prctl(PR_SET_TSC, "
		     "PR_TSC_ENABLE)");
		return -EACCES;
	}
	return 0;
}

static const struct paraclock_backend *find_backend(const char *name)
{
	for (const struct paraclock_backend *const *be = pclk_backends; *be;
	     be++) {
		if (pclk_text_equal((*be)->name, name))
			return *be;
	}
	return NULL;
}

/* The backend of the highest quality below that of another; ties go by the
 * order of the table. NULL as the other: the first of all. */
static const struct paraclock_backend *
next_backend(const struct paraclock_backend *after)
{
	const struct paraclock_backend *best = NULL;
	bool passed = false;

	for (const struct paraclock_backend *const *be = pclk_backends; *be;
	     be++) {
		bool later = !after || (*be)->quality < after->quality ||
			     (passed && (*be)->quality == after->quality);

		if (later && (!best || (*be)->quality > best->quality))
			best = *be;
		passed = passed || *be == after;
	}
	return best;
}

static int open_best(struct paraclock **ret_clk,
		     const struct paraclock_options *opts)
{
	const struct paraclock_backend *be = NULL;
	char first[256] = "this build has no backend that chooses itself";
	bool tried = false;

	if (opts->device) {
		TEXT(opts->detail, opts->detail_size,
		     "a device needs the name of a backend");
		return -EINVAL;
	}
	while ((be = next_backend(be)) && be->quality >= 0) {
		int ret;

		if (!be->get_time)
			continue;
		ret = open_one(ret_clk, be, opts, true);
		if (!ret || ret == -ENOMEM)
			return ret;
		/* The best one's reason is the one to mend. */
		if (!tried && opts->detail)
			TEXT(first, sizeof(first), be->name, ": ",
			     opts->detail);
		tried = true;
	}
	TEXT(opts->detail, opts->detail_size,
	     "no valid host clock here: ", first);
	return -ENODEV;
}

int paraclock_open(struct paraclock **ret_clk,
		   const struct paraclock_options *opts)
{
	const struct paraclock_backend *be;
	struct paraclock_options full;
	int ret;

	if (!ret_clk)
		return -EINVAL;
	ret = complete(&full, opts);
	if (ret)
		return ret;
	if (!full.backend)
		return open_best(ret_clk, &full);
	be = find_backend(full.backend);
	if (!be) {
		TEXT(full.detail, full.detail_size, full.backend,
		     ": no such backend in this build; see "
		     "paraclock_list()");
		return -EINVAL;
	}
	return open_one(ret_clk, be, &full, false);
}

int paraclock_open_backend(struct paraclock **ret_clk,
			   const struct paraclock_backend *be,
			   const struct paraclock_options *opts)
{
	struct paraclock_options full;
	int ret;

	if (!ret_clk || !be)
		return -EINVAL;
	ret = complete(&full, opts);
	if (ret)
		return ret;
	if (be->size < sizeof(*be) || !be->name || !be->open || !be->close ||
	    full.backend) {
		TEXT(full.detail, full.detail_size,
		     "the backend is incomplete (size, name, open or close), "
		     "or options name another one");
		return -EINVAL;
	}
	return open_one(ret_clk, be, &full, false);
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

/* A source of markers only has no first read to show. */
static void list_markers_only(struct paraclock_listing *listing,
			      const struct paraclock_backend *be,
			      const struct paraclock_options *opts)
{
	struct paraclock_marker marker;
	void *state;

	listing->error = pclk_env_error(be->open(opts->env, opts, &state));
	if (listing->error)
		return;
	listing->error = pclk_env_error(be->get_marker(state, &marker));
	be->close(state);
}

static int list_one(const struct paraclock_backend *be,
		    const struct paraclock_env *env, paraclock_list_fn *fn,
		    void *arg)
{
	char detail[256] = "";
	struct paraclock_listing listing = {
		.size = sizeof(listing),
		.name = be->name,
		.quality = be->quality,
		.gives_time = be->get_time != NULL,
		.own_kernel = be->quality < 0,
		.detail = detail,
	};
	struct paraclock_options opts, asked = {
		.size = sizeof(asked),
		.env = env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk;

	listing.error = complete(&opts, &asked);
	if (!listing.error && !be->get_time) {
		list_markers_only(&listing, be, &opts);
	} else if (!listing.error) {
		listing.error = open_one(&clk, be, &opts, false);
		if (!listing.error) {
			listing.error = paraclock_read(clk, &listing.sample);
			paraclock_explain(clk, listing.error, &listing.sample,
					  detail, sizeof(detail));
			paraclock_close(clk);
		}
	}
	return fn(arg, &listing);
}

int paraclock_list(const struct paraclock_env *env, paraclock_list_fn *fn,
		   void *arg)
{
	const struct paraclock_backend *be = NULL;

	if (!fn)
		return -EINVAL;
	if (!env && !pclk_builtin_env)
		return -ENODEV;
	while ((be = next_backend(be))) {
		int ret = list_one(be, env, fn, arg);

		if (ret)
			return ret;
	}
	return 0;
}
