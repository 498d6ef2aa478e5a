// SPDX-License-Identifier: MIT
/*
 * The host's side of a vmclock with time: outside of the guest, it writes a
 * page in the guest's memory by the public API, by commands on stdin, and
 * answers each with the name of the error, or of success.
 *
 * publisher MEMORY OFFSET WRITER: the guest's memory and the page's place in
 * it, and a file that keeps the writer's state from one publisher to the next.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <paraclock/backend.h>
#include <paraclock/host.h>
#include <paraclock/paraclock.h>

#include "mailbox.h"

#define NSEC_PER_SEC 1000000000LL

/*
 * An exchange takes some us, a preempted one some ms: of this many, one is
 * narrow.
 */
#define EXCHANGES 200U
/* A guest that has just been resumed waits for its page: this is enough. */
#define NARROW_NS 100000
#define ANSWER_NS (100 * NSEC_PER_SEC)

/* The constants of the page. */
#define GENERATION ((uint32_t)PARACLOCK_TIMELINE_GENERATION)
#define FLAGS                                                             \
	(PARACLOCK_TIMELINE_TAI_OFFSET | PARACLOCK_TIMELINE_STABLE |      \
	 PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE | \
	 GENERATION)

/* seq_count of a vmclock page, what it protects, the marker, which is the first
 * of that, and the status: for what no writer of ours does. */
#define SEQ_OFFSET    12
#define BODY_OFFSET   16
#define BODY_SIZE     96
#define MARKER_SIZE   8
#define STATUS_OFFSET 34

/* One reading of the host's clock between two of its counter. */
struct pair {
	uint64_t tsc;
	int64_t ns;
};

struct publisher {
	unsigned char *page;
	struct mailbox *mailbox;
	struct paraclock_page_writer *writer;
	struct paraclock_env env;
	struct pair first;    /* the rate is measured from here */
	uint64_t guest_ahead; /* the guest's counter less this machine's */
	uint64_t width;	      /* known to half of this, ticks */
	int64_t step_ns;      /* the published clock less the true one */
	int64_t at_ns;	      /* the last answer to "at" */
	uint64_t rate_ppb;    /* growth of the bound */
	struct paraclock_timeline tl;
};

static int64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static uint64_t counter(void)
{
	_mm_lfence();
	return __rdtsc();
}

static uint64_t guest_counter(void *ctx)
{
	const struct publisher *pub = ctx;

	return counter() + pub->guest_ahead;
}

static struct pair read_pair(void)
{
	struct pair best = { 0 };
	uint64_t width = UINT64_MAX;

	for (unsigned int i = 0; i < 100; i++) {
		uint64_t before = counter();
		int64_t ns = realtime_ns();
		uint64_t after = counter();

		if (after - before >= width)
			continue;
		width = after - before;
		best = (struct pair){ before + width / 2, ns };
	}
	return best;
}

/* --- the guest's counter ------------------------------------------------- */

/* One question: the width of its bracket, ticks of the host; 0: no answer. */
static uint64_t ask(struct publisher *pub, uint64_t number, uint64_t *ret_ahead)
{
	struct mailbox *box = pub->mailbox;
	int64_t end_ns = realtime_ns() + ANSWER_NS;
	uint64_t before = counter(), after;

	__atomic_store_n(&box->asked, number, __ATOMIC_RELEASE);
	do {
		after = counter();
		if (__atomic_load_n(&box->answered, __ATOMIC_ACQUIRE) ==
		    number) {
			*ret_ahead = box->tsc - (before + (after - before) / 2);
			return after - before;
		}
	} while (realtime_ns() < end_ns);
	return 0;
}

static double ticks_per_ns(const struct publisher *pub, struct pair now)
{
	return (double)(now.tsc - pub->first.tsc) /
	       (double)(now.ns - pub->first.ns);
}

/* Where the guest's counter is, and the time there; until it is known to
 * narrow_ns. */
static int calibrate(struct publisher *pub, int64_t narrow_ns)
{
	double narrow = (double)narrow_ns * ticks_per_ns(pub, read_pair());
	uint64_t number = pub->mailbox->answered + 1;
	uint64_t width, ahead, best = UINT64_MAX;
	double rate;

	for (unsigned int i = 0; i < EXCHANGES; i++) {
		width = ask(pub, number + i, &ahead);
		if (!width)
			break;
		if (width < best) {
			best = width;
			pub->guest_ahead = ahead;
		}
		if ((double)best <= narrow)
			break;
	}
	__atomic_store_n(&pub->mailbox->asked, 0, __ATOMIC_RELEASE);
	if (best == UINT64_MAX)
		return -ETIMEDOUT;
	pub->width = best;
	/* The two pairs are some 50 ns wide: 0.3 ppm of this. */
	while (realtime_ns() - pub->first.ns < NSEC_PER_SEC / 5)
		usleep(10000);
	rate = ticks_per_ns(pub, read_pair());
	/* Half of it, and the errors of the pair and the rate. */
	pub->tl.maxerror_ns = (uint64_t)((double)best / rate / 2) + 1000;
	return paraclock_timeline_set_hz(&pub->tl, (uint64_t)(rate * 1e9), 0);
}

