// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "observer.h"

/* A pair that is wider is not valid. PTP clocks are read by a system call, in a
 * slow guest by one of milliseconds; the width is part of the bound. */
#define MAX_PAIR_ERROR_NS 10000000

/* The source is asked so often while the clock waits for it, or a marker in
 * memory is looked at. */
#define SOON_NS LOOK_NS

/* After so long, another source may answer instead. */
#define WAIT_NS (10 * NSEC_PER_SEC)

/* --- the source ----------------------------------------------------------- */

/* A text that fills its buffer was cut off: end it at a whole clause. */
static void end_whole(char *text, size_t size)
{
	static const char rest[] = "; 'paraclock status' says more";
	char *end;

	if (strlen(text) < size - 1)
		return;
	text[size - sizeof(rest)] = '\0';
	end = strrchr(text, ';');
	if (end)
		memcpy(end, rest, sizeof(rest));
}

/* Without a name, only a source that says what time it is will do. */
static int open_source(struct observer *observer, struct paraclock **ret_clk)
{
	const struct source *source = &observer->options->source;
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = source->backend,
		.device = source->device,
		.flags = source->flags,
		.timescales = source->timescales,
		.max_pair_error_ns = MAX_PAIR_ERROR_NS,
		.detail = observer->detail,
		.detail_size = sizeof(observer->detail),
	};
	int ret;

	if (!source->timescales && !source->backend &&
	    !observer->options->markers_will_do)
		opts.timescales = TIMESCALES_UTC;
	observer->opened_ns = loop_now_ns();
	observer->detail[0] = '\0';
	ret = paraclock_open(ret_clk, &opts);
	/* The vmclocks of QEMU and Firecracker are never valid, and tell of each
	 * disruption. */
	if (ret && observer->options->markers_will_do && !source->backend) {
		opts.backend = "vmclock";
		ret = paraclock_open(ret_clk, &opts);
	}
	if (ret && !observer->detail[0])
		paraclock_explain(NULL, ret, NULL, observer->detail,
				  sizeof(observer->detail));
	end_whole(observer->detail, sizeof(observer->detail));
	return ret;
}

static void on_event(void *arg);

static void watch_events(struct observer *observer)
{
	int fd = observer->runs && observer->keeper.clk
			 ? paraclock_event_fd(observer->keeper.clk)
			 : -1;

	if (fd >= 0)
		(void)loop_watch(observer->loop, fd, POLLIN, on_event,
				 observer);
}

static void close_source(struct observer *observer, struct paraclock *clk)
{
	int fd = observer->runs && clk ? paraclock_event_fd(clk) : -1;

	if (fd >= 0)
		(void)loop_watch(observer->loop, fd, 0, NULL, NULL);
	paraclock_close(clk);
}

static void tell_missing(struct observer *observer)
{
	if (observer->is_told)
		return;
	observer->is_told = true;
	service_log(LOG_LEVEL_WARNING, "waiting for a host clock: %s",
		    observer->detail);
	if (observer->missing)
		observer->missing(observer->missing_ctx);
}

/* If the old source is gone, or has said nothing for long, look for one that
 * answers. */
bool observer_find(struct observer *observer)
{
	struct paraclock *found, *old;

	/* Whoever wants markers alone does not mind that it gives no time. */
	if (observer->keeper.clk && !observer->keeper.is_lost &&
	    observer->options->markers_will_do)
		return true;
	if (observer->keeper.clk && !observer->keeper.is_lost &&
	    (!observer->keeper.is_unfit || observer->options->source.backend) &&
	    (!observer->waiting_ns ||
	     loop_now_ns() - observer->waiting_ns < WAIT_NS))
		return true;
	/* Looking for one costs more than a look. */
	if (observer->opened_ns &&
	    loop_now_ns() - observer->opened_ns < NSEC_PER_SEC)
		return observer->keeper.clk;
	if (open_source(observer, &found)) {
		if (!observer->keeper.clk)
			tell_missing(observer);
		return observer->keeper.clk;
	}
	/* From here on it watches, before the old one is asked a last time. */
	if (observer->runs)
		(void)paraclock_event_fd(found);
	old = observer->keeper.clk;
	keeper_set_clock(&observer->keeper, found);
	close_source(observer, old);
	observer->is_told = false;
	watch_events(observer);
	return true;
}

/* --- looking -------------------------------------------------------------- */

enum keep_state observer_look(struct observer *observer)
{
	enum keep_state state = KEEP_WAITING;

