// SPDX-License-Identifier: MIT
/*
 * PTP hardware clocks: finding, opening, and what can be said of them. The
 * measuring is in ptp_read.c.
 */

#include <errno.h>
#include <string.h>

#include "ptp.h"
#include "text.h"

/* Devices that are looked at; sysfs numbers them from 0. */
#define DEVICES 32U

/* A driver may be busy for an instant, not for ever. */
#define CAPS_TRIES 4

/* As the library's own default for max_pair_error_ns. */
#define GOOD_NS 1000

#define DEV "/dev/ptp"

static int read_name(const struct paraclock_env *env, const char *number,
		     char *buf, size_t size)
{
	char path[64];

	if (!env->read_text)
		return -EOPNOTSUPP;
	TEXT(path, sizeof(path), "/sys/class/ptp/ptp", number, "/clock_name");
	return env->read_text(env->ctx, path, buf, size);
}

/* What follows "/dev/ptp" (or, in a link, "ptp") in a path, if it is a number;
 * else NULL. */
static const char *device_number(const char *path)
{
	const char *number;

	for (const char *c = *path == '/' ? DEV : "ptp"; *c; c++, path++) {
		if (*c != *path)
			return NULL;
	}
	number = path;
	while (*path >= '0' && *path <= '9')
		path++;
	return path == number || *path ? NULL : number;
}

static int fail_open(const struct ptp *ptp,
		     const struct paraclock_options *opts, int error)
{
	const char *why = ": no such device";

	if (error == -EACCES)
		why = ": permission denied; ask for read access to it (a "
		      "group, by a udev rule), or run as root";
	else if (error == -ENOMEM)
		why = ": no memory, or no file descriptor is left";
	TEXT(opts->detail, opts->detail_size, ptp->path, why);
	return error;
}

static int get_caps(const struct ptp *ptp, struct ptp_caps *ret_caps)
{
	int ret = -EBUSY;

	memset(ret_caps, 0, sizeof(*ret_caps));
	for (unsigned int i = 0;
	     i < CAPS_TRIES &&
	     (ret == -EBUSY || ret == -EAGAIN || ret == -EINTR);
	     i++)
		ret = ptp->env->ioctl(ptp->env->ctx, ptp->fd, PTP_CLOCK_GETCAPS,
				      ret_caps);
	return ret;
}

/* Any file can be opened; only a PTP clock answers this. */
static int check_caps(struct ptp *ptp, const struct paraclock_options *opts)
{
	struct ptp_caps caps;
	int ret = get_caps(ptp, &caps);

	if (!ret) {
		ptp->cross = caps.cross_timestamping != 0;
		return 0;
	}
	/* Who is busy for so long is a clock, and may do anything. */
	if (ret == -EBUSY || ret == -EAGAIN || ret == -EINTR) {
		ptp->cross = true;
		return 0;
	}
	if (ret == -EACCES || ret == -EPERM)
		return fail_open(ptp, opts, -EACCES);
	TEXT(opts->detail, opts->detail_size, ptp->path,
	     ": this is no PTP clock");
	return -ENODEV;
}

static int open_path(struct ptp *ptp, const struct paraclock_options *opts,
		     const char *path)
{
	const struct paraclock_env *env = ptp->env;
	int ret = env->open_device(env->ctx, path, &ptp->fd);

	TEXT(ptp->path, sizeof(ptp->path), path);
	if (ret) {
		ptp->fd = -1;
		return fail_open(ptp, opts, ret);
	}
	ret = check_caps(ptp, opts);
	if (ret)
		paraclock_ptp_close(ptp);
	return ret;
}

/*
 * The first wanted device that opens. One that is here and fails is told of
 * if no other does better.
 */
static int open_wanted(struct ptp *ptp, const struct paraclock_options *opts,
		       ptp_wanted_fn *wanted)
{
	int error = -ENODEV;

	for (unsigned int i = 0; i < DEVICES; i++) {
		char tens = (char)('0' + i / 10), ones = (char)('0' + i % 10);
		char number[] = { tens, ones, '\0' };
		const char *digits = i < 10 ? number + 1 : number;
		char path[64];
		int ret;

		if (read_name(ptp->env, digits, ptp->name, sizeof(ptp->name)) <
			    0 ||
		    !wanted(ptp->name))
			continue;
		TEXT(path, sizeof(path), DEV, digits);
		ret = open_path(ptp, opts, path);
		if (!ret || ret == -ENOMEM)
			return ret;
		if (error == -ENODEV)
			error = ret;
	}
	return error;
}

/*
 * Reading needs a snapshot each time, and its errors are not the device's;
 * this one also makes the env learn its clocks, which takes a while.
 */
