/* SPDX-License-Identifier: MIT */
/* What a running keep says of itself, in its file. */
#ifndef KEEP_STATE_H
#define KEEP_STATE_H

#include "json.h"

/* One line for people, if a keep runs. */
void keep_state_print(void);
/* The member "keep", if a keep runs. */
void keep_state_put(struct json *json);

#endif
