// SPDX-License-Identifier: MIT
/*
 * Between Python and libparaclock. cffi compiles this into paraclock._native,
 * and makes its functions callable; it releases the GIL around each call, so
 * any of them may run in several threads at once.
 *
 * A Python object owns each struct here, and every call that is under way holds
 * a reference to it: it is freed when the last of these calls has returned.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <paraclock/backend.h>

#include "owner.h"
#include "results.h"

/* --- clocks --------------------------------------------------------------- */

struct clock {
	struct paraclock *clk;
	struct owner *owner;
};

static int clock_open(struct clock **ret_clock, struct paraclock_options *opts,
		      struct owner *owner)
{
	struct clock *clock = malloc(sizeof(*clock));
	int ret;

	if (!clock)
		return -ENOMEM;
	ret = paraclock_open(&clock->clk, opts);
	if (ret) {
		free(clock);
		return ret;
	}
	owner_acquire(owner);
	clock->owner = owner;
	*ret_clock = clock;
	return 0;
}

static void clock_free(struct clock *clock)
{
	if (!clock)
		return;
	paraclock_close(clock->clk);
	owner_release(clock->owner);
	free(clock);
}

/* A closed clock is NULL to Python, and so it is to the library, which refuses
 * it with -EINVAL. */
static const struct paraclock *clock_raw(const struct clock *clock)
{
	return clock ? clock->clk : NULL;
}

static int clock_explain(const struct clock *clock, int error,
			 const struct paraclock_sample *sample, char *buf,
			 size_t size)
{
	return paraclock_explain(clock_raw(clock), error, sample, buf, size);
}

static const char *clock_backend_name(const struct clock *clock)
{
	return paraclock_backend_name(clock_raw(clock));
}

static uint64_t clock_epoch(const struct clock *clock)
{
	return paraclock_epoch(clock_raw(clock));
}

static int clock_marker(const struct clock *clock,
			struct paraclock_marker *ret_marker)
{
	return paraclock_marker(clock_raw(clock), ret_marker);
}

static int clock_event_fd(const struct clock *clock)
{
	return paraclock_event_fd(clock_raw(clock));
}

static int clock_next_event(struct clock *clock,
			    struct paraclock_event *ret_event)
{
	return clock ? paraclock_next_event(clock->clk, ret_event) : -EINVAL;
}

static int clock_check(struct clock *clock, const struct clock *other,
		       struct paraclock_check *check)
{
	int ret;

	if (!clock)
		return -EINVAL;
	check->other = clock_raw(other);
	ret = paraclock_check(clock->clk, check);
	check->other = NULL;
	return ret;
}

static int clock_check_clear(struct clock *clock)
{
	return clock ? paraclock_check_clear(clock->clk) : -EINVAL;
}

/* --- histories and watches ------------------------------------------------ */

struct history {
	struct paraclock_history *hist;
	struct owner *owner;
};

static int history_new(struct history **ret_history,
		       const struct paraclock_env *env, struct owner *owner,
		       unsigned int entries)
{
	struct history *history = malloc(sizeof(*history));
	int ret;

	if (!history)
		return -ENOMEM;
	ret = paraclock_history_new(&history->hist, env, entries);
	if (ret) {
		free(history);
		return ret;
	}
	owner_acquire(owner);
	history->owner = owner;
	*ret_history = history;
	return 0;
}

static void history_free(struct history *history)
{
	if (!history)
		return;
	paraclock_history_free(history->hist);
	owner_release(history->owner);
	free(history);
}

static int history_add(struct history *history,
		       const struct paraclock_snapshot *snapshot)
{
	return paraclock_history_add(history->hist, snapshot);
}

static int clock_crosststamp(const struct clock *clock,
			     const struct history *history,
			     struct paraclock_crosststamp *ret_xt)
{
	return paraclock_crosststamp(clock_raw(clock),
				     history ? history->hist : NULL, ret_xt);
}

static int clock_bracket(const struct clock *clock,
			 struct paraclock_crosststamp *ret_xt)
{
	return paraclock_bracket(clock_raw(clock), ret_xt);
}

static int clock_offset(const struct clock *clock,
			struct paraclock_offset *ret_offset)
{
	return paraclock_offset(clock_raw(clock), ret_offset);
}

struct watch {
	struct paraclock_watch *watch;
	struct owner *owner;
};

static int watch_open(struct watch **ret_watch, const struct paraclock_env *env,
		      struct owner *owner)
{
	struct watch *watch = malloc(sizeof(*watch));
	int ret;

	if (!watch)
		return -ENOMEM;
	ret = paraclock_watch_open(&watch->watch, env);
	if (ret) {
		free(watch);
		return ret;
	}
	owner_acquire(owner);
	watch->owner = owner;
	*ret_watch = watch;
	return 0;
}

static void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	paraclock_watch_close(watch->watch);
	owner_release(watch->owner);
	free(watch);
}

static int watch_fd(const struct watch *watch)
{
	return watch ? paraclock_watch_fd(watch->watch) : -EINVAL;
}

