// SPDX-License-Identifier: MIT
/*
 * The clock that an application wants: it follows the host's, never steps back,
 * and any process reads it from shared memory for some 20 ns.
 *
 *   follower /dev/shm/clock &
 *   follower -r /dev/shm/clock
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <paraclock/paraclock.h>
#include <paraclock/timekeeper.h>

#define PERIOD_US 100000

static void *map(const char *path, int is_reader)
{
	const size_t size = sizeof(struct paraclock_timekeeper);
	int fd = open(path, is_reader ? O_RDONLY : O_RDWR | O_CREAT, 0644);
	int can = is_reader ? PROT_READ : PROT_READ | PROT_WRITE;
	struct stat file = { 0 };
	void *memory;

	if (fd < 0 || (!is_reader && ftruncate(fd, (off_t)size)) ||
	    fstat(fd, &file))
		err(1, "%s", path);
	/* To read behind the end of a file is SIGBUS. */
	if (file.st_size < (off_t)size)
		errx(1, "%s is not a timekeeper", path);
	memory = mmap(NULL, size, can, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		err(1, "%s", path);
	return memory;
}

static void write_it(struct paraclock_timekeeper *tk, const char *backend,
		     const char *device)
{
	struct paraclock_follow follow = {
		.size = sizeof(follow),
		.flags = PARACLOCK_FOLLOW_MONOTONIC | PARACLOCK_FOLLOW_RESTART,
	};
	char why[1536] = "";
	struct paraclock_options opts = { .size = sizeof(opts),
					  .backend = backend,
					  .device = device,
					  .detail = why,
					  .detail_size = sizeof(why) };
	struct paraclock *clk;
	int ret, last = 0;

	if (paraclock_open(&clk, &opts))
		errx(1, "%s", why);
	/* -EBUSY: another process writes it. */
	ret = paraclock_timekeeper_acquire(tk, NULL, NULL);
	if (ret)
		errx(1, "%s", paraclock_error_name(ret));
	for (;; usleep(PERIOD_US)) {
		ret = paraclock_timekeeper_follow(tk, NULL, clk, &follow);
		/* It measures the rate first, for two seconds. */
		if (ret != last)
			warnx("%s", !ret ? "it follows"
				    : ret == -EAGAIN
					    ? "the rate is being measured"
					    : paraclock_error_name(ret));
		last = ret;
	}
}

static void read_it(const struct paraclock_timekeeper *tk)
{
	struct paraclock_sample now;
	int ret;

	for (;; usleep(PERIOD_US)) {
		ret = paraclock_timekeeper_read(tk, NULL, &now);
		printf("%s host_ns=%" PRId64 " migrations=%" PRIu64 " %s\n",
		       ret ? paraclock_error_name(ret)
			   : paraclock_reason_name(now.reason),
		       ret ? 0 : now.host_ns, ret ? 0 : now.epoch,
		       ret ? "-" : paraclock_timescale_name(now.timescale));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const char *backend = NULL, *device = NULL;
	int opt, is_reader = 0;

	while ((opt = getopt(argc, argv, "b:d:r")) != -1) {
		if (opt == 'b')
			backend = optarg;
		else if (opt == 'd')
			device = optarg;
		else if (opt == 'r')
			is_reader = 1;
	}
	if (optind != argc - 1)
		errx(2, "usage: follower [-b BACKEND] [-d DEVICE] FILE\n"
			"       follower -r FILE");
	if (is_reader)
		read_it(map(argv[optind], 1));
	write_it(map(argv[optind], 0), backend, device);
}
