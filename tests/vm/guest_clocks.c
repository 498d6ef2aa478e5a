// SPDX-License-Identifier: MIT
/* The system clocks are set, and the kernel changes its clocksource, under a
 * reader. */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "guest.h"

#define CLOCKSOURCE \
	"/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* The event descriptor wakes once a second at the least. */
#define WAIT_MS 60000

static struct paraclock_snapshot snapshot(void)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	int ret = paraclock_snapshot(NULL, &snap);

	if (ret)
		errx(1, "snapshot: %s", paraclock_error_name(ret));
	return snap;
}

static void print_snapshot(const char *when)
{
	struct paraclock_snapshot snap = snapshot();

	printf("{\"when\":\"%s\",\"realtime_ns\":%" PRId64
	       ",\"raw_ns\":%" PRId64 ",\"was_set\":%u,\"changed\":%u,"
	       "\"valid\":%u,\"clocksource\":\"%s\"}\n",
	       when, snap.ns[PARACLOCK_CLOCK_REALTIME],
	       snap.ns[PARACLOCK_CLOCK_MONOTONIC_RAW], snap.clock_was_set_seq,
	       snap.clocksource_changed_seq, snap.valid_for_correlation,
	       snap.clocksource);
}

/* Wait for an event through all wakeups, or until they cease. */
static void print_event(struct paraclock *clk)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct pollfd poller = { paraclock_event_fd(clk), POLLIN, 0 };
	unsigned int wakes = 0;
	int ret = -EAGAIN;

	while (ret == -EAGAIN && wakes < 4 && poll(&poller, 1, WAIT_MS) == 1) {
		wakes++;
		ret = paraclock_next_event(clk, &event);
	}
	if (ret)
		errx(1, "no event after %u wakes: %s", wakes,
		     paraclock_error_name(ret));
	printf("{\"event\":\"%s\",\"source\":\"%s\",\"gap_ns\":%" PRId64
	       ",\"epoch\":%" PRIu64 "}\n",
	       paraclock_event_kind_name(event.kind), event.source,
	       event.gap_ns, event.epoch);
}

static void print_cross(const struct paraclock *clk)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	int ret = paraclock_crosststamp(clk, NULL, &xt);

	printf("{\"cross\":\"%s\",\"sample_valid\":%s}\n",
	       paraclock_error_name(ret),
	       !ret && xt.sample.valid ? "true" : "false");
}

static struct paraclock *open_and_watch(void)
{
	struct paraclock *clk = open_clock("vmclock");
	int fd = paraclock_event_fd(clk);

	if (fd < 0)
		errx(1, "event fd: %s", paraclock_error_name(fd));
	print_snapshot("before");
	return clk;
}

/* set NS: step CLOCK_REALTIME by this. */
int guest_set(int argc, char **argv)
{
	struct paraclock *clk = open_and_watch();
	long long by = argc > 1 ? strtoll(argv[1], NULL, 0) : 0;
	struct timespec now;
	long long ns;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = now.tv_sec * NSEC_PER_SEC + now.tv_nsec + by;
	now.tv_sec = ns / NSEC_PER_SEC;
	now.tv_nsec = ns % NSEC_PER_SEC;
	if (clock_settime(CLOCK_REALTIME, &now))
		err(1, "clock_settime");
	print_snapshot("after");
	print_event(clk);
	paraclock_close(clk);
	return 0;
}

/* tai SECONDS: set the kernel's TAI offset. */
int guest_tai(int argc, char **argv)
{
	struct timex timex = { .modes = ADJ_TAI };

	timex.constant = argc > 1 ? strtol(argv[1], NULL, 0) : 0;
	if (adjtimex(&timex) < 0)
		err(1, "adjtimex");
	return 0;
}

/* clocksource NAME: switch the kernel to it. */
int guest_clocksource(int argc, char **argv)
{
	struct paraclock *clk = open_and_watch();
	FILE *file = fopen(CLOCKSOURCE, "w");

	print_cross(clk);
	if (argc < 2 || !file || fprintf(file, "%s\n", argv[1]) < 0 ||
	    fclose(file))
		err(1, CLOCKSOURCE);
	print_event(clk);
	print_cross(clk);
	print_snapshot("after");
	paraclock_close(clk);
	return 0;
}
