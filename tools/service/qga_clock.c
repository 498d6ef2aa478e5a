// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "qga_clock.h"

#define NSEC_PER_SEC INT64_C(1000000000)

static int get_time(void *ctx, int64_t *ret_ns)
{
	struct timespec ts;

	(void)ctx;
	if (clock_gettime(CLOCK_REALTIME, &ts))
		return -errno;
	*ret_ns = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
	return 0;
}

/* One act: a clock that is read, added to and set would lose what passes
 * between. */
static int step(int64_t offset_ns)
{
	struct timex state = { 0 };
	struct timex change = { .modes = ADJ_SETOFFSET | ADJ_NANO };
	int64_t nsec = offset_ns % NSEC_PER_SEC;

	/* The kernel takes a negative offset as whole seconds and a rest of 0
	 * or more. */
	if (nsec < 0)
		nsec += NSEC_PER_SEC;
	change.time.tv_sec = (time_t)((offset_ns - nsec) / NSEC_PER_SEC);
	change.time.tv_usec = (suseconds_t)nsec;
	if (adjtimex(&state) < 0 || adjtimex(&change) < 0)
		return -errno;
	/* ADJ_NANO also changed the unit that other daemons count in. */
	if (!(state.status & STA_NANO)) {
		change = (struct timex){ .modes = ADJ_MICRO };
		adjtimex(&change);
	}
	return 0;
}

static void format_seconds(int64_t ns, char *buf, size_t size)
{
	uint64_t all = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;

	snprintf(buf, size, "%c%llu.%09llu s", ns < 0 ? '-' : '+',
		 (unsigned long long)all / NSEC_PER_SEC,
		 (unsigned long long)all % NSEC_PER_SEC);
}

static int set_time(void *ctx, int64_t ns, char *why, size_t size)
{
	const struct qga_clock *clock = ctx;
	char offset[48], max[48];
	int64_t now = -1, offset_ns;
	int ret = get_time(ctx, &now);

	if (ret || now < 0) {
		snprintf(why, size, "CLOCK_REALTIME cannot be read");
		return ret ? ret : -ERANGE;
	}
	/* Neither is negative. */
	offset_ns = ns - now;
	format_seconds(offset_ns, offset, sizeof(offset));
	if (clock->max_step_ns >= 0 && (offset_ns > clock->max_step_ns ||
					offset_ns < -clock->max_step_ns)) {
		format_seconds(clock->max_step_ns, max, sizeof(max));
		snprintf(why, size,
			 "A step of %s is beyond --max-step, which is %s",
			 offset, max + 1);
		return -ERANGE;
	}
	if (clock->dry_run) {
		snprintf(why, size, "dry run: not stepped by %s", offset);
		return 0;
	}
	ret = step(offset_ns);
	if (ret)
		snprintf(why, size, "Failed to set time to guest: %s",
			 strerror(-ret));
	else
		snprintf(why, size, "stepped by %s", offset);
	return ret;
}

static int set_from_host(void *ctx, char *why, size_t size)
{
	(void)ctx;
	snprintf(why, size,
		 "This agent has no host clock to take the time from");
	return -EOPNOTSUPP;
}

static json_t *get_status(void *ctx)
{
	(void)ctx;
	return NULL;
}

struct agent_clock qga_clock(struct qga_clock *clock)
{
	return (struct agent_clock){
		.ctx = clock,
		.get_time = get_time,
		.set_time = set_time,
		.set_from_host = set_from_host,
		.status = get_status,
	};
}