/* --- the page ------------------------------------------------------------ */

static int publish(struct publisher *pub)
{
	struct paraclock_timeline *tl = &pub->tl;
	struct pair now = read_pair();
	int64_t ns = now.ns + pub->step_ns;

	if (tl->timescale == PARACLOCK_TIMESCALE_TAI)
		ns += tl->tai_offset_sec * NSEC_PER_SEC;
	tl->base_tsc = tl->t_start = now.tsc + pub->guest_ahead;
	tl->base_sec = (uint64_t)(ns / NSEC_PER_SEC);
	/* 2^-64 s: the fraction of 10^9, rounded down. */
	tl->base_frac = (uint64_t)(((__extension__(unsigned __int128)(
					    ns % NSEC_PER_SEC))
				    << 64) /
				   NSEC_PER_SEC);
	tl->maxerror_rate_frac = tl->period_frac / NSEC_PER_SEC * pub->rate_ppb;
	/*
	 * For the guest the reference point is past, however wrong its counter
	 * was measured: Linux's driver does not check that.
	 */
	while (counter() < now.tsc + pub->width)
		;
	return paraclock_vmclock_write(pub->page, pub->writer, &pub->env, tl);
}

static void begin_update(struct publisher *pub)
{
	uint32_t *seq = (void *)(pub->page + SEQ_OFFSET);

	__atomic_store_n(seq, *seq | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void end_update(struct publisher *pub)
{
	uint32_t *seq = (void *)(pub->page + SEQ_OFFSET);

	__atomic_store_n(seq, *seq + 1, __ATOMIC_RELEASE);
}

/*
 * A host that does not know of disruptions: the time is right, and the marker
 * is what it was. Our writers refuse that, so the page is made elsewhere.
 */
static int publish_alone(struct publisher *pub)
{
	static _Alignas(4096) unsigned char made[PARACLOCK_VMCLOCK_PAGE_SIZE];
	struct paraclock_page_writer writer = { 0 };
	struct publisher other = *pub;
	int ret;

	memset(made, 0, sizeof(made));
	other.page = made;
	other.writer = &writer;
	other.env.ctx = &other;
	ret = paraclock_page_writer_acquire(&writer, &other.env);
	if (!ret)
		ret = publish(&other);
	if (ret)
		return ret;
	pub->tl = other.tl;
	begin_update(pub);
	memcpy(pub->page + BODY_OFFSET + MARKER_SIZE,
	       made + BODY_OFFSET + MARKER_SIZE, BODY_SIZE - MARKER_SIZE);
	end_update(pub);
	return 0;
}

/* Before the guest runs again, the page is as old as the guest: only another
 * marker and generation. */
static int mark(struct publisher *pub)
{
	begin_update(pub);
	memcpy(pub->page + BODY_OFFSET, &pub->tl.marker, MARKER_SIZE);
	memcpy(pub->page + BODY_OFFSET + BODY_SIZE - sizeof(uint64_t),
	       &pub->tl.generation, sizeof(uint64_t));
	end_update(pub);
	return 0;
}

/* The same, and no time yet. */
static int announce(struct publisher *pub)
{
	begin_update(pub);
	pub->page[STATUS_OFFSET] = PARACLOCK_STATUS_INITIALIZING;
	end_update(pub);
	return mark(pub);
}

/*
 * The guest has just been stopped for a while: as soon as it runs again, and
 * this many ms after that, publish. TCG stops the guest's counter, so the page
 * cannot be right before.
 */
static int recover(struct publisher *pub, int64_t late_ms,
		   int (*write)(struct publisher *pub))
{
	int ret = calibrate(pub, NARROW_NS);

	if (ret)
		return ret;
	usleep((useconds_t)late_ms * 1000);
	return write(pub);
}

/* Updates without a pause, for this many ms. */
static int storm(struct publisher *pub, long ms)
{
	int64_t end_ns = realtime_ns() + ms * (NSEC_PER_SEC / 1000);
	int ret;

	do {
		ret = publish(pub);
	} while (!ret && realtime_ns() < end_ns);
	return ret;
}

/* A writer that died in the middle of an update. */
static void die_odd(struct publisher *pub)
{
	uint32_t *seq = (void *)(pub->page + SEQ_OFFSET);

	__atomic_store_n(seq, *seq | 1, __ATOMIC_RELEASE);
	exit(0);
}

/* This machine's clock at a value of the guest's counter. */
static int64_t time_at(const struct publisher *pub, uint64_t tsc)
{
	struct pair now = read_pair();
	int64_t ago = (int64_t)(now.tsc + pub->guest_ahead - tsc);

	return now.ns - (int64_t)((double)ago / ticks_per_ns(pub, now));
}

/* --- commands ------------------------------------------------------------- */

static int set(struct publisher *pub, const char *key, int64_t value)
{
	struct paraclock_timeline *tl = &pub->tl;

	if (strcmp(key, "status") == 0)
		tl->status = (uint8_t)value;
	else if (strcmp(key, "leap") == 0)
		tl->leap = (uint8_t)value;
	else if (strcmp(key, "tai") == 0)
		tl->tai_offset_sec = (int16_t)value;
	else if (strcmp(key, "timescale") == 0)
		tl->timescale = (uint8_t)value;
	else if (strcmp(key, "marker") == 0)
		tl->marker = (uint64_t)value;
	else if (strcmp(key, "generation") == 0)
		tl->generation = (uint64_t)value;
	else if (strcmp(key, "has-generation") == 0)
		tl->flags = value ? FLAGS : FLAGS & ~GENERATION;
	else if (strcmp(key, "step") == 0)
		pub->step_ns = value;
	else if (strcmp(key, "rate") == 0)
		pub->rate_ppb = (uint64_t)value;
	else
		return -EINVAL;
	return 0;
}

static int obey(struct publisher *pub, const char *line)
{
	char key[16];
	int64_t value;

	if (strcmp(line, "calibrate") == 0)
		return calibrate(pub, 0);
	if (strcmp(line, "publish") == 0)
		return publish(pub);
	if (strcmp(line, "mark") == 0)
		return mark(pub);
	if (strcmp(line, "announce") == 0)
		return announce(pub);
	if (strcmp(line, "freeze") == 0)
		return paraclock_vmclock_freeze(pub->page, pub->writer,
						&pub->env);
	if (strcmp(line, "die-odd") == 0)
		die_odd(pub);
	if (strcmp(line, "blank") == 0) {
		memset(pub->page, 0, PARACLOCK_VMCLOCK_PAGE_SIZE);
		return 0;
	}
	if (sscanf(line, "at %" SCNd64, &value) == 1) {
		pub->at_ns = time_at(pub, (uint64_t)value);
		return 0;
	}
	if (sscanf(line, "storm %" SCNd64, &value) == 1)
		return storm(pub, value);
	if (sscanf(line, "recover %" SCNd64, &value) == 1)
		return recover(pub, value, publish);
	if (sscanf(line, "recover-alone %" SCNd64, &value) == 1)
		return recover(pub, value, publish_alone);
	if (sscanf(line, "%15s %" SCNd64, key, &value) == 2)
		return set(pub, key, value);
	return -EINVAL;
}

static void *map(const char *path, size_t size, off_t offset)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_CREAT, 0600);
	struct stat st;
	void *addr;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	if (st.st_size < offset + (off_t)size &&
	    ftruncate(fd, offset + (off_t)size))
		err(1, "%s", path);
	addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (addr == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	return addr;
}

int main(int argc, char **argv)
{
	struct publisher pub = { .first = read_pair() };
	char line[64];
	off_t offset;
	int ret;

	if (argc != 4)
		errx(2, "usage: publisher MEMORY OFFSET WRITER");
	offset = strtoll(argv[2], NULL, 0);
	pub.page = map(argv[1], 2 * MAILBOX_OFFSET, offset);
	pub.mailbox = (void *)(pub.page + MAILBOX_OFFSET);
	pub.writer = map(argv[3], sizeof(*pub.writer), 0);
	pub.env = *paraclock_default_env();
	pub.env.ctx = &pub;
	pub.env.counter = guest_counter;
	pub.tl = (struct paraclock_timeline){
		.size = sizeof(pub.tl),
		.flags = FLAGS,
		.tai_offset_sec = 37,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
		.marker = 1,
	};
	ret = paraclock_page_writer_acquire(pub.writer, &pub.env);
	if (ret)
		errx(1, "%s: %s", argv[3], paraclock_error_name(ret));
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		ret = obey(&pub, line);
		printf("%s bound_ns=%" PRIu64 " at_ns=%" PRId64 " now=%" PRIu64
		       " base=%" PRIu64 "\n",
		       paraclock_error_name(ret), pub.tl.maxerror_ns, pub.at_ns,
		       __atomic_load_n(&pub.mailbox->now, __ATOMIC_RELAXED),
		       pub.tl.base_tsc);
	}
	return 0;
}
