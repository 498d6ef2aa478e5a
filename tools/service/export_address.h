/* SPDX-License-Identifier: MIT */
/* Where HTTP is served, and in which of the formats: what others write, read. */
#ifndef EXPORT_ADDRESS_H
#define EXPORT_ADDRESS_H

#include <sys/socket.h>

#include "export_text.h"

/* None of the list that Prometheus keeps for exporters (9100 to 9999, which is
 * full), nor of IANA's. */
#define EXPORT_PORT 10319

struct export_address {
	struct sockaddr_storage address;
	socklen_t size;
};

/*
 * "127.0.0.1:10319", "[::1]:10319", "::1", "localhost", or only a port, ":10319"
 * or "10319", which means the loopback address. Port 0: any that is free. No
 * name is looked up. 0, or -EINVAL.
 */
int address_parse(const char *text, struct export_address *ret_address);

/* "127.0.0.1:10319" */
void address_format(const struct export_address *address, char *buf,
		    size_t size);

/* The format for an Accept header; NULL: the client sent no such header.
 * OpenMetrics for those
 * that ask for it, as Prometheus does. */
enum text_format accept_format(const char *accept);

#endif
