// SPDX-License-Identifier: GPL-2.0-only
/* spec_words.c - see spec_priv.h. */
#include "core/spec_priv.h"

#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

/* ---- reading a request ----------------------------------------------------------------------- */

const char *spec_option(struct json_object *request, const char *name)
{
	struct json_object *options, *value;

	if (!json_object_object_get_ex(request, "options", &options) ||
	    !json_object_object_get_ex(options, name, &value))
		return NULL;
	return json_object_get_string(value);
}

int spec_on_off(struct json_object *request, const char *name, bool *ret, struct tcpc_err *err)
{
	const char *text = spec_option(request, name);

	if (!text)
		return 0;
	if (strcmp(text, "on") && strcmp(text, "off"))
		return tcpc_err_set(err, EINVAL, "--%s is on or off, not '%.80s'", name, text);
	*ret = !strcmp(text, "on");
	return 0;
}

const char *spec_arg(struct json_object *request, size_t i)
{
	struct json_object *args, *value;

	if (!json_object_object_get_ex(request, "args", &args))
		return NULL;
	value = json_object_array_get_idx(args, i);
	return value ? json_object_get_string(value) : NULL;
}

size_t spec_n_args(struct json_object *request)
{
	struct json_object *args;

	return json_object_object_get_ex(request, "args", &args) ? json_object_array_length(args)
								 : 0;
}

const char *spec_command(struct json_object *request)
{
	return json_object_get_string(json_object_object_get(request, "command"));
}

int spec_iface(struct json_object *request, size_t i, char ret[IFNAMSIZ], struct tcpc_err *err)
{
	const char *text = spec_arg(request, i);

	if (!text)
		return tcpc_err_set(err, EINVAL, "%s needs an interface, like eth0",
				    spec_command(request));
	return tcpc_text_iface(text, ret, err);
}

int spec_each_piece(const char *text, spec_piece cb, void *user, struct tcpc_err *err)
{
	char *copy = strdup(text), *p = copy, *piece;
	int r = copy ? 0 : tcpc_err_set(err, ENOMEM, "out of memory");

	while (!r && (piece = strsep(&p, ",")))
		r = cb(piece, user, err);
	free(copy);
	return r;
}

int spec_not_link_local(const struct tcpc_addr *addr, const char *text, struct tcpc_err *err)
{
	if (!tcpc_addr_is_link_local(addr))
		return 0;
	return tcpc_err_set(err, EINVAL,
			    "'%.80s' is link-local (fe80::), which is not supported: give a "
			    "global or unique local address",
			    text);
}

/* RFC 1122, 3.2.1.3; RFC 1112; RFC 4291, 2.5.2 and 2.7: 0.0.0.0/8, from 224.0.0.0 on, ::, ff00::/8.
 */
static bool is_no_host(const struct tcpc_addr *addr)
{
	__u32 first = tcpc_ntohl(addr->w[tcpc_addr_is_v4(addr) ? 3 : 0]) >> 24;

	if (tcpc_addr_is_v4(addr))
		return !first || first >= 224;
	return first == 0xff || !(addr->w[0] | addr->w[1] | addr->w[2] | addr->w[3]);
}

int spec_host(const struct tcpc_addr *addr, const char *text, struct tcpc_err *err)
{
	if (is_no_host(addr))
		return tcpc_err_set(err, EINVAL,
				    "'%.80s' is the address of no host: give one that a host has, "
				    "like %s",
				    text, tcpc_addr_is_v4(addr) ? "10.0.0.9" : "2001:db8::9");
	return spec_not_link_local(addr, text, err);
}

/* IPv4 stands among the others as ::ffff:0:0/96, so a prefix around that would mean both. */
static int check_covers_v4(const struct tcpc_prefix *prefix, const char *text, struct tcpc_err *err)
{
	__u32 mask = 0;
	const struct tcpc_addr *a = &prefix->addr;

	if (prefix->bits > 64 && prefix->bits < TCPC_ADDR_V4_BITS)
		mask = 0xffffffffu << (TCPC_ADDR_V4_BITS - prefix->bits);
	if (prefix->bits >= TCPC_ADDR_V4_BITS || a->w[0] || a->w[1] ||
	    a->w[2] != (TCPC_V4_MAPPED & tcpc_htonl(mask)))
		return 0;
	return tcpc_err_set(err, EINVAL,
			    "'%.80s' would mean IPv4 too: for all of IPv6 write 2000::/3 (global) "
			    "and fc00::/7 (unique local)",
			    text);
}

int spec_verb(struct json_object *request, const char *known, enum tcpc_list_verb *ret,
	      struct tcpc_err *err)
{
	static const char *const names[] = {"list", "add", "del", "set"};
	const char *text = spec_arg(request, 0);

	for (int i = 0; text && i < 4; i++) {
		if (strcmp(text, names[i]) || !strstr(known, text))
			continue;
		*ret = i;
		return 0;
	}
	return tcpc_err_set(err, EINVAL, "%s is followed by %s, not '%.80s'", spec_command(request),
			    known, text ? text : "");
}

int spec_word_count(struct json_object *request, size_t least, size_t most, const char *usage,
		    struct tcpc_err *err)
{
	size_t n = spec_n_args(request);

	if (n >= least && n <= most)
		return 0;
	return tcpc_err_set(err, EINVAL, "usage: tcpcopyctl %s %s", spec_command(request), usage);
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct ports {
	__be16 *ports;
	__u32 n;
};

static int add_port(const char *piece, void *user, struct tcpc_err *err)
{
	struct ports *p = user;
	__be16 port;
	int r = tcpc_text_port(piece, &port, err);

	if (r)
		return r;
	for (__u32 i = 0; i < p->n; i++)
		if (p->ports[i] == port)
			return tcpc_err_set(err, EINVAL, "port %s is given twice", piece);
	if (p->n == TCPC_MAX_PORTS)
		return tcpc_err_set(err, EINVAL, "more than %d ports", TCPC_MAX_PORTS);
	p->ports[p->n++] = port;
	return 0;
}

int spec_ports(struct json_object *request, __be16 ports[TCPC_MAX_PORTS], __u32 *ret_n,
	       struct tcpc_err *err)
{
	struct ports p = {.ports = ports};
	int r = spec_each_piece(spec_option(request, "port"), add_port, &p, err);

	if (!r)
		*ret_n = p.n;
	return r;
}

int spec_add_prefix(const char *piece, void *user, struct tcpc_err *err)
{
	struct tcpc_prefix_list *list = user;
	struct tcpc_prefix prefix, *bigger;
	int r = tcpc_text_prefix(piece, &prefix, err);

	r = r ?: check_covers_v4(&prefix, piece, err);
	if (r)
		return r;
	for (__u32 i = 0; i < list->n; i++)
		if (!memcmp(&list->list[i], &prefix, sizeof(prefix)))
			return tcpc_err_set(err, EINVAL, "prefix %s is given twice", piece);
	if (list->n == SPEC_MAX_LIST)
		return tcpc_err_set(err, EINVAL, "more than %d prefixes at once", SPEC_MAX_LIST);
	bigger = realloc(list->list, (list->n + 1) * sizeof(*bigger));
	if (!bigger)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	list->list = bigger;
	list->list[list->n++] = prefix;
	return 0;
}

void spec_free_prefixes(struct tcpc_prefix_list *list)
{
	free(list->list);
	memset(list, 0, sizeof(*list));
}
