// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "export_sources.h"
#include "service.h"

/* Looking for a source that is not there reads some files. */
#define SEARCH_NS (10 * NSEC_PER_SEC)
/* One that was lost may come back under the same name at once. */
#define SEARCH_SOON_NS (2 * NSEC_PER_SEC)

/* --- which sources -------------------------------------------------------- */

struct listing_arg {
	struct export_sources *sources;
	const struct source *only;
};

/* What gives markers alone is no clock. */
static bool is_wanted(const struct listing_arg *arg,
		      const struct paraclock_listing *listing)
{
	if (arg->only->backend)
		return strcmp(arg->only->backend, listing->name) == 0;
	return listing->error || listing->gives_time;
}

static int add(void *ctx, const struct paraclock_listing *listing)
{
	struct listing_arg *arg = ctx;
	struct export_data *data = arg->sources->data;
	struct export_follower *follower;
	struct export_source *source;

	if (!is_wanted(arg, listing) || data->source_count == EXPORT_SOURCES)
		return 0;
	follower = &arg->sources->followers[data->source_count];
	source = &data->sources[data->source_count++];
	snprintf(follower->name, sizeof(follower->name), "%s", listing->name);
	follower->source = *arg->only;
	follower->source.backend = follower->name;
	follower->data = source;
	source->backend = follower->name;
	return 0;
}

int sources_open(struct export_sources *sources, const struct source *only,
		 struct export_data *data)
{
	struct listing_arg arg = { sources, only };
	struct export_follower *first = &sources->followers[0];

	sources->data = data;
	data->source_count = 0;
	(void)paraclock_list(NULL, add, &arg);
	if (only->backend && !data->source_count) {
		warnx("-b %s: not a backend of this build; 'paraclock status' "
		      "lists them",
		      only->backend);
		return STATUS_USAGE;
	}
	for (size_t i = 0; i < data->source_count; i++) {
		/* The combination of options is wrong, and stays so. */
		if (follower_open(&sources->followers[i]) == -EINVAL &&
		    only->backend) {
			warnx("%s", first->detail);
			return STATUS_USAGE;
		}
	}
	if (only->backend && !first->clk)
		service_log(LOG_LEVEL_WARNING, "waiting for %s: %s",
			    first->name, first->detail);
	return STATUS_OK;
}

void sources_close(struct export_sources *sources)
{
	for (size_t i = 0; i < sources->data->source_count; i++)
		follower_close(&sources->followers[i]);
}

/* --- following ------------------------------------------------------------ */

static void on_event(void *arg)
{
	follower_take_events(arg);
}

static void watch(struct export_sources *sources,
		  struct export_follower *follower)
{
	const int fd = follower->clk ? paraclock_event_fd(follower->clk) : -1;

	if (fd >= 0)
		(void)loop_watch(sources->loop, fd, POLLIN, on_event, follower);
}

static void unwatch(struct export_sources *sources,
		    const struct export_follower *follower)
{
	const int fd = follower->clk ? paraclock_event_fd(follower->clk) : -1;

	if (fd >= 0)
		(void)loop_watch(sources->loop, fd, 0, NULL, NULL);
}

static bool is_missing(const struct export_follower *follower)
{
	return !follower->clk || follower->is_lost;
}

/* What is still there, though it gives no answer, stays open. */
static void search(struct export_sources *sources,
		   struct export_follower *follower)
{
	const bool was_open = follower->clk;
	int ret;

	unwatch(sources, follower);
	ret = follower_open(follower);
	if (ret == -ENODEV || ret == -EACCES)
		follower_close(follower);
	watch(sources, follower);
	if (was_open && !follower->clk)
		service_log(LOG_LEVEL_WARNING, "%s is gone: %s", follower->name,
			    follower->detail);
	else if (!was_open && follower->clk)
		service_log(LOG_LEVEL_NOTICE, "%s is here", follower->name);
}

static void on_search(void *arg)
{
	struct export_sources *sources = arg;

	for (size_t i = 0; i < sources->data->source_count; i++) {
		if (is_missing(&sources->followers[i]))
			search(sources, &sources->followers[i]);
	}
	(void)loop_timer(sources->loop, SEARCH_NS, on_search, sources);
}

void sources_start(struct export_sources *sources, struct loop *loop)
{
	sources->loop = loop;
	for (size_t i = 0; i < sources->data->source_count; i++)
		watch(sources, &sources->followers[i]);
	(void)loop_timer(loop, SEARCH_NS, on_search, sources);
}

/* --- collecting ----------------------------------------------------------- */

/* The clocksource, and after a migration the frequency, may be others. */
static uint64_t count_changes(const struct export_data *data)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < data->source_count; i++) {
		const struct export_source *source = &data->sources[i];

		sum += source->events[EXPORT_CLOCKSOURCE_CHANGED];
		for (size_t k = 0; k < EXPORT_DISRUPTIONS; k++)
			sum += source->disruptions[k];
	}
	return sum;
}

/* It measures for some ms: only when something has changed. */
static void describe(struct export_sources *sources)
{
	struct export_data *data = sources->data;
	const uint64_t changes = count_changes(data);

	if (data->has_machine && changes == sources->changes)
		return;
	sources->changes = changes;
	data->machine = (struct paraclock_machine){
		.size = sizeof(data->machine),
	};
	data->has_machine = !paraclock_describe_machine(NULL, &data->machine);
}

void sources_collect(struct export_sources *sources)
{
	struct export_data *data = sources->data;
	bool is_lost = false;

	for (size_t i = 0; i < data->source_count; i++) {
		const bool was_lost = sources->followers[i].is_lost;

		follower_collect(&sources->followers[i]);
		is_lost |= sources->followers[i].is_lost && !was_lost;
	}
	describe(sources);
	if (is_lost && sources->loop)
		(void)loop_timer(sources->loop, SEARCH_SOON_NS, on_search,
				 sources);
}
