// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <paraclock/backend.h>

#include "serve_service.h"

/* SYNCHRONIZED for so many intervals, and never longer without the host's own
 * marker: a restore would go unseen. */
#define FRESH_INTERVALS 4
#define ALONE_NS	(60 * NSEC_PER_SEC)

/* chronyd is asked no more often. */
#define KERNEL_INTERVAL_NS NSEC_PER_SEC

/* Readings of a snapshot beyond what it promises: while chronyd slews by the
 * tick, 8 % of some 50 ns. */
#define SLEWED_READING_NS 10

/* --- the page ------------------------------------------------------------- */

static void set_marker(struct serve *serve)
{
	struct paraclock_timeline *tl = &serve->track.tl;

	tl->flags &=
		~(PARACLOCK_TIMELINE_INFERRED | PARACLOCK_TIMELINE_GENERATION);
	if (!serve->has_marker) {
		tl->flags |= PARACLOCK_TIMELINE_INFERRED;
		tl->marker = serve->marker;
		return;
	}
	/* Readers compare it with the device's own. While the host contradicts
	 * itself it has to be another one. */
	tl->marker = serve->is_odd_marker ? ~serve->host_marker.value
					  : serve->host_marker.value;
	tl->generation = serve->host_marker.generation;
	if (tl->generation)
		tl->flags |= PARACLOCK_TIMELINE_GENERATION;
}

/* The source's own marker, if the host vouches for it. */
static void find_marker(struct serve *serve)
{
	const struct keeper *keeper = &serve->observer.keeper;
	struct paraclock_sample sample;

	serve->has_marker =
		keeper->clk && !paraclock_read(keeper->clk, &sample) &&
		sample.marker_class == PARACLOCK_MARKER_AUTHORITATIVE &&
		!paraclock_marker(keeper->clk, &serve->host_marker);
}

static int try_to_write(struct serve *serve)
{
	set_marker(serve);
	serve->track.tl.counter = paraclock_default_env()->counter_id;
	if (serve->options->from_kernel)
		serve->track.tl.flags |= SERVE_OWN_KERNEL;
	return serve_page_write(&serve->page, &serve->track.tl);
}

static void set_reason(struct serve *serve, const char *why, const char *text)
{
	snprintf(serve->why, sizeof(serve->why), "%s", why);
	snprintf(serve->text, sizeof(serve->text), "%s", text);
}

/* Nothing told of a disruption, and yet one of two intervals is wrong. */
static void set_contradicted(struct serve *serve)
{
	serve->is_disrupted = true;
	serve->is_odd_marker = true;
	serve->marker++;
	set_reason(serve, "contradicted",
		   "the source contradicts what was published; published again "
		   "when three measurements agree");
	if (serve->kernel)
		serve_kernel_forget(serve);
}

static void write_page(struct serve *serve)
{
	int ret = try_to_write(serve);

	if (ret == -ESTALE && serve_track_has_time(&serve->track)) {
		/* The page of an earlier process promises something else. */
		serve_track_contradict(&serve->track);
		set_contradicted(serve);
		ret = try_to_write(serve);
	}
	if (!ret) {
		serve->publications++;
		serve->write_error[0] = '\0';
		return;
	}
	/* Nobody may believe what is there any longer; next time again. */
	serve_page_freeze(&serve->page);
	if (!serve->write_error[0])
		service_log(LOG_LEVEL_ERROR,
			    "%s: cannot be written: %s; trying again",
			    serve->page.path, strerror(-ret));
	snprintf(serve->write_error, sizeof(serve->write_error), "%s",
		 strerror(-ret));
}

/* --- the segment ---------------------------------------------------------- */

