// SPDX-License-Identifier: GPL-2.0-only
/* datapath_online.c - the online host's programs and maps, see datapath.h. */
#include "edge/datapath_priv.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <bpf/bpf.h>

#include "online.skel.h"
#include "tcpcopy/bytes.h"
#include "tcpcopy/known.h"

#define N_PINS 6
#define BUDGETS_BYTES (TCPC_MAX_BUDGETS * sizeof(struct tcpc_budget))
#define GATES_BYTES (TCPC_MAX_GATES * sizeof(struct tcpc_gate))
#define CHOICES_BYTES (TCPC_MAX_BUDGETS * sizeof(struct tcpc_choice))
#define KNOWN_BYTES (TCPC_WAYS_SETS * sizeof(struct tcpc_ways))

struct tcpc_dp_online {
	struct online_bpf *skel;
	struct tcpc_online_config *config; /* shared with the programs, as the next four */
	struct tcpc_budget *budgets;
	struct tcpc_gate *gates;
	struct tcpc_choice *choices;
	struct tcpc_ways *known;
	struct tcpc_attachment copy, copy_raw;
	char dir[PATH_MAX];
};

/* The contract's names. */
static void list_pins(const struct online_bpf *s, struct tcpc_pin ret[N_PINS])
{
	const struct tcpc_pin pins[N_PINS] = {
		{s->maps.services, "services"}, {s->maps.targets, "targets"},
		{s->maps.filters, "filters"},	{s->maps.peer_allow, "peer_allow"},
		{s->maps.config, "config"},	{s->maps.stats, "stats"},
	};

	memcpy(ret, pins, sizeof(pins));
}

static int set_up(struct tcpc_dp_online *dp, const char *bpffs, int copy_ifindex,
		  const __u64 hash_key[2], const __u64 source_key[2], struct tcpc_err *err)
{
	struct online_bpf *s = dp->skel;
	struct tcpc_pin pins[N_PINS];

	dp->config = tcpc_datapath_map_shared(s->maps.config, sizeof(*dp->config));
	dp->budgets = tcpc_datapath_map_shared(s->maps.budgets, BUDGETS_BYTES);
	dp->gates = tcpc_datapath_map_shared(s->maps.gates, GATES_BYTES);
	dp->choices = tcpc_datapath_map_shared(s->maps.choices, CHOICES_BYTES);
	dp->known = tcpc_datapath_map_shared(s->maps.known, KNOWN_BYTES);
	if (!dp->config || !dp->budgets || !dp->gates || !dp->choices || !dp->known)
		return tcpc_err_set(err, errno, "cannot share the config maps: %s",
				    strerror(errno));
	dp->config->abi_version = TCPC_ABI_VERSION;
	dp->config->copy_ifindex = copy_ifindex;
	memcpy(dp->config->hash_key, hash_key, sizeof(dp->config->hash_key));
	memcpy(dp->config->source_key, source_key, sizeof(dp->config->source_key));
	if (tcpc_datapath_attach(bpf_program__fd(s->progs.copy), copy_ifindex, true, TCPC_HOOK_TC,
				 &dp->copy, err))
		return -err->code;
	list_pins(s, pins);
	return tcpc_datapath_pin(bpffs, "online", pins, N_PINS, dp->dir, err);
}

/* The ring takes its memory when it is loaded, whole: without a journal it is as small as can be.
 */
static int load(struct tcpc_dp_online *dp, __u32 journal_bytes)
{
	dp->skel = online_bpf__open();
	if (!dp->skel)
		return -errno;
	if (!journal_bytes)
		journal_bytes = TCPC_JOURNAL_RING_MIN;
	return bpf_map__set_max_entries(dp->skel->maps.journal, journal_bytes)
		       ?: online_bpf__load(dp->skel);
}

int tcpc_dp_online_open(const char *bpffs, int copy_ifindex, const __u64 hash_key[2],
			const __u64 source_key[2], __u32 journal_bytes, struct tcpc_dp_online **ret,
			struct tcpc_err *err)
{
	struct tcpc_dp_online *dp = calloc(1, sizeof(*dp));
	int r;

	if (!dp)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	r = load(dp, journal_bytes);
	/* Loading reads the kernel's whole BTF: give those megabytes back. */
	malloc_trim(0);
	r = r ? tcpc_datapath_load_error(r, "the online programs", err)
	      : set_up(dp, bpffs, copy_ifindex, hash_key, source_key, err);
	if (r) {
		tcpc_dp_online_close(dp);
		return r;
	}
	*ret = dp;
	return 0;
}

