// SPDX-License-Identifier: MIT
/*
 * Writers of a page that its guest scribbles on, also while it is written: they
 * end, fail as documented, and leave the timeline on the page. With MONOTONIC
 * the page does not step back.
 */

#include "fuzz_host.h"
#include "host/timeline.h"
#include "vmclock/vmclock_page.h"

/* Small parts of a ns, or of a rate: one is 0.233 ppb. */
#define PARTS ((swide)1 << 32)

static const int errors[] = { EINVAL, EPERM, EBUSY, ERANGE, ESTALE, EPROTO, 0 };

static const struct kind {
	const char *name;
	int (*write)(void *page, struct paraclock_page_writer *writer,
		     const struct paraclock_env *env,
		     const struct paraclock_timeline *tl);
	int (*freeze)(void *page, struct paraclock_page_writer *writer,
		      const struct paraclock_env *env);
	size_t size;	       /* bytes that are written */
	unsigned int sequence; /* where, in words of 4 bytes */
	/* The bounds of <paraclock/host.h>, but for the rate. */
	int64_t behind_ns, ahead_ns;
	/* How far the page's rate may be below the timeline's, and above it, in
	 * PARTS. */
	unsigned int slower, faster;
	/* From so long before the write on, that error may add up. */
	uint64_t old_ns;
} kinds[] = {
	/* 0.698 ppb, and 0.233 ppb. */
	{ "kvmclock", paraclock_pvclock_write, NULL, 32, 0, 3, 3, 3, 1,
	  1ULL << 31 },
	{ "hyperv", paraclock_hyperv_write, paraclock_hyperv_freeze, 32, 0, 51,
	  401, 2, 0, 0 },
	{ "vmclock", paraclock_vmclock_write, paraclock_vmclock_freeze, 112, 3,
	  1, 1, 1, 0, 0 },
};

struct state {
	struct fuzz_world world;
	const struct kind *kind;
	struct paraclock_page_writer writer;
	uint64_t page[512];
	uint64_t guard; /* behind the page */
	bool scribbles; /* the guest scribbles while the host writes */
	bool constant;	/* nobody has scribbled on the constants, */
	bool own;	/* nor on anything since the last write */
};

static void scribble(struct state *s)
{
	size_t words = s->kind->size / sizeof(s->page[0]);
	size_t at = fuzz_take(&s->world, 1) % words;
	uint8_t mask = (uint8_t)fuzz_take(&s->world, 1);
	uint64_t bits = mask & 0x80 ? UINT64_MAX : 0xffULL << (mask & 7) * 8;

	s->page[at] = (s->page[at] & ~bits) | (fuzz_take(&s->world, 8) & bits);
	s->constant = s->constant && at > 1;
	s->own = false;
}

static void meanwhile(void *arg)
{
	struct state *s = arg;

	if (s->scribbles && s->world.size && fuzz_take(&s->world, 1) < 64)
		scribble(s);
}

/* --- the page's contents -------------------------------------------------- */

static int map_page(void *ctx, const char *name, const char *path,
		    struct paraclock_mapping *ret_map)
{
	struct fuzz_world *world = ctx;
	struct state *s = world->arg;
	const char *page = s->kind == &kinds[0] ? "pvclock" : s->kind->name;

	(void)path;
	if (strcmp(name, page) != 0)
		return -ENODEV;
	*ret_map = (struct paraclock_mapping){
		.addr = s->page,
		.size = sizeof(s->page),
		.fd = -1,
	};
	return 0;
}

static bool is_closed(const struct state *s)
{
	const uint32_t sequence =
		((const uint32_t *)(const void *)s->page)[s->kind->sequence];

	/* UINT32_MAX, as in old versions. */
	return s->kind == &kinds[1] ? !(sequence + 1) || !sequence
				    : sequence & 1;
}

/* By the page's own reader. */
static int read_page(struct state *s, struct paraclock_sample *ret_sample)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = s->kind->name,
		.env = &s->world.env,
		.device = "page",
	};
	struct paraclock *clk;
	int ret;

	fuzz_begin_call(&s->world);
	ret = paraclock_open(&clk, &opts);
	if (ret)
		return ret;
	ret = paraclock_read(clk, ret_sample);
	paraclock_close(clk);
	return ret;
}

/*
 * What the scale of a Hyper-V page adds, 2^-32 ns. It is within 2^-65 units of
 * 100 ns of a tick, and base_tsc may be 2^64 ticks away. A lift may choose a
 * scale that makes up for 100 ns of offset in the ticks that the counter has
 * run: while these are few, the page loses another 100 ns in as many.
 */
static wide scale_error(const struct paraclock_timeline *tl, uint64_t since,
			uint64_t now)
{
	uint64_t from_base =
		now < tl->base_tsc ? tl->base_tsc - now : now - tl->base_tsc;
	wide rounded = (wide)from_base * 100 >> 33;

	return rounded + ((wide)(now - since) * 100 << 32) / ((wide)since + 1) +
	       1;
}

/*
 * The timeline, to within the bounds of <paraclock/host.h>. The rate counts: a
 * tick may last a second here, and a page that is 0.7 ppb slower loses 70 ns in
 * a hundred of them, which pass while it is read. The counter was at since when
 * the write began. 1: both times are rounded down to a ns.
 */
