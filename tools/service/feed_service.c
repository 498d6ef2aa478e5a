// SPDX-License-Identifier: MIT
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <paraclock/backend.h>

#include "feed_burst.h"
#include "feed_config.h"
#include "feed_service.h"
#include "feed_start.h"
#include "feed_tell.h"
#include "steer.h"

/* So soon something else may be in the way, or nothing. */
#define SOON_NS LOOK_NS

/* chronyd that has just started shall not wait for a long interval. */
#define RETRY_NS NSEC_PER_SEC

/* No longer than this does a sample wait for a chronyc that hangs. */
#define HOLD_NS (5 * NSEC_PER_SEC)

/* --- the ops -------------------------------------------------------------- */

/* chronyd is told when the disruption is noticed, not when it is over. */
static void forget(void *arg)
{
	(void)arg;
}

/* The looks tell. */
static void tell(void *arg, const struct keep_news *news)
{
	(void)arg;
	(void)news;
}

/* --- a sample ------------------------------------------------------------- */

static bool read_clocks(const struct paraclock_env *env, struct feed_now *now)
{
	return env->read_clock &&
	       !env->read_clock(env->ctx, CLOCK_MONOTONIC_RAW,
				&now->before_raw_ns) &&
	       !env->read_clock(env->ctx, CLOCK_REALTIME, &now->real_ns) &&
	       !env->read_clock(env->ctx, CLOCK_MONOTONIC_RAW,
				&now->after_raw_ns);
}

/* Is it still true? Asked just before it goes out. */
static enum feed_why check(struct feed *feed, const struct feed_sample *sample)
{
	struct keeper *keeper = &feed->observer.keeper;
	struct feed_now now;

	if (!read_clocks(keeper->env, &now) || !feed_is_current(sample, &now))
		return FEED_WHY_CLOCK_SET;
	if (keeper_has_news(keeper) ||
	    keeper->disruptions != feed->disruptions ||
	    paraclock_disrupted(keeper->clk, sample->epoch))
		return FEED_WHY_DISRUPTED;
	return FEED_WHY_NONE;
}

static bool is_too_wide(struct feed *feed, const struct feed_sample *sample)
{
	const struct feed_options *options = feed->options;

	/* Lines carry the bound with each sample. */
	if (!options->sock && options->unit < 0 && options->delay_ns < 0)
		return false;
	if (feed->delay_ns < 0) {
		feed->delay_ns = feed_config_delay(
			sample, options->rules.assume_error_ns);
		feed_tell_delay(feed);
	}
	return sample->bound_ns > feed_config_limit(feed->delay_ns);
}

static enum feed_why deliver(struct feed *feed,
			     const struct feed_sample *sample)
{
	enum feed_why why = FEED_WHY_NONE;
	unsigned int delivered = 0;

	for (unsigned int i = 0; i < feed->outputs && !why; i++) {
		why = check(feed, sample);
		if (!why)
			delivered += feed_output_send(&feed->output[i], sample);
	}
	feed->samples += delivered != 0;
	return why;
}

static void on_retry(void *arg)
{
	struct feed *feed = arg;

	(void)observer_look(&feed->observer);
}

static void look_again(struct feed *feed, int64_t in_ns)
{
	if (in_ns < feed->options->observer.interval_ns)
		(void)loop_timer(feed->observer.loop, in_ns, on_retry, feed);
}

static void note_failures(struct feed *feed)
{
	const struct feed_options *options = feed->options;

	for (unsigned int i = 0; i < feed->outputs; i++) {
		if (feed->output[i].error)
			look_again(feed, RETRY_NS);
	}
	/* Nobody will ever read what only stdout is for. */
	if (options->lines && feed->outputs == 1 &&
	    feed->output[0].error == -EPIPE)
		loop_end(feed->observer.loop, STATUS_FAILED);
	if (options->count && feed->samples >= options->count)
		loop_end(feed->observer.loop, STATUS_OK);
}

static void withdraw(struct feed *feed)
{
	for (unsigned int i = 0; i < feed->outputs; i++)
		feed_output_withdraw(&feed->output[i]);
}

static void feed_once(struct feed *feed)
{
	const struct feed_sample *sample = &feed->sample;
	enum feed_why why;

	if (!feed_take(feed, &feed->sample, &why)) {
		feed->has_sample = true;
		if (sample->bound_ns > feed->largest_bound_ns)
			feed->largest_bound_ns = sample->bound_ns;
		if (is_too_wide(feed, sample))
			why = FEED_WHY_WIDE;
		else
			why = deliver(feed, sample);
	}
	if (why) {
		feed_enter(feed, FEED_WAITING, why);
		if (why == FEED_WHY_DISRUPTED || why == FEED_WHY_CLOCK_SET)
			withdraw(feed);
		/* A reason that lasts needs no haste. */
		if (feed->observer.keeper.disruptions != feed->disruptions)
			look_again(feed, 0);
		else if (why == FEED_WHY_DISRUPTED || why == FEED_WHY_CLOCK_SET)
			look_again(feed, SOON_NS);
		else if (why == FEED_WHY_SOURCE)
			look_again(feed, RETRY_NS);
		return;
	}
	feed_tell_leap(feed, sample->leap);
	feed_enter(feed, FEED_FEEDING, FEED_WHY_NONE);
	note_failures(feed);
}

