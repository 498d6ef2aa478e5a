// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "export_address.h"

/* --- addresses ------------------------------------------------------------ */

static int parse_port(const char *text, in_port_t *ret_port)
{
	unsigned long port = 0;

	if (!text[0] || strlen(text) > 5)
		return -EINVAL;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		port = port * 10 + (unsigned long)(*text - '0');
	}
	if (port > UINT16_MAX)
		return -EINVAL;
	*ret_port = htons((uint16_t)port);
	return 0;
}

static int set_ipv4(const char *host, in_port_t port,
		    struct export_address *ret_address)
{
	struct sockaddr_in *to = (struct sockaddr_in *)&ret_address->address;

	*to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
	ret_address->size = sizeof(*to);
	if (!host[0] || strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	return inet_pton(AF_INET, host, &to->sin_addr) == 1 ? 0 : -EINVAL;
}

static int set_ipv6(const char *host, in_port_t port,
		    struct export_address *ret_address)
{
	struct sockaddr_in6 *to = (struct sockaddr_in6 *)&ret_address->address;

	*to = (struct sockaddr_in6){
		.sin6_family = AF_INET6,
		.sin6_port = port,
	};
	ret_address->size = sizeof(*to);
	return inet_pton(AF_INET6, host, &to->sin6_addr) == 1 ? 0 : -EINVAL;
}

/* "[::1]" and "[::1]:10319" */
static int parse_brackets(char *text, in_port_t port,
			  struct export_address *ret_address)
{
	char *end = strchr(text, ']');

	if (!end)
		return -EINVAL;
	*end = '\0';
	if (end[1] && (end[1] != ':' || parse_port(end + 2, &port)))
		return -EINVAL;
	return set_ipv6(text + 1, port, ret_address);
}

static int parse(char *text, struct export_address *ret_address)
{
	in_port_t port = htons(EXPORT_PORT);
	char *colon = strrchr(text, ':');

	if (text[0] == '[')
		return parse_brackets(text, port, ret_address);
	if (colon && strchr(text, ':') != colon)
		return set_ipv6(text, port, ret_address);
	if (!colon && !parse_port(text, &port))
		return set_ipv4("", port, ret_address);
	if (colon) {
		*colon = '\0';
		if (parse_port(colon + 1, &port))
			return -EINVAL;
	} else if (!text[0]) {
		return -EINVAL;
	}
	return set_ipv4(text, port, ret_address);
}

int address_parse(const char *text, struct export_address *ret_address)
{
	struct export_address address = { 0 };
	char copy[80];

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	snprintf(copy, sizeof(copy), "%s", text);
	if (parse(copy, &address))
		return -EINVAL;
	*ret_address = address;
	return 0;
}

void address_format(const struct export_address *address, char *buf,
		    size_t size)
{
	const struct sockaddr_in *v4 =
		(const struct sockaddr_in *)&address->address;
	const struct sockaddr_in6 *v6 =
		(const struct sockaddr_in6 *)&address->address;
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->address.ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(buf, size, "[%s]:%u", host, ntohs(v6->sin6_port));
		return;
	}
	(void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
	snprintf(buf, size, "%s:%u", host, ntohs(v4->sin_port));
}

/* --- Accept --------------------------------------------------------------- */

/* ";q=0" and ";q=0.000": not this one. Other parameters, such as a version that
 * comes first, do not matter. */
static bool is_refused(const char *parameters, size_t length)
{
	char copy[128], *save, *one;

	if (length >= sizeof(copy))
		return false;
	memcpy(copy, parameters, length);
	copy[length] = '\0';
	for (one = strtok_r(copy, "; \t", &save); one;
	     one = strtok_r(NULL, "; \t", &save)) {
		if (strncasecmp(one, "q=", 2) == 0)
			return one[2] && !one[2 + strspn(one + 2, "0.")];
	}
	return false;
}

enum text_format accept_format(const char *accept)
{
	static const char type[] = "application/openmetrics-text";
	const size_t size = sizeof(type) - 1;

	while (accept && *accept) {
		const char *one = accept + strspn(accept, " \t,");
		const size_t length = strcspn(one, ",");

		if (length >= size && strncasecmp(one, type, size) == 0 &&
		    strchr("; \t,", one[size]))
			return is_refused(one + size, length - size)
				       ? TEXT_PROMETHEUS
				       : TEXT_OPENMETRICS;
		accept = one + length;
	}
	return TEXT_PROMETHEUS;
}
