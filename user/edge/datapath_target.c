// SPDX-License-Identifier: GPL-2.0-only
/* datapath_target.c - the target host's programs and maps, see datapath.h. */
#include "edge/datapath_priv.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <bpf/bpf.h>

#include "edge/log.h"
#include "target.skel.h"
#include "tcpcopy/parse.h"

struct tcpc_dp_target {
	struct target_bpf *skel;
	struct tcpc_queue_stats *queues;   /* shared; whole pages */
	struct tcpc_target_config *config; /* likewise */
	struct bpf_link *resets;	   /* NULL: the kernel does not tell of them */
	char dir[PATH_MAX];
	char pin[PATH_MAX + 32];
};

#define N_PINS 6
#define EXCHANGES_BATCH 256
#define QUEUES_BYTES (TCPC_MAX_QUEUES * sizeof(struct tcpc_queue_stats))

/* The contract's names. */
static void list_pins(const struct target_bpf *s, struct tcpc_pin ret[N_PINS])
{
	const struct tcpc_pin pins[N_PINS] = {
		{s->maps.services, "services"},	  {s->maps.allow, "allow"},
		{s->maps.exchanges, "exchanges"}, {s->maps.config, "config"},
		{s->maps.stats, "stats"},	  {s->maps.queues, "queues"},
	};

	memcpy(ret, pins, sizeof(pins));
}

static int set_up(struct tcpc_dp_target *dp, const char *bpffs, struct tcpc_err *err)
{
	struct target_bpf *s = dp->skel;
	struct tcpc_pin pins[N_PINS];
	int r;

	dp->queues = tcpc_datapath_map_shared(s->maps.queues, QUEUES_BYTES);
	dp->config = tcpc_datapath_map_shared(s->maps.config, sizeof(*dp->config));
	if (!dp->queues || !dp->config)
		return tcpc_err_set(err, errno, "cannot share maps with the programs: %s",
				    strerror(errno));
	dp->config->abi_version = TCPC_ABI_VERSION;
	list_pins(s, pins);
	r = tcpc_datapath_pin(bpffs, "target", pins, N_PINS, dp->dir, err);
	if (r)
		return r;
	snprintf(dp->pin, sizeof(dp->pin), "%s/queue_filter", dp->dir);
	r = bpf_program__pin(s->progs.queue_filter, dp->pin);
	return r ? tcpc_err_set(err, -r, "cannot pin %s: %s", dp->pin, strerror(-r)) : 0;
}

static int load(struct tcpc_dp_target *dp)
{
	struct stat netns;
	int r;

	dp->skel = target_bpf__open();
	if (!dp->skel)
		return -errno;
	if (!stat("/proc/self/ns/net", &netns))
		dp->skel->rodata->our_netns = netns.st_ino;
	bpf_program__set_autoload(dp->skel->progs.note_reset, tcpc_datapath_has_tracepoints());
	r = target_bpf__load(dp->skel);
	/* Loading reads the kernel's whole BTF: give those megabytes back. */
	malloc_trim(0);
	return r;
}

/* Without it all works, but what was under way when a client resets counts as lost. */
static void watch_resets(struct tcpc_dp_target *dp)
{
	dp->resets = tcpc_datapath_has_tracepoints()
			     ? bpf_program__attach(dp->skel->progs.note_reset)
			     : NULL;
	if (!dp->resets)
		tcpc_log_warn("the kernel does not tell of connections that clients reset: what "
			      "they had sent last may count as lost (aborted) though it was read");
}

int tcpc_dp_target_open(const char *bpffs, struct tcpc_dp_target **ret, struct tcpc_err *err)
{
	struct tcpc_dp_target *dp = calloc(1, sizeof(*dp));
	int r;

	if (!dp)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	r = load(dp);
	r = r ? tcpc_datapath_load_error(r, "the target programs", err) : set_up(dp, bpffs, err);
	if (r) {
		tcpc_dp_target_close(dp);
		return r;
	}
	watch_resets(dp);
	*ret = dp;
	return 0;
}

void tcpc_dp_target_close(struct tcpc_dp_target *dp)
{
	bpf_link__destroy(dp->resets);
	if (dp->dir[0])
		tcpc_datapath_unpin(dp->dir);
	if (dp->queues)
		munmap(dp->queues, QUEUES_BYTES);
	if (dp->config)
		munmap(dp->config, sizeof(*dp->config));
	target_bpf__destroy(dp->skel);
	free(dp);
}