void tcpc_dp_online_close(struct tcpc_dp_online *dp)
{
	tcpc_attachment_close(&dp->copy);
	tcpc_attachment_close(&dp->copy_raw);
	if (dp->dir[0])
		tcpc_datapath_unpin(dp->dir);
	if (dp->config)
		munmap(dp->config, sizeof(*dp->config));
	if (dp->budgets)
		munmap(dp->budgets, BUDGETS_BYTES);
	if (dp->gates)
		munmap(dp->gates, GATES_BYTES);
	if (dp->choices)
		munmap(dp->choices, CHOICES_BYTES);
	if (dp->known)
		munmap(dp->known, KNOWN_BYTES);
	online_bpf__destroy(dp->skel);
	free(dp);
}

int tcpc_dp_online_pin_again(struct tcpc_dp_online *dp, const struct tcpc_attachment *a,
			     struct tcpc_err *err)
{
	int config = bpf_map__fd(dp->skel->maps.config), kept, pinned;
	struct tcpc_pin pins[N_PINS];

	list_pins(dp->skel, pins);
	pinned = tcpc_datapath_pins_again(dp->dir, pins, N_PINS, err);
	kept = tcpc_datapath_keep_again(dp->dir, "tap", config, a, err);
	return pinned < 0 ? pinned : kept < 0 ? kept : pinned | kept;
}

int tcpc_dp_online_raw(struct tcpc_dp_online *dp, int copy_ifindex, struct tcpc_err *err)
{
	int r = tcpc_datapath_attach(bpf_program__fd(dp->skel->progs.copy_raw), copy_ifindex, true,
				     TCPC_HOOK_TC, &dp->copy_raw, err);

	if (!r)
		dp->config->copy_raw_ifindex = copy_ifindex;
	return r;
}

int tcpc_dp_online_attach(struct tcpc_dp_online *dp, int ifindex, bool raw, enum tcpc_hook hook,
			  struct tcpc_attachment *ret, struct tcpc_err *err)
{
	struct bpf_program *prog = raw ? dp->skel->progs.tap_raw : dp->skel->progs.tap;
	int r = tcpc_datapath_attach(bpf_program__fd(prog), ifindex, false, hook, ret, err);

	if (!r)
		tcpc_datapath_note(dp->dir, bpf_map__fd(dp->skel->maps.config), ret);
	return r;
}

int tcpc_dp_online_attach_handed(struct tcpc_dp_online *dp, int ifindex,
				 struct tcpc_attachment *ret, struct tcpc_err *err)
{
	int r = tcpc_datapath_attach(bpf_program__fd(dp->skel->progs.tap_handed), ifindex, false,
				     TCPC_HOOK_TC, ret, err);

	if (!r)
		tcpc_datapath_note(dp->dir, bpf_map__fd(dp->skel->maps.config), ret);
	return r;
}

int tcpc_dp_online_swallow(struct tcpc_dp_online *dp, int ifindex, int *ret_fd,
			   struct tcpc_err *err)
{
	return tcpc_datapath_attach_last(bpf_program__fd(dp->skel->progs.swallow), ifindex, ret_fd,
					 err);
}

int tcpc_dp_online_deafen(struct tcpc_dp_online *dp, int ifindex, struct tcpc_attachment *ret,
			  struct tcpc_err *err)
{
	int r = tcpc_datapath_attach(bpf_program__fd(dp->skel->progs.swallow), ifindex, false,
				     TCPC_HOOK_TC, ret, err);

	if (!r && ret->kind == TCPC_ATTACH_TCX)
		r = tcpc_datapath_keep(dp->dir, "swallow", ret, err);
	else if (!r)
		tcpc_datapath_note(dp->dir, bpf_map__fd(dp->skel->maps.config), ret);
	return r;
}

void tcpc_dp_online_lease(struct tcpc_dp_online *dp, __u64 until_ns)
{
	__atomic_store_n(&dp->config->lease_until_ns, until_ns, __ATOMIC_RELAXED);
}

struct tcpc_budget *tcpc_dp_online_budgets(struct tcpc_dp_online *dp)
{
	return dp->budgets;
}

struct tcpc_gate *tcpc_dp_online_gates(struct tcpc_dp_online *dp)
{
	return dp->gates;
}

void tcpc_dp_online_choose(struct tcpc_dp_online *dp, __u32 index, __u64 word)
{
	__atomic_store_n(&dp->choices[index].word, word, __ATOMIC_RELEASE);
}

struct tcpc_ways *tcpc_dp_online_known(struct tcpc_dp_online *dp)
{
	return dp->known;
}

int tcpc_dp_online_rule(struct tcpc_dp_online *dp, __u32 index, const struct tcpc_rule *rule,
			struct tcpc_err *err)
{
	return tcpc_datapath_write(dp->skel->maps.rules, &index, rule, "rules", err);
}

