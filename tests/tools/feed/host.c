// SPDX-License-Identifier: MIT
/*
 * A host whose clock is known: a simulated VM's vmclock in a file, in this
 * machine's time. Commands come on stdin, one a line; each is answered by a
 * line of JSON.
 *
 * feed_host DIR TIMESCALE AHEAD_NS: the page is DIR/vm.vmclock, its timescale
 * tai, utc or monotonic, and true time that far ahead of CLOCK_REALTIME.
 */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <paraclock/paraclock.h>
#include <paraclock/sim.h>

#include "page_file.h"

#define NSEC_PER_SEC 1000000000LL
#define TAI_OFFSET   37
/* How often a page is renewed, as by paraclock simulate. */
#define PERIOD_MS 100
/* Of so many brackets the narrowest is taken. */
#define BRACKETS 500
#define HOSTS	 2

struct bed {
	struct paraclock_sim *sim;
	struct paraclock_sim_host *host[HOSTS];
	int64_t ahead_ns[HOSTS]; /* by how much they were stepped */
	unsigned int at;	 /* the host that the VM is on */
	struct paraclock_sim_vm *vm;
	/* On a host that is never wrong: its clock is true time. */
	struct paraclock_sim_vm *true_vm;
	struct page_file page;
	/* Not 0: the counter stands still there, while the world is made: each
	 * VM's is then this machine's to the tick. */
	uint64_t stands_at;
};

/* A reading of CLOCK_REALTIME, and the counter in the middle of it. */
struct bracket {
	uint64_t counter;
	uint64_t width;
	int64_t realtime_ns;
};

static int64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static uint64_t world_counter(void *arg)
{
	const struct bed *bed = arg;

	return bed->stands_at ? bed->stands_at : paraclock_counter(NULL);
}

static uint64_t counter_hz(void)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };

	if (paraclock_describe_machine(NULL, &machine) || !machine.counter_hz) {
		puts("the frequency of the counter is not known here");
		exit(77);
	}
	return machine.counter_hz;
}

static struct bracket take_bracket(void)
{
	struct bracket best = { .width = UINT64_MAX };

	for (unsigned int i = 0; i < BRACKETS; i++) {
		uint64_t before = paraclock_counter(NULL);
		int64_t ns = realtime_ns();
		uint64_t width = paraclock_counter(NULL) - before;

		if (width < best.width)
			best = (struct bracket){ before + width / 2, width,
						 ns };
	}
	return best;
}

static int show(struct bed *bed)
{
	int ret = paraclock_sim_run(bed->sim, 0);

	return ret ? ret : page_file_show(&bed->page);
}

/* --- commands -------------------------------------------------------------
 */

/* The host's UTC and the true one, at the same reading of CLOCK_REALTIME. */
static int truth(const struct bed *bed)
{
	struct bracket now = take_bracket();
	int64_t host_ns, true_ns;
	int ret = paraclock_sim_truth(bed->vm, now.counter,
				      PARACLOCK_TIMESCALE_UTC, &host_ns);

	if (!ret)
		ret = paraclock_sim_truth(bed->true_vm, now.counter,
					  PARACLOCK_TIMESCALE_UTC, &true_ns);
	if (ret)
		return ret;
	printf("{\"realtime_ns\": %" PRId64 ", \"host_ns\": %" PRId64
	       ", \"true_ns\": %" PRId64 ", \"width_ticks\": %" PRIu64 "}\n",
	       now.realtime_ns, host_ns, true_ns, now.width);
	return 0;
}

/* Of every host: a VM that migrates keeps its bound. */
static int set_errors(const struct bed *bed, int64_t bound_ns,
		      int64_t bound_ppb)
{
	const struct paraclock_sim_host_options opts = {
		.size = sizeof(opts),
		.maxerror_ns = (uint64_t)bound_ns,
		.maxerror_ppb = (uint64_t)bound_ppb,
		.error_flags =
			bound_ns < 0 ? 0
				     : PARACLOCK_TIMELINE_MAXERROR |
					       PARACLOCK_TIMELINE_MAXERROR_RATE,
	};
	int ret = 0;

	for (unsigned int i = 0; i < HOSTS && !ret; i++)
		ret = paraclock_sim_errors(bed->host[i], &opts);
	return ret;
}

static int step(struct bed *bed, unsigned int host, int64_t ns)
{
	int ret = paraclock_sim_step(bed->host[host], ns);

	if (!ret)
		bed->ahead_ns[host] += ns;
	return ret;
}

/* The VM moves to the other host, whose clock is so far ahead of this one's. */
static int migrate(struct bed *bed, int64_t ahead_ns, int64_t downtime_ns)
{
	unsigned int to = !bed->at;
	int ret = step(bed, to,
		       bed->ahead_ns[bed->at] + ahead_ns - bed->ahead_ns[to]);

	if (!ret)
		ret = paraclock_sim_migrate(bed->vm, bed->host[to],
					    (uint64_t)downtime_ns, 0);
	if (!ret)
		bed->at = to;
	return ret;
}