int tcpc_dp_target_pin_again(struct tcpc_dp_target *dp, const struct tcpc_attachment *a,
			     struct tcpc_err *err)
{
	int config = bpf_map__fd(dp->skel->maps.config), kept, filter, pinned;
	struct tcpc_pin pins[N_PINS];

	list_pins(dp->skel, pins);
	pinned = tcpc_datapath_pins_again(dp->dir, pins, N_PINS, err);
	filter = tcpc_datapath_pin_again(dp->dir, "queue_filter",
					 bpf_program__fd(dp->skel->progs.queue_filter), err);
	kept = tcpc_datapath_keep_again(dp->dir, "absorb", config, a, err);
	return pinned < 0 ? pinned : filter < 0 ? filter : kept < 0 ? kept : pinned | filter | kept;
}

const char *tcpc_dp_target_pin(const struct tcpc_dp_target *dp)
{
	return dp->pin;
}

int tcpc_dp_target_attach(struct tcpc_dp_target *dp, int ifindex, struct tcpc_attachment *ret,
			  struct tcpc_err *err)
{
	int r = tcpc_datapath_attach(bpf_program__fd(dp->skel->progs.align), ifindex, false,
				     TCPC_HOOK_TC, ret, err);

	if (!r)
		tcpc_datapath_note(dp->dir, bpf_map__fd(dp->skel->maps.config), ret);
	return r;
}

int tcpc_dp_target_absorb(struct tcpc_dp_target *dp, int ifindex, struct tcpc_attachment *ret,
			  struct tcpc_err *err)
{
	int r = tcpc_datapath_attach(bpf_program__fd(dp->skel->progs.absorb), ifindex, true,
				     TCPC_HOOK_TC, ret, err);

	if (!r && ret->kind == TCPC_ATTACH_TCX)
		r = tcpc_datapath_keep(dp->dir, "absorb", ret, err);
	else if (!r)
		tcpc_datapath_note(dp->dir, bpf_map__fd(dp->skel->maps.config), ret);
	return r;
}

int tcpc_dp_target_untunnel(struct tcpc_dp_target *dp, int ifindex, struct tcpc_attachment *ret,
			    struct tcpc_err *err)
{
	int r = tcpc_datapath_attach(bpf_program__fd(dp->skel->progs.untunnel), ifindex, false,
				     TCPC_HOOK_TC, ret, err);

	if (!r && ret->kind == TCPC_ATTACH_TCX)
		r = tcpc_datapath_keep(dp->dir, "untunnel", ret, err);
	else if (!r)
		tcpc_datapath_note(dp->dir, bpf_map__fd(dp->skel->maps.config), ret);
	return r;
}

int tcpc_dp_target_way(struct tcpc_dp_target *dp, int ifindex, const unsigned char *mac,
		       struct tcpc_err *err)
{
	struct tcpc_way way = {};
	__u32 key = ifindex;

	if (mac)
		memcpy(way.mac, mac, sizeof(way.mac));
	return tcpc_datapath_write(dp->skel->maps.ways, &key, mac ? &way : NULL,
				   "ways out of a tunnel", err);
}

struct tcpc_target_config *tcpc_dp_target_config(struct tcpc_dp_target *dp)
{
	return dp->config;
}

int tcpc_dp_target_receipts_fd(struct tcpc_dp_target *dp)
{
	return bpf_map__fd(dp->skel->maps.receipts);
}

int tcpc_dp_target_hold_gives(struct tcpc_dp_target *dp, int hold_ifindex, int ifindex,
			      struct tcpc_err *err)
{
	__u32 key = hold_ifindex, value = ifindex;

	return tcpc_datapath_write(dp->skel->maps.hold_devices, &key, &value, "hold devices", err);
}

int tcpc_dp_target_hold_device(struct tcpc_dp_target *dp, int hold_ifindex, int ifindex,
			       struct tcpc_attachment *ret, struct tcpc_err *err)
{
	int r = tcpc_dp_target_hold_gives(dp, hold_ifindex, ifindex, err);

	return r
		       ?: tcpc_datapath_attach(bpf_program__fd(dp->skel->progs.hold_return),
					       hold_ifindex, false, TCPC_HOOK_TC, ret, err);
}