/* --- a look --------------------------------------------------------------- */

/* It was true until a moment ago, and is now of another time. */
static void stop_at_once(struct feed *feed)
{
	const struct feed_options *options = feed->options;
	bool has_static = options->sock || options->unit >= 0;

	feed->disruptions = feed->observer.keeper.disruptions;
	withdraw(feed);
	feed->has_sample = false;
	feed_tell_disruption(feed);
	if (has_static && !options->no_reset) {
		chrony_forget(&feed->chrony);
		feed->hold_until_ns = loop_now_ns() + HOLD_NS;
	}
}

/* chronyd is told before the end: nobody tells it later. */
static void on_end(void *arg)
{
	struct feed *feed = arg;

	if (chrony_is_busy(&feed->chrony) &&
	    loop_now_ns() < feed->hold_until_ns)
		(void)loop_timer(feed->observer.loop, SOON_NS, on_end, feed);
	else
		loop_end(feed->observer.loop, STATUS_FAILED);
}

/* What --start-utc says is true no more. */
static void end_for_good(struct feed *feed)
{
	const struct feed_options *options = feed->options;
	int ret = feed_start_set_void(options->folder,
				      options->rules.start_utc_ns);

	feed_enter(feed, FEED_ENDED, FEED_WHY_DISRUPTED);
	if (ret)
		service_log(LOG_LEVEL_WARNING,
			    "%s/start.void: %s; do not start feed with this "
			    "--start-utc again",
			    options->folder, paraclock_error_name(ret));
	on_end(feed);
}

/* Also if the source was opened anew: nobody has watched it in between. The new
 * handle is opened before the old one is closed, so that it is another. */
static bool is_start_void(struct feed *feed)
{
	const struct keeper *keeper = &feed->observer.keeper;

	if (!feed->options->rules.has_start)
		return false;
	if (!feed->clk)
		feed->clk = keeper->clk;
	return keeper->disruptions != feed->disruptions ||
	       keeper->clk != feed->clk;
}

static bool holds(const struct feed *feed)
{
	return feed->chrony.is_running && loop_now_ns() < feed->hold_until_ns;
}

static void looked(void *arg)
{
	struct feed *feed = arg;
	const struct keeper *keeper = &feed->observer.keeper;

	if (feed->state == FEED_ENDED)
		return;
	if (is_start_void(feed)) {
		stop_at_once(feed);
		end_for_good(feed);
		return;
	}
	if (keeper->disruptions != feed->disruptions) {
		stop_at_once(feed);
		feed_enter(feed, FEED_WAITING, FEED_WHY_DISRUPTED);
	}
	if (!keeper->clk || keeper->state != KEEP_RIGHT) {
		feed->keep_why = keeper->clk ? keeper->why : KEEP_WHY_NO_ANSWER;
		feed_enter(feed, FEED_WAITING, FEED_WHY_SOURCE);
	} else if (holds(feed)) {
		look_again(feed, SOON_NS);
	} else {
		feed_once(feed);
	}
	/* While it waits it looks often, and a file is three system calls. */
	if (feed->is_changed ||
	    loop_now_ns() - feed->written_ns > NSEC_PER_SEC / 2)
		feed_write_state(feed);
}

/* --- its life ------------------------------------------------------------- */

static void open_outputs(struct feed *feed)
{
	const struct feed_options *options = feed->options;

	feed_lines_open(&feed->only_events, STDOUT_FILENO);
	feed->lines = &feed->only_events;
	/* Its length was checked with the options. */
	if (options->sock &&
	    !feed_sock_open(&feed->output[feed->outputs], options->sock))
		feed->outputs++;
	if (options->unit >= 0)
		feed_shm_open(&feed->output[feed->outputs++], options->unit);
	if (options->lines) {
		feed->lines = &feed->output[feed->outputs++];
		feed_lines_open(feed->lines, STDOUT_FILENO);
	}
}

int feed_open(struct feed *feed, const struct feed_options *options,
	      struct loop *loop)
{
	int ret;

	*feed = (struct feed){
		.options = options,
		.delay_ns = options->delay_ns,
		.chrony = { .loop = loop, .socket = options->chronyc_socket },
		.leap = PARACLOCK_LEAP_NONE,
		.ops = {
			.ctx = feed,
			.kernel = steer_kernel,
			.suspended = steer_suspended,
			.leap_table = feed_leap_table,
			.tai_offset = feed_tai_offset,
			.forget = forget,
			.tell = tell,
		},
	};
	ret = observer_open(&feed->observer, &options->observer, loop,
			    &options->rules, &feed->ops);
	if (ret)
		return ret;
	feed->observer.looked = looked;
	feed->observer.looked_ctx = feed;
	open_outputs(feed);
	return STATUS_OK;
}

void feed_start(struct feed *feed)
{
	observer_start(&feed->observer);
}

void feed_close(struct feed *feed)
{
	bool ran = feed->observer.runs;

	(void)loop_timer(feed->observer.loop, -1, on_retry, feed);
	(void)loop_timer(feed->observer.loop, -1, on_end, feed);
	observer_close(&feed->observer);
	for (unsigned int i = 0; i < feed->outputs; i++)
		feed_output_close(&feed->output[i]);
	if (ran)
		feed_remove_state(feed);
}