int tcpc_dp_online_split(struct tcpc_dp_online *dp, __u32 index, const struct tcpc_split *split,
			 struct tcpc_err *err)
{
	return tcpc_datapath_write(dp->skel->maps.splits, &index, split, "splits", err);
}

void tcpc_dp_online_guard(struct tcpc_dp_online *dp, enum tcpc_stop stop, __u32 closed_new,
			  __u32 closed_running)
{
	__atomic_store_n(&dp->config->stop, stop, __ATOMIC_RELAXED);
	__atomic_store_n(&dp->config->closed_new, closed_new, __ATOMIC_RELAXED);
	__atomic_store_n(&dp->config->closed_running, closed_running, __ATOMIC_RELAXED);
}

void tcpc_dp_online_epoch(struct tcpc_dp_online *dp)
{
	__atomic_fetch_add(&dp->config->epoch, 1, __ATOMIC_RELAXED);
}

int tcpc_dp_online_journal(struct tcpc_dp_online *dp, __u32 *ret_bytes, __u32 **ret_reader_sleeps)
{
	*ret_bytes = bpf_map__max_entries(dp->skel->maps.journal);
	*ret_reader_sleeps = &dp->config->reader_sleeps;
	return bpf_map__fd(dp->skel->maps.journal);
}

struct bpf_map *tcpc_dp_online_map(struct tcpc_dp_online *dp, const char *name)
{
	return bpf_object__find_map_by_name(dp->skel->obj, name);
}

/* Is the port copied on some interface? */
static bool is_copied(struct tcpc_dp_online *dp, __be16 port)
{
	int fd = bpf_map__fd(dp->skel->maps.services);
	struct tcpc_service_key key, *before = NULL;

	for (; !bpf_map_get_next_key(fd, before, &key); before = &key)
		if (key.port == port)
			return true;
	return false;
}

int tcpc_dp_online_service(struct tcpc_dp_online *dp, int ifindex, __be16 port,
			   const struct tcpc_service *service, struct tcpc_err *err)
{
	struct tcpc_service_key key = {.ifindex = ifindex, .port = port};
	__u64 *ports = &dp->skel->bss->copied_ports[tcpc_ntohs(port) / 64];
	__u64 bit = 1ULL << tcpc_ntohs(port) % 64;
	int r;

	if (service)
		*ports |= bit;
	r = tcpc_datapath_write(dp->skel->maps.services, &key, service, "services", err);
	if (!is_copied(dp, port))
		*ports &= ~bit;
	return r;
}

int tcpc_dp_online_targets(struct tcpc_dp_online *dp, int ifindex,
			   const struct tcpc_target_set *set, struct tcpc_err *err)
{
	__u32 key = ifindex;

	return tcpc_datapath_write(dp->skel->maps.targets, &key, set, "target sets", err);
}

int tcpc_dp_online_filter(struct tcpc_dp_online *dp, __u32 set, const struct tcpc_prefix *prefix,
			  const struct tcpc_filter *filter, struct tcpc_err *err)
{
	struct tcpc_filter_key key = {
		.prefixlen = TCPC_FILTER_SET_BITS + prefix->bits,
		.set = set,
		.addr = prefix->addr,
	};

	return tcpc_datapath_write(dp->skel->maps.filters, &key, filter, "filter prefixes", err);
}

int tcpc_dp_online_peer_allow(struct tcpc_dp_online *dp, __u32 id, const struct tcpc_prefix *prefix,
			      bool present, struct tcpc_err *err)
{
	struct tcpc_filter_key key = {
		.prefixlen = TCPC_FILTER_SET_BITS + prefix->bits,
		.set = id,
		.addr = prefix->addr,
	};
	struct tcpc_filter value = {.action = TCPC_FILTER_EXCLUDE};

	return tcpc_datapath_write(dp->skel->maps.peer_allow, &key, present ? &value : NULL,
				   "prefixes in the targets' allow-lists", err);
}

bool tcpc_dp_online_peer_allows(struct tcpc_dp_online *dp, __u32 id, const struct tcpc_addr *client)
{
	struct tcpc_filter_key key = {
		.prefixlen = TCPC_FILTER_SET_BITS + 8 * sizeof(*client),
		.set = id,
		.addr = *client,
	};
	struct tcpc_filter value;

	return !bpf_map__lookup_elem(dp->skel->maps.peer_allow, &key, sizeof(key), &value,
				     sizeof(value), 0);
}

int tcpc_dp_online_stats(struct tcpc_dp_online *dp, struct tcpc_online_stats *ret)
{
	return tcpc_datapath_sum(dp->skel->maps.stats, (__u64 *)ret, sizeof(*ret) / 8);
}
