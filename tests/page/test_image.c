// SPDX-License-Identifier: MIT
/*
 * Pages in files: read anew each time, and never beyond the end of the file.
 * And memory and files that are no page at all.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/counter.h"
#include "fake.h"
#include "vmclock/vmclock_page.h"

static char directory[] = "/tmp/test_image.XXXXXX";
static char path[64];

static void put_file(const void *page, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(pwrite(fd, page, size, 0), size);
	assert_int_equal(close(fd), 0);
}

/* This machine's counter, and a page that has just been published. */
static void good_vmclock(struct vmclock_page *vc, uint32_t seq)
{
	*vc = (struct vmclock_page){
		.magic = VMCLOCK_MAGIC,
		.size = sizeof(*vc),
		.version = 1,
		.counter_id = COUNTER_NATIVE == PARACLOCK_COUNTER_X86_TSC,
		.time_type = VMCLOCK_TIME_TAI,
		.seq_count = seq,
		.clock_status = VMCLOCK_STATUS_SYNCHRONIZED,
		.counter_value = counter_fenced(),
		.counter_period_frac_sec = 1ULL << 33,
		.time_sec = 1700000000,
	};
}

static void expect_read(const struct paraclock *clk, int want, uint8_t reason)
{
	struct paraclock_sample got, clean;

	memset(&got, 0xa5, sizeof(got));
	memset(&clean, 0xa5, sizeof(clean));
	assert_int_equal(paraclock_read(clk, &got), want);
	if (want)
		assert_memory_equal(&got, &clean, sizeof(clean));
	else
		assert_int_equal(got.reason, reason);
}

static int open_device(struct paraclock **ret_clk, const char *backend,
		       const char *device, char detail[256])
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = device,
		.detail = detail,
		.detail_size = 256,
	};

	return paraclock_open(ret_clk, &opts);
}

struct cut {
	size_t size;
	int ret;
	uint8_t reason;
};

static void check_shrinking(void **state)
{
	static const struct cut cuts[] = {
		{ 112, 0, PARACLOCK_REASON_OK },
		{ 88, 0, PARACLOCK_REASON_OK },
		{ 87, 0, PARACLOCK_REASON_STATUS },
		{ 33, 0, PARACLOCK_REASON_STATUS },
		{ 31, -EPROTO, 0 },
		{ 15, -EPROTO, 0 },
		{ 8, -EPROTO, 0 },
		{ 0, -EPROTO, 0 },
		/* It is renewed, and good again. */
		{ 112, 0, PARACLOCK_REASON_OK },
	};
	struct vmclock_page vc;
	struct paraclock *clk;
	char detail[256];

	(void)state;
	good_vmclock(&vc, 2);
	put_file(&vc, sizeof(vc));
	assert_int_equal(open_device(&clk, "vmclock", path, detail), 0);
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		put_file(&vc, cuts[i].size);
		expect_read(clk, cuts[i].ret, cuts[i].reason);
	}
	paraclock_close(clk);
}

static void check_odd(void **state)
{
	struct vmclock_page vc;
	struct paraclock *clk;
	char detail[256];

	(void)state;
	good_vmclock(&vc, 3);
	put_file(&vc, sizeof(vc));
	assert_int_equal(open_device(&clk, "vmclock", path, detail), 0);
	expect_read(clk, -EAGAIN, 0);
	vc.seq_count = 4;
	put_file(&vc, sizeof(vc));
	expect_read(clk, 0, PARACLOCK_REASON_OK);
	vc.seq_count = 5;
	put_file(&vc, sizeof(vc));
	expect_read(clk, -EAGAIN, 0);
	paraclock_close(clk);
}

/* --- a thread that is cancelled in the middle ----------------------------- */

static unsigned int cancels;

/* The last call of a read before it commits a change. */
static uint32_t cancelled_fork_id(void *ctx)
{
	(void)ctx;
	if (cancels++ == 0)
		pthread_cancel(pthread_self());
	return 1;
}

