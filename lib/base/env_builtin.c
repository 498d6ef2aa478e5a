// SPDX-License-Identifier: MIT
/* Which env is built in: the one place that knows what lib/linux/ provides. */

#include "env.h"

#ifdef PARACLOCK_FREESTANDING
const struct paraclock_env *const pclk_builtin_env = NULL;
#else
extern const struct paraclock_env pclk_env_linux;
const struct paraclock_env *const pclk_builtin_env = &pclk_env_linux;
#endif
