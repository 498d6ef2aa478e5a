// SPDX-License-Identifier: MIT
/*
 * Finding PTP hardware clocks, and knowing which one it is that was opened.
 *
 * A path says nothing of that: a container's /dev/ptp0 may be the host's ptp1,
 * and a device's only node may have any name. The number of the device that is
 * open does, by /sys/dev/char/MAJOR:MINOR.
 */

#include <string.h>

#include "env_call.h"
#include "ptp_find.h"
#include "text.h"

/* Devices that are looked at; with an env that cannot list them, sysfs's
 * first numbers. */
#define DEVICES	    256U
#define DEVICES_TRY 32U

/* A driver may be busy for an instant, not for ever. */
#define CAPS_TRIES 4

#define DEV   "/dev/ptp"
#define CLASS "/sys/class/ptp/ptp"

struct search {
	struct ptp *ptp;
	const struct paraclock_options *opts;
	ptp_wanted_fn *wanted;
	/* The first failure that is no plain absence, and what it is. */
	int error;
	char why[256];
	bool astray; /* a node was not there, or another device's */
};

static int fail_open(const struct ptp *ptp,
		     const struct paraclock_options *opts, int error)
{
	TEXT(opts->detail, opts->detail_size, ptp->path, pclk_open_why(error));
	return pclk_open_error(error);
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
	const char *why = ": this is no PTP clock";
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
	/* No mode of the node forbids a request. */
	if (ret == -EACCES || ret == -EPERM)
		return fail_open(ptp, opts, -EPERM);
	if (ret == -EIO)
		return fail_open(ptp, opts, -EIO);
	if (ret == -ENODEV)
		why = ": the device has gone (its driver was unloaded, or it "
		      "was unplugged)";
	TEXT(opts->detail, opts->detail_size, ptp->path, why);
	return -ENODEV;
}

/* The name of what is open, by its number; none where that is not known. */
static void identify(struct ptp *ptp)
{
	const struct paraclock_env *env = ptp->env;
	char major[24], minor[24], path[80];

	ptp->name[0] = '\0';
	ptp->numbered = env->device_number &&
			!env->device_number(env->ctx, ptp->fd, &ptp->number[0],
					    &ptp->number[1]);
	if (!ptp->numbered)
		return;
	TEXT(path, sizeof(path), "/sys/dev/char/",
	     pclk_decimal(ptp->number[0], major), ":",
	     pclk_decimal(ptp->number[1], minor), "/clock_name");
	if (pclk_env_text(env, path, ptp->name, sizeof(ptp->name)) < 0)
		ptp->name[0] = '\0';
}

static int open_path(struct ptp *ptp, const struct paraclock_options *opts,
		     const char *path)
{
	int ret = pclk_env_open(ptp->env, path, &ptp->fd);

	TEXT(ptp->path, sizeof(ptp->path), path);
	if (ret) {
		ptp->fd = -1;
		return fail_open(ptp, opts, ret);
	}
	/* Asked after its name: if the number has become another device's
	 * meanwhile, this one has gone, and says so. */
	identify(ptp);
	ret = check_caps(ptp, opts);
	if (ret)
		paraclock_ptp_close(ptp);
	return ret;
}

/* The next number with that prefix, from *number on; false: no more. */
static bool next(const struct paraclock_env *env, const char *prefix,
		 uint32_t *number)
{
	uint32_t from = *number;

	if (!env->next_number)
		return from < DEVICES_TRY;
	return !env->next_number(env->ctx, prefix, from, number) &&
	       *number >= from && *number < UINT32_MAX;
}

static bool is_wanted_by_class(const struct search *search, const char *digits)
{
	char path[64], name[64];

	TEXT(path, sizeof(path), CLASS, digits, "/clock_name");
	return pclk_env_text(search->ptp->env, path, name, sizeof(name)) >= 0 &&
	       search->wanted(name);
}

/* Open /dev/ptpN if it is a wanted one: 0; else what ends the search, or
 * -ENODEV. */
static int try_node(struct search *search, const char *digits)
{
	struct ptp *ptp = search->ptp;
	char path[64], why[sizeof(search->why)] = "";
	struct paraclock_options opts = *search->opts;
	int ret;

	opts.detail = why;
	opts.detail_size = sizeof(why);
	TEXT(path, sizeof(path), DEV, digits);
	ret = open_path(ptp, &opts, path);
	if (!ret && search->wanted(ptp->name))
		return 0;
	search->astray |= !ret || ret == -ENODEV;
	if (!ret) {
		if (ptp->name[0])
			TEXT(why, sizeof(why), path,
			     ": this is another PTP clock (", ptp->name, ")");
		else
			TEXT(why, sizeof(why), path,
			     ": which PTP clock this is cannot be known, for "
			     "sysfs does not show its number; name it as the "
			     "device, and its timescale is not known");
		paraclock_ptp_close(ptp);
		ret = -ENODEV;
	}
	if (search->error == -ENODEV && (!search->why[0] || ret != -ENODEV)) {
		search->error = ret;
		memcpy(search->why, why, sizeof(why));
	}
	return ret == -ENOMEM ? ret : -ENODEV;
}

