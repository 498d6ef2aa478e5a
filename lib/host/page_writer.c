// SPDX-License-Identifier: MIT
/*
 * Writing a page under its sequence.
 *
 * A writer may die at any point. state->current says which image was written
 * last, and changes only after the last word of the body and before the
 * sequence that shows it. So the next writer finds either the whole old image,
 * or a new one that was found good.
 */

#include <errno.h>

#include "base/relaxed.h"
#include "page_writer.h"
#include "timeline.h"

/*
 * How long to wait, once the sequence is odd (or 0) for everybody, before the
 * counter is read at which the promise is judged. A reader reads its counter up
 * to some tens of cycles after its last look at the sequence (see
 * lib/clock/read.c), so after this time no reader of the old page is left. The
 * limit of tries is for a counter that stands still, the limit of ticks for a
 * rate that no counter has.
 */
#define JUDGE_NS	100
#define JUDGE_TRIES	256
#define JUDGE_TICKS_MAX (1U << 16)

/* An update under way. */
struct update {
	const struct page_writer_kind *kind;
	void *page;
	struct page_writer_state *state;
	const struct paraclock_env *env;
	const struct page_pair *old; /* NULL: not known */
	uint32_t seen;		     /* the page's sequence before */
	struct page_tail tail;
	bool has_tail; /* false: what is there stays */
};

static uint32_t *sequence_of(const struct update *up)
{
	char *page = up->page;

	return (void *)(page + up->kind->shape->seq_offset);
}

static bool is_busy(const struct update *up)
{
	return pclk_page_busy(up->kind->shape, up->seen);
}

static unsigned int words(const struct page_writer_kind *kind)
{
	return kind->shape->size / sizeof(uint64_t);
}

/* Everybody sees the stores before this before anything after it happens,
 * readings of the counter included. */
