// SPDX-License-Identifier: MIT
/*
 * Finding PTP hardware clocks, and knowing which one was opened.
 *
 * A path does not tell: a container's /dev/ptp0 may be the host's ptp1, and a
 * device's only node may have any name. The number of the open device does, by
 * /sys/dev/char/MAJOR:MINOR.
 */

#include <string.h>

#include "base/env_call.h"
#include "base/text.h"
#include "ptp_find.h"

/* The most devices that are looked at; with an env that cannot list them, the
 * first numbers in sysfs. */
#define DEVICES	    256U
#define DEVICES_TRY 32U

/* A driver may be busy for an instant. */
#define CAPS_TRIES 4

#define DEV   "/dev/ptp"
#define CLASS "/sys/class/ptp/ptp"

/* Follows what sysfs lacks. */
#define NOT_KNOWN                                                              \
	", so it is not known which PTP clock this is; name it as the device " \
	"(its timescale is then not known)"

struct search {
	struct ptp *ptp;
	const struct paraclock_options *opts;
	ptp_wanted_fn *wanted;
	const uint32_t *number; /* the device to open; NULL: any wanted one */
	/* The first failure that is more than a plain absence, in words. */
	int error;
	char why[256];
	bool astray; /* a node was missing, or another device's */
	bool seen;   /* sysfs shows a PTP clock */
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
	/* A device that stays busy is a clock, and may support anything. */
	if (ret == -EBUSY || ret == -EAGAIN || ret == -EINTR) {
		ptp->cross = true;
		return 0;
	}
	/* The mode of the node does not forbid requests: something else
	 * does. */
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

/* The name of the open device, by its number; empty: unknown. */
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

void pclk_ptp_close(struct ptp *ptp)
{
	if (ptp->fd >= 0)
		ptp->env->close_device(ptp->env->ctx, ptp->fd);
	ptp->fd = -1;
}

static int open_path(struct ptp *ptp, const struct paraclock_options *opts,
		     const char *path)
{
	int ret = pclk_env_open(ptp->env, path, &ptp->fd);

	ptp->numbered = false;
	TEXT(ptp->path, sizeof(ptp->path), path);
	if (ret) {
		ptp->fd = -1;
		return fail_open(ptp, opts, ret);
	}
	/* Ask for caps after the name: if the number now belongs to another
	 * device, this one has gone, and check_caps() fails. */
	identify(ptp);
	ret = check_caps(ptp, opts);
	if (ret)
		pclk_ptp_close(ptp);
	return ret;
}

/* The next number with that prefix, from *number on; false: there are no
 * more. */
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
	char *passed = search->ptp->passed;
	char path[64], name[64];
	int wanted;

	TEXT(path, sizeof(path), CLASS, digits, "/clock_name");
	if (pclk_env_text(search->ptp->env, path, name, sizeof(name)) < 0)
		return false;
	wanted = search->wanted(name);
	/* A text may be the first part of itself. */
	if (!wanted)
		TEXT(passed, sizeof(search->ptp->passed), passed,
		     passed[0] ? ", ptp" : "ptp", digits, " (", name, ")");
	return wanted > 0;
}

static bool is_it(const struct search *search)
{
	const struct ptp *ptp = search->ptp;

	if (!search->number)
		return search->wanted(ptp->name) > 0;
	return ptp->numbered && ptp->number[0] == search->number[0] &&
	       ptp->number[1] == search->number[1];
}

/* 0: it is open; -ENODEV: go on searching; otherwise the error that ends the
 * search. */
static int try_node(struct search *search, const char *path)
{
	struct ptp *ptp = search->ptp;
	char why[sizeof(search->why)] = "";
	struct paraclock_options opts = *search->opts;
	int ret;

	opts.detail = why;
	opts.detail_size = sizeof(why);
	ret = open_path(ptp, &opts, path);
	if (!ret && is_it(search))
		return 0;
	search->astray |= !ret || ret == -ENODEV;
	if (!ret) {
		if (ptp->name[0])
			TEXT(why, sizeof(why), path,
			     ": this is another PTP clock (", ptp->name, ")");
		else
			TEXT(why, sizeof(why), path,
			     ": sysfs does not show its number", NOT_KNOWN);
		pclk_ptp_close(ptp);
		ret = -ENODEV;
	}
	if (search->error == -ENODEV && (!search->why[0] || ret != -ENODEV)) {
		search->error = ret;
		memcpy(search->why, why, sizeof(why));
	}
	return ret == -ENOMEM ? ret : -ENODEV;
}

