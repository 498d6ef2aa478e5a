// SPDX-License-Identifier: MIT
/* The history of a VM's clocks: what its readings should have been. */

#include <errno.h>

#include "world.h"

#define FIRST_ROOM 16U

static uint64_t counter_now(const struct paraclock_sim_vm *vm)
{
	return (uint64_t)(pclk_sim_vm_tsc(vm, pclk_sim_instant(vm->sim)) >> 64);
}

static struct sim_piece *newest(const struct paraclock_sim_vm *vm)
{
	return vm->n_pieces ? &vm->piece[vm->newest] : NULL;
}

/* Make room for one more piece; beyond HISTORY_MAX it replaces the oldest. */
static int make_room(struct paraclock_sim_vm *vm)
{
	unsigned int room = vm->room ? 2 * vm->room : FIRST_ROOM;
	struct sim_piece *piece;

	if (vm->piece && (vm->n_pieces < vm->room || room > HISTORY_MAX))
		return 0;
	piece = realloc(vm->piece, room * sizeof(*piece));
	if (!piece)
		return -ENOMEM;
	vm->piece = piece;
	vm->room = room;
	return 0;
}

/* The clock that shows at when the TSC is frac of a tick beyond a whole one. */
static struct sim_clock clock_of(const struct paraclock_sim_vm *vm, u128 at,
				 uint64_t frac, int64_t ppb)
{
	struct sim_clock clock = { .hz = pclk_sim_vm_hz(vm), .ppb = ppb };

	/* Pieces begin at a whole tick: readers see no others. */
	clock.at = at - pclk_sim_part_of_tick(&clock, frac);
	return clock;
}

static struct sim_piece piece_now(const struct paraclock_sim_vm *vm)
{
	const struct paraclock_sim_host *real = pclk_sim_real_host(vm->host);
	uint64_t now = pclk_sim_instant(vm->sim);
	u128 tsc = pclk_sim_vm_tsc(vm, now);

	return (struct sim_piece){
		.first = (uint64_t)(tsc >> 64),
		.last = NEVER,
		.mono = clock_of(vm, pclk_sim_vm_mono(vm, now), (uint64_t)tsc,
				 0),
		.tai = clock_of(vm, pclk_sim_host_tai(real, now), (uint64_t)tsc,
				real->ppb),
		.utc = real->utc,
	};
}

void pclk_sim_end_pieces(struct paraclock_sim *sim)
{
	for (struct paraclock_sim_vm *vm = sim->vms; vm; vm = vm->next) {
		if (newest(vm))
			newest(vm)->last = counter_now(vm);
	}
}

void pclk_sim_go_on_with_pieces(struct paraclock_sim *sim)
{
	for (struct paraclock_sim_vm *vm = sim->vms; vm; vm = vm->next) {
		if (newest(vm))
			newest(vm)->last = NEVER;
	}
}

int pclk_sim_new_piece(struct paraclock_sim_vm *vm)
{
	struct sim_piece piece = piece_now(vm);
	struct sim_piece *last = newest(vm);
	int ret;

	if (last && last->last == NEVER)
		last->last = piece.first;
	/* Replace a piece that lasted for no tick: nothing can have read it. */
	if (last && last->first == last->last && last->first == piece.first) {
		*last = piece;
		return 0;
	}
	ret = make_room(vm);
	if (ret)
		return ret;
	vm->newest = vm->n_pieces ? (vm->newest + 1) % vm->room : 0;
	vm->n_pieces += vm->n_pieces < vm->room;
	vm->piece[vm->newest] = piece;
	return 0;
}

/* The n-th before the newest. */
static const struct sim_piece *piece_at(const struct paraclock_sim_vm *vm,
					unsigned int n)
{
	return &vm->piece[(vm->newest + vm->room - n) % vm->room];
}