static void check_shown(const struct state *s,
			const struct paraclock_timeline *tl, uint64_t since,
			const struct paraclock_sample *sample)
{
	const struct kind *kind = s->kind;
	uint64_t now = sample->host_tsc;
	uint64_t tick_ns = (uint64_t)(pclk_timeline_tick(tl) >> 64) + 1;
	wide age_ns = (wide)(now - since) * tick_ns + kind->old_ns;
	wide rounding = kind == &kinds[1] ? scale_error(tl, since, now) : 0;
	int64_t want;
	swide off;

	if (now < since || paraclock_timeline_ns(tl, now, &want))
		return;
	off = ((swide)sample->host_ns - want) * PARTS;
	CHECK(off <= (kind->ahead_ns + 1) * PARTS +
			     (swide)(kind->faster * age_ns + rounding));
	CHECK(-off <= (kind->behind_ns + 1) * PARTS +
			      (swide)(kind->slower * age_ns + rounding));
}

/* --- acts ----------------------------------------------------------------- */

/* The page shows a timeline that was just written. */
static void check_written(struct state *s, const struct paraclock_timeline *tl,
			  uint64_t since, const struct paraclock_sample *before)
{
	struct paraclock_sample sample;
	int ret = read_page(s, &sample);

	CHECK(!is_closed(s));
	CHECK(ret == 0 || ret == -ERANGE);
	if (ret || !sample.valid)
		return;
	fuzz_check_sample(&s->world, &sample);
	if (tl->leap == PARACLOCK_LEAP_NONE)
		check_shown(s, tl, since, &sample);
	/* On UTC a leap second repeats a second. */
	if (before->valid && tl->flags & PARACLOCK_TIMELINE_MONOTONIC &&
	    tl->timescale != PARACLOCK_TIMESCALE_UTC &&
	    sample.host_tsc >= before->host_tsc)
		CHECK(sample.host_ns >= before->host_ns);
}

static void write_page(struct state *s)
{
	struct paraclock_timeline tl = fuzz_timeline(&s->world);
	struct paraclock_sample before = { 0 };
	uint64_t was[14], since;
	bool closed;
	int ret;

	if (s->kind != &kinds[2])
		tl.timescale = PARACLOCK_TIMESCALE_MONOTONIC;
	s->scribbles = false;
	if (s->own && read_page(s, &before))
		before.valid = 0;
	s->scribbles = fuzz_take(&s->world, 1) & 1;
	memcpy(was, s->page, s->kind->size);
	closed = is_closed(s);
	since = s->world.counter;
	fuzz_begin_call(&s->world);
	ret = s->kind->write(s->page, &s->writer, &s->world.env, &tl);
	fuzz_check_error(ret, errors);
	if (s->scribbles) {
		s->scribbles = false;
		return;
	}
	/* After a refusal the page is unchanged. */
	if (ret && !closed)
		CHECK(memcmp(was, s->page, s->kind->size) == 0);
	if (ret || !s->constant)
		return;
	s->own = true;
	if (pclk_timeline_has_time(&tl))
		check_written(s, &tl, since, &before);
}

static void freeze(struct state *s)
{
	int ret;

	if (!s->kind->freeze)
		return;
	fuzz_begin_call(&s->world);
	ret = s->kind->freeze(s->page, &s->writer, &s->world.env);
	fuzz_check_error(ret, errors);
	if (!ret && s->kind == &kinds[1])
		CHECK(is_closed(s));
	if (!ret && s->kind == &kinds[2])
		CHECK(((const struct vmclock_page *)(const void *)s->page)
			      ->clock_status == PARACLOCK_STATUS_UNRELIABLE);
}

static void hand_over(struct state *s)
{
	int ret = paraclock_page_writer_release(&s->writer, &s->world.env);

	fuzz_check_error(ret, errors);
	if (fuzz_take(&s->world, 1) & 1)
		memset(&s->writer, 0, sizeof(s->writer));
	ret = paraclock_page_writer_acquire(&s->writer, &s->world.env);
	fuzz_check_error(ret, errors);
}

static void act(struct state *s)
{
	switch (fuzz_take(&s->world, 1) % 8) {
	case 0:
	case 1:
		scribble(s);
		break;
	case 2:
		freeze(s);
		break;
	case 3:
		hand_over(s);
		break;
	case 4:
		s->world.counter += fuzz_take(&s->world, 4);
		break;
	default:
		write_page(s);
		break;
	}
	CHECK(s->guard == 0x5a5a5a5a5a5a5a5a);
	for (size_t i = 14; i < 512; i++)
		CHECK(!s->page[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(64) struct state s;

	memset(&s, 0, sizeof(s));
	fuzz_world_init(&s.world, data, size);
	s.world.env.map_page = map_page;
	s.world.meanwhile = meanwhile;
	s.world.arg = &s;
	s.kind = &kinds[fuzz_take(&s.world, 1) % 3];
	s.guard = 0x5a5a5a5a5a5a5a5a;
	s.constant = true;
	CHECK(!paraclock_page_writer_acquire(&s.writer, &s.world.env));
	while (s.world.size)
		act(&s);
	return 0;
}