static int check_clocks(const struct ptp *ptp,
			const struct paraclock_options *opts)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	int ret = paraclock_snapshot(ptp->env, &snap);

	if (!ret || ret == -EAGAIN)
		return 0;
	TEXT(opts->detail, opts->detail_size,
	     "the local clocks, which a PTP clock is paired by, cannot be "
	     "read");
	return ret;
}

int paraclock_ptp_open(struct ptp *ptp, const struct paraclock_env *env,
		       const struct paraclock_options *opts,
		       ptp_wanted_fn *wanted)
{
	int ret;

	memset(ptp, 0, sizeof(*ptp));
	ptp->own = *env;
	ptp->own.local = &ptp->local;
	ptp->env = env->local ? env : &ptp->own;
	ptp->fd = -1;
	ptp->how = paraclock_counter_choose(env);
	ptp->good_ns =
		opts->max_pair_error_ns ? opts->max_pair_error_ns : GOOD_NS;
	if (!env->open_device || !env->close_device || !env->ioctl ||
	    !env->read_clock || (!env->read_text && !opts->device)) {
		TEXT(opts->detail, opts->detail_size,
		     "this env cannot open and ask PTP clocks");
		return -EOPNOTSUPP;
	}
	ret = check_clocks(ptp, opts);
	if (ret)
		return ret;
	if (opts->device) {
		const char *number = device_number(opts->device);
		char target[64];

		/* As udev's: ptp_kvm leads to ptp0. */
		if (!number && env->read_text &&
		    env->read_text(env->ctx, opts->device, target,
				   sizeof(target)) > 0)
			number = device_number(target);
		if (!number ||
		    read_name(env, number, ptp->name, sizeof(ptp->name)) < 0)
			ptp->name[0] = '\0';
		return open_path(ptp, opts, opts->device);
	}
	return open_wanted(ptp, opts, wanted);
}

void paraclock_ptp_close(struct ptp *ptp)
{
	if (ptp->fd >= 0)
		ptp->env->close_device(ptp->env->ctx, ptp->fd);
	ptp->fd = -1;
}

void paraclock_ptp_sample(const struct ptp *ptp, const struct ptp_pair *pair,
			  uint8_t timescale,
			  struct paraclock_sample *ret_sample)
{
	memset(ret_sample, 0, sizeof(*ret_sample));
	ret_sample->host_ns = pair->host_ns;
	ret_sample->host_tsc = pair->tsc;
	ret_sample->pair_error_ns = pair->error_ns;
	ret_sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	ret_sample->timescale = timescale;
	ret_sample->counter = ptp->env->counter_id;
	ret_sample->leap = PARACLOCK_LEAP_UNKNOWN;
	ret_sample->valid = pair->coupled;
	/* A kernel that keeps its time by something else has seen the counter
	 * go wrong, or was told to distrust it. */
	if (!pair->coupled)
		ret_sample->reason = PARACLOCK_REASON_UNSTABLE;
}

static const char *explain_error(int error)
{
	switch (error) {
	case -EAGAIN:
		return "its time or the local clocks kept being set while it "
		       "was read; try again";
	case -ENODEV:
		return "the device has gone (its driver was unloaded, or it "
		       "was unplugged); close the clock";
	case -EPROTO:
		return "its driver gives times that cannot be; report it to "
		       "the kernel's maintainers";
	case -ERANGE:
		return "the host's time does not fit into 64 bits of ns";
	case -ETIMEDOUT:
		return "its driver gives no time at present: the host does "
		       "not vouch for its clock, or has not said what time it "
		       "is for too long; try again later";
	default:
		return NULL;
	}
}

static void explain_unstable(const struct ptp *ptp, char *buf, size_t size)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };

	if (paraclock_snapshot(ptp->env, &snap) || !snap.clocksource[0])
		memcpy(snap.clocksource, "unknown", sizeof("unknown"));
	TEXT(buf, size,
	     "the counters of the CPUs may not agree: the kernel keeps its "
	     "time by clocksource ",
	     snap.clocksource,
	     ", not by them; choose another one, if the kernel offers it");
}

void paraclock_ptp_explain(const struct ptp *ptp, int error,
			   const struct paraclock_sample *sample, char *buf,
			   size_t size)
{
	const char *why = explain_error(error);

	if (error && why)
		TEXT(buf, size, ptp->path, ": ", why);
	else if (!error && sample &&
		 sample->reason == PARACLOCK_REASON_UNSTABLE)
		explain_unstable(ptp, buf, size);
	else if (!error && sample && sample->reason == PARACLOCK_REASON_WIDE)
		TEXT(buf, size, ptp->path,
		     ": the time that reading it takes leaves the pair wider "
		     "than allowed (max_pair_error_ns); read again, or allow "
		     "more");
}