static const struct sim_piece *find(const struct paraclock_sim_vm *vm,
				    uint64_t counter)
{
	const struct sim_piece *piece;
	uint64_t now = counter_now(vm);

	/* Newest first: a TSC that went back shows a value a second time, and
	 * the latest reading of it is what is asked for. */
	for (unsigned int n = 0; n < vm->n_pieces; n++) {
		piece = piece_at(vm, n);
		if (piece->first <= counter &&
		    counter <= (n || piece->last != NEVER ? piece->last : now))
			return piece;
	}
	/* No TSC has shown it: it is in the future, or was jumped over. */
	for (unsigned int n = 0; n < vm->n_pieces; n++) {
		piece = piece_at(vm, n);
		if (piece->first <= counter)
			return piece;
	}
	return NULL;
}

/* Read a clock of the piece; -EINVAL: it has no such timescale. */
static int time_at(const struct sim_piece *piece, uint64_t counter,
		   unsigned int timescale, u128 *ret_time)
{
	uint64_t ticks = counter - piece->first;

	switch (timescale) {
	case PARACLOCK_TIMESCALE_MONOTONIC:
		*ret_time = pclk_sim_clock_at(&piece->mono, ticks);
		return 0;
	case PARACLOCK_TIMESCALE_TAI:
		*ret_time = pclk_sim_clock_at(&piece->tai, ticks);
		return 0;
	case PARACLOCK_TIMESCALE_UTC:
	case PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED:
		*ret_time = sim_to_utc(&piece->utc,
				       pclk_sim_clock_at(&piece->tai, ticks));
		return 0;
	default:
		return -EINVAL;
	}
}

static int truth_at(const struct paraclock_sim_vm *vm, uint64_t counter,
		    unsigned int timescale, int64_t *ret_ns)
{
	const struct sim_piece *piece = find(vm, counter);
	u128 time = 0;
	int ret;

	if (!piece)
		return -ESTALE;
	ret = time_at(piece, counter, timescale, &time);
	if (ret)
		return ret;
	if (time >> 127)
		return -ERANGE;
	*ret_ns = (int64_t)(time >> 64);
	return 0;
}

int paraclock_sim_truth(const struct paraclock_sim_vm *vm, uint64_t counter,
			unsigned int timescale, int64_t *ret_ns)
{
	int ret;

	if (!vm || !ret_ns)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	ret = truth_at(vm, counter, timescale, ret_ns);
	pclk_sim_unlock(vm->sim);
	return ret;
}

int pclk_sim_timeline(const struct paraclock_sim_vm *vm, unsigned int timescale,
		      struct paraclock_timeline *ret_tl)
{
	const struct paraclock_sim_host *real = pclk_sim_real_host(vm->host);
	bool mono = timescale == PARACLOCK_TIMESCALE_MONOTONIC;
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.base_tsc = counter_now(vm),
		.marker = vm->disruption,
		.generation = vm->generation,
		.timescale = (uint8_t)timescale,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
		.leap = PARACLOCK_LEAP_NONE,
	};
	struct sim_utc utc;
	u128 time = 0;
	int ret = time_at(newest(vm), tl.base_tsc, timescale, &time);

	if (ret)
		return ret;
	if (time >> 127)
		return -ERANGE;
	/* From ns to s, rounded up like all times here. */
	time = (time + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
	tl.base_sec = (uint64_t)(time >> 64);
	tl.base_frac = (uint64_t)time;
	pclk_sim_timeline_set_rate(&tl, pclk_sim_vm_hz(vm),
				   mono ? 0 : real->ppb);
	if (!mono) {
		utc = pclk_sim_utc_at(
			&newest(vm)->utc,
			pclk_sim_host_tai(real, pclk_sim_instant(vm->sim)));
		tl.tai_offset_sec = utc.offset_sec;
		tl.flags |= utc.known ? PARACLOCK_TIMELINE_TAI_OFFSET : 0;
		tl.leap = utc.leap;
	}
	*ret_tl = tl;
	return 0;
}

int paraclock_sim_timeline(const struct paraclock_sim_vm *vm,
			   unsigned int timescale,
			   struct paraclock_timeline *ret_tl)
{
	int ret;

	if (!vm || !ret_tl)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	ret = pclk_sim_timeline(vm, timescale, ret_tl);
	if (!ret && pclk_sim_is_stable(vm))
		ret_tl->flags |= PARACLOCK_TIMELINE_STABLE;
	pclk_sim_unlock(vm->sim);
	return ret;
}
