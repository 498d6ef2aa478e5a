// SPDX-License-Identifier: MIT
/*
 * Couplings of any ratio: both ways, against long multiplication and long
 * division here; and KVM's, whatever its ioctls answer.
 */

#include "fuzz_host.h"

static const int errors[] = { EINVAL, ENODEV, ERANGE, 0 };

static bool is_good(const struct paraclock_coupling *c)
{
	return c->size >= sizeof(*c) && c->shift <= 63 &&
	       !(c->flags &
		 ~(PARACLOCK_COUPLING_FIXED | PARACLOCK_COUPLING_TO_DEVICE));
}

/* floor(from * mult / 2^shift), by bits; false: it does not fit. */
static bool scale(uint64_t from, uint64_t mult, unsigned int shift,
		  uint64_t *ret_scaled)
{
	uint64_t high = 0, low = 0;

	for (unsigned int bit = 64; bit--;) {
		high = high << 1 | low >> 63;
		low <<= 1;
		if (!(from >> bit & 1))
			continue;
		low += mult;
		high += low < mult;
	}
	if (shift) {
		low = low >> shift | high << (64 - shift);
		high >>= shift;
	}
	*ret_scaled = low;
	return !high;
}

/* Is this the least value that the formula converts to at least want? */
static void check_inverse(const struct paraclock_coupling *c, uint64_t want,
			  uint64_t from)
{
	uint64_t at;

	want -= c->offset;
	/* A value that does not fit is beyond any want. */
	CHECK(!scale(from, c->mult, c->shift, &at) || at >= want);
	if (from)
		CHECK(scale(from - 1, c->mult, c->shift, &at) && at < want);
}

static void check_way(const struct paraclock_coupling *c, bool to_device,
		      uint64_t value)
{
	bool formula = to_device == !!(c->flags & PARACLOCK_COUPLING_TO_DEVICE);
	uint64_t got = 0xa5a5a5a5a5a5a5a5, want;
	int ret = to_device ? paraclock_coupling_to_device(c, value, &got)
			    : paraclock_coupling_to_system(c, value, &got);

	fuzz_check_error(ret, errors);
	if (ret)
		fuzz_check_untouched(&got, sizeof(got));
	CHECK((ret == -EINVAL) == !is_good(c));
	if (ret == -EINVAL)
		return;
	CHECK((ret == -ENODEV) ==
	      (!(c->flags & PARACLOCK_COUPLING_FIXED) || !c->mult));
	if (ret == -ENODEV)
		return;
	if (formula) {
		CHECK(scale(value, c->mult, c->shift, &want) == !ret);
		CHECK(ret || got == want + c->offset);
	} else if (!ret) {
		check_inverse(c, value, got);
	} else {
		/* No value reaches it. */
		CHECK(scale(UINT64_MAX, c->mult, c->shift, &want) &&
		      want < value - c->offset);
	}
}

/* --- KVM's coupling ------------------------------------------------------- */

static int answer(void *ctx, int fd, unsigned long request, void *arg)
{
	struct fuzz_world *world = ctx;
	uint8_t act = (uint8_t)fuzz_take(world, 1);
	size_t size = request >> 16 & 0x3fff;

	CHECK(fd == 9);
	if (act & 0x80)
		return -(int)(act & 0x7f);
	/* An address, or a frequency in place of the returned number. */
	if (size == 24) {
		uint64_t at, value = fuzz_take(world, 8);

		memcpy(&at, (const char *)arg + 16, sizeof(at));
		memcpy((void *)(uintptr_t)at, &value, sizeof(value));
		return 0;
	}
	return act & 0x40 ? (int)fuzz_take(world, 4) : 2600000;
}

static int describe(void *ctx, struct paraclock_machine *ret_machine)
{
	struct fuzz_world *world = ctx;
	size_t size = ret_machine->size;
	uint8_t act = (uint8_t)fuzz_take(world, 1);

	if (act & 0x80)
		return -ENODEV;
	*ret_machine = (struct paraclock_machine){
		.size = size,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.counter_hz = act & 0x40 ? fuzz_take(world, 8) : 2600000000,
		.invariant = 1,
	};
	return 0;
}

static void check_kvm(struct fuzz_world *world)
{
	struct paraclock_coupling got, was;
	uint64_t ratio = fuzz_take(world, 8);
	unsigned int bits = (unsigned int)fuzz_take(world, 1);
	int ret;

	memset(&got, 0xa5, sizeof(got));
	was = got;
	world->env.ioctl = answer;
	world->env.describe = describe;
	fuzz_begin_call(world);
	ret = paraclock_coupling_kvm(&got, &world->env, 9, ratio, bits);
	CHECK(ret <= 0);
	if (ret) {
		CHECK(memcmp(&got, &was, sizeof(got)) == 0);
		return;
	}
	CHECK(is_good(&got) && got.mult);
	CHECK(got.flags & PARACLOCK_COUPLING_FIXED);
	CHECK(!ratio || (got.mult == ratio && got.shift == bits));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct paraclock_coupling c = { .size = sizeof(c) };
	struct fuzz_world world;
	uint8_t kind;

	fuzz_world_init(&world, data, size);
	kind = (uint8_t)fuzz_take(&world, 1);
	c.flags = (uint8_t)(kind & 3);
	c.device_counter = PARACLOCK_COUNTER_X86_TSC;
	c.system_counter = PARACLOCK_COUNTER_X86_TSC;
	c.shift = (uint8_t)(fuzz_take(&world, 1) & (kind & 4 ? 0xff : 63));
	if ((kind & 0x18) == 0x18)
		c.flags = (uint8_t)fuzz_take(&world, 1);
	if ((kind & 0x60) == 0x60)
		c.size = fuzz_take(&world, 1);
	/* Numbers of all lengths. */
	c.mult = fuzz_take(&world, 8) >> (fuzz_take(&world, 1) & 63);
	c.offset = fuzz_take(&world, 8) >> (fuzz_take(&world, 1) & 63);
	for (unsigned int i = 0; i < 8; i++) {
		uint64_t value =
			fuzz_take(&world, 8) >> (fuzz_take(&world, 1) & 63);

		check_way(&c, true, value);
		check_way(&c, false, value);
		/* And at the place where the two meet. */
		check_way(&c, i & 1, value + c.offset);
	}
	check_kvm(&world);
	return 0;
}
