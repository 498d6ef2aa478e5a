// SPDX-License-Identifier: MIT
/* The guest: it obeys its mailbox, with the library for ring 0. */

#include <errno.h>
#include <stdbool.h>

#include "env.h"
#include "move.h"

/* -EAGAINs that one command may ignore before it ends. */
#define AGAIN_MAX 1000

static struct paraclock_sample *ring_of(const struct guest_mailbox *mailbox)
{
	return (struct paraclock_sample *)GUEST_RING(mailbox->cpu);
}

static struct paraclock *clock_of(const struct guest_mailbox *mailbox)
{
	return (struct paraclock *)mailbox->clock;
}

static int open_clock(struct guest_mailbox *mailbox)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = mailbox->backend,
		.env = guest_env(mailbox),
		.detail = mailbox->detail,
		.detail_size = sizeof(mailbox->detail),
	};
	struct paraclock *clk;
	int ret = paraclock_open(&clk, &opts);

	if (!ret)
		mailbox->clock = (uintptr_t)clk;
	return ret;
}

static int close_clock(struct guest_mailbox *mailbox)
{
	paraclock_close(clock_of(mailbox));
	mailbox->clock = 0;
	return 0;
}

/*
 * Try again? The counter of an emulated guest goes on by 100 us in a few
 * instructions, so that one update of the page is -EAGAIN.
 */
static bool is_again(struct guest_mailbox *mailbox, int ret)
{
	return ret == -EAGAIN && mailbox->again++ < AGAIN_MAX;
}

static int read_clock(struct guest_mailbox *mailbox)
{
	const struct paraclock *clk = clock_of(mailbox);
	struct paraclock_sample *ring = ring_of(mailbox);

	while (mailbox->done < mailbox->count) {
		int ret = paraclock_read(clk, &ring[mailbox->done]);

		if (!ret)
			mailbox->done++;
		else if (!is_again(mailbox, ret))
			return ret;
	}
	return 0;
}

/* Does b contradict a? */
static bool is_news(const struct guest_mailbox *mailbox,
		    const struct paraclock_sample *a,
		    const struct paraclock_sample *b)
{
	__extension__ unsigned __int128 ticks = b->host_tsc - a->host_tsc;
	int64_t off = b->host_ns - a->host_ns -
		      (int64_t)(uint64_t)(ticks * mailbox->rate >> 32);

	return a->epoch != b->epoch || a->reason != b->reason ||
	       a->marker_class != b->marker_class || off > mailbox->slack_ns ||
	       -off > mailbox->slack_ns;
}

static int watch_clock(struct guest_mailbox *mailbox)
{
	const struct paraclock *clk = clock_of(mailbox);
	struct paraclock_sample *ring = ring_of(mailbox);
	struct paraclock_sample last, sample;

	mailbox->count = 0;
	/* Two entries are kept for the end. */
	while (!__atomic_load_n(&mailbox->stop, __ATOMIC_RELAXED) &&
	       mailbox->done < GUEST_SAMPLES - 3) {
		int ret = paraclock_read(clk, &sample);

		mailbox->again += ret == -EAGAIN;
		if (ret == -EAGAIN)
			continue;
		if (ret)
			return ret;
		if (!mailbox->count++) {
			ring[mailbox->done++] = sample;
		} else if (is_news(mailbox, &last, &sample)) {
			ring[mailbox->done++] = last;
			ring[mailbox->done++] = sample;
		}
		mailbox->back += mailbox->count > 1 && last.valid &&
				 sample.valid && sample.host_ns < last.host_ns;
		last = sample;
	}
	if (mailbox->count)
		ring[mailbox->done++] = last;
	return 0;
}

static int read_clock_at(struct guest_mailbox *mailbox)
{
	const struct paraclock *clk = clock_of(mailbox);
	struct paraclock_sample *ring = ring_of(mailbox);

	while (mailbox->done < mailbox->count) {
		struct paraclock_sample *sample = &ring[mailbox->done];
		int ret = paraclock_read_at(clk, sample->host_tsc, sample);

		if (!ret)
			mailbox->done++;
		else if (!is_again(mailbox, ret))
			return ret;
	}
	return 0;
}

static int ask_disrupted(struct guest_mailbox *mailbox)
{
	const struct paraclock *clk = clock_of(mailbox);
	int ret;

	do {
		ret = paraclock_disrupted(clk, mailbox->epoch);
	} while (is_again(mailbox, ret));

	mailbox->epoch = paraclock_epoch(clk);
	return ret;
}

static int obey(struct guest_mailbox *mailbox)
{
	mailbox->done = 0;
	mailbox->again = 0;
	mailbox->back = 0;
	switch (mailbox->command) {
	case GUEST_NOTHING:
		return 0;
	case GUEST_OPEN:
		return open_clock(mailbox);
	case GUEST_CLOSE:
		return close_clock(mailbox);
	case GUEST_READ:
		return read_clock(mailbox);
	case GUEST_WATCH:
		return watch_clock(mailbox);
	case GUEST_READ_AT:
		return read_clock_at(mailbox);
	case GUEST_DISRUPTED:
		return ask_disrupted(mailbox);
	case GUEST_MOVE_START:
		return guest_move_start(mailbox);
	case GUEST_MOVE_RUN:
		return guest_move_run();
	case GUEST_MOVE_STOP:
		return guest_move_stop();
	default:
		return -ENOSYS;
	}
}

/* The VMM enters here, with a stack and RDI. */
void guest_main(struct guest_mailbox *mailbox);

__attribute__((section(".text.entry"), noreturn)) void
guest_main(struct guest_mailbox *mailbox)
{
	for (;;) {
		mailbox->ret = obey(mailbox);
		__asm__ __volatile__("outl %%eax, %%dx"
				     :
				     : "a"(0), "d"(GUEST_PORT)
				     : "memory");
	}
}
