// SPDX-License-Identifier: MIT
/* What stands for a NULL env, and the calls that need no more than an env. */

#include <errno.h>

#include "counter.h"
#include "env.h"
#include "frequency.h"

const struct paraclock_env *paraclock_default_env(void)
{
	return pclk_builtin_env;
}

int pclk_env_with_clocks(const struct paraclock_env **env)
{
	if (!*env)
		*env = pclk_builtin_env;
	if (!*env)
		return -ENODEV;
	if ((*env)->size < sizeof(**env))
		return -EINVAL;
	return (*env)->read_clock ? 0 : -EOPNOTSUPP;
}

uint64_t paraclock_counter(const struct paraclock_env *env)
{
	if (!env)
		env = pclk_builtin_env;
	/* Ring 0 may have no env, but it has a counter. */
	if (!env)
		return counter_fenced();
	return env->size >= sizeof(*env)
		       ? counter_read(env, pclk_counter_choose(env))
		       : 0;
}

int paraclock_describe_machine(const struct paraclock_env *env,
			       struct paraclock_machine *ret_machine)
{
	if (!ret_machine || ret_machine->size < sizeof(*ret_machine))
		return -EINVAL;
	if (!env)
		env = pclk_builtin_env;
	if (!env)
		return -ENODEV;
	return pclk_describe(env, ret_machine);
}