	observer->looked_ns = loop_now_ns();
	if (observer_find(observer))
		state = keeper_look(&observer->keeper);
	if (state != KEEP_WAITING)
		observer->waiting_ns = 0;
	else if (!observer->waiting_ns)
		observer->waiting_ns = loop_now_ns();
	if (observer->looked)
		observer->looked(observer->looked_ctx);
	return state;
}

static void on_interval(void *arg)
{
	struct observer *observer = arg;
	int64_t next = observer->options->interval_ns;

	if (observer_look(observer) == KEEP_WAITING && next > SOON_NS)
		/* A source that has been silent for long costs no more than
		 * one that answers. */
		next = loop_now_ns() - observer->waiting_ns < WAIT_NS ? SOON_NS
								      : next;
	(void)loop_timer(observer->loop, next, on_interval, observer);
}

/* Almost: the process then wakes once for both. */
static bool is_due(const struct observer *observer)
{
	int64_t interval_ns = observer->options->interval_ns;

	return loop_now_ns() - observer->looked_ns >=
	       interval_ns - interval_ns / 10;
}

/* The descriptor also becomes readable once a second by itself, and a kernel may
 * log much: only a disruption is worth a measurement. */
static void on_event(void *arg)
{
	struct observer *observer = arg;

	if (is_due(observer) || !observer->keeper.clk ||
	    observer->keeper.state == KEEP_WAITING ||
	    keeper_has_news(&observer->keeper))
		on_interval(observer);
}

/* A marker in memory that wakes nobody. Only /dev/mem needs system calls. */
static void on_marker(void *arg)
{
	struct observer *observer = arg;
	const struct keeper *keeper = &observer->keeper;

	if (observer->options->source.flags & PARACLOCK_DEVICE_MEMORY)
		on_event(observer);
	else if (keeper->clk &&
		 paraclock_disrupted(keeper->clk, keeper->last.sample.epoch))
		on_interval(observer);
	(void)loop_timer(observer->loop, SOON_NS, on_marker, observer);
}

/* --- its life ------------------------------------------------------------- */

const struct keep_rules observer_rules = {
	.on_disruption = KEEP_REPORT,
	.otherwise = KEEP_REPORT,
	.step_above_ns = INT64_MAX,
	.jump_above_ns = NSEC_PER_SEC / 10,
	.assume_error_ns = NSEC_PER_SEC,
	.max_step_ns = -1,
	.earliest_ns = KEEP_EARLIEST_NS,
};

/* A source that will never do is a mistake of the user's. */
static int check_source(struct observer *observer)
{
	struct measurement m;
	struct judgement judgement;
	const struct situation none = { 0 };

	if (!observer->keeper.clk || observer->options->markers_will_do)
		return STATUS_OK;
	keeper_measure(&observer->keeper, &m);
	if (m.error)
		return STATUS_OK;
	judgement = judge(observer->keeper.rules, &none, &m);
	if (!keep_is_unfit(judgement.why))
		return STATUS_OK;
	warnx("%s: %s", paraclock_backend_name(observer->keeper.clk),
	      keep_why_text(judgement.why));
	return STATUS_FAILED;
}

static int open_first(struct observer *observer)
{
	const struct source *source = &observer->options->source;
	struct paraclock *clk;
	int ret = open_source(observer, &clk);

	if (!ret) {
		keeper_set_clock(&observer->keeper, clk);
		return check_source(observer);
	}
	/* It may come; a wrong name never does. source_open() says so. */
	if (ret == -EINVAL && source->backend)
		return source_open(source, &clk) ? STATUS_USAGE : STATUS_OK;
	return STATUS_OK;
}

int observer_open(struct observer *observer,
		  const struct observer_options *options, struct loop *loop,
		  const struct keep_rules *rules, const struct keep_ops *ops)
{
	int ret;

	*observer = (struct observer){ .options = options, .loop = loop };
	keeper_init(&observer->keeper, rules, ops, NULL);
	ret = open_first(observer);
	if (ret)
		observer_close(observer);
	return ret;
}

void observer_start(struct observer *observer)
{
	observer->runs = true;
	watch_events(observer);
	if (!observer->keeper.clk)
		tell_missing(observer);
	on_interval(observer);
	on_marker(observer);
}

void observer_close(struct observer *observer)
{
	(void)loop_timer(observer->loop, -1, on_interval, observer);
	(void)loop_timer(observer->loop, -1, on_marker, observer);
	close_source(observer, observer->keeper.clk);
	observer->keeper.clk = NULL;
}