/* The thread would end at the first cancellation point; a read has none. */
static void *read_once(void *arg)
{
	struct paraclock_sample sample;
	int ret = paraclock_read(arg, &sample);

	/* Not the end that it asked for, which upsets the sanitizers. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	return ret == 0 && sample.valid ? arg : NULL;
}

static void check_cancel(void **state)
{
	struct paraclock_env env = *paraclock_default_env();
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.device = path,
		.env = &env,
	};
	struct vmclock_page vc;
	struct paraclock *clk;
	pthread_t thread;
	void *result;

	(void)state;
	good_vmclock(&vc, 2);
	put_file(&vc, sizeof(vc));
	env.fork_id = cancelled_fork_id;
	cancels = 1;
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	vc.seq_count = 4;
	vc.disruption_marker++;
	put_file(&vc, sizeof(vc));
	cancels = 0;
	assert_int_equal(pthread_create(&thread, NULL, read_once, clk), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_true(cancels > 0);
	assert_ptr_equal(result, clk);
	vc.seq_count = 6;
	vc.disruption_marker++;
	put_file(&vc, sizeof(vc));
	expect_read(clk, 0, PARACLOCK_REASON_OK);
	assert_int_equal(paraclock_epoch(clk), 3);
	paraclock_close(clk);
}

/* --- a page in memory that stays odd -------------------------------------- */

static _Alignas(4096) struct vmclock_page odd_page;

static int map_odd_page(void *ctx, const char *name, const char *device,
			struct paraclock_mapping *ret_map)
{
	(void)ctx;
	(void)name;
	(void)device;
	*ret_map = (struct paraclock_mapping){
		.addr = &odd_page,
		.size = sizeof(odd_page),
		.fd = -1,
	};
	return 0;
}

static void unmap_nothing(void *ctx, struct paraclock_mapping *map)
{
	(void)ctx;
	(void)map;
}

static struct {
	uint64_t now, step, looks;
} counter;

static uint64_t count_looks(void *ctx)
{
	(void)ctx;
	counter.looks++;
	return counter.now += counter.step;
}

/*
 * 2^18 ticks, and the looks before and after; or, where the counter stands
 * still, 2^16 tries.
 */
static uint64_t ticks_until_given_up(uint64_t step)
{
	struct paraclock_env env = *paraclock_default_env();
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.device = "odd",
		.env = &env,
	};
	struct paraclock_sample sample;
	struct paraclock *clk;

	good_vmclock(&odd_page, 3);
	env.counter = count_looks;
	counter.step = step;
	env.map_page = map_odd_page;
	env.unmap_page = unmap_nothing;
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	counter.looks = 0;
	assert_int_equal(paraclock_read(clk, &sample), -EAGAIN);
	paraclock_close(clk);
	print_message("%llu ticks a look: given up after %llu looks\n",
		      (unsigned long long)step,
		      (unsigned long long)counter.looks);
	return counter.looks * step;
}

static void check_odd_memory(void **state)
{
	(void)state;
	for (uint64_t step = 1000; step > 10; step /= 10)
		assert_in_range(ticks_until_given_up(step), 1 << 18, 2 << 18);
	/*
	 * One step is already longer than that; and a counter that stands
	 * still.
	 */
	assert_in_range(ticks_until_given_up(1 << 20), 1 << 20, 8 << 20);
	ticks_until_given_up(0);
	assert_in_range(counter.looks, 1 << 16, 2 << 16);
}

struct device_case {
	const char *name;
	const char *backend, *device;
	int open_ret, read_ret;
	uint8_t reason;
};

