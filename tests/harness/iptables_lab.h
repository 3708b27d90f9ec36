/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iptables_lab.h - one operation of iptables.c at a time, with its outcome, on a loop of its own
 * and in private namespaces. What the tests with real iptables and those with scripts share.
 */
#ifndef TCPCOPY_TESTS_IPTABLES_LAB_H
#define TCPCOPY_TESTS_IPTABLES_LAB_H

#include "expect.h"
#include "../unit/netns.h"

#include "edge/iptables.h"
#include "tcpcopy/bytes.h"

#define TAG "/run/tcpcopy-test"

static char pin[64] = "/sys/fs/bpf/none"; /* nothing is there: only real iptables looks */
static uv_loop_t loop;
static bool lab_ipv6; /* the family of every rule */

struct outcome {
	int called, status;
	struct tcpc_err err;
	unsigned int n_rules;
	struct tcpc_iptables_rule rules[8];
};

/* The first part of a group's setup. As root scripts get namespaces too: if the code under test ran
 * real iptables by mistake, the machine's rules would not be hit. */
static inline int open_lab(void **state)
{
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1); /* all of them readable */
	return enter_netns(state) || uv_loop_init(&loop) ? -1 : 0;
}

static inline void on_done(void *user, int status, const struct tcpc_err *err)
{
	struct outcome *out = user;

	out->called++;
	out->status = status;
	out->err = *err;
	assert_int_equal(err->code, -status);
}

static inline void on_found(void *user, int status, const struct tcpc_iptables_rule *rules,
			    unsigned int n_rules, const struct tcpc_err *err)
{
	struct outcome *out = user;

	on_done(user, status, err);
	assert_true(n_rules <= sizeof(out->rules) / sizeof(out->rules[0]));
	memcpy(out->rules, rules, n_rules * sizeof(*rules));
	out->n_rules = n_rules;
}

typedef int (*call)(uv_loop_t *, const struct tcpc_iptables_rule *, tcpc_iptables_done, void *,
		    struct tcpc_err *);

/* The outcome of one operation, whether it ends at once or later. */
static inline struct outcome finish(int started, struct outcome *out)
{
	assert_int_equal(out->called, 0);
	if (started) {
		assert_int_equal(started, -out->err.code);
		out->status = started;
	}
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(out->called, started ? 0 : 1);
	return *out;
}

static inline struct outcome do_call(call function, struct tcpc_iptables_rule *rule)
{
	struct outcome out = {};

	rule->ipv6 = lab_ipv6;
	return finish(function(&loop, rule, on_done, &out, &out.err), &out);
}

static inline struct outcome do_find(const char *tag)
{
	struct outcome out = {};

	return finish(tcpc_iptables_find(&loop, tag, on_found, &out, &out.err), &out);
}

static inline void assert_good(const struct outcome *out)
{
	if (out->status)
		fail_msg("%d: %s", out->status, out->err.text);
}

static inline struct tcpc_iptables_rule make_rule(const char *iface)
{
	struct tcpc_iptables_rule rule = {
		.ports = {tcpc_htons(80), tcpc_htons(8080)},
		.n_ports = 2,
		.queue_first = 3,
		.queue_last = 5,
		.tag = TAG,
	};

	snprintf(rule.iface, sizeof(rule.iface), "%s", iface);
	snprintf(rule.pin, sizeof(rule.pin), "%s", pin);
	return rule;
}

#endif
