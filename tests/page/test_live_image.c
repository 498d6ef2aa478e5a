// SPDX-License-Identifier: MIT
/*
 * A page in a file that its writer maps and a reader reads by two preads: a
 * state that the reader accepts is never a mix of two.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/counter.h"
#include "fake.h"
#include "live.h"
#include "vmclock/vmclock_page.h"

#define READS 100000

static struct vmclock_page *live;
static int file;
static uint32_t stop;

#define STORE(x, to) __atomic_store_n(&(x), to, __ATOMIC_RELAXED)

/* State n: n seconds, known to n ns, from counter value n on. */
static void write_state(uint64_t n)
{
	STORE(live->seq_count, (uint32_t)(2 * n - 1));
	__atomic_thread_fence(__ATOMIC_RELEASE);
	STORE(live->counter_value, n);
	STORE(live->time_sec, n);
	STORE(live->time_maxerror_nanosec, n);
	__atomic_store_n(&live->seq_count, (uint32_t)(2 * n), __ATOMIC_RELEASE);
}

static void *write_on(void *arg)
{
	uint64_t n = 2;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		write_state(n++);
		/* About as long as a pread, so that the page is often whole. */
		for (unsigned int i = 0; i < 100; i++)
			cpu_relax();
	}
	return NULL;
}

static void make_page(void)
{
	file = memfd_create("page", MFD_CLOEXEC);
	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, 4096), 0);
	live = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	assert_true(live != MAP_FAILED);
	*live = (struct vmclock_page){
		.magic = VMCLOCK_MAGIC,
		.size = 4096,
		.version = 1,
		.counter_id = COUNTER_NATIVE == PARACLOCK_COUNTER_X86_TSC,
		.time_type = VMCLOCK_TIME_TAI,
		.flags = VMCLOCK_FLAG_PERIOD_MAXERROR_VALID |
			 VMCLOCK_FLAG_TIME_MAXERROR_VALID,
		.clock_status = VMCLOCK_STATUS_SYNCHRONIZED,
		/* The clock stands still. */
		.counter_period_frac_sec = 1,
		.counter_period_shift = 64,
	};
	write_state(1);
}

static struct paraclock *open_file(void)
{
	char path[64];
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.device = path,
		.max_age_ns = UINT64_MAX,
	};
	struct paraclock *clk = NULL;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	return clk;
}

static void no_read_mixes_two_states(void **state)
{
	uint64_t reads = live_setting("PARACLOCK_LIVE_READS", READS);
	uint64_t whole = 0, changes = 0, last = 0;
	struct paraclock *clk;
	pthread_t thread;

	(void)state;
	if (reads > READS)
		reads = READS;
	make_page();
	clk = open_file();
	assert_int_equal(pthread_create(&thread, NULL, write_on, NULL), 0);
	/* Until it has seen states change, however long that takes. */
	for (uint64_t i = 0; i < reads || changes < 2; i++) {
		struct paraclock_sample sample;
		int ret = paraclock_read(clk, &sample);

		if (ret == -EAGAIN)
			continue;
		assert_int_equal(ret, 0);
		assert_true(sample.valid);
		whole++;
		assert_int_equal(sample.host_ns,
				 sample.clock_error_ns * 1000000000);
		assert_true(sample.clock_error_ns >= last);
		changes += sample.clock_error_ns > last;
		last = sample.clock_error_ns;
	}
	STORE(stop, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	print_message("%llu whole, %llu states\n", (unsigned long long)whole,
		      (unsigned long long)changes);
	paraclock_close(clk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_read_mixes_two_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
