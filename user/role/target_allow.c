// SPDX-License-Identifier: GPL-2.0-only
/*
 * target_allow.c - clients that use the target themselves.
 *
 * A copy of such a client's traffic would be answered to the client. So `allow add` first makes
 * peers stop copying it, drops what is on the way, ends its copied connections, and only then lets
 * it through: all of it within a round trip to the peers.
 */
#include "role/target_priv.h"

#include <stdlib.h>
#include <string.h>

#include "edge/log.h"
#include "edge/sockdiag.h"

/** `allow add` under way. */
struct allow_job {
	struct tcpc_target_role *role;
	struct tcpc_reply *reply;
	unsigned int n;
	struct tcpc_prefix prefixes[];
};

static bool covers(const struct tcpc_prefix *p, const struct tcpc_addr *a)
{
	for (unsigned int i = 0, left = p->bits; left; i++) {
		unsigned int bits = left < 32 ? left : 32;
		/* cppcheck-suppress shiftTooManyBits ; bits is never 0 here */
		__be32 mask = tcpc_htonl(0xffffffffu << (32 - bits));

		if ((p->addr.w[i] ^ a->w[i]) & mask)
			return false;
		left -= bits;
	}
	return true;
}

bool target_allows(const struct tcpc_target_role *role, const struct tcpc_addr *client)
{
	for (unsigned int i = 0; i < role->n_allow; i++)
		if (role->allow[i].state == TCPC_ALLOW_DIRECT &&
		    covers(&role->allow[i].prefix, client))
			return true;
	return false;
}

static struct allow_entry *find(struct tcpc_target_role *role, const struct tcpc_prefix *prefix)
{
	for (unsigned int i = 0; i < role->n_allow; i++)
		if (!memcmp(&role->allow[i].prefix, prefix, sizeof(*prefix)))
			return &role->allow[i];
	return NULL;
}

static int write_entry(struct tcpc_target_role *role, const struct tcpc_prefix *prefix,
		       enum tcpc_allow_state state, struct tcpc_err *err)
{
	return role->dp ? tcpc_dp_target_allow(role->dp, prefix, state, err) : 0;
}

/* The link merges each change into its whole set, so it gets the list in one piece. */
static int tell_peers(struct tcpc_target_role *role, struct tcpc_err *err)
{
	struct tcpc_prefix *all;
	__u32 serial;

	if (!role->n_allow)
		return 0;
	all = malloc(role->n_allow * sizeof(*all));
	if (!all)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	for (unsigned int i = 0; i < role->n_allow; i++)
		all[i] = role->allow[i].prefix;
	serial = tcpc_link_server_allow(role->link, TCPC_LINK_ALLOW_ADD, all, role->n_allow);
	free(all);
	return serial ? 0 : tcpc_err_set(err, ENOMEM, "cannot tell peers of the allow-list");
}

int target_write_allow(struct tcpc_target_role *role, struct tcpc_err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < role->n_allow && !r; i++)
		r = write_entry(role, &role->allow[i].prefix, role->allow[i].state, err);
	return r ?: tell_peers(role, err);
}

/* ---- ending connections ---------------------------------------------------------------------- */

/** Which connections to end: of clients in @prefixes, but not of those in @except. */
struct ending {
	const struct tcpc_prefix *prefixes;
	unsigned int n;
	const struct tcpc_target_role *role; /* skip who stays allowed by another entry, or NULL */
	struct tcpc_target_role *tell;	     /* whose peers hear of it: they are copies. Or NULL */
};

static bool in_list(const struct ending *e, const struct tcpc_addr *client)
{
	for (unsigned int i = 0; i < e->n; i++)
		if (covers(&e->prefixes[i], client))
			return true;
	return false;
}

static bool is_listed(const struct ending *e, const struct tcpc_prefix *prefix)
{
	for (unsigned int i = 0; i < e->n; i++)
		if (!memcmp(&e->prefixes[i], prefix, sizeof(*prefix)))
			return true;
	return false;
}

static bool must_end(void *user, const struct tcpc_flow *flow)
{
	const struct ending *e = user;

	if (!in_list(e, &flow->client))
		return false;
	for (unsigned int i = 0; e->role && i < e->role->n_allow; i++) {
		const struct allow_entry *a = &e->role->allow[i];

		if (!is_listed(e, &a->prefix) && covers(&a->prefix, &flow->client))
			return false;
	}
	/* What is still there the next time is told again, which changes nothing. */
	if (e->tell)
		target_tell_shed(e->tell, flow, TCPC_FEEDBACK_SHED_ALLOWED);
	return true;
}

static void end_connections(struct tcpc_target_role *role, struct ending *e)
{
	unsigned int left;
	struct tcpc_err err;

	for (const struct intercept *i = role->intercepts; i; i = i->next)
		if (tcpc_sockdiag_destroy(i->ports, i->n_ports, must_end, e, &left, &err) < 0)
			tcpc_log_error("allow: old connections stay: %s", err.text);
}

/* ---- add ------------------------------------------------------------------------------------- */

static void on_peers_settled(void *user)
{
	struct allow_job *job = user;
	struct ending e = {.prefixes = job->prefixes, .n = job->n, .tell = job->role};
	struct tcpc_err err = {};

	end_connections(job->role, &e);
	for (unsigned int i = 0; i < job->n; i++) {
		struct allow_entry *a = find(job->role, &job->prefixes[i]);

		/* A `del` may have overtaken us. */
		if (!a || a->state != TCPC_ALLOW_PENDING)
			continue;
		a->state = TCPC_ALLOW_DIRECT;
		write_entry(job->role, &a->prefix, a->state, &err);
	}
	if (err.code)
		tcpc_reply_fail(job->reply, &err);
	else
		tcpc_reply_text(job->reply, "%u %s allowed", job->n,
				job->n == 1 ? "prefix is" : "prefixes are");
	free(job);
}

