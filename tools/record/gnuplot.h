/* SPDX-License-Identifier: MIT */
/* gnuplot, run as a program: no shell, and no file but the one it draws. */
#ifndef RECORD_GNUPLOT_H
#define RECORD_GNUPLOT_H

#include <stddef.h>

/* Let it obey the program that @p script_fd holds, from its start, and draw to
 * @p out_fd. 0; -ENOENT: it is not installed; -EINTR: @p stop is set;
 * -ETIMEDOUT; -EPROTO: it failed, and @p said is what it said first; or another
 * errno. */
int gnuplot_run(int script_fd, int out_fd, char *said, size_t size);

#endif