static int64_t clock_ns(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now))
		return -1;
	return (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

int serve_realtime(struct serve *serve, struct serve_realtime *ret_real)
{
	const unsigned int needed = 1U << PARACLOCK_CLOCK_REALTIME |
				    1U << PARACLOCK_CLOCK_MONOTONIC;
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	int64_t as_of_ns = clock_ns(CLOCK_MONOTONIC_COARSE);
	int ret = paraclock_snapshot(NULL, &snap);

	if (ret)
		return ret;
	if (!snap.valid_for_correlation || (snap.known & needed) != needed)
		return -ENODEV;
	*ret_real = (struct serve_realtime){
		.as_of_ns = as_of_ns,
		.mono_ns = snap.ns[PARACLOCK_CLOCK_MONOTONIC],
		.counter = snap.counter,
		.real_ns = snap.ns[PARACLOCK_CLOCK_REALTIME],
		.error_ns = snap.uncertainty_ns + SLEWED_READING_NS,
		.slew_ppb = serve->options->slew_ppb,
	};
	return 0;
}

/* Clients look at this device, whatever -d says. */
static bool clients_see_marker(const struct serve *serve)
{
	const char *device = serve->options->observer.source.device;
	struct stat st;

	return serve->has_marker && !serve->is_odd_marker &&
	       (!device || strcmp(device, "/dev/vmclock0") == 0) &&
	       !stat("/dev/vmclock0", &st) && S_ISCHR(st.st_mode) &&
	       st.st_mode & S_IROTH;
}

static int32_t bound_status(const struct serve *serve)
{
	if (serve->track.tl.status == PARACLOCK_STATUS_SYNCHRONIZED)
		return SERVE_BOUND_SYNCHRONIZED;
	if (serve->track.tl.status == PARACLOCK_STATUS_FREERUNNING)
		return SERVE_BOUND_FREERUNNING;
	return serve->is_disrupted ? SERVE_BOUND_DISRUPTED
				   : SERVE_BOUND_UNKNOWN;
}

void serve_bound(struct serve *serve)
{
	struct serve_bound bound = { 0 };
	struct serve_realtime real;
	int32_t status = bound_status(serve);
	int ret;

	if (!serve->options->clockbound)
		return;
	if (!serve_track_has_time(&serve->track) ||
	    serve_realtime(serve, &real) ||
	    serve_bound_of(&serve->track.tl, &real, &bound)) {
		/* Void at once. */
		bound.as_of_ns = clock_ns(CLOCK_MONOTONIC_COARSE);
		bound.void_after_ns = bound.as_of_ns;
		bound.bound_ns = SERVE_NO_BOUND_NS;
		if (status != SERVE_BOUND_DISRUPTED)
			status = SERVE_BOUND_UNKNOWN;
	}
	bound.status = status;
	bound.has_marker = clients_see_marker(serve);
	bound.marker = serve->host_marker.value;
	ret = serve_segment_write(&serve->segment, &bound);
	if (ret && ret != serve->segment_error)
		service_log(LOG_LEVEL_ERROR,
			    "%s: cannot be written: %s; trying again",
			    serve->options->clockbound, strerror(-ret));
	serve->segment_error = ret;
}

/* --- what happens --------------------------------------------------------- */

void serve_age(struct serve *serve)
{
	if (serve_track_age(&serve->track, &serve->rules, serve->has_marker,
			    loop_now_ns()) ||
	    !serve->page.file.memory || serve->write_error[0])
		write_page(serve);
}

void serve_measured(struct serve *serve, const struct serve_claim *claim,
		    int64_t age_ns)
{
	struct serve_track *track = &serve->track;
	int64_t now_ns = loop_now_ns();

	switch (serve_track_measured(track, claim, now_ns)) {
	case SERVE_PUBLISH:
		serve->is_disrupted = false;
		serve->is_odd_marker = false;
		set_reason(serve, "", "");
		track->reference_ns = now_ns - age_ns;
		(void)serve_track_age(track, &serve->rules, serve->has_marker,
				      now_ns);
		break;
	case SERVE_CONTRADICTED:
		set_contradicted(serve);
		break;
	case SERVE_UNUSABLE:
		serve_not_measured(serve, "unusable",
				   "what the source says cannot be expressed");
		return;
	default:
		return;
	}
	write_page(serve);
}

void serve_not_measured(struct serve *serve, const char *why,
			const char *format, ...)
{
	char text[sizeof(serve->text)];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	set_reason(serve, why, text);
	serve_age(serve);
}

void serve_doubt(struct serve *serve)
{
	if (serve_track_doubt(&serve->track))
		write_page(serve);
	serve_bound(serve);
}

void serve_contradict(struct serve *serve)
{
	serve_track_contradict(&serve->track);
	set_contradicted(serve);
	write_page(serve);
	serve_bound(serve);
}

/* The page first: every reader from now on knows. */
void serve_disrupt(struct serve *serve, const char *why, const char *text)
{
	serve->is_disrupted = true;
	serve->is_odd_marker = false;
	serve->marker++;
	find_marker(serve);
	serve_track_disrupt(&serve->track);
	write_page(serve);
	serve_bound(serve);
	serve->readings.count = 0;
	serve->readings.spacing_ns = 0;
	set_reason(serve, why, text);
	if (serve->kernel)
		serve_kernel_forget(serve);
}

static void look_for_disruption(struct serve *serve)
{
	const struct keeper *keeper = &serve->observer.keeper;
	const char *kind = keeper->cause.kind ? keeper->cause.kind
					      : keeper->last_cause.kind;
	char text[128];

	if (keeper->disruptions == serve->seen)
		return;
	serve->seen = keeper->disruptions;
	snprintf(text, sizeof(text), "this machine was disrupted (%s)",
		 kind ? kind : "unknown");
	serve_disrupt(serve, "disrupted", text);
}

/* The keeper asks this after it has taken the events, and before it measures,
 * which takes long after a restore. */
static int suspended(void *arg, int64_t *ret_ns)
{
	look_for_disruption(arg);
	return steer_suspended(arg, ret_ns);
}

static void looked(void *arg)
{
	struct serve *serve = arg;

	look_for_disruption(serve);
	find_marker(serve);
	if (serve->kernel)
		serve_kernel_look(serve);
	else
		serve_host_look(serve);
	serve_bound(serve);
	serve_tell(serve);
}

/* Between two intervals: has the source jumped? */
static void on_check(void *arg)
{
	struct serve *serve = arg;

	if (!serve->kernel)
		serve_host_check(serve);
	serve_tell(serve);
	(void)loop_timer(serve->loop, LOOK_NS, on_check, serve);
}

/* Somebody has set CLOCK_REALTIME: the segment is void, and so is the pair of
 * clock and correction that chronyd's words make. */
static void on_set(void *arg)
{
	struct serve *serve = arg;

	if (!steer_was_set(serve))
		return;
	(void)steer_arm(serve);
	if (serve->kernel)
		serve_disrupt(serve, "clock-set",
			      "CLOCK_REALTIME was set; waiting for chronyd's "
			      "next update");
	serve_bound(serve);
	serve_tell(serve);
}

static void ignore(void *arg)
{
	(void)arg;
}

static void ignore_news(void *arg, const struct keep_news *news)
{
	(void)arg;
	(void)news;
}

/* --- its life ------------------------------------------------------------- */

static void set_rules(struct serve *serve)
{
	int64_t interval_ns = serve->options->observer.interval_ns;

	if (serve->options->from_kernel && interval_ns < KERNEL_INTERVAL_NS)
		interval_ns = KERNEL_INTERVAL_NS;
	serve->rules = (struct serve_rules){
		.fresh_ns = FRESH_INTERVALS * interval_ns,
		.alone_ns = ALONE_NS,
	};
}

static int open_source(struct serve *serve)
{
	char why[256];

	if (steer_open(&serve->steer, "", why, sizeof(why))) {
		warnx("%s", why);
		return STATUS_FAILED;
	}
	serve->ops = (struct keep_ops){
		.ctx = serve,
		.kernel = steer_kernel,
		.suspended = suspended,
		.leap_table = steer_leap_table,
		.tai_offset = serve_kernel_tai,
		.forget = ignore,
		.tell = ignore_news,
	};
	return observer_open(&serve->observer, &serve->options->observer,
			     serve->loop, &serve->options->rules, &serve->ops);
}

int serve_open(struct serve *serve, const struct serve_options *options,
	       struct loop *loop)
{
	char why[512];
	int ret;

	*serve = (struct serve){ .options = options, .loop = loop };
	serve->segment.file.path = options->clockbound;
	serve->told_status = -1;
	set_rules(serve);
	serve_track_init(&serve->track);
	if (service_check_place(options->in_container, why, sizeof(why)) ||
	    serve_page_open(&serve->page, options->folder, why, sizeof(why))) {
		warnx("%s", why);
		return STATUS_FAILED;
	}
	/* While nobody served, anything may have happened. */
	serve->marker = serve->page.found + 1;
	ret = open_source(serve);
	if (!ret && options->from_kernel)
		ret = serve_kernel_open(serve);
	else if (!ret)
		ret = serve_host_check_bound(serve);
	if (!ret) {
		find_marker(serve);
		ret = try_to_write(serve);
		if (ret)
			warnx("%s: %s", serve->page.path, strerror(-ret));
		ret = ret ? STATUS_FAILED : STATUS_OK;
	}
	if (ret)
		serve_close(serve);
	return ret;
}

void serve_start(struct serve *serve)
{
	serve->observer.looked = looked;
	serve->observer.looked_ctx = serve;
	(void)steer_arm(serve);
	(void)loop_watch(serve->loop, serve->steer.watch_fd, POLLIN, on_set,
			 serve);
	observer_start(&serve->observer);
	on_check(serve);
}

void serve_close(struct serve *serve)
{
	serve_kernel_close(serve);
	if (serve->steer.watch_fd > 0)
		(void)loop_watch(serve->loop, serve->steer.watch_fd, 0, NULL,
				 NULL);
	(void)loop_timer(serve->loop, -1, on_check, serve);
	if (serve->observer.loop)
		observer_close(&serve->observer);
	serve_page_close(&serve->page);
	serve_segment_close(&serve->segment);
	if (serve->steer.watch_fd > 0)
		steer_close(&serve->steer);
	serve_tell_end(serve);
}
