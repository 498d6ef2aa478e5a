/* SPDX-License-Identifier: MIT */
/* The env that is used if the caller passes NULL. */
#ifndef ENV_H
#define ENV_H

#include <paraclock/backend.h>

#include "shared.h"

/* This machine's, from lib/linux/; NULL in ring 0. */
PCLK_SHARED extern const struct paraclock_env *const pclk_builtin_env;

/*
 * Replace a NULL env by the built-in one, and check that it can read clocks.
 * -ENODEV: this build has no env; -EINVAL: its size is too small;
 * -EOPNOTSUPP: it reads no clocks.
 */
int pclk_env_with_clocks(const struct paraclock_env **env);

#endif
