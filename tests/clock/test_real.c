// SPDX-License-Identifier: MIT
/* This machine's own page, through the env behind a NULL. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"

#define SKIP 77

static struct paraclock *real;

static int open_kvmclock(struct paraclock **ret_clk, char *detail, size_t size)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "kvmclock",
		.detail = detail,
		.detail_size = size,
	};

	return paraclock_open(ret_clk, &opts);
}

static struct paraclock_sample read_valid(void)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(real, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_OK);
	assert_int_equal(sample.valid, 1);
	return sample;
}

static void time_and_counter_grow(void **state)
{
	struct paraclock_sample first = read_valid(), last = first;

	(void)state;
	assert_int_equal(first.timescale, PARACLOCK_TIMESCALE_MONOTONIC);
	assert_int_equal(first.counter, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(first.pair_error_ns, 0);
	assert_int_equal(first.flags & PARACLOCK_FLAG_OWN_KERNEL, 0);
	assert_int_not_equal(first.epoch, 0);
	for (unsigned int i = 0; i < 1000000; i++) {
		struct paraclock_sample now = read_valid();

		assert_true(now.host_tsc >= last.host_tsc);
		if (now.epoch == last.epoch)
			assert_true(now.host_ns >= last.host_ns);
		last = now;
	}
	assert_true(last.host_tsc > first.host_tsc);
	assert_true(last.host_ns > first.host_ns);
}

static void read_at_agrees_with_read(void **state)
{
	struct paraclock_sample now = read_valid(), then;

	(void)state;
	assert_int_equal(paraclock_read_at(real, now.host_tsc, &then), 0);
	assert_int_equal(then.valid, 1);
	assert_int_equal(then.host_tsc, now.host_tsc);
	if (then.epoch == now.epoch)
		assert_int_equal(then.host_ns, now.host_ns);
	assert_int_equal(paraclock_read_at(real, UINT64_MAX, &then), -EINVAL);
}

/* --- against the kernel's clock ------------------------------------------- */

struct pair {
	int64_t host_ns, raw_ns, width_ns;
};

/* The narrowest of a few, so that no interrupt falls into it. */
static struct pair pair_with_raw(void)
{
	struct pair best = { .width_ns = INT64_MAX };

	for (unsigned int i = 0; i < 64; i++) {
		int64_t before = read_valid().host_ns;
		struct timespec raw;
		int64_t after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &raw);
		after = read_valid().host_ns;
		if (after - before >= best.width_ns)
			continue;
		best.width_ns = after - before;
		best.host_ns = before + best.width_ns / 2;
		best.raw_ns = raw.tv_sec * 1000000000LL + raw.tv_nsec;
	}
	return best;
}

static void the_rate_is_within_50_ppm_of_the_kernels(void **state)
{
	const struct timespec wait = { .tv_nsec = 200000000 };
	struct pair from = pair_with_raw(), to;
	int64_t raw, host;

	(void)state;
	nanosleep(&wait, NULL);
	to = pair_with_raw();
	raw = to.raw_ns - from.raw_ns;
	host = to.host_ns - from.host_ns;
	print_message("%.3f ppm, over %lld ns, brackets of %lld and %lld "
		      "ns\n",
		      1e6 * (double)(host - raw) / (double)raw, (long long)raw,
		      (long long)from.width_ns, (long long)to.width_ns);
	/* Each of the two lies somewhere in its bracket. */
	assert_true(llabs(host - raw) <=
		    raw / 20000 + from.width_ns + to.width_ns);
}

/* --- errno ---------------------------------------------------------------- */

#define ERRNO 4242

static int on_listing(void *arg, const struct paraclock_listing *listing)
{
	(void)arg;
	(void)listing;
	assert_int_equal(errno, ERRNO);
	return 0;
}