bool tcpc_dp_target_exchange(struct tcpc_dp_target *dp, const struct tcpc_flow *flow,
			     struct tcpc_exchange *ret)
{
	return !bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.exchanges), flow, ret);
}

int tcpc_dp_target_trial(struct tcpc_dp_target *dp, const struct tcpc_flow *flow)
{
	struct tcpc_exchange x = {.closed = TCPC_EXCHANGE_TRIAL};
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	x.seen = (now.tv_sec * 1000000000ULL + now.tv_nsec) >> TCPC_SEEN_SHIFT;
	if (bpf_map_update_elem(bpf_map__fd(dp->skel->maps.exchanges), flow, &x, BPF_NOEXIST))
		return -errno;
	return 0;
}

int tcpc_dp_target_exchanges(struct tcpc_dp_target *dp, struct tcpc_dp_cursor *cursor, __u32 max,
			     tcpc_dp_exchange_cb cb, void *user)
{
	struct tcpc_flow flows[EXCHANGES_BATCH];
	struct tcpc_exchange exchanges[EXCHANGES_BATCH];
	__u32 n = max < EXCHANGES_BATCH ? max : EXCHANGES_BATCH;
	int r = bpf_map_lookup_batch(bpf_map__fd(dp->skel->maps.exchanges),
				     cursor->begun ? &cursor->batch : NULL, &cursor->batch, flows,
				     exchanges, &n, NULL);

	/* ENOENT: and these were the last. */
	if (r && r != -ENOENT)
		return r;
	cursor->begun = true;
	for (__u32 i = 0; i < n; i++)
		cb(user, &flows[i], &exchanges[i]);
	return !r;
}

void tcpc_dp_target_forget(struct tcpc_dp_target *dp, const struct tcpc_flow *flow)
{
	bpf_map_delete_elem(bpf_map__fd(dp->skel->maps.exchanges), flow);
}

/* With a reset on it, nothing waits for an answer; and what was sent before is not let through
 * again (came_before), as it has had its exchange. */
void tcpc_dp_target_given_up(struct tcpc_dp_target *dp, const struct tcpc_flow *flow, __u32 end,
			     __u32 ack, bool held)
{
	struct tcpc_exchange x = {};

	tcpc_dp_target_exchange(dp, flow, &x);
	if (!held)
		x.held = 0;
	x.exchanges += !x.exchanges;
	x.client_ack = ack;
	x.request_end = end;
	x.answer_flags |= TCPC_TCP_RST;
	if (bpf_map_update_elem(bpf_map__fd(dp->skel->maps.exchanges), flow, &x, BPF_EXIST))
		tcpc_dp_target_forget(dp, flow);
}

int tcpc_dp_target_service(struct tcpc_dp_target *dp, int ifindex, __be16 port,
			   const struct tcpc_intercept *service, struct tcpc_err *err)
{
	struct tcpc_service_key key = {.ifindex = ifindex, .port = port};

	return tcpc_datapath_write(dp->skel->maps.services, &key, service, "services", err);
}

int tcpc_dp_target_address(struct tcpc_dp_target *dp, const struct tcpc_addr *addr, int ifindex,
			   bool present, struct tcpc_err *err)
{
	__u32 value = ifindex;

	return tcpc_datapath_write(dp->skel->maps.addresses, addr, present ? &value : NULL,
				   "addresses", err);
}

int tcpc_dp_target_allow(struct tcpc_dp_target *dp, const struct tcpc_prefix *prefix,
			 enum tcpc_allow_state state, struct tcpc_err *err)
{
	struct tcpc_allow_key key = {.prefixlen = prefix->bits, .addr = prefix->addr};
	struct tcpc_allow value = {.state = state};

	return tcpc_datapath_write(dp->skel->maps.allow, &key,
				   state == TCPC_ALLOW_NONE ? NULL : &value,
				   "prefixes in the allow-list", err);
}

int tcpc_dp_target_stats(struct tcpc_dp_target *dp, struct tcpc_target_stats *ret)
{
	return tcpc_datapath_sum(dp->skel->maps.stats, (__u64 *)ret, sizeof(*ret) / 8);
}

struct tcpc_queue_stats *tcpc_dp_target_queues(struct tcpc_dp_target *dp)
{
	return dp->queues;
}
