/* SPDX-License-Identifier: MIT */
/*
 * What outlives the Python objects that were made from it. Python destroys the
 * objects of a cycle in any order, but a clock's env must outlive the clock, so
 * each of them counts here.
 */
#ifndef OWNER_H
#define OWNER_H

struct owner {
	void (*free)(struct owner *owner);
	long refs;
};

static inline void owner_acquire(struct owner *owner)
{
	if (owner)
		__atomic_add_fetch(&owner->refs, 1, __ATOMIC_RELAXED);
}

static inline void owner_release(struct owner *owner)
{
	if (owner && !__atomic_sub_fetch(&owner->refs, 1, __ATOMIC_ACQ_REL))
		owner->free(owner);
}

#endif
