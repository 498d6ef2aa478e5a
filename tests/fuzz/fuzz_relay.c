// SPDX-License-Identifier: MIT
/*
 * A relay below a page, or a timekeeper, that anybody writes, to guests of any
 * coupling: it ends, fails as documented, and the pages that run below show the
 * time above.
 */

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "fuzz_host.h"

#define TARGETS 3

static const int errors[] = { EINVAL, EAGAIN, EOPNOTSUPP, ESTALE, EPERM,
			      EBUSY,  ERANGE, EPROTO,	  ENODEV, 0 };

struct state {
	struct fuzz_world world;
	_Alignas(64) uint64_t above[512]; /* the page above: a vmclock */
	struct paraclock_page_writer above_writer;
	struct paraclock_timekeeper above_tk;
	bool from_tk;
	bool scribbled; /* above, where no sequence shows it */
	struct paraclock *clk;
	struct paraclock_relay relay;
	struct paraclock_target target[TARGETS];
	struct paraclock_page_writer writer[TARGETS];
	_Alignas(64) uint64_t page[TARGETS][512];
	struct paraclock_timekeeper tk;
	bool stopped; /* the guest of the pvclock */
};

static int map_page(void *ctx, const char *name, const char *path,
		    struct paraclock_mapping *ret_map)
{
	struct fuzz_world *world = ctx;
	struct state *s = world->arg;

	(void)path;
	if (strcmp(name, "vmclock") != 0)
		return -ENODEV;
	*ret_map = (struct paraclock_mapping){
		.addr = s->above,
		.size = sizeof(s->above),
		.fd = -1,
	};
	return 0;
}

static int stop_guest(void *arg, int stop)
{
	struct state *s = arg;

	if (fuzz_take(&s->world, 1) >= 0xf0)
		return -EBUSY;
	s->stopped = stop;
	return 0;
}

/* --- above ---------------------------------------------------------------- */

static void write_above(struct state *s)
{
	struct paraclock_timeline tl = fuzz_timeline(&s->world);

	tl.flags |= PARACLOCK_TIMELINE_STABLE;
	if (s->from_tk)
		(void)paraclock_timekeeper_set(&s->above_tk, &s->world.env, &tl,
					       0);
	else
		(void)paraclock_vmclock_write(s->above, &s->above_writer,
					      &s->world.env, &tl);
}

static void scribble_above(struct state *s)
{
	uint64_t *word = s->from_tk ? s->above_tk.opaque : s->above;
	size_t at = fuzz_take(&s->world, 1) % (s->from_tk ? 256 : 14);
	uint8_t mask = (uint8_t)fuzz_take(&s->world, 1);
	uint64_t bits = mask & 0x80 ? UINT64_MAX : 0xffULL << (mask & 7) * 8;

	word[at] = (word[at] & ~bits) | (fuzz_take(&s->world, 8) & bits);
	s->scribbled = true;
}

/* --- below ---------------------------------------------------------------- */

static struct paraclock_coupling any_coupling(struct fuzz_world *world)
{
	uint8_t kind = (uint8_t)fuzz_take(world, 1);
	struct paraclock_coupling c = {
		.size = sizeof(c),
		.mult = 1ULL << 48,
		.shift = 48,
		.device_counter = PARACLOCK_COUNTER_X86_TSC,
		.system_counter = PARACLOCK_COUNTER_X86_TSC,
		.flags =
			PARACLOCK_COUPLING_FIXED | PARACLOCK_COUPLING_TO_DEVICE,
	};

	if (kind & 1)
		c.size = 0;
	if (kind & 2)
		c.offset = fuzz_take(world, 8) >> (kind >> 4);
	if (kind & 4)
		c.mult = (1ULL << 46) + (fuzz_take(world, 6) << 1);
	if ((kind & 0xf8) == 0xf8) {
		c.mult = fuzz_take(world, 8);
		c.shift = (uint8_t)fuzz_take(world, 1);
		c.flags = (uint8_t)fuzz_take(world, 1);
	}
	return c;
}

static void set_targets(struct state *s)
{
	for (unsigned int i = 0; i < TARGETS; i++) {
		s->target[i].coupling = any_coupling(&s->world);
		s->target[i].flags = (uint32_t)fuzz_take(&s->world, 1) & 7;
		s->target[i].offset_sec = 0;
		s->target[i].offset_frac = 0;
		if (fuzz_take(&s->world, 1) >= 0xf0)
			s->target[i].offset_sec =
				(int64_t)fuzz_take(&s->world, 8);
	}
}

static void make_targets(struct state *s)
{
	s->target[0].timekeeper = &s->tk;
	s->target[1].write = paraclock_vmclock_write;
	s->target[1].freeze = paraclock_vmclock_freeze;
	s->target[2].write = paraclock_pvclock_write;
	s->target[2].pause = stop_guest;
	s->target[2].arg = s;
	for (unsigned int i = 0; i < TARGETS; i++) {
		s->target[i].size = sizeof(s->target[i]);
		if (!i)
			continue;
		s->target[i].page = s->page[i];
		s->target[i].writer = &s->writer[i];
		CHECK(!paraclock_page_writer_acquire(&s->writer[i],
						     &s->world.env));
	}
	CHECK(!paraclock_timekeeper_acquire(&s->tk, &s->world.env, NULL));
	set_targets(s);
}

