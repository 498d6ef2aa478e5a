// SPDX-License-Identifier: MIT
/*
 * ClockBound's segment, read by a client that is written from the protocol's
 * description: bytes at offsets, and no header of the writer's.
 */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/serve_clockbound.h"

#include "../../shared/rows.h"

#define SEC 1000000000LL

static char path[64];
static struct serve_segment segment;

/* --- a client ------------------------------------------------------------- */

struct told {
	uint32_t magic[2], size;
	uint16_t version, generation;
	int64_t as_of[2], void_after[2], bound;
	uint64_t marker;
	uint32_t max_drift;
	int32_t status;
	uint8_t support, pad[7];
};

static const unsigned char *map(void)
{
	int fd = open(path, O_RDONLY);
	const unsigned char *at;

	assert_true(fd >= 0);
	at = mmap(NULL, 80, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	close(fd);
	return at;
}

/* At the description's offsets. */
static void decode(const unsigned char *at, struct told *told)
{
	memcpy(told->magic, at, 8);
	memcpy(&told->size, at + 8, 4);
	memcpy(&told->version, at + 12, 2);
	memcpy(&told->generation, at + 14, 2);
	memcpy(told->as_of, at + 16, 16);
	memcpy(told->void_after, at + 32, 16);
	memcpy(&told->bound, at + 48, 8);
	memcpy(&told->marker, at + 56, 8);
	memcpy(&told->max_drift, at + 64, 4);
	memcpy(&told->status, at + 68, 4);
	memcpy(&told->support, at + 72, 1);
	memcpy(told->pad, at + 73, 7);
}

/* A copy under the generation; false: it is being written. */
static bool try_to_read(const unsigned char *at, struct told *told)
{
	const uint16_t *live = (const void *)(at + 14);
	uint16_t before = __atomic_load_n(live, __ATOMIC_ACQUIRE);
	uint64_t copy[10];

	if (!before || before & 1)
		return false;
	for (int i = 0; i < 10; i++)
		copy[i] =
			__atomic_load_n((const uint64_t *)(const void *)at + i,
					__ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(live, __ATOMIC_RELAXED) != before)
		return false;
	decode((const void *)copy, told);
	return true;
}

/* --- the layout ----------------------------------------------------------- */

static const struct serve_bound plain = {
	.as_of_ns = 12 * SEC + 345,
	.void_after_ns = 17 * SEC + 345,
	.bound_ns = 987654,
	.marker = 0x1122334455667788,
	.max_drift_ppb = 90968000,
	.status = SERVE_BOUND_SYNCHRONIZED,
	.has_marker = true,
};

static void layout(void **unused)
{
	const unsigned char *at;
	struct told told;
	struct stat st;

	(void)unused;
	assert_int_equal(serve_segment_write(&segment, &plain), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 80);
	assert_int_equal(st.st_mode & 07777, 0644);
	at = map();
	decode(at, &told);
	assert_int_equal(told.magic[0], 0x414D5A4E);
	assert_int_equal(told.magic[1], 0x43420200);
	assert_int_equal(told.size, 80);
	assert_int_equal(told.version, 2);
	assert_int_equal(told.generation, 2);
	assert_int_equal(told.as_of[0], 12);
	assert_int_equal(told.as_of[1], 345);
	assert_int_equal(told.void_after[0], 17);
	assert_int_equal(told.void_after[1], 345);
	assert_int_equal(told.bound, 987654);
	assert_int_equal(told.marker, 0x1122334455667788);
	assert_int_equal(told.max_drift, 90968000);
	assert_int_equal(told.status, 1);
	assert_int_equal(told.support, 1);
	for (int i = 0; i < 7; i++)
		assert_int_equal(told.pad[i], 0);
	munmap((void *)(uintptr_t)at, 80);
}

static void states(void **unused)
{
	const unsigned char *at;
	struct serve_bound bound = plain;
	struct told told;

	(void)unused;
	assert_int_equal(serve_segment_write(&segment, &bound), 0);
	at = map();
	for (int32_t status = 0; status <= 3; status++) {
		bound.status = status;
		assert_int_equal(serve_segment_write(&segment, &bound), 0);
		assert_true(try_to_read(at, &told));
		assert_int_equal(told.status, status);
	}
	bound.has_marker = false;
	assert_int_equal(serve_segment_write(&segment, &bound), 0);
	assert_true(try_to_read(at, &told));
	assert_int_equal(told.support, 0);
	assert_int_equal(told.marker, 0);
	/* On exit. */
	serve_segment_close(&segment);
	assert_true(try_to_read(at, &told));
	assert_int_equal(told.status, 0);
	munmap((void *)(uintptr_t)at, 80);
}

/* --- the generation ------------------------------------------------------- */

static void generation_wraps(void **unused)
{
	const unsigned char *at;
	struct told told;
	uint16_t before = 0;

	(void)unused;
	assert_int_equal(serve_segment_write(&segment, &plain), 0);
	at = map();
	for (int i = 0; i < 70000; i++) {
		assert_int_equal(serve_segment_write(&segment, &plain), 0);
		decode(at, &told);
		assert_int_not_equal(told.generation, 0);
		assert_int_equal(told.generation & 1, 0);
		if (before)
			assert_int_equal(told.generation,
					 before == 65534 ? 2 : before + 2);
		before = told.generation;
	}
	munmap((void *)(uintptr_t)at, 80);
}

static void dead_writer(void **unused)
{
	const unsigned char *at;
	uint16_t odd = 7;
	struct told told;
	int fd;

	(void)unused;
	assert_int_equal(serve_segment_write(&segment, &plain), 0);
	at = map();
	serve_file_drop(&segment.file);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, &odd, 2, 14), 2);
	close(fd);
	assert_false(try_to_read(at, &told));
	/* Who has it mapped must not wait for ever. */
	assert_int_equal(serve_segment_write(&segment, &plain), 0);
	assert_true(try_to_read(at, &told));
	assert_int_equal(told.generation, 8);
	munmap((void *)(uintptr_t)at, 80);
}

