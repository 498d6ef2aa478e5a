// SPDX-License-Identifier: MIT
/*
 * A relay: freeze the clocks below, wait for the clock above, write, unfreeze.
 * Wherever this fails or dies, the clocks below are frozen, or show what was
 * right until then: see docs/decisions/0019.
 */

#include <errno.h>
#include <string.h>

#include "relay_parts.h"

/* How often the clock may be disrupted while one disruption is relayed. */
#define PASSES 3
#define AGAIN  1

/* --- one pass ------------------------------------------------------------- */

static bool is_complete(const struct paraclock_target *target)
{
	return target->state <= PARACLOCK_TARGET_WRITTEN &&
	       (target->timekeeper ||
		(target->page && target->writer && target->write &&
		 (target->freeze || target->pause)));
}

static int check(const struct paraclock_relay *relay)
{
	const struct paraclock_target *target;

	if (!relay || relay->size < sizeof(*relay) || !relay->clk ||
	    (relay->n_targets && !relay->targets))
		return -EINVAL;
	target = relay->targets;
	for (size_t i = 0; i < relay->n_targets; i++) {
		if (target->size < sizeof(*target) ||
		    target->size != relay->targets->size ||
		    !is_complete(target))
			return -EINVAL;
		target = (const void *)((const char *)target + target->size);
	}
	return 0;
}

/* Move the markers below with the next write. The marker of a target's first
 * write is the caller's and stays. */
static void mark_all(struct paraclock_relay *relay, unsigned int marks)
{
	struct paraclock_target *target = relay->targets;
	uint8_t *counted = &relay_private(relay)->counted;

	/* The clock and the caller may both report a disruption: the second
	 * report is of the same one. */
	if (marks & MARK_DISRUPTED & ~*counted)
		relay->disruptions++;
	*counted |= marks & MARK_DISRUPTED;
	for (size_t i = 0; i < relay->n_targets; i++) {
		struct target_private *priv = (void *)target->opaque;

		if (priv->version)
			priv->marks |= marks;
		target = (void *)((char *)target + target->size);
	}
}

/* Compare the clock above with what was written below. */
static void note_source(struct paraclock_relay *relay,
			const struct relay_source *src)
{
	const size_t from = offsetof(struct paraclock_conversion, base_tsc);
	const size_t to = offsetof(struct paraclock_conversion, usable);
	struct relay_private *priv = relay_private(relay);

	/* Readers were promised that no disruption is missed; now some may
	 * be. */
	if (priv->version && src->inferred && !priv->inferred)
		mark_all(relay, MARK_DISRUPTED);
	if (!priv->version || priv->inferred != src->inferred ||
	    memcmp((const char *)&priv->conv + from,
		   (const char *)&src->conv + from, to - from) != 0 ||
	    memcmp(priv->qualifiers, src->qualifiers,
		   sizeof(priv->qualifiers)) != 0)
		priv->version++;
	if (priv->generations != src->generations)
		mark_all(relay, MARK_RESTORED);
	priv->inferred = src->inferred;
	priv->generations = src->generations;
	priv->conv = src->conv;
	memcpy(priv->qualifiers, src->qualifiers, sizeof(priv->qualifiers));
}

/* Was the clock disrupted since the last look? */
static bool note_epoch(struct paraclock_relay *relay,
		       const struct relay_source *src)
{
	struct relay_private *priv = relay_private(relay);
	bool moved = priv->epoch && src->epoch && priv->epoch != src->epoch;

	if (moved)
		mark_all(relay, MARK_DISRUPTED);
	if (src->epoch)
		priv->epoch = src->epoch;
	return moved;
}

/* AGAIN: the clock was disrupted meanwhile. */
static int pass(struct paraclock_relay *relay)
{
	struct relay_private *priv = relay_private(relay);
	struct relay_source src;
	int ret = pclk_relay_look(relay, &src);
	bool moved = note_epoch(relay, &src);
	int error = 0;

	if (ret == RELAY_NO_CONVERSION && !moved && !priv->held &&
	    priv->version &&
	    memcmp(priv->conv.key, src.conv.key, sizeof(src.conv.key)) == 0) {
		pclk_targets_note(relay);
		return -EAGAIN;
	}
	if (ret || moved || priv->held)
		error = pclk_targets_freeze(relay);
	if (ret)
		return ret < 0 ? ret : -EAGAIN;
	if (priv->held)
		return error ? error : -EAGAIN;
	note_source(relay, &src);
	priv->counted = 0;
	(void)pclk_targets_serve(relay, &src);
	/* Asked while the targets that cannot be frozen are still paused. */
	return paraclock_disrupted(relay->clk, src.epoch)
		       ? AGAIN
		       : pclk_targets_unfreeze(relay);
}

/* --- the calls ------------------------------------------------------------ */

int paraclock_relay_update(struct paraclock_relay *relay)
{
	int ret = check(relay);

	if (ret)
		return ret;
	ret = AGAIN;
	for (unsigned int i = 0; ret == AGAIN && i < PASSES; i++)
		ret = pass(relay);
	if (ret != AGAIN)
		return ret;
	(void)pclk_targets_freeze(relay);
	return -EAGAIN;
}

int paraclock_relay_freeze(struct paraclock_relay *relay)
{
	int ret = check(relay);

	if (ret)
		return ret;
	relay_private(relay)->held = 1;
	return pclk_targets_freeze(relay);
}

int paraclock_relay_resume(struct paraclock_relay *relay)
{
	struct relay_private *priv;
	int ret = check(relay);

	if (ret)
		return ret;
	priv = relay_private(relay);
	priv->held = 0;
	priv->unconfirmed = 1;
	priv->noticed = 0;
	/* If the clock itself has noticed the move, that is the same
	 * disruption. */
	priv->epoch = 0;
	mark_all(relay, MARK_DISRUPTED);
	(void)pclk_targets_freeze(relay);
	return paraclock_relay_update(relay);
}

int paraclock_relay_align(struct paraclock_relay *relay,
			  struct paraclock_target *target, uint64_t counter,
			  uint64_t sec, uint64_t frac)
{
	struct relay_source src;
	u128 time;
	int ret = target ? check(relay) : -EINVAL;

	if (ret)
		return ret;
	if (target->state == PARACLOCK_TARGET_RUNNING ||
	    target->state == PARACLOCK_TARGET_WRITTEN)
		return -EBUSY;
	ret = pclk_relay_look(relay, &src);
	if (!ret)
		ret = pclk_timeline_time(&src.tl, counter, &time);
	if (ret)
		return ret < 0 ? ret : -EAGAIN;
	time = ((u128)sec << 64 | frac) - time;
	target->offset_sec = (int64_t)(time >> 64);
	target->offset_frac = (uint64_t)time;
	return 0;
}
