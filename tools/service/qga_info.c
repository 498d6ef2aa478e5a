// SPDX-License-Identifier: MIT
/* guest-info: what it lists is the union of the upstream's commands and ours. */

#include <string.h>

#include "qga_answer.h"

static json_t *find(json_t *commands, const char *name)
{
	json_t *command;
	size_t i;

	json_array_foreach(commands, i, command)
	{
		const char *found =
			json_string_value(json_object_get(command, "name"));

		if (found && strcmp(found, name) == 0)
			return command;
	}
	return NULL;
}

/* Enabled here, whatever the upstream says of its own: -1 if memory ran out. */
static int add(json_t *commands, const char *name)
{
	json_t *command = find(commands, name);

	if (command)
		return json_object_set_new(command, "enabled", json_true());
	return json_array_append_new(
		commands, json_pack("{s:b, s:s, s:b}", "enabled", 1, "name",
				    name, "success-response", 1));
}

static int add_from(json_t *commands, enum qga_command first)
{
	const char *name;

	while ((name = qga_command_name(first++))) {
		if (add(commands, name))
			return -1;
	}
	return 0;
}

json_t *qga_info_new(const char *version)
{
	json_t *commands = json_array();

	if (add_from(commands, QGA_PING)) {
		json_decref(commands);
		return NULL;
	}
	return json_pack("{s:s, s:o}", "version", version, "supported_commands",
			 commands);
}

/* false: it is an error, or nothing known. */
static bool add_ours(json_t *root)
{
	json_t *commands = json_object_get(json_object_get(root, "return"),
					   "supported_commands");

	return json_is_array(commands) && !add_from(commands, QGA_FIRST_OWN);
}

void qga_put_info(struct qga_buffer *out, const char *reply, size_t size)
{
	json_t *root = json_loadb(reply, size, 0, NULL);

	if (add_ours(root)) {
		qga_put_json(out, root);
		return;
	}
	qga_buffer_put(out, reply, size);
	json_decref(root);
}