/*
 * Try the nodes of the devices that sysfs gives a wanted name; or all nodes,
 * for a wanted device may be behind another one's node.
 */
static int try_nodes(struct search *search, bool by_class)
{
	const struct paraclock_env *env = search->ptp->env;
	uint32_t number = 0;
	int ret = -ENODEV;

	for (unsigned int i = 0; i < DEVICES && ret == -ENODEV; i++, number++) {
		char buf[24], path[64];
		const char *digits;

		if (!next(env, by_class ? CLASS : DEV, &number))
			break;
		digits = pclk_decimal(number, buf);
		TEXT(path, sizeof(path), DEV, digits);
		search->seen |= by_class;
		if (!by_class || is_wanted_by_class(search, digits))
			ret = try_node(search, path);
	}
	return ret;
}

/* Sysfs shows no PTP clock, but there may be one. If all of sysfs is hidden,
 * the clocksource is hidden, too. */
static void explain_unseen(struct search *search)
{
	const struct paraclock_env *env = search->ptp->env;
	uint32_t first = 0;
	char name[32];
	uint8_t kind;
	int ret;

	if (next(env, DEV, &first)) {
		TEXT(search->why, sizeof(search->why), DEV,
		     "N: sysfs shows no PTP clock (is /sys mounted, or "
		     "masked?)",
		     NOT_KNOWN);
		return;
	}
	ret = pclk_env_clocksource(env, name, &kind);
	if (ret && ret != -EOPNOTSUPP)
		TEXT(search->why, sizeof(search->why),
		     "it is not known whether such a PTP clock exists: /sys "
		     "is hidden here (not mounted, or masked), and /dev has no "
		     "node; make /sys and the device visible to this process");
}

/*
 * Open the first wanted device that can be opened. If none can, report the
 * first one that is here. Nodes of other devices are opened only if a wanted
 * one must be behind one of them.
 */
static int open_wanted(struct search *search)
{
	const struct paraclock_env *env = search->ptp->env;
	int ret = try_nodes(search, true);

	if (ret == -ENODEV && search->astray && env->next_number)
		ret = try_nodes(search, false);
	if (ret == -ENODEV && !search->seen)
		explain_unseen(search);
	if (ret)
		TEXT(search->opts->detail, search->opts->detail_size,
		     search->why);
	return ret == -ENODEV ? search->error : ret;
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

/* MAJOR:MINOR, not a path. */
static bool parse_numbers(const char *text, uint32_t ret_number[2])
{
	text = parse_number(text, &ret_number[0]);
	if (!text || *text != ':')
		return false;
	text = parse_number(text + 1, &ret_number[1]);
	return text && !*text;
}

/* The value of DEVNAME= in a device's uevent, which is cut off there. */
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

/* Try the name that the kernel gave the device, then every node. */
static int open_numbered(struct search *search)
{
	const struct paraclock_options *opts = search->opts;
	char path[300], uevent[256 + 16] = "";
	int ret = -ENODEV;
	const char *name;
	bool is_there;

	TEXT(path, sizeof(path), "/sys/dev/char/", opts->device, "/uevent");
	/* 16: device_name() compares up to the key's length beyond the text. */
	if (pclk_env_text(search->ptp->env, path, uevent,
			  sizeof(uevent) - 16) >= 0 &&
	    (name = device_name(uevent))) {
		TEXT(path, sizeof(path), "/dev/", name);
		ret = try_node(search, path);
	}
	/* The device was found, but refused. */
	is_there = ret == -ENODEV && is_it(search);
	if (ret == -ENODEV && !is_there)
		ret = try_nodes(search, false);
	if (!ret)
		return 0;
	if (is_there)
		TEXT(opts->detail, opts->detail_size, opts->device, ": ",
		     search->why);
	else if (search->error == -ENODEV)
		TEXT(opts->detail, opts->detail_size, opts->device,
		     ": no node in /dev is this device; name one that has "
		     "a node");
	else
		TEXT(opts->detail, opts->detail_size, search->why);
	return search->error;
}

int pclk_ptp_find(struct ptp *ptp, const struct paraclock_options *opts,
		  ptp_wanted_fn *wanted)
{
	struct search search = { ptp, opts, wanted, NULL, -ENODEV, "", 0, 0 };
	uint32_t number[2];

	if (!opts->device)
		return open_wanted(&search);
	if (!parse_numbers(opts->device, number))
		return open_path(ptp, opts, opts->device);
	search.number = number;
	return open_numbered(&search);
}
