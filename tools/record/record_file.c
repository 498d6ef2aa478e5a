// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio_ext.h>
#include <string.h>
#include <time.h>

#include "record_file.h"

int record_file_open(struct record_file *file, const char *path)
{
	file->name = path;
	if (strcmp(path, "-") == 0) {
		file->name = "stdout";
		file->to = stdout;
		return 0;
	}
	file->to = fopen(path, "we");
	return file->to ? 0 : -errno;
}

/* What could not be written is dropped: it was reported, and nobody is to try
 * and report it again. */
static void drop(struct record_file *file)
{
	clearerr(file->to);
	__fpurge(file->to);
	if (file->to != stdout)
		fclose(file->to);
	file->to = NULL;
}

int record_file_flush(struct record_file *file)
{
	int ret;

	errno = 0;
	if (!fflush(file->to) && !ferror(file->to))
		return 0;
	ret = errno ? -errno : -EIO;
	drop(file);
	return ret;
}

int record_file_close(struct record_file *file)
{
	int ret = record_file_flush(file);

	if (ret || file->to == stdout)
		return ret;
	/* NFS reports a full disk here. */
	errno = 0;
	if (fclose(file->to))
		ret = errno ? -errno : -EIO;
	file->to = NULL;
	return ret;
}

void record_file_complain(const struct record_file *file, int error)
{
	switch (error) {
	case -EINTR:
		/* Whoever sent the signal knows why. */
		return;
	case -EPIPE:
		warnx("%s: the reader of the pipe has closed it", file->name);
		return;
	case -ENOENT:
		warnx("%s: %s; make the folder first", file->name,
		      strerror(ENOENT));
		return;
	default:
		warnx("%s: %s", file->name, strerror(-error));
	}
}

void record_file_about(const struct record_file *file,
		       const struct paraclock *clk,
		       const struct paraclock_crosststamp *xt,
		       int64_t interval_ns)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	const time_t now = time(NULL);
	FILE *to = file->to;
	char started[32];
	struct tm tm;

	strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ",
		 gmtime_r(&now, &tm));
	fprintf(to,
		RECORD_TITLE "\n# paraclock: %s\n# backend: %s\n"
			     "# timescale: %s\n# counter: %s\n",
		paraclock_version(), paraclock_backend_name(clk),
		paraclock_timescale_name(xt->sample.timescale),
		paraclock_counter_name(xt->sample.counter));
	if (!paraclock_describe_machine(NULL, &machine) && machine.counter_hz)
		fprintf(to, "# counter_hz: %" PRIu64 "\n", machine.counter_hz);
	if (xt->clocksource[0])
		fprintf(to, "# clocksource: %s\n", xt->clocksource);
	fprintf(to,
		"# own_kernel: %s\n# started: %s\n# interval_sec: %.9g\n"
		"# units: _ns is ns, _sec is s; counter and host_tsc are "
		"ticks; an empty cell is not known\n",
		xt->sample.flags & PARACLOCK_FLAG_OWN_KERNEL ? "yes" : "no",
		started, (double)interval_ns / 1e9);
	record_write_columns(to);
}
