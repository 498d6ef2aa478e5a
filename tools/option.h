/* SPDX-License-Identifier: MIT */
/* A wrong option, in words. */
#ifndef OPTION_H
#define OPTION_H

#include <argp.h>
#include <stddef.h>

/* "--frobnicate: no such option". @p next: where argp has stopped. */
void option_explain(const struct argp *argp, char **argv, int next, char *buf,
		    size_t size);

#endif
