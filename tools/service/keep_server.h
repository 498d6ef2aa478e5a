/* SPDX-License-Identifier: MIT */
/* Who asks keep to look now, over a socket. */
#ifndef KEEP_SERVER_H
#define KEEP_SERVER_H

#include "keep_service.h"

struct keep_server;

/* The most that one message has. */
#define KEEP_MESSAGE_MAX 4096

/* Call it before keep_start(). 0, or -errno and the log says why. */
int keep_server_open(struct keep_server **ret_server, struct keep *keep);
/* Call it before keep_close(). NULL: nothing is done. */
void keep_server_close(struct keep_server *server);

#endif
