// SPDX-License-Identifier: MIT
/*
 * /proc/iomem, a line for each range: "  feffb000-feffbfff : AMZNC10C:00",
 * indented below the range that it is a part of.
 *
 * Source: Linux kernel/resource.c, r_show().
 */

#include <string.h>

#include "hex.h"
#include "iomem.h"

/* Is the rest of the line this device, "NAME:00"? A driver that has claimed a
 * part of it has a line of its own below, with another name. */
static bool is_name(const char *text, const char *name)
{
	size_t length = strlen(name);
	uint64_t instance;
	const char *end;

	if (strncmp(text, name, length) != 0 || text[length] != ':')
		return false;
	end = parse_hex(text + length + 1, &instance);
	return end && !*end;
}

static void parse_line(struct iomem_parser *parser, const char *line)
{
	struct iomem_found *found = &parser->found;
	uint64_t first, last;
	const char *at = parse_hex(line + strspn(line, " "), &first);

	if (!at || *at != '-')
		return;
	at = parse_hex(at + 1, &last);
	if (!at || strncmp(at, " : ", 3) != 0 || !is_name(at + 3, parser->name))
		return;
	found->is_named = true;
	if (!first && !last)
		found->is_hidden = true;
	/* The whole of a 64-bit space has no size in 64 bits. */
	else if (!found->size && first && last >= first)
		*found = (struct iomem_found){
			.start = first,
			.size = last - first + 1,
			.is_named = true,
		};
}

void pclk_iomem_parse(struct iomem_parser *parser, const char *text,
		      size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\n') {
			parser->line[parser->used] = '\0';
			if (!parser->overlong)
				parse_line(parser, parser->line);
			parser->used = 0;
			parser->overlong = false;
		} else if (text[i] == '\0' ||
			   parser->used + 1 == sizeof(parser->line)) {
			/* The line that matters is shorter. */
			parser->overlong = true;
		} else {
			parser->line[parser->used++] = text[i];
		}
	}
}
