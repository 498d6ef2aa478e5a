/* SPDX-License-Identifier: MIT */
/* The sockets of keep. */
#ifndef KEEP_LISTEN_H
#define KEEP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* That of a socket's address. */
#define KEEP_SOCKET_PATH_SIZE 108

/* Each returns a descriptor; or -errno, and the log says why. */

/* keep.sock in the folder. @p ret_path: its path, which the caller removes in
 * the end; empty on failure. */
int keep_listen_unix(const char *folder, char *ret_path, size_t size);
int keep_listen_vsock(uint32_t port);

/* Is the peer of a vsock connection the host, or this machine? */
bool keep_is_host(int fd);

#endif