static void garbage_is_replaced(void **unused)
{
	int fd = open(path, O_RDWR | O_CREAT, 0644);
	const unsigned char *at;
	struct told told;

	(void)unused;
	assert_int_equal(ftruncate(fd, 80), 0);
	assert_int_equal(serve_segment_write(&segment, &plain), 0);
	at = map();
	assert_true(try_to_read(at, &told));
	assert_int_equal(told.generation, 2);
	munmap((void *)(uintptr_t)at, 80);
	close(fd);
	/* A file that is not ours alone may be cut short under us. */
	serve_file_drop(&segment.file);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(serve_segment_write(&segment, &plain), 0);
	at = map();
	assert_true(try_to_read(at, &told));
	assert_int_equal(told.generation, 2);
	munmap((void *)(uintptr_t)at, 80);
}

/* Whatever folder its page is in. */
static void one_writer(void **unused)
{
	struct serve_segment other;
	char why[256] = "", wanted[64];

	(void)unused;
	assert_int_equal(serve_segment_open(&segment, path, why, sizeof(why)),
			 0);
	assert_int_equal(serve_segment_write(&segment, &plain), 0);
	assert_int_equal(serve_segment_open(&other, path, why, sizeof(why)),
			 -EBUSY);
	snprintf(wanted, sizeof(wanted), "process %d holds the segment",
		 (int)getpid());
	assert_non_null(strstr(why, wanted));
	assert_non_null(strstr(why, "--clockbound"));

	/* One that was removed and made anew is still its writer's. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(serve_segment_write(&segment, &plain), 0);
	assert_int_equal(serve_segment_open(&other, path, why, sizeof(why)),
			 -EBUSY);
	serve_unlock(&segment.lock);
	assert_int_equal(serve_segment_open(&other, path, why, sizeof(why)), 0);
	serve_unlock(&other.lock);
}

#define UPDATES 300000

static void *write_on(void *arg)
{
	struct serve_bound bound = plain;

	(void)arg;
	for (int64_t i = 1; i <= UPDATES; i++) {
		bound.as_of_ns = i * SEC + i;
		bound.void_after_ns = bound.as_of_ns + 5 * SEC;
		bound.bound_ns = i;
		bound.marker = (uint64_t)i;
		bound.max_drift_ppb = (uint32_t)i;
		(void)serve_segment_write(&segment, &bound);
		if (i % 1000 == 0)
			sched_yield();
	}
	return NULL;
}

/* Fields of two updates together are what no client may see. */
static void live_writer(void **unused)
{
	const unsigned char *at;
	unsigned long reads = 0, tries = 0;
	pthread_t thread;
	struct told told;

	(void)unused;
	assert_int_equal(serve_segment_write(&segment, &plain), 0);
	at = map();
	assert_int_equal(pthread_create(&thread, NULL, write_on, NULL), 0);
	do {
		if (++tries % 1000 == 0)
			sched_yield();
		if (!try_to_read(at, &told))
			continue;
		if (told.bound == plain.bound_ns)
			continue;
		reads++;
		assert_int_equal(told.as_of[0], told.bound);
		assert_int_equal(told.as_of[1], told.bound);
		assert_int_equal(told.void_after[0], told.bound + 5);
		assert_int_equal(told.marker, told.bound);
		assert_int_equal(told.max_drift, told.bound);
	} while (told.bound != UPDATES);
	pthread_join(thread, NULL);
	printf("%lu whole reads of %lu\n", reads, tries);
	munmap((void *)(uintptr_t)at, 80);
}

/* --- the bound ------------------------------------------------------------ */

#define START_NS (1800000000LL * SEC)

/*
 * CLOCK_REALTIME and CLOCK_MONOTONIC, slewed together by a share of each second,
 * from as_of on: the worst, either way.
 */
static void check_slewed(double share)
{
	/* A bound of 1 us, and a counter of 1 GHz that is exact. */
	const struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.base_tsc = 0,
		.base_sec = 1800000000,
		.period_frac = 9903520314283042199U,
		.period_shift = 29,
		.maxerror_ns = 1000,
		.maxerror_rate_frac = 1,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};
	const int64_t true_ns = 4000000; /* from as_of to the snapshot */
	const int64_t passed = (int64_t)((double)true_ns * (1 + share));
	const struct serve_realtime real = {
		.as_of_ns = 100 * SEC,
		.mono_ns = 100 * SEC + passed,
		.counter = SEC,
		.real_ns = START_NS + SEC + 777,
		.error_ns = 50,
		.slew_ppb = 83333334,
	};
	struct serve_bound bound;
	int64_t offset_ns;
	uint64_t within_ns;

	assert_int_equal(serve_offset_of(&tl, &real, &offset_ns, &within_ns),
			 0);
	/* The timeline's is in ns that are rounded down. */
	assert_in_range(-offset_ns, 777, 778);
	assert_in_range(within_ns, 1000 + 50, 1000 + 50 + 5);
	assert_int_equal(serve_bound_of(&tl, &real, &bound), 0);
	assert_int_equal(bound.void_after_ns - bound.as_of_ns, 5 * SEC);
	/* At any moment from as_of on, and if the timeline and the readings are
	 * as wrong as they may be. */
	for (int64_t ns = -true_ns; ns < 5 * SEC; ns += 1000003) {
		double off = 777 + 1000 + 50 +
			     (double)(ns < 0 ? 0 : ns) *
				     (share < 0 ? -share : share);
		double client;

		if (ns < 0)
			off += (double)-ns * (share < 0 ? -share : share);
		client = (double)bound.bound_ns +
			 (double)(ns + true_ns) * (1 + share) *
				 bound.max_drift_ppb * 1e-9;
		assert_true(off <= client + 1);
	}
}