static struct device_case device_cases[] = {
	/* clang-format off */
	{ "zeros are not a pvclock page", "kvmclock", "/dev/zero",
	  0, -EPROTO, 0 },
	{ "zeros are a Hyper-V page that is off", "hyperv", "/dev/zero",
	  0, 0, PARACLOCK_REASON_SEQUENCE },
	{ "zeros are not a vmclock page", "vmclock", "/dev/zero",
	  0, -EPROTO, 0 },
	{ "/dev/null is not a pvclock page", "kvmclock", "/dev/null",
	  -ENODEV, 0, 0 },
	{ "/dev/null is not a Hyper-V page", "hyperv", "/dev/null",
	  -ENODEV, 0, 0 },
	{ "/dev/null is not a vmclock page", "vmclock", "/dev/null",
	  -ENODEV, 0, 0 },
	{ "a directory", "vmclock", ".", -ENODEV, 0, 0 },
	{ "a FIFO that nobody writes to", "vmclock", "fifo",
	  -ENODEV, 0, 0 },
	{ "a FIFO for a pvclock page", "kvmclock", "fifo", -ENODEV, 0, 0 },
	{ "a file that is not there", "vmclock", "absent", -ENODEV, 0, 0 },
	{ "an empty file", "vmclock", "empty", 0, -EPROTO, 0 },
	{ "an empty file for a pvclock page", "kvmclock", "empty",
	  0, -EPROTO, 0 },
	{ "an empty file for a Hyper-V page", "hyperv", "empty",
	  0, -EPROTO, 0 },
	/* clang-format on */
};

static void check_device(void **state)
{
	const struct device_case *c = *state;
	struct paraclock *clk = NULL;
	char detail[256], device[96];

	snprintf(device, sizeof(device), "%s%s%s",
		 c->device[0] == '/' ? "" : directory,
		 c->device[0] == '/' ? "" : "/", c->device);
	assert_int_equal(open_device(&clk, c->backend, device, detail),
			 c->open_ret);
	if (c->open_ret) {
		assert_null(clk);
		assert_non_null(strstr(detail, device));
		return;
	}
	expect_read(clk, c->read_ret, c->reason);
	paraclock_close(clk);
}

static int make_directory(void **state)
{
	char name[64];
	int fd;

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/page", directory);
	snprintf(name, sizeof(name), "%s/fifo", directory);
	if (mkfifo(name, 0600))
		return -1;
	snprintf(name, sizeof(name), "%s/empty", directory);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : close(fd);
}

/* -ENODEV: it is lost; 0: it is present. */
static int loss_of(const char *name)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.device = name,
	};
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock *clk;
	int ret;

	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	(void)unlink(path);
	ret = paraclock_next_event(clk, &event);
	if (!ret)
		assert_int_equal(event.kind, PARACLOCK_EVENT_SOURCE_LOST);
	else
		assert_int_equal(ret, -EAGAIN);
	paraclock_close(clk);
	return ret ? 0 : event.error;
}

/* A renamed file is still there, and a memfd never had a name. */
static void check_removed(void **state)
{
	struct vmclock_page vc;
	char other[80], name[32];
	int fd = memfd_create("page", MFD_CLOEXEC);

	(void)state;
	good_vmclock(&vc, 2);
	put_file(&vc, sizeof(vc));
	assert_int_equal(loss_of(path), -ENODEV);
	put_file(&vc, sizeof(vc));
	snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(loss_of(path), 0);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(write(fd, &vc, sizeof(vc)), sizeof(vc));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	assert_int_equal(loss_of(name), 0);
	close(fd);
}

static int remove_directory(void **state)
{
	static const char *const names[] = { "page", "fifo", "empty", "." };
	char name[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(name, sizeof(name), "%s/%s", directory, names[i]);
		(void)unlink(name);
	}
	return rmdir(directory);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		TEST("an image that shrinks is malformed, then good again",
		     check_shrinking),
		TEST("an image that stays odd is not waited for", check_odd),
		TEST("a read that commits a change is not cancelled",
		     check_cancel),
		TEST("a page that stays odd is waited for 2^18 ticks",
		     check_odd_memory),
		TEST("an image that is removed is lost", check_removed),
	};

	ADD_TESTS(others);
	ADD_ROWS(device_cases, check_device);
	return run_suite(make_directory, remove_directory);
}
