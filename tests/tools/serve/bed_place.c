// SPDX-License-Identifier: MIT
/* A machine that has a vmclock device, as far as its processes see. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bed.h"

static int lacks(const char *what)
{
	printf("skipped: %s: %s\n", what, strerror(errno));
	return 77;
}

static int write_text(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

static int be_root(void)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	char text[64];

	if (!uid)
		return unshare(CLONE_NEWNS);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -1;
	snprintf(text, sizeof(text), "0 %u 1", (unsigned int)uid);
	if (write_text("/proc/self/uid_map", text))
		return -1;
	(void)write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1", (unsigned int)gid);
	return write_text("/proc/self/gid_map", text);
}

static int bind_node(const char *dir, const char *name)
{
	char from[300], to[300];
	int fd;

	snprintf(from, sizeof(from), "/dev/%s", name);
	snprintf(to, sizeof(to), "%s/%s", dir, name);
	fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	close(fd);
	return mount(from, to, NULL, MS_BIND, NULL);
}

/* --- a leap second list that has not expired ------------------------------- */

#define ZONES	 "/usr/share/zoneinfo"
#define NTP_1970 2208988800
#define DAY_SEC	 86400

/* Where TAI - UTC grew by a second, from 10 s on. */
static const uint32_t leaps[] = {
	2272060800, 2287785600, 2303683200, 2335219200, 2366755200, 2398291200,
	2429913600, 2461449600, 2492985600, 2524521600, 2571782400, 2603318400,
	2634854400, 2698012800, 2776982400, 2840140800, 2871676800, 2918937600,
	2950473600, 2982009600, 3029443200, 3076704000, 3124137600, 3345062400,
	3439756800, 3550089600, 3644697600, 3692217600,
};

/* By a pipe: this program has no SHA-1 of its own. */
static int hash(const char *text, char ret_hash[41])
{
	char command[1024];
	FILE *out;
	int n;

	snprintf(command, sizeof(command), "printf %s | sha1sum", text);
	out = popen(command, "re");
	if (!out)
		return -1;
	n = fscanf(out, "%40[0-9a-f]", ret_hash);
	return pclose(out) || n != 1 || strlen(ret_hash) != 40 ? -1 : 0;
}

static int write_list(FILE *list)
{
	const int64_t now = NTP_1970 + (int64_t)time(NULL);
	char digits[512], sum[41] = "";
	unsigned int tai = 10;
	int n;

	n = sprintf(digits, "%" PRId64 "%" PRId64, now - DAY_SEC,
		    now + 180 * DAY_SEC);
	fprintf(list, "#$ %" PRId64 "\n#@ %" PRId64 "\n", now - DAY_SEC,
		now + 180 * DAY_SEC);
	for (size_t i = 0; i < sizeof(leaps) / sizeof(leaps[0]); i++, tai++) {
		n += sprintf(digits + n, "%" PRIu32 "%u", leaps[i], tai);
		fprintf(list, "%" PRIu32 " %u\n", leaps[i], tai);
	}
	if (hash(digits, sum))
		errno = ENOEXEC;
	for (int i = 0; i < 5; i++)
		fprintf(list, "%s %.8s", i ? "" : "#h", sum + 8 * i);
	fprintf(list, "\n");
	return fclose(list) || !sum[0] ? -1 : 0;
}

static int show_list(void)
{
	FILE *list;

	if (mount("none", ZONES, "tmpfs", 0, "mode=0755"))
		return -1;
	list = fopen(ZONES "/leap-seconds.list", "we");
	return list ? write_list(list) : -1;
}

/* A chronyd that runs has this file. */
static int show_chronyd(void)
{
	FILE *file;

	if (mkdir("/run/chrony", 0755))
		return -1;
	file = fopen("/run/chrony/chronyd.pid", "we");
	if (!file)
		return -1;
	fprintf(file, "%d\n", (int)getpid());
	return fclose(file);
}

int place_install(const char *dir, int fd)
{
	static const char *const nodes[] = { "null", "zero", "urandom",
					     "random" };
	char target[64], link[300];

	if (be_root() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "tmpfs", 0, "mode=0755"))
		return lacks("no mount namespace of its own");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (bind_node(dir, nodes[i]))
			return lacks("cannot show a device in another /dev");
	/* A file that cannot shrink, and has no other name. */
	snprintf(target, sizeof(target), "/proc/%d/fd/%d", (int)getpid(), fd);
	snprintf(link, sizeof(link), "%s/vmclock0", dir);
	if (symlink(target, link) || mount(dir, "/dev", NULL, MS_MOVE, NULL))
		return lacks("cannot have another /dev");
	if (mount("none", "/run", "tmpfs", 0, "mode=0755") ||
	    mkdir("/run/paraclock", 0755) ||
	    mkdir("/run/paraclock/serve", 0755))
		return lacks("cannot have another /run");
	if (show_list())
		return lacks("cannot have another " ZONES);
	if (show_chronyd())
		return lacks("cannot write to another /run");
	return 0;
}