/* The nodes of those that sysfs names so; *ret_seen: it names some clock. */
static int search_class(struct search *search, bool *ret_seen)
{
	const struct paraclock_env *env = search->ptp->env;
	uint32_t number = 0;
	int ret = -ENODEV;

	*ret_seen = false;
	for (unsigned int i = 0; i < DEVICES && ret == -ENODEV; i++, number++) {
		char buf[24];
		const char *digits;

		if (!next(env, CLASS, &number))
			break;
		*ret_seen |= env->next_number != NULL;
		digits = pclk_decimal(number, buf);
		if (is_wanted_by_class(search, digits))
			ret = try_node(search, digits);
	}
	return ret;
}

/* Any node: one of those that sysfs names may be at another one's place. */
static int search_nodes(struct search *search)
{
	const struct paraclock_env *env = search->ptp->env;
	uint32_t number = 0;
	int ret = -ENODEV;

	for (unsigned int i = 0; i < DEVICES && ret == -ENODEV; i++, number++) {
		char buf[24];

		if (!next(env, DEV, &number))
			break;
		ret = try_node(search, pclk_decimal(number, buf));
	}
	return ret;
}

/*
 * The first wanted device that opens. One that is here and fails is told of
 * if no other does better. Nodes of others are opened only where a wanted one
 * must be somewhere.
 */
static int open_wanted(struct ptp *ptp, const struct paraclock_options *opts,
		       ptp_wanted_fn *wanted)
{
	struct search search = { ptp, opts, wanted, -ENODEV, "", false };
	uint32_t first = 0;
	bool seen;
	int ret = search_class(&search, &seen);

	if (ret == -ENODEV && search.astray && ptp->env->next_number)
		ret = search_nodes(&search);
	if (!ret || ret == -ENOMEM)
		goto out;
	ret = search.error;
	/* Clocks without sysfs: that is not the same as none. */
	if (!seen && ptp->env->next_number && next(ptp->env, DEV, &first))
		TEXT(search.why, sizeof(search.why), DEV, "N",
		     ": which PTP clock this is cannot be known, for sysfs "
		     "shows none (is /sys mounted, or masked?); name it as "
		     "the device, and its timescale is not known");
out:
	if (ret)
		TEXT(opts->detail, opts->detail_size, search.why);
	return ret;
}

static const char *parse_number(const char *text, uint32_t *ret_value)
{
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++) {
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > UINT32_MAX)
			return NULL;
	}
	*ret_value = (uint32_t)value;
	return text;
}

/* MAJOR:MINOR, and no path. */
static bool parse_numbers(const char *text, uint32_t ret_number[2])
{
	text = parse_number(text, &ret_number[0]);
	if (!text || *text != ':')
		return false;
	text = parse_number(text + 1, &ret_number[1]);
	return text && !*text;
}

/* 0: the node is that device. */
static int try_numbered(struct ptp *ptp, const struct paraclock_options *opts,
			const char *path, const uint32_t number[2])
{
	int ret = open_path(ptp, opts, path);

	if (ret || (ptp->numbered && ptp->number[0] == number[0] &&
		    ptp->number[1] == number[1]))
		return ret;
	paraclock_ptp_close(ptp);
	return -ENODEV;
}

/* Where DEVNAME= is in a device's uevent, its value, cut off there. */
static char *device_name(char *uevent)
{
	static const char key[] = "DEVNAME=";
	char *line = uevent;
	char *end;

	while (memcmp(line, key, sizeof(key) - 1) != 0) {
		while (*line && *line != '\n')
			line++;
		if (!*line++)
			return NULL;
	}
	line += sizeof(key) - 1;
	for (end = line; *end && *end != '\n'; end++)
		;
	*end = '\0';
	return line;
}

/* By the name that the kernel gave it, or under whatever number it is. */
static int open_numbered(struct ptp *ptp, const struct paraclock_options *opts,
			 const uint32_t number[2])
{
	const struct paraclock_env *env = ptp->env;
	char path[300], uevent[256 + 16] = "";
	uint32_t n = 0;
	int ret = -ENODEV;
	const char *name;

	TEXT(path, sizeof(path), "/sys/dev/char/", opts->device, "/uevent");
	/* 16: what is compared with the key does not end before it. */
	if (pclk_env_text(env, path, uevent, sizeof(uevent) - 16) >= 0 &&
	    (name = device_name(uevent))) {
		TEXT(path, sizeof(path), "/dev/", name);
		ret = try_numbered(ptp, opts, path, number);
	}
	for (unsigned int i = 0; i < DEVICES && ret == -ENODEV; i++, n++) {
		char buf[24];

		if (!next(env, DEV, &n))
			break;
		TEXT(path, sizeof(path), DEV, pclk_decimal(n, buf));
		ret = try_numbered(ptp, opts, path, number);
	}
	if (ret == -ENODEV)
		TEXT(opts->detail, opts->detail_size, opts->device,
		     ": no node in /dev is this device; name one that is");
	return ret;
}

int pclk_ptp_find(struct ptp *ptp, const struct paraclock_options *opts,
		  ptp_wanted_fn *wanted)
{
	uint32_t number[2];

	if (!opts->device)
		return open_wanted(ptp, opts, wanted);
	if (parse_numbers(opts->device, number))
		return open_numbered(ptp, opts, number);
	return open_path(ptp, opts, opts->device);
}