/*
 * Does the clock above have a change to come? Then no conversion is exact for
 * long.
 */
static bool is_to_change(struct state *s)
{
	struct paraclock_timekeeper_info info = { .size = sizeof(info) };

	return s->from_tk &&
	       !paraclock_timekeeper_describe(&s->above_tk, &s->world.env,
					      &info) &&
	       info.next.size;
}

/* It is visible within 20 us. */
static void until_changed(struct state *s)
{
	struct paraclock_timekeeper_info info = { .size = sizeof(info) };

	if (!paraclock_timekeeper_describe(&s->tk, &s->world.env, &info) &&
	    info.next.size)
		s->world.counter = info.t_change;
}

/*
 * A running page below on L1's own counter shows the valid time above; if a
 * change is to come, within its bound.
 */
static void check_below(struct state *s)
{
	struct paraclock_sample above, below;
	bool to_change = is_to_change(s);
	uint64_t off;

	if (s->scribbled || s->target[0].state != PARACLOCK_TARGET_RUNNING ||
	    s->target[0].coupling.size || s->target[0].offset_sec)
		return;
	until_changed(s);
	if (paraclock_timekeeper_read(&s->tk, &s->world.env, &below) ||
	    !below.valid || paraclock_read_at(s->clk, below.host_tsc, &above) ||
	    !above.valid)
		return;
	CHECK(above.timescale == below.timescale);
	off = above.host_ns > below.host_ns
		      ? (uint64_t)(above.host_ns - below.host_ns)
		      : (uint64_t)(below.host_ns - above.host_ns);
	CHECK(below.clock_error_ns >= above.clock_error_ns);
	CHECK(off <= 2 ||
	      (to_change &&
	       (below.clock_error_ns == PARACLOCK_ERROR_UNKNOWN ||
		off <= below.clock_error_ns - above.clock_error_ns)));
}

/* --- acts ----------------------------------------------------------------- */

static void call_relay(struct state *s, uint8_t how)
{
	int (*call)(struct paraclock_relay *) =
		how == 0   ? paraclock_relay_freeze
		: how == 1 ? paraclock_relay_resume
			   : paraclock_relay_update;
	int ret;

	fuzz_begin_call(&s->world);
	ret = call(&s->relay);
	fuzz_check_error(ret, errors);
	for (unsigned int i = 0; i < TARGETS; i++) {
		const struct paraclock_target *target = &s->target[i];

		fuzz_check_error(target->error, errors);
		CHECK(target->state <= PARACLOCK_TARGET_WRITTEN);
		CHECK(how || ret || target->state == PARACLOCK_TARGET_FROZEN ||
		      target->flags & PARACLOCK_TARGET_HELD);
		CHECK(!(how && !ret) ||
		      target->state == PARACLOCK_TARGET_RUNNING ||
		      target->flags & PARACLOCK_TARGET_HELD);
	}
	/* A guest whose page cannot be frozen does not run without one. */
	CHECK(s->stopped || s->target[2].state == PARACLOCK_TARGET_RUNNING ||
	      s->target[2].state == PARACLOCK_TARGET_NEW || ret);
	if (how && !ret)
		check_below(s);
}

static void align(struct state *s)
{
	struct paraclock_target *target =
		&s->target[fuzz_take(&s->world, 1) % TARGETS];
	uint64_t sec = fuzz_take(&s->world, 3);

	fuzz_begin_call(&s->world);
	fuzz_check_error(paraclock_relay_align(&s->relay, target,
					       s->world.counter, sec, 0),
			 errors);
}

static void act(struct state *s)
{
	uint8_t what = (uint8_t)fuzz_take(&s->world, 1);

	if (what < 64)
		write_above(s);
	else if (what < 80)
		scribble_above(s);
	else if (what < 92)
		set_targets(s);
	else if (what < 100)
		align(s);
	else if (what < 120)
		s->world.counter += fuzz_take(&s->world, 4);
	else if (what < 124)
		s->world.counter -= fuzz_take(&s->world, 4);
	else
		call_relay(s, what % 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state s;
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.device = "page",
		.env = &s.world.env,
	};

	memset(&s, 0, sizeof(s));
	fuzz_world_init(&s.world, data, size);
	s.world.env.map_page = map_page;
	s.world.arg = &s;
	s.from_tk = fuzz_take(&s.world, 1) & 1;
	CHECK(!paraclock_page_writer_acquire(&s.above_writer, &s.world.env));
	CHECK(!paraclock_timekeeper_acquire(&s.above_tk, &s.world.env, NULL));
	write_above(&s);
	if (s.from_tk ? paraclock_timekeeper_open(&s.clk, &s.above_tk,
						  &s.world.env)
		      : paraclock_open(&s.clk, &opts))
		return 0;
	s.relay = (struct paraclock_relay){
		.size = sizeof(s.relay),
		.clk = s.clk,
		.timekeeper = s.from_tk ? &s.above_tk : NULL,
		.targets = s.target,
		.n_targets = TARGETS,
		.lease_ns = fuzz_take(&s.world, 4),
	};
	make_targets(&s);
	while (s.world.size)
		act(&s);
	paraclock_close(s.clk);
	return 0;
}