static void check_opens(void)
{
	static const char *const names[] = {
		NULL, "kvmclock", "hyperv", "vmclock", "tsc", "sundial",
	};
	static const char *const devices[] = {
		NULL, "/nonexistent", "/etc/passwd", "/dev/null", "/",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		for (size_t k = 0; k < ARRAY_LEN(devices); k++) {
			const struct paraclock_options opts = {
				.size = sizeof(opts),
				.backend = names[i],
				.device = devices[k],
			};
			struct paraclock *clk = NULL;

			(void)paraclock_open(&clk, &opts);
			assert_int_equal(errno, ERRNO);
			paraclock_close(clk);
			assert_int_equal(errno, ERRNO);
		}
	}
}

static void errno_is_left_alone(void **state)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	struct paraclock_sample sample;
	struct paraclock_marker marker;
	char buf[64];

	(void)state;
	errno = ERRNO;
	check_opens();
	(void)paraclock_list(NULL, on_listing, NULL);
	assert_int_equal(errno, ERRNO);
	assert_int_equal(paraclock_describe_machine(NULL, &machine), 0);
	assert_int_equal(errno, ERRNO);
	(void)paraclock_read(real, &sample);
	(void)paraclock_read_at(real, 1, &sample);
	(void)paraclock_read_at(real, UINT64_MAX, &sample);
	assert_int_equal(errno, ERRNO);
	(void)paraclock_disrupted(real, paraclock_epoch(real));
	(void)paraclock_marker(real, &marker);
	assert_int_equal(errno, ERRNO);
	(void)paraclock_explain(real, -EPROTO, NULL, buf, sizeof(buf));
	(void)paraclock_error_name(-EPROTO);
	(void)paraclock_backend_name(real);
	(void)paraclock_open_backend(NULL, NULL, NULL, NULL);
	assert_int_equal(errno, ERRNO);
	errno = 0;
}

/* --- children ------------------------------------------------------------- */

static void a_child_reads_on(void **state)
{
	struct paraclock_sample before = read_valid(), sample;
	int status = -1;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		int ret = paraclock_read(real, &sample);

		_exit(ret || !sample.valid ||
		      sample.host_tsc < before.host_tsc ||
		      (sample.epoch == before.epoch &&
		       sample.host_ns < before.host_ns));
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	read_valid();
}

/* --- signal handlers ------------------------------------------------------ */

static struct {
	struct paraclock *clk;
	unsigned int valid, disrupted, wrong;
} handler;

static void count(unsigned int *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void on_alarm(int signal)
{
	struct paraclock_sample sample;
	int ret = paraclock_read(handler.clk, &sample);

	(void)signal;
	if (ret == 0 && sample.valid)
		count(&handler.valid);
	else if (ret == 0 && sample.reason == PARACLOCK_REASON_DISRUPTED)
		count(&handler.disrupted);
	else
		count(&handler.wrong);
}

static timer_t start_alarms(struct paraclock *clk)
{
	const struct itimerspec every = {
		.it_interval = { .tv_nsec = 100000 },
		.it_value = { .tv_nsec = 100000 },
	};
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGALRM,
	};
	struct sigaction action = {
		.sa_handler = on_alarm,
		.sa_flags = SA_RESTART,
	};
	timer_t timer;

	memset(&handler, 0, sizeof(handler));
	handler.clk = clk;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
	return timer;
}

static void stop_alarms(timer_t timer)
{
	timer_delete(timer);
	signal(SIGALRM, SIG_IGN);
	print_message("in the handler: %u valid, %u disrupted\n", handler.valid,
		      handler.disrupted);
}

/*
 * However long it takes until the handler has read so often; if it saw a
 * disruption a thousand times as often, it will see one for ever.
 */
static bool has_read(unsigned int times)
{
	return __atomic_load_n(&handler.valid, __ATOMIC_RELAXED) >= times ||
	       __atomic_load_n(&handler.disrupted, __ATOMIC_RELAXED) >=
		       1000 * times ||
	       __atomic_load_n(&handler.wrong, __ATOMIC_RELAXED);
}

