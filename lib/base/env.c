// SPDX-License-Identifier: MIT
#include "env.h"

#include <errno.h>

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
