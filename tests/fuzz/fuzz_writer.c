// SPDX-License-Identifier: MIT
/*
 * Writers of a page that its guest scribbles on, also while it is written: they
 * end, fail as documented, and leave the timeline on the page.
 */

#include "fuzz_host.h"
#include "vmclock/vmclock_page.h"

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
	int64_t behind_ns, ahead_ns;
} kinds[] = {
	{ "kvmclock", paraclock_pvclock_write, NULL, 32, 0, 3, 3 },
	{ "hyperv", paraclock_hyperv_write, paraclock_hyperv_freeze, 32, 0, 51,
	  401 },
	{ "vmclock", paraclock_vmclock_write, paraclock_vmclock_freeze, 112, 3,
	  1, 1 },
};

struct state {
	struct fuzz_world world;
	const struct kind *kind;
	struct paraclock_page_writer writer;
	uint64_t page[512];
	uint64_t guard; /* behind the page */
	bool scribbles; /* the guest scribbles while the host writes */
	bool constant;	/* nobody has scribbled on the constants */
};

static void scribble(struct state *s)
{
	size_t words = s->kind->size / sizeof(s->page[0]);
	size_t at = fuzz_take(&s->world, 1) % words;
	uint8_t mask = (uint8_t)fuzz_take(&s->world, 1);
	uint64_t bits = mask & 0x80 ? UINT64_MAX : 0xffULL << (mask & 7) * 8;

	s->page[at] = (s->page[at] & ~bits) | (fuzz_take(&s->world, 8) & bits);
	s->constant = s->constant && at > 1;
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

/*
 * By the page's own reader: the timeline, to within the bounds of
 * <paraclock/host.h>. It stops short of the place where the timeline's rate and
 * the page's part.
 */
static void check_shown(struct state *s, const struct paraclock_timeline *tl)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = s->kind->name,
		.env = &s->world.env,
		.device = "page",
	};
	struct paraclock_sample sample;
	struct paraclock *clk;
	int64_t want, off;
	int ret;

	CHECK(!is_closed(s));
	if (paraclock_open(&clk, &opts))
		abort();
	ret = paraclock_read(clk, &sample);
	CHECK(ret == 0 || ret == -ERANGE);
	paraclock_close(clk);
	if (ret || !sample.valid || tl->leap != PARACLOCK_LEAP_NONE)
		return;
	fuzz_check_sample(&s->world, &sample);
	ret = paraclock_timeline_ns(tl, sample.host_tsc, &want);
	if (ret || sample.host_tsc - tl->base_tsc > 1ULL << 31)
		return;
	off = sample.host_ns - want;
	CHECK(off <= s->kind->ahead_ns + 1 && off >= -s->kind->behind_ns - 1);
}

/* --- acts ----------------------------------------------------------------- */

static void write_page(struct state *s)
{
	struct paraclock_timeline tl = fuzz_timeline(&s->world);
	uint64_t was[14];
	bool closed;
	int ret;

	if (s->kind != &kinds[2])
		tl.timescale = PARACLOCK_TIMESCALE_MONOTONIC;
	s->scribbles = fuzz_take(&s->world, 1) & 1;
	memcpy(was, s->page, s->kind->size);
	closed = is_closed(s);
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
	if (!ret && s->constant &&
	    (tl.status == PARACLOCK_STATUS_SYNCHRONIZED ||
	     tl.status == PARACLOCK_STATUS_FREERUNNING))
		check_shown(s, &tl);
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