static int act(struct bed *bed, const char *name, int64_t first, int64_t second)
{
	struct paraclock_sim_host *host = bed->host[bed->at];

	if (strcmp(name, "migrate") == 0)
		return migrate(bed, first, second);
	if (strcmp(name, "step") == 0)
		return step(bed, bed->at, first);
	if (strcmp(name, "slew") == 0)
		return paraclock_sim_slew(host, first);
	if (strcmp(name, "status") == 0)
		return paraclock_sim_status(host, (unsigned int)first);
	if (strcmp(name, "leap") == 0)
		return paraclock_sim_leap(host, (unsigned int)first);
	if (strcmp(name, "tai") == 0)
		return paraclock_sim_tai(host, (int)first);
	if (strcmp(name, "errors") == 0)
		return set_errors(bed, first, second);
	return -EINVAL;
}

/* When the page began to show it, and when it surely did. */
static int obey(struct bed *bed, const char *line)
{
	int64_t first = 0, second = 0, began_ns;
	char name[16];
	int ret;

	if (sscanf(line, "%15s %" SCNd64 " %" SCNd64, name, &first, &second) <
	    1)
		return -EINVAL;
	if (strcmp(name, "truth") == 0)
		return truth(bed);
	ret = act(bed, name, first, second);
	began_ns = realtime_ns();
	if (!ret)
		ret = show(bed);
	if (!ret)
		printf("{\"began_ns\": %" PRId64 ", \"ended_ns\": %" PRId64
		       "}\n",
		       began_ns, realtime_ns());
	return ret;
}

/* --- the world ------------------------------------------------------------
 */

static int add_vm(const struct bed *bed, struct paraclock_sim_host **host,
		  struct paraclock_sim_vm **vm, unsigned int timescale)
{
	const struct paraclock_sim_host_options clock = { .size = sizeof(
								  clock) };
	const struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = PARACLOCK_SIM_HAS_VMCLOCK,
		.vmclock_timescale = (uint8_t)timescale,
		.vmclock_period_ns = PERIOD_MS * NSEC_PER_SEC / 1000,
		.tsc_start = bed->stands_at,
	};
	int ret = paraclock_sim_host_new(host, bed->sim, &clock);

	return !ret && vm ? paraclock_sim_vm_new(vm, *host, &opts) : ret;
}

static unsigned int timescale_of(const char *name)
{
	for (unsigned int i = PARACLOCK_TIMESCALE_UNKNOWN;
	     i <= PARACLOCK_TIMESCALE_TAI; i++)
		if (strcmp(name, paraclock_timescale_name(i)) == 0)
			return i;
	errx(2, "%s: no timescale", name);
}

static int make_world(struct bed *bed, char **argv)
{
	/* This takes a while: before the time is read. */
	uint64_t hz = counter_hz();
	const struct paraclock_sim_options opts = {
		.size = sizeof(opts),
		.seed = (uint64_t)getpid(),
		.start_tai_ns = realtime_ns() + TAI_OFFSET * NSEC_PER_SEC +
				strtoll(argv[3], NULL, 0),
		.counter = world_counter,
		.arg = bed,
		.counter_hz = hz,
	};
	struct paraclock_sim_host *right;
	int ret;

	bed->stands_at = paraclock_counter(NULL);
	ret = paraclock_sim_new(&bed->sim, &opts);
	if (!ret)
		ret = add_vm(bed, &right, &bed->true_vm,
			     PARACLOCK_TIMESCALE_UTC);
	if (!ret)
		ret = add_vm(bed, &bed->host[0], &bed->vm,
			     timescale_of(argv[2]));
	if (!ret)
		ret = add_vm(bed, &bed->host[1], NULL, 0);
	bed->stands_at = 0;
	if (ret)
		return ret;
	bed->page.page = paraclock_sim_page(bed->vm, PARACLOCK_SIM_VMCLOCK, 0,
					    &bed->page.size);
	ret = page_file_open(&bed->page, argv[1], "vm.vmclock");
	return ret ? ret : show(bed);
}

/* A line, or an empty one while none has come; NULL: no more will come. */
static const char *next_line(char *line, size_t size)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t got;

	if (poll(&in, 1, PERIOD_MS) <= 0)
		return "";
	/* The other side waits for the answer, so this is one line. */
	got = read(STDIN_FILENO, line, size - 1);
	if (got <= 0)
		return NULL;
	line[got] = '\0';
	return line;
}

int main(int argc, char **argv)
{
	struct bed bed = { .page = { .kind = PARACLOCK_SIM_VMCLOCK,
				     .fd = -1,
				     .pipe = { -1, -1 } } };
	char buf[256];
	const char *line;
	int ret;

	if (argc != 4)
		errx(2, "usage: feed_host DIR TIMESCALE AHEAD_NS");
	ret = make_world(&bed, argv);
	if (!ret)
		puts("{}");
	while (!ret && !fflush(stdout) &&
	       (line = next_line(buf, sizeof(buf)))) {
		int error = *line ? obey(&bed, line) : show(&bed);

		if (error && *line)
			printf("{\"error\": \"%s\"}\n",
			       paraclock_error_name(error));
		else
			ret = error;
	}
	if (ret)
		errx(1, "%s", paraclock_error_name(ret));
	page_file_close(&bed.page);
	paraclock_sim_free(bed.sim);
	return 0;
}