static void full_fence(void)
{
#if defined(__aarch64__)
	/* A dmb orders loads and stores, but not the counter. */
	__asm__ __volatile__("dsb ish" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static uint64_t counter_now(const struct update *up)
{
	if (up->env->counter)
		return up->env->counter(up->env->ctx);
	return up->state->how == COUNTER_RDTSCP ? counter_rdtscp()
						: counter_fenced();
}

/* JUDGE_NS or up to twice that, as a power of 2 of ticks: if it followed the
 * rate exactly, each update would take longer while the clock is slow, and add
 * to its lead. */
static uint64_t margin_of(const struct paraclock_timeline *tl)
{
	u128 ns = pclk_timeline_tick(tl);
	uint64_t ticks = 1;

	while (ns >> 64 < JUDGE_NS && ticks < JUDGE_TICKS_MAX) {
		ns <<= 1;
		ticks <<= 1;
	}
	return ticks;
}

/* A counter value that no reader of the page as it was is past. */
static uint64_t counter_after_readers(const struct update *up,
				      const struct paraclock_timeline *tl)
{
	uint64_t margin = margin_of(tl);
	uint64_t start, now;

	full_fence();
	start = counter_now(up);
	now = start;
	for (unsigned int i = 0; now - start < margin && i < JUDGE_TRIES; i++)
		now = counter_now(up);
	return now;
}

/* Adopt what another tool, or another handle, has left on the page. */
static void adopt(struct update *up)
{
	struct page_writer_state *state = up->state;
	const uint64_t *live = up->page;
	struct page_image *image = &state->pair[0].shown;
	uint64_t any = 0;

	for (unsigned int i = words(up->kind); i--;) {
		image->word[i] = LOAD(live[i]);
		any |= i ? image->word[i] : 0;
	}
	state->pair[0].asked = *image;
	if (!is_busy(up) && up->kind->is_usable(image))
		__atomic_store_n(&state->current, 1, __ATOMIC_RELEASE);
	/* Nobody knows which sequences readers have seen: begin at a number
	 * that another writer would hardly begin at. */
	if (!state->sequence && any)
		state->sequence = (uint32_t)counter_now(up);
}

/* What was written last; NULL: unknown. The writer's memory may be shared with
 * other processes, so it is believed no more than the page is. */
static const struct page_pair *written(const struct update *up)
{
	const struct page_writer_state *state = up->state;
	const struct page_pair *pair = &state->pair[(state->current - 1) & 1];

	return state->current && up->kind->is_usable(&pair->asked) &&
			       up->kind->is_usable(&pair->shown)
		       ? pair
		       : NULL;
}

static int begin(struct update *up)
{
	struct page_writer_state *state = up->state;
	int ret;

	if (!state || !up->page || (uintptr_t)up->page % sizeof(uint64_t))
		return -EINVAL;
	ret = pclk_page_env(&up->env);
	if (!ret)
		ret = pclk_page_enter(state, up->env);
	if (ret)
		return ret;
	if (state->kind && state->kind != up->kind->id) {
		pclk_page_leave(state);
		return -EINVAL;
	}
	state->kind = up->kind->id;
	up->seen = LOAD(*sequence_of(up));
	if (!written(up)) {
		state->current = 0;
		adopt(up);
	}
	up->old = written(up);
	return 0;
}

/* From here on readers reject what they copy. */
static void close_page(struct update *up)
{
	bool odd = up->kind->shape->sequence == PAGE_ODD;

	if (!is_busy(up))
		up->state->sequence = up->seen;
	STORE(*sequence_of(up), odd ? up->seen | 1 : 0);
	/* Pairs with the acquire fence of readers before they look at the
	 * sequence again: a reader that saw a word of the new body sees
	 * this. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static uint32_t next_sequence(const struct update *up)
{
	uint32_t next;

	if (up->kind->shape->sequence == PAGE_ODD)
		return (up->seen | 1) + 1;
	next = up->state->sequence + 1;
	/* Skip the numbers that mean "off". */
	return next == 0 || next == UINT32_MAX ? 1 : next;
}

static void open_page(struct update *up, uint32_t sequence)
{
	up->state->sequence = sequence;
	/* Pairs with the readers' acquire load: who sees it sees the body. */
	__atomic_store_n(sequence_of(up), sequence, __ATOMIC_RELEASE);
}

static void write_body(const struct update *up, const struct page_image *image)
{
	unsigned int last = words(up->kind) - 1;
	uint64_t *live = up->page;

	for (unsigned int i = up->kind->first; i < last; i++)
		STORE(live[i], image->word[i]);
	/* A bit that the guest changes meanwhile stays as the guest made it. */
	__atomic_fetch_xor(&live[last],
			   (LOAD(live[last]) ^ image->word[last]) &
				   ~up->kind->guest_bits,
			   __ATOMIC_RELAXED);
}

/* The new image cannot be written: show the old one again. */
static void restore(struct update *up)
{
	if (!is_busy(up)) {
		/* No word has changed, so the same number will do. */
		open_page(up, up->seen);
	} else if (up->old && !up->state->off) {
		/* A dead writer's page: show what that writer replaced. */
		write_body(up, &up->old->shown);
		open_page(up, next_sequence(up));
	}
}

/* MONOTONIC: no reader sees less than any reader has seen. */
static int keep_promise(const struct update *up,
			const struct paraclock_timeline *tl, uint64_t counter,
			struct page_pair *next)
{
	const struct page_writer_kind *kind = up->kind;
	struct page_lift lift = { .tl = tl, .counter = counter };
	s128 asked;

	if (kind->reading(&up->old->asked, counter, &asked) ||
	    kind->reading(&up->old->shown, counter, &lift.was) ||
	    kind->reading(&next->asked, counter, &lift.is) ||
	    asked - lift.is > kind->rounded)
		return -ESTALE;
	return lift.is < lift.was ? kind->lift(&lift, &next->shown) : 0;
}

static int judge(struct update *up, const struct paraclock_timeline *tl,
		 struct page_pair *next)
{
	const struct page_writer_kind *kind = up->kind;
	bool timed = tl && pclk_timeline_has_time(tl);
	bool monotonic = timed && tl->flags & PARACLOCK_TIMELINE_MONOTONIC;
	uint64_t now;
	int ret = 0;

	now = monotonic ? counter_after_readers(up, tl) : counter_now(up);
	if (timed && ((tl->t_end && now > tl->t_end) ||
		      now < (kind->moves_base ? tl->t_start : tl->base_tsc)))
		return -ESTALE;
	next->shown = next->asked;
	if (kind->complete)
		ret = kind->complete(tl, up->old, now, next);
	return !ret && monotonic && up->old ? keep_promise(up, tl, now, next)
					    : ret;
}

static void show(struct update *up, const struct page_pair *next)
{
	struct page_writer_state *state = up->state;
	const struct page_writer_kind *kind = up->kind;
	uint32_t other = state->current == 1 ? 2 : 1;

	state->pair[other - 1] = *next;
	write_body(up, &next->shown);
	if (kind->write_around)
		kind->write_around(up->page, &next->shown,
				   up->has_tail ? &up->tail : NULL);
	/* Release: a writer that repairs this page sees the whole pair. */
	__atomic_store_n(&state->current, other, __ATOMIC_RELEASE);
	STORE(state->off, 0);
	open_page(up, next_sequence(up));
}

static int write_page(struct update *up, const struct paraclock_timeline *tl,
		      struct page_pair *next)
{
	int ret = begin(up);

	if (ret)
		return ret;
	if (up->kind->check_head)
		ret = up->kind->check_head(up->page, next);
	if (ret)
		goto out_leave;
	close_page(up);
	ret = judge(up, tl, next);
	if (ret)
		restore(up);
	else
		show(up, next);
out_leave:
	pclk_page_leave(up->state);
	return ret;
}

int pclk_page_write(const struct page_writer_kind *kind, void *page,
		    struct paraclock_page_writer *writer,
		    const struct paraclock_env *env,
		    const struct paraclock_timeline *tl)
{
	struct update up = {
		.kind = kind, .page = page, .state = (void *)writer, .env = env
	};
	struct paraclock_timeline from;
	struct page_pair next = { 0 };
	int ret = pclk_timeline_from_start(tl, &from);

	if (ret)
		return ret;
	if (kind->is_tsc) {
		if (!pclk_timeline_has_time(&from) ||
		    from.timescale != PARACLOCK_TIMESCALE_MONOTONIC ||
		    from.counter != PARACLOCK_COUNTER_X86_TSC)
			return -EINVAL;
		/* Moving the base must not fail for an error bound that this
		 * kind cannot express. */
		from.flags &= PARACLOCK_TIMELINE_MONOTONIC |
			      PARACLOCK_TIMELINE_STABLE;
	}
	ret = kind->make(&from, &next.asked);
	if (!ret && kind->make_tail && !pclk_page_env(&up.env))
		up.has_tail = kind->make_tail(up.env, &next.asked, &up.tail);
	return ret ? ret : write_page(&up, &from, &next);
}

int pclk_page_freeze(const struct page_writer_kind *kind, void *page,
		     struct paraclock_page_writer *writer,
		     const struct paraclock_env *env)
{
	struct update up = {
		.kind = kind, .page = page, .state = (void *)writer, .env = env
	};
	struct page_pair next = { 0 };
	int ret;

	if (kind->shape->sequence == PAGE_ODD)
		return write_page(&up, NULL, &next);
	ret = begin(&up);
	if (ret)
		return ret;
	STORE(up.state->off, 1);
	close_page(&up);
	pclk_page_leave(up.state);
	return 0;
}
