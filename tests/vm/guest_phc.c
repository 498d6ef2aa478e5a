// SPDX-License-Identifier: MIT
/*
 * Our reader of the vmclock against Linux's own driver, by its PHC: each
 * reading of the PHC must lie between two of ours, and the kernel's pair must
 * agree with our pair.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ptp_clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest.h"

/*
 * A page's two conversions, each rounded down; and the difference between
 * publisher.c's updates, whose readings of its own clock are some 100 ns wide.
 */
#define ROUNDING_NS 2
#define UPDATE_NS   1000

struct tally {
	const char *name;
	uint64_t readings;
	uint64_t errors;  /* of the ioctl, or of ours */
	uint64_t outside; /* the PHC was not between two of ours */
	int64_t worst_ns; /* by how much */
	int64_t width_ns; /* the narrowest pair of ours around one */
	int last_error;
};

static int64_t to_ns(struct ptp_clock_time time)
{
	return time.sec * NSEC_PER_SEC + time.nsec;
}

/* Ours on the PHC's scale, which is TAI; or the reason why not. */
static int read_tai(const struct paraclock *clk, int64_t *ret_ns)
{
	struct paraclock_sample sample;
	int ret = paraclock_read(clk, &sample);

	if (ret)
		return ret;
	if (!sample.valid)
		return -EPROTO;
	return paraclock_sample_to_tai(&sample, NULL, ret_ns);
}

static int64_t beyond(int64_t ns, int64_t low, int64_t high)
{
	return ns < low ? low - ns : ns > high ? ns - high : 0;
}

static int precise(int fd, int64_t *ret_ns)
{
	struct ptp_sys_offset_precise offset = { 0 };

	if (ioctl(fd, PTP_SYS_OFFSET_PRECISE, &offset))
		return -errno;
	*ret_ns = to_ns(offset.device);
	return 0;
}

static int extended(int fd, int64_t *ret_ns)
{
	struct ptp_sys_offset_extended offset = { .n_samples = 1 };

	if (ioctl(fd, PTP_SYS_OFFSET_EXTENDED, &offset))
		return -errno;
	*ret_ns = to_ns(offset.ts[0][1]);
	return 0;
}

static int plain(int fd, int64_t *ret_ns)
{
	/* FD_TO_CLOCKID of clock_getres(2). */
	const clockid_t id = (clockid_t)(~(unsigned int)fd << 3 | 3);
	struct timespec now;

	if (clock_gettime(id, &now))
		return -errno;
	*ret_ns = now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	return 0;
}

static void compare(const struct paraclock *clk, int fd,
		    int (*read_phc)(int fd, int64_t *ret_ns), int64_t slack_ns,
		    struct tally *tally)
{
	int64_t before, phc, after, by;
	int ret = read_tai(clk, &before);

	if (!ret)
		ret = read_phc(fd, &phc);
	if (!ret)
		ret = read_tai(clk, &after);
	tally->readings++;
	if (ret) {
		tally->errors++;
		tally->last_error = ret;
		return;
	}
	by = beyond(phc, before - slack_ns, after + slack_ns);
	tally->outside += by != 0;
	if (by > tally->worst_ns)
		tally->worst_ns = by;
	if (after - before < tally->width_ns)
		tally->width_ns = after - before;
}

/*
 * The kernel's pair (device, CLOCK_MONOTONIC_RAW) against ours, some us apart:
 * the difference is at most our bound plus the drift of the two clocks, whose
 * rates are within 500 ppm of each other, in that time.
 */
static void pairs(const struct paraclock *clk, int fd, struct tally *tally)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	struct ptp_sys_offset_precise offset = { 0 };
	int64_t tai, host, raw, by, slack;
	int ret = paraclock_crosststamp(clk, NULL, &xt);

	tally->readings++;
	if (!ret)
		ret = paraclock_sample_to_tai(&xt.sample, NULL, &tai);
	if (!ret && ioctl(fd, PTP_SYS_OFFSET_PRECISE, &offset))
		ret = -errno;
	if (ret) {
		tally->errors++;
		tally->last_error = ret;
		return;
	}
	host = to_ns(offset.device) - tai;
	raw = to_ns(offset.sys_monoraw) - xt.ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
	slack = (int64_t)xt.uncertainty_ns + host / 2000 + ROUNDING_NS;
	by = beyond(host - raw, -slack, slack);
	tally->outside += by != 0;
	if (by > tally->worst_ns)
		tally->worst_ns = by;
	if ((int64_t)xt.uncertainty_ns < tally->width_ns)
		tally->width_ns = (int64_t)xt.uncertainty_ns;
}

static void print(const struct tally *tally)
{
	printf("{\"way\":\"%s\",\"readings\":%" PRIu64 ",\"errors\":%" PRIu64
	       ",\"outside\":%" PRIu64 ",\"worst_ns\":%" PRId64
	       ",\"width_ns\":%" PRId64 ",\"error\":\"%s\"}\n",
	       tally->name, tally->readings, tally->errors, tally->outside,
	       tally->worst_ns, tally->width_ns,
	       strerrorname_np(-tally->last_error));
}

/* phc DEVICE READINGS [updates]: "updates": the page is being written. */
int guest_phc(int argc, char **argv)
{
	struct tally tallies[] = {
		{ .name = "precise", .width_ns = INT64_MAX },
		{ .name = "extended", .width_ns = INT64_MAX },
		{ .name = "gettime", .width_ns = INT64_MAX },
		{ .name = "pairs", .width_ns = INT64_MAX },
	};
	struct paraclock *clk = open_clock("vmclock");
	int64_t slack_ns = argc > 3 ? UPDATE_NS : ROUNDING_NS;
	int fd;

	if (argc < 3)
		errx(2, "phc DEVICE READINGS [updates]");
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	for (long i = atol(argv[2]); i > 0; i--) {
		compare(clk, fd, precise, slack_ns, &tallies[0]);
		compare(clk, fd, extended, slack_ns, &tallies[1]);
		compare(clk, fd, plain, slack_ns, &tallies[2]);
		if (argc == 3)
			pairs(clk, fd, &tallies[3]);
	}
	for (size_t i = 0; i < (argc > 3 ? 3U : 4U); i++)
		print(&tallies[i]);
	close(fd);
	paraclock_close(clk);
	return 0;
}
