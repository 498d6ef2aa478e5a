/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd, loaded when it is needed: it brings GnuTLS with it, and every
 * other subcommand would start 10 ms later. keep must not, after a restore.
 */
#ifndef EXPORT_MHD_H
#define EXPORT_MHD_H

#include <microhttpd.h>

#define MHD_FUNCTION(name) __typeof__(&MHD_##name) name

struct mhd {
	void *library;
	MHD_FUNCTION(add_response_header);
	MHD_FUNCTION(create_response_from_buffer);
	MHD_FUNCTION(destroy_response);
	MHD_FUNCTION(get_connection_info);
	MHD_FUNCTION(get_fdset2);
	MHD_FUNCTION(get_timeout);
	MHD_FUNCTION(lookup_connection_value);
	MHD_FUNCTION(queue_response);
	MHD_FUNCTION(run);
	MHD_FUNCTION(start_daemon);
	MHD_FUNCTION(stop_daemon);
};

#undef MHD_FUNCTION

/* 0, or -ENOENT and stderr says why. */
int mhd_load(struct mhd *mhd);
void mhd_unload(struct mhd *mhd);

#endif