static int watch_update(struct watch *watch)
{
	return watch ? paraclock_watch_update(watch->watch) : -EINVAL;
}

/* --- the sources of this machine ------------------------------------------ */

/* The listing's strings end with the call, so nothing of it is left to
 * Python. */
static int add_source(void *arg, const struct paraclock_listing *listing)
{
	struct sources *sources = arg;
	struct source *source;

	if (sources->count == SOURCES_MAX) {
		sources->missing++;
		return 0;
	}
	source = &sources->source[sources->count++];
	source->quality = listing->quality;
	source->error = listing->error;
	source->gives_time = listing->gives_time;
	source->own_kernel = listing->own_kernel;
	source->sample = listing->sample;
	snprintf(source->name, sizeof(source->name), "%s", listing->name);
	snprintf(source->detail, sizeof(source->detail), "%s", listing->detail);
	return 0;
}

static int list_sources(const struct paraclock_env *env,
			struct sources *ret_sources)
{
	return paraclock_list(env, add_source, ret_sources);
}

/* --- pages ---------------------------------------------------------------- */

/* An env in which the page is the only file, and the counter stands still. */
struct image {
	const char *page;
	size_t size;
	uint64_t counter;
};

static uint64_t image_counter(void *ctx)
{
	const struct image *image = ctx;

	return image->counter;
}

/* Without a path the library asks for this machine's own page, whose time and
 * markers say nothing about an image. */
static int image_map_page(void *ctx, const char *name, const char *path,
			  struct paraclock_mapping *ret_map)
{
	const struct image *image = ctx;

	(void)name;
	if (!path) {
		snprintf(ret_map->why, sizeof(ret_map->why),
			 "decoding reads no page of this machine");
		return -ENODEV;
	}
	ret_map->addr = NULL;
	ret_map->size = image->size;
	ret_map->phys = 0;
	ret_map->fd = 0;
	ret_map->cookie = 0;
	return 0;
}

static void image_unmap_page(void *ctx, struct paraclock_mapping *map)
{
	(void)ctx;
	(void)map;
}

static int64_t image_pread(void *ctx, int fd, void *buf, size_t n,
			   uint64_t offset)
{
	const struct image *image = ctx;

	(void)fd;
	if (offset >= image->size)
		return 0;
	if (n > image->size - offset)
		n = image->size - (size_t)offset;
	memcpy(buf, image->page + offset, n);
	return (int64_t)n;
}

static void *image_alloc(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static void image_free(void *ctx, void *ptr)
{
	(void)ctx;
	free(ptr);
}

static int decode_with(const struct paraclock *clk, uint64_t counter,
		       struct decoded *ret_decoded)
{
	const int ret = paraclock_read_at(clk, counter, &ret_decoded->sample);

	if (ret || !ret_decoded->sample.valid)
		paraclock_explain(clk, ret, ret ? NULL : &ret_decoded->sample,
				  ret_decoded->detail,
				  sizeof(ret_decoded->detail));
	if (ret)
		return ret;
	/* The handle's epoch says nothing about a page. */
	ret_decoded->sample.epoch = 0;
	ret_decoded->has_marker =
		paraclock_marker(clk, &ret_decoded->marker) == 0;
	if (!ret_decoded->has_marker)
		ret_decoded->sample.marker_class = PARACLOCK_MARKER_NONE;
	return 0;
}

/* @p page must not change meanwhile. */
static int decode_page(const char *backend, const char *page, size_t size,
		       uint64_t counter, struct decoded *ret_decoded)
{
	struct image image = { page, size, counter };
	const struct paraclock_env env = {
		.size = sizeof(env),
		.ctx = &image,
		.counter_id = PARACLOCK_COUNTER_ANY,
		.counter = image_counter,
		.map_page = image_map_page,
		.unmap_page = image_unmap_page,
		.pread = image_pread,
		.alloc = image_alloc,
		.free = image_free,
	};
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.env = &env,
		.device = "the page",
		.detail = ret_decoded->detail,
		.detail_size = sizeof(ret_decoded->detail),
	};
	struct paraclock *clk;
	int ret = paraclock_open(&clk, &opts);

	if (ret) {
		if (!ret_decoded->detail[0])
			paraclock_explain(NULL, ret, NULL, ret_decoded->detail,
					  sizeof(ret_decoded->detail));
		return ret;
	}
	ret = decode_with(clk, counter, ret_decoded);
	paraclock_close(clk);
	return ret;
}

/* --- devices of the caller's ---------------------------------------------- */

static int get_device_time(void *ctx, struct paraclock_sample *ret_sample);

static int correlate(const struct paraclock_env *env, void *ctx,
		     const struct paraclock_coupling *coupling,
		     const struct history *history,
		     struct paraclock_crosststamp *ret_xt)
{
	return paraclock_correlate(env, get_device_time, ctx, coupling,
				   history ? history->hist : NULL, ret_xt);
}
