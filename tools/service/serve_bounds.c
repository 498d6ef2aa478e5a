// SPDX-License-Identifier: MIT
/* CLOCK_REALTIME against what is published, for ClockBound's clients. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "serve_service.h"

/* Readings of a snapshot beyond what it promises: while chronyd slews by the
 * tick, 8 % of some 50 ns. */
#define SLEWED_READING_NS 10

#define LEAP_CLOSE_NS (10 * NSEC_PER_SEC)

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

static int month_of(int64_t utc_ns)
{
	time_t sec = (time_t)(utc_ns / NSEC_PER_SEC);
	struct tm tm;

	return gmtime_r(&sec, &tm) ? tm.tm_mon : -1;
}

/* Whoever steers CLOCK_REALTIME may insert the second, smear it, or not know of
 * it; and a client believes a segment for 5 s. */
static bool is_leap_close(const struct serve *serve, uint64_t counter)
{
	const struct paraclock_timeline *tl = &serve->track.tl;
	int64_t utc_ns;
	uint64_t bound_ns;

	if (tl->leap == PARACLOCK_LEAP_NONE)
		return false;
	if (serve_interval_at(tl, counter, &utc_ns, &bound_ns))
		return true;
	utc_ns -= tl->tai_offset_sec * NSEC_PER_SEC;
	return month_of(utc_ns - LEAP_CLOSE_NS) !=
	       month_of(utc_ns + LEAP_CLOSE_NS);
}

/* A restore that nothing tells of shows when the source is measured. */
static bool is_long_ago(const struct serve *serve)
{
	return loop_now_ns() - serve->track.measured_ns > serve->rules.alone_ns;
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
	if (!serve_track_has_time(&serve->track) || is_long_ago(serve) ||
	    serve_realtime(serve, &real) ||
	    is_leap_close(serve, real.counter) ||
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
		service_log(LOG_LEVEL_ERROR, "%s: cannot be written: %s%s",
			    serve->options->clockbound, strerror(-ret),
			    ret == -ENOENT ? "; make its folder first" : "");
	serve->segment_error = ret;
}
