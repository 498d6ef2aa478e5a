// SPDX-License-Identifier: MIT
/*
 * Between Python and libparaclock-sim. cffi compiles this into paraclock._sim.
 *
 * Hosts and VMs live as long as their world, which lives until the last Python
 * object of it, clock in it and saved state of it is gone.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <paraclock/sim.h>
#include <paraclock/sim_script.h>

#include "owner.h"
/* cffi describes the structs of paraclock._native here as well. */
#include "results.h"

struct world {
	struct owner owner;
	struct paraclock_sim *sim;
};

static void free_world(struct owner *owner)
{
	struct world *world =
		(struct world *)((char *)owner - offsetof(struct world, owner));

	paraclock_sim_free(world->sim);
	free(world);
}

static int world_new(struct world **ret_world,
		     const struct paraclock_sim_options *opts)
{
	struct world *world = malloc(sizeof(*world));
	int ret;

	if (!world)
		return -ENOMEM;
	world->owner = (struct owner){ free_world, 1 };
	ret = paraclock_sim_new(&world->sim, opts);
	if (ret) {
		free(world);
		return ret;
	}
	*ret_world = world;
	return 0;
}

static void world_free(struct world *world)
{
	owner_release(&world->owner);
}

static struct owner *world_owner(struct world *world)
{
	return &world->owner;
}

static struct paraclock_sim *world_sim(struct world *world)
{
	return world->sim;
}

struct state {
	struct paraclock_sim_state *state;
	struct owner *owner;
};

static int state_save(struct state **ret_state, struct world *world,
		      struct paraclock_sim_vm *vm)
{
	struct state *state = malloc(sizeof(*state));
	int ret;

	if (!state)
		return -ENOMEM;
	ret = paraclock_sim_save(&state->state, vm);
	if (ret) {
		free(state);
		return ret;
	}
	state->owner = &world->owner;
	owner_acquire(state->owner);
	*ret_state = state;
	return 0;
}

static void state_free(struct state *state)
{
	paraclock_sim_state_free(state->state);
	owner_release(state->owner);
	free(state);
}

static int state_restore(const struct state *state, struct paraclock_sim_vm *vm,
			 struct paraclock_sim_host *to, uint32_t flags)
{
	return paraclock_sim_restore(vm, state->state, to, flags);
}

static int on_event(void *arg, const struct paraclock_sim_event *event);

static int play(const char *text, size_t size, void *arg,
		unsigned int *ret_failed, char *detail, size_t detail_size)
{
	const struct paraclock_sim_play_options opts = {
		.size = sizeof(opts),
		.arg = arg,
		.on_event = on_event,
	};
	struct paraclock_sim_script *script;
	int ret = paraclock_sim_script_parse(&script, text, size, detail,
					     detail_size);

	if (ret)
		return ret;
	ret = paraclock_sim_script_play(script, &opts, ret_failed, detail,
					detail_size);
	paraclock_sim_script_free(script);
	return ret;
}