static void bound_holds(void **unused)
{
	(void)unused;
	check_slewed(0);
	check_slewed(0.083333333);
	check_slewed(-0.083333333);
}

static void bound_is_tight(void **unused)
{
	const struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.base_sec = 1800000000,
		.period_frac = 9903520314283042199U,
		.period_shift = 29,
		.maxerror_ns = 1000,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.tai_offset_sec = 37,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};
	struct serve_realtime real = {
		.as_of_ns = SEC,
		.mono_ns = SEC,
		.counter = SEC,
		.real_ns = START_NS - 36 * SEC - 5000,
		.error_ns = 10,
		.slew_ppb = 1000000,
	};
	struct serve_bound bound;

	(void)unused;
	assert_int_equal(serve_bound_of(&tl, &real, &bound), 0);
	assert_in_range(bound.bound_ns, 6010, 6020);
	assert_in_range(bound.max_drift_ppb, 1001001, 1001010);
	/* As of after the reading. */
	real.as_of_ns++;
	assert_int_equal(serve_bound_of(&tl, &real, &bound), -ERANGE);
}

static int start(void **unused)
{
	static char folder[32];

	(void)unused;
	snprintf(folder, sizeof(folder), "/tmp/serve.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/shm0", folder);
	segment = (struct serve_segment){ .file.path = path };
	return 0;
}

static int end(void **unused)
{
	char *slash = strrchr(path, '/');
	char lock_path[80];

	(void)unused;
	serve_segment_close(&segment);
	unlink(path);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	unlink(lock_path);
	*slash = '\0';
	return rmdir(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("every field at its offset", layout),
		TEST("every state, and UNKNOWN at the end", states),
		TEST("the generation is even, and skips 0", generation_wraps),
		TEST("a dead writer's segment is made whole", dead_writer),
		TEST("what is no segment is replaced", garbage_is_replaced),
		TEST("one process writes it", one_writer),
		TEST("a live writer is never seen half way", live_writer),
		TEST("the bound holds, whichever way the clock is slewed",
		     bound_holds),
		TEST("the bound is no larger than it has to be",
		     bound_is_tight),
	};

	each_test(start, end);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
