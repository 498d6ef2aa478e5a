// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "duration.h"
#include "feed_output.h"
#include "feed_shm.h"
#include "service.h"

/* --- the protocol --------------------------------------------------------- */

/* Readers of this kind are other programs: each word is stored as a whole. */
#define STORE(to, value) __atomic_store_n(&(to), (value), __ATOMIC_RELAXED)

static int32_t next_count(const struct feed_shm *shm)
{
	uint32_t count =
		(uint32_t)__atomic_load_n(&shm->count, __ATOMIC_RELAXED);

	return (int32_t)(count + 1);
}

/*
 * valid first, although the description of the format says count first: a
 * reader that looks at count, then at valid, would find the odd count twice, and
 * valid still 1 in between, and accept what it copied while it was written.
 */
static void begin(struct feed_shm *shm)
{
	STORE(shm->mode, FEED_SHM_MODE);
	STORE(shm->valid, 0);
	/* Pairs with the reader's barrier after its first look at count: if it
	 * sees the odd one, it sees valid 0. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	STORE(shm->count, next_count(shm));
	/* Pairs with the reader's barrier between its copy and its second look
	 * at count: no word becomes visible before the count. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end(struct feed_shm *shm, int32_t valid)
{
	/* Pairs with the reader's barrier between its first look at count and
	 * its copy: a reader that sees this count sees every word. */
	__atomic_store_n(&shm->count, next_count(shm), __ATOMIC_RELEASE);
	/* The same for a reader that looks at valid alone. */
	__atomic_store_n(&shm->valid, valid, __ATOMIC_RELEASE);
}

void feed_shm_write(struct feed_shm *shm, const struct feed_sample *sample)
{
	const struct feed_tv receive = feed_tv(sample->real_ns);
	const int64_t receive_ns =
		receive.sec * NSEC_PER_SEC + (int64_t)receive.us * 1000;
	const int64_t clock_ns = receive_ns + sample->offset_ns;
	const struct feed_tv clock = feed_tv(clock_ns);

	begin(shm);
	STORE(shm->clock_sec, clock.sec);
	STORE(shm->clock_us, clock.us);
	STORE(shm->clock_ns, (uint32_t)(clock_ns - clock.sec * NSEC_PER_SEC));
	STORE(shm->receive_sec, receive.sec);
	STORE(shm->receive_us, receive.us);
	STORE(shm->receive_ns, (uint32_t)receive.us * 1000);
	STORE(shm->leap, feed_leap(sample->leap));
	STORE(shm->precision, feed_log2_precision(sample));
	end(shm, 1);
}

void feed_shm_clear(struct feed_shm *shm)
{
	begin(shm);
	STORE(shm->leap, FEED_SHM_LEAP_UNKNOWN);
	end(shm, 0);
}

/* --- the segment ---------------------------------------------------------- */

static void detach(struct feed_output *output)
{
	if (output->memory)
		(void)shmdt(output->memory);
	output->memory = NULL;
	output->id = -1;
}

/* Whoever can write there sets the clock of whoever reads it. */
static int check_owner(int id)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds))
		return -errno;
	if ((ds.shm_perm.uid && ds.shm_perm.uid != geteuid()) ||
	    (ds.shm_perm.cuid && ds.shm_perm.cuid != geteuid()) ||
	    ds.shm_perm.mode & S_IWOTH)
		return -EPERM;
	return 0;
}

static int attach(struct feed_output *output, int id)
{
	int ret = check_owner(id);
	void *memory;

	if (ret)
		return ret;
	memory = shmat(id, NULL, 0);
	/* The pointer is -1. */
	if ((intptr_t)memory == -1)
		return -errno;
	output->memory = memory;
	output->id = id;
	/* A writer before this one may have died in the middle, or have left a
	 * sample from before a disruption. */
	feed_shm_clear(memory);
	return 0;
}

/* Somebody may have removed the segment, and made another. */
static int find(struct feed_output *output)
{
	int id = shmget((key_t)(FEED_SHM_KEY + output->unit),
			sizeof(struct feed_shm), IPC_CREAT | 0600);

	if (id < 0) {
		int error = errno;

		detach(output);
		return -error;
	}
	if (output->memory && output->id == id)
		return 0;
	detach(output);
	return attach(output, id);
}

static int send_segment(struct feed_output *output,
			const struct feed_sample *sample)
{
	int64_t clock_ns;
	int ret;

	if (sample->real_ns < 0 ||
	    __builtin_add_overflow(sample->real_ns, sample->offset_ns,
				   &clock_ns) ||
	    clock_ns < 0)
		return -ERANGE;
	ret = find(output);
	if (!ret)
		feed_shm_write(output->memory, sample);
	return ret;
}

static void withdraw(struct feed_output *output)
{
	if (output->memory)
		feed_shm_clear(output->memory);
}

static void close_segment(struct feed_output *output)
{
	withdraw(output);
	detach(output);
}

void feed_shm_open(struct feed_output *output, int unit)
{
	static const struct feed_output_kind kind = {
		.name = "ntp-shm",
		.send = send_segment,
		.withdraw = withdraw,
		.close = close_segment,
	};

	*output = (struct feed_output){
		.kind = &kind, .fd = -1, .id = -1, .unit = unit
	};
	snprintf(output->target, sizeof(output->target), "%d", unit);
}