static void take_back(struct tcpc_target_role *role, unsigned int from)
{
	while (role->n_allow > from) {
		role->n_allow--;
		write_entry(role, &role->allow[role->n_allow].prefix, TCPC_ALLOW_NONE, NULL);
	}
}

static int append(struct tcpc_target_role *role, const struct tcpc_prefix_list *list,
		  struct tcpc_err *err)
{
	unsigned int before = role->n_allow;
	struct allow_entry *bigger;
	char text[TCPC_TEXT_BYTES];
	int r = 0;

	for (unsigned int i = 0; i < list->n; i++)
		if (find(role, &list->list[i]))
			return tcpc_err_set(err, EEXIST, "%s is in the allow-list already",
					    tcpc_text_from_prefix(&list->list[i], text));
	if (before + list->n > TCPC_MAX_ALLOW)
		return tcpc_err_set(err, ENOSPC, "the allow-list holds at most %u prefixes",
				    TCPC_MAX_ALLOW);
	bigger = realloc(role->allow, (before + list->n) * sizeof(*bigger));
	if (!bigger)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	role->allow = bigger;
	for (unsigned int i = 0; i < list->n && !r; i++) {
		role->allow[role->n_allow++] =
			(struct allow_entry){list->list[i], TCPC_ALLOW_PENDING};
		r = write_entry(role, &list->list[i], TCPC_ALLOW_PENDING, err);
	}
	if (r)
		take_back(role, before);
	return r;
}

static void add(struct tcpc_target_role *role, const struct tcpc_prefix_list *list,
		struct tcpc_reply *reply)
{
	struct allow_job *job = malloc(sizeof(*job) + list->n * sizeof(job->prefixes[0]));
	unsigned int before = role->n_allow;
	struct tcpc_err err;
	__u32 serial = 0;
	int r = job ? append(role, list, &err) : tcpc_err_set(&err, ENOMEM, "out of memory");

	if (r) {
		free(job);
		tcpc_reply_fail(reply, &err);
		return;
	}
	job->role = role;
	job->reply = reply;
	job->n = list->n;
	memcpy(job->prefixes, list->list, list->n * sizeof(job->prefixes[0]));
	if (role->link)
		serial = tcpc_link_server_allow(role->link, TCPC_LINK_ALLOW_ADD, list->list,
						list->n);
	/* Serial 0: peers cannot be told, so they would go on copying an allowed client. */
	if ((role->link && !serial) || target_await(role, serial, on_peers_settled, job)) {
		take_back(role, before);
		free(job);
		tcpc_err_set(&err, ENOMEM, "out of memory: peers cannot be told");
		tcpc_reply_fail(reply, &err);
	}
}

/* ---- del ------------------------------------------------------------------------------------- */

/** `allow del` that is done here, and which peers are still to hear of. */
struct del_job {
	struct tcpc_reply *reply;
	unsigned int n;
};

static void on_peers_copy(void *user)
{
	struct del_job *job = user;

	tcpc_reply_text(job->reply, "%u %s no longer allowed", job->n,
			job->n == 1 ? "prefix is" : "prefixes are");
	free(job);
}

/* Answered when peers copy these clients again, so that nothing is missed that comes after the
 * answer. */
static void tell_del(struct tcpc_target_role *role, const struct tcpc_prefix_list *list,
		     struct tcpc_reply *reply)
{
	struct del_job *job = malloc(sizeof(*job));
	struct tcpc_err err;
	__u32 serial = 0;

	if (role->link)
		serial = tcpc_link_server_allow(role->link, TCPC_LINK_ALLOW_DEL, list->list,
						list->n);
	if (job) {
		job->reply = reply;
		job->n = list->n;
	}
	if (job && (serial || !role->link) && !target_await(role, serial, on_peers_copy, job))
		return;
	free(job);
	tcpc_err_set(&err, ENOMEM, "no longer allowed, but out of memory: peers may not know yet");
	tcpc_reply_fail(reply, &err);
}

static void del(struct tcpc_target_role *role, const struct tcpc_prefix_list *list,
		struct tcpc_reply *reply)
{
	struct ending e = {.prefixes = list->list, .n = list->n, .role = role};
	char text[TCPC_TEXT_BYTES];
	struct tcpc_err err = {};

	for (unsigned int i = 0; i < list->n; i++) {
		if (find(role, &list->list[i]))
			continue;
		tcpc_err_set(&err, ENOENT,
			     "%s is not in the allow-list; `tcpcopyctl allow list` shows it",
			     tcpc_text_from_prefix(&list->list[i], text));
		tcpc_reply_fail(reply, &err);
		return;
	}
	/* While they are still allowed: so their clients see the reset and know. */
	end_connections(role, &e);
	for (unsigned int i = 0; i < list->n; i++) {
		struct allow_entry *a = find(role, &list->list[i]);

		if (!a)
			continue; /* named twice */
		write_entry(role, &a->prefix, TCPC_ALLOW_NONE, &err);
		*a = role->allow[--role->n_allow];
	}
	if (err.code) {
		if (role->link)
			tcpc_link_server_allow(role->link, TCPC_LINK_ALLOW_DEL, list->list,
					       list->n);
		tcpc_reply_fail(reply, &err);
		return;
	}
	tell_del(role, list, reply);
}

void tcpc_target_allow(struct tcpc_target_role *role, const struct tcpc_allow_spec *spec,
		       struct tcpc_reply *reply)
{
	if (spec->verb == TCPC_VERB_ADD)
		add(role, &spec->prefixes, reply);
	else
		del(role, &spec->prefixes, reply);
}
