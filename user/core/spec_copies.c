// SPDX-License-Identifier: GPL-2.0-only
/* spec_copies.c - --copies and --source: how many copies, and where they come from. See spec.h. */
#include "core/spec_priv.h"

#include <stdio.h>
#include <string.h>

#include "tcpcopy/mix.h"

/* RFC 2544 and RFC 5180 keep these for tests: nobody's clients come from there. */
#define DEFAULT_POOL_V4 "198.18.0.0/15"
#define DEFAULT_POOL_V6 "2001:2::/48"
#define LAST_WORD_BITS 32
/* With fewer sources than this for each copy, connections would run into one another all day. */
#define LEAST_CONNECTIONS 1000

static __u32 mask_of(const struct tcpc_prefix *prefix)
{
	__u32 bits = 8 * sizeof(prefix->addr) - prefix->bits;

	return bits >= LAST_WORD_BITS ? ~0u : (1u << bits) - 1;
}

struct tcpc_pool tcpc_spec_pool(const struct tcpc_prefix *prefix)
{
	struct tcpc_pool pool = {.addr = prefix->addr, .mask = mask_of(prefix)};

	return pool;
}

/* Has it any that no packet may come from (RFC 6890): unspecified, loopback, multicast, reserved?
 */
static bool has_no_clients(const struct tcpc_prefix *pool, bool v4)
{
	static const struct {
		bool v4;
		__u32 first,
			bits; /* of the first byte of such addresses, and how much of it counts */
	} ranges[] = {
		{true, 0, 8}, {true, 127, 8}, {true, 224, 3}, {false, 0, 8}, {false, 0xff, 8}};
	__u32 first = tcpc_ntohl(pool->addr.w[v4 ? 3 : 0]) >> 24;
	__u32 bits = pool->bits - (v4 ? TCPC_ADDR_V4_BITS : 0);

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		__u32 both = bits < ranges[i].bits ? bits : ranges[i].bits;

		if (ranges[i].v4 == v4 && !((first ^ ranges[i].first) >> (8 - both)))
			return true;
	}
	return false;
}

static int add_source(const char *piece, void *user, struct tcpc_err *err)
{
	struct tcpc_copies_spec *spec = user;
	struct tcpc_prefix prefix;
	int r = tcpc_text_prefix(piece, &prefix, err), v4;

	r = r ?: spec_not_link_local(&prefix.addr, piece, err);
	if (r)
		return r;
	v4 = prefix.bits >= TCPC_ADDR_V4_BITS && tcpc_addr_is_v4(&prefix.addr);
	if (has_no_clients(&prefix, v4))
		return tcpc_err_set(err, EINVAL,
				    "pool %s has addresses that no client has, which the target "
				    "would drop: give another --source, like %s",
				    piece, v4 ? DEFAULT_POOL_V4 : DEFAULT_POOL_V6);
	if (spec->mapped[v4])
		return tcpc_err_set(err, EINVAL, "--source has two pools of %s: give one of each",
				    v4 ? "IPv4" : "IPv6");
	spec->mapped[v4] = true;
	spec->pools[v4] = prefix;
	return 0;
}

static int source_option(struct json_object *request, struct tcpc_copies_spec *spec,
			 struct tcpc_err *err)
{
	const char *text = spec_option(request, "source");
	int r = 0;

	if (text && strcmp(text, "keep"))
		r = spec_each_piece(text, add_source, spec, err);
	if (!r && !spec->mapped[0])
		r = tcpc_text_prefix(DEFAULT_POOL_V6, &spec->pools[0], err);
	if (!r && !spec->mapped[1])
		r = tcpc_text_prefix(DEFAULT_POOL_V4, &spec->pools[1], err);
	return r;
}

static int spread_option(struct json_object *request, struct tcpc_copies_spec *spec,
			 struct tcpc_err *err)
{
	const char *text = spec_option(request, "spread");
	unsigned long ms = 0;

	if (text && (tcpc_text_number(text, TCPC_MAX_SPREAD_MS, &ms) || !ms))
		return tcpc_err_set(err, EINVAL,
				    "--spread is a number of milliseconds from 1 to %d, not "
				    "'%.80s'",
				    TCPC_MAX_SPREAD_MS, text);
	if (text && spec->n == 1)
		return tcpc_err_set(err, EINVAL,
				    "--spread shifts all copies but the first: not without "
				    "--copies");
	spec->spread_ms = ms;
	return 0;
}

int spec_copies_options(struct json_object *request, struct tcpc_copies_spec *ret,
			struct tcpc_err *err)
{
	const char *text = spec_option(request, "copies");
	unsigned long n = 1;

	if (text && (tcpc_text_number(text, TCPC_MAX_COPIES, &n) || !n))
		return tcpc_err_set(err, EINVAL, "--copies is a number from 1 to %d, not '%.80s'",
				    TCPC_MAX_COPIES, text);
	ret->n = n;
	return spread_option(request, ret, err) ?: source_option(request, ret, err);
}

static int check_room(const struct tcpc_copies_spec *spec, const struct tcpc_prefix *pool,
		      struct tcpc_err *err)
{
	__u64 sources = tcpc_mix_sources(mask_of(pool)), each = sources / spec->n;
	char text[TCPC_TEXT_BYTES];

	if (each >= LEAST_CONNECTIONS)
		return 0;
	return tcpc_err_set(err, EINVAL,
			    "%s has %llu addresses x %d ports = %llu sources: %u copies of each "
			    "connection leave room for %llu connections, and %d are the least; "
			    "give a larger pool or fewer copies",
			    tcpc_text_from_prefix(pool, text), sources / TCPC_MIX_PORTS,
			    TCPC_MIX_PORTS, sources, spec->n, each, LEAST_CONNECTIONS);
}

/* What is next to the target it looks for on its own link, where no mapped source answers. */
static bool is_near(const struct tcpc_prefix *pool, const struct tcpc_addr *target, int v4)
{
	const struct tcpc_addr *a = &pool->addr;

	if (v4)
		return pool->bits >= TCPC_ADDR_V4_BITS + 24 && tcpc_mix_near(a->w[3], target->w[3]);
	return a->w[0] == target->w[0] && a->w[1] == target->w[1];
}

int tcpc_spec_copies_fit(const struct tcpc_copies_spec *spec, const struct tcpc_addr *target,
			 __u32 n_targets, struct tcpc_err *err)
{
	int v4 = tcpc_addr_is_v4(target);
	const struct tcpc_prefix *pool = &spec->pools[v4];
	char a[TCPC_TEXT_BYTES], p[TCPC_TEXT_BYTES];

	if (spec->n * n_targets > TCPC_MAX_COPIES)
		return tcpc_err_set(err, EINVAL,
				    "%u targets x %u copies = %u copies of each packet; %d are the "
				    "most",
				    n_targets, spec->n, spec->n * n_targets, TCPC_MAX_COPIES);
	if (spec->mapped[!v4] && !spec->mapped[v4])
		return tcpc_err_set(err, EINVAL,
				    "target %s is %s, the pool of --source is not: give one of "
				    "each, like " DEFAULT_POOL_V4 "," DEFAULT_POOL_V6,
				    tcpc_text_from_addr(target, a), v4 ? "IPv4" : "IPv6");
	if (spec->n == 1 && !spec->mapped[v4])
		return 0;
	if (is_near(pool, target, v4))
		return tcpc_err_set(err, EINVAL,
				    "pool %s lies in the network of target %s, which would look "
				    "for such clients next to itself: give another --source",
				    tcpc_text_from_prefix(pool, p), tcpc_text_from_addr(target, a));
	return check_room(spec, pool, err);
}