static void a_signal_handler_reads_what_the_loop_reads(void **state)
{
	timer_t timer = start_alarms(real);

	(void)state;
	while (!has_read(100)) {
		for (unsigned int i = 0; i < 1000; i++)
			read_valid();
	}
	stop_alarms(timer);
	assert_int_equal(handler.wrong, 0);
	/* A signal may interrupt the commit of an update, which is rare. */
	assert_true(handler.disrupted < handler.valid);
}

/* The same with a change to commit all the time. */
static void a_signal_handler_may_interrupt_a_change(void **state)
{
	static struct fake fake;
	uint64_t marker = 1;
	struct paraclock_sample sample;
	struct paraclock *clk;
	timer_t timer;

	(void)state;
	fake_init(&fake);
	fake_set_vmclock(&fake, 2, marker, 1000, 1700000000);
	fake.vmclock_error = 0;
	clk = fake_open(&fake, "vmclock");
	timer = start_alarms(clk);
	/* A sanitizer makes most of them fall into a change. */
	while (!has_read(20)) {
		for (unsigned int i = 0; i < 1000; i++) {
			put64(fake.vmclock, 16, ++marker);
			assert_int_equal(paraclock_read(clk, &sample), 0);
			assert_int_equal(sample.valid, 1);
		}
	}
	stop_alarms(timer);
	assert_int_equal(handler.wrong, 0);
	assert_true(handler.valid >= 20);
	assert_int_equal(paraclock_epoch(clk), marker);
	paraclock_close(clk);
}

/* --- file descriptors ----------------------------------------------------- */

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void no_descriptor_is_left_open(void **state)
{
	unsigned int before = count_fds();

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		struct paraclock *clk;

		assert_int_equal(open_kvmclock(&clk, NULL, 0), 0);
		paraclock_close(clk);
	}
	errno = ERRNO;
	for (unsigned int i = 0; i < 4; i++)
		check_opens();
	assert_int_equal(count_fds(), before);
}

/* A published image is read, not mapped: nobody vouches for its size. */
static void a_file_that_shrinks_is_an_error_not_a_signal(void **state)
{
	static const uint32_t page[8] = { 2, 0, 1, 0, 0, 0, 1U << 31, 0x100 };
	char path[] = "/tmp/paraclock-real-XXXXXX";
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "kvmclock",
		.device = path,
	};
	unsigned int before = count_fds();
	struct paraclock_sample sample;
	struct paraclock *clk;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	unlink(path);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(ftruncate(fd, 16), 0);
	assert_int_equal(paraclock_read(clk, &sample), -EPROTO);
	paraclock_close(clk);
	close(fd);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("time and counter grow", time_and_counter_grow),
		TEST("read_at() agrees with read()", read_at_agrees_with_read),
		TEST("the rate is within 50 ppm of the kernel's",
		     the_rate_is_within_50_ppm_of_the_kernels),
		TEST("errno is left alone", errno_is_left_alone),
		TEST("a child reads on", a_child_reads_on),
		TEST("a signal handler reads what the loop reads",
		     a_signal_handler_reads_what_the_loop_reads),
		TEST("a signal handler may interrupt a change",
		     a_signal_handler_may_interrupt_a_change),
		TEST("no descriptor is left open", no_descriptor_is_left_open),
		TEST("a file that shrinks is an error, not a signal",
		     a_file_that_shrinks_is_an_error_not_a_signal),
	};
	char detail[256];
	int ret = open_kvmclock(&real, detail, sizeof(detail));

	if (ret == -ENODEV) {
		printf("skipped: no kvmclock here: %s\n", detail);
		return SKIP;
	}
	if (ret) {
		printf("kvmclock is here and does not open: %s\n", detail);
		return EXIT_FAILURE;
	}
	ADD_TESTS(tests);
	ret = run_suite(NULL, NULL);
	paraclock_close(real);
	return ret;
}
