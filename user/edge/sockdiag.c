// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockdiag.c - see sockdiag.h. A pass lists the sockets first and ends them afterwards: the kernel
 * walks its table by position, so that ending sockets during the walk would make it skip others.
 */
#include "edge/sockdiag.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "core/nlmsg.h"
#include "tcpcopy/addr.h"
#include "tcpcopy/parse.h"

#define TIMEOUT_S 2
#define ANSWER_BYTES 32768
#define PASSES 3	       /* connections come up while we work; a peer's SYN can't hold us */
#define VICTIMS_MAX (1u << 20) /* a pass; what is beyond waits for the next one */

/* What the kernel puts into idiag_timer of a TIME_WAIT socket, whatever state that stands for. */
#define DIAG_TIMER_TIME_WAIT 3

/* Every state with a peer: all but LISTEN. Request sockets are NEW_SYN_RECV inside the kernel. */
#define STATES (((1u << (BPF_TCP_NEW_SYN_RECV + 1)) - 1) & ~(1u << BPF_TCP_LISTEN) & ~1u)

struct victim {
	struct inet_diag_sockid id; /* as listed, with the cookie: nobody else's can be meant */
	__u8 family;
	bool time_wait;
};

struct pass {
	__u32 states;
	const __be16 *ports;
	unsigned int n_ports;
	tcpc_sockdiag_match match;
	void *user;
	struct victim *victims;
	unsigned int n, room;
	unsigned int beyond; /* matching, but above VICTIMS_MAX */
};

/* Send @nlh and hand every answer to @cb. Returns 0 or -errno, the kernel's or ours. */
static int transact(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	char buf[ANSWER_BYTES] __attribute__((aligned(8)));
	int n;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n >= 0 && !tcpc_nlmsg_fit(buf, n)) {
			errno = EBADMSG;
			n = -1;
		}
		if (n >= 0)
			n = mnl_cb_run(buf, n, nlh->nlmsg_seq, mnl_socket_get_portid(nl), cb, data);
	} while (n > MNL_CB_STOP);
	if (n >= 0)
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

/* @seq: a new one each time, so that a late answer to an earlier request is told apart. */
static struct inet_diag_req_v2 *new_request(char *buf, __u16 type, __u16 flags, __u32 seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = STATES;
	return req;
}

static struct tcpc_addr addr_of(__u8 family, const __be32 words[4])
{
	struct tcpc_addr addr;

	/* AF_INET fills the first word only. An AF_INET6 socket with an IPv4 peer shows mapped
	 * addresses, which is our own form already. */
	if (family == AF_INET)
		return tcpc_addr_from_v4(words[0]);
	memcpy(&addr, words, sizeof(addr));
	return addr;
}

/* Asked of every socket, so the ports come before @match, which is the caller's and dearer. */
static bool is_wanted(const struct pass *pass, const struct inet_diag_msg *msg)
{
	struct tcpc_flow flow = {
		.client = addr_of(msg->idiag_family, msg->id.idiag_dst),
		.server = addr_of(msg->idiag_family, msg->id.idiag_src),
		.client_port = msg->id.idiag_dport,
		.server_port = msg->id.idiag_sport,
	};
	unsigned int i;

	for (i = 0; i < pass->n_ports; i++)
		if (pass->ports[i] == msg->id.idiag_sport)
			return !pass->match || pass->match(pass->user, &flow);
	return false;
}

static int on_socket(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct pass *pass = data;
	struct victim *more;

	if (!tcpc_nlmsg_is(nlh, SOCK_DIAG_BY_FAMILY, sizeof(*msg)) || !is_wanted(pass, msg))
		return MNL_CB_OK;
	if (pass->n == VICTIMS_MAX) {
		pass->beyond++;
		return MNL_CB_OK;
	}
	if (pass->n == pass->room) {
		more = reallocarray(pass->victims, pass->room * 2 + 64, sizeof(*more));
		if (!more)
			return MNL_CB_ERROR; /* errno is ENOMEM */
		pass->victims = more;
		pass->room = pass->room * 2 + 64;
	}
	pass->victims[pass->n++] = (struct victim){
		.id = msg->id,
		.family = msg->idiag_family,
		.time_wait = msg->idiag_timer == DIAG_TIMER_TIME_WAIT,
	};
	return MNL_CB_OK;
}

static int list_family(struct mnl_socket *nl, struct pass *pass, __u8 family, __u32 *seq)
{
	char buf[MNL_NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2)] __attribute__((aligned(8)));
	struct inet_diag_req_v2 *req;
	int r;

	req = new_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, ++*seq);
	req->sdiag_family = family;
	req->idiag_states = pass->states;
	if (pass->n_ports == 1)
		req->id.idiag_sport = pass->ports[0]; /* spares us the rest of a busy host */
	r = transact(nl, (struct nlmsghdr *)buf, on_socket, pass);
	/* No IPv6 in this kernel, so no such socket either. */
	return r == -ENOENT && family == AF_INET6 ? 0 : r;
}

static int list_victims(struct mnl_socket *nl, struct pass *pass, __u32 *seq)
{
	int r;

	pass->n = 0;
	pass->beyond = 0;
	r = list_family(nl, pass, AF_INET, seq);
	return r ? r : list_family(nl, pass, AF_INET6, seq);
}

static int destroy_one(struct mnl_socket *nl, const struct victim *victim, __u32 seq)
{
	char buf[MNL_NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2)] __attribute__((aligned(8)));
	struct inet_diag_req_v2 *req;
	int r;

	req = new_request(buf, SOCK_DESTROY, NLM_F_ACK, seq);
	req->sdiag_family = victim->family;
	req->id = victim->id;
	r = transact(nl, (struct nlmsghdr *)buf, NULL, NULL);
	/* It ended by itself meanwhile: just as good. ESTALE is the same where somebody listens on
	 * that port: the kernel found the listener instead, and the cookie kept it from harm. */
	return r == -ENOENT || r == -ESTALE ? 0 : r;
}

/* End what @pass lists. Returns how many were ended, or the error that will not go away. */
static int destroy_victims(struct mnl_socket *nl, const struct pass *pass, __u32 *seq,
			   unsigned int *ret_failed)
{
	unsigned int i, failed = 0;
	int r;

	for (i = 0; i < pass->n; i++) {
		r = destroy_one(nl, &pass->victims[i], ++*seq);
		/* Older kernels cannot end TIME_WAIT alone, which sends nothing of itself. */
		if (r == -EPERM || (r == -EOPNOTSUPP && !pass->victims[i].time_wait))
			return r;
		if (r)
			failed++;
	}
	*ret_failed = failed;
	return pass->n - failed;
}

/*
 * A copy that was on its way may open a connection behind our back, and a request socket may have
 * become a connection since it was listed. So look again until there is nothing.
 * Returns how many were ended, or -errno.
 */
static int run_passes(struct mnl_socket *nl, struct pass *pass, unsigned int *ret_left)
{
	unsigned int failed = 0, left = 0;
	int i, r, ended = 0;
	__u32 seq = 0;

	for (i = 0; i < PASSES; i++) {
		r = list_victims(nl, pass, &seq);
		if (r)
			return r;
		left = 0;
		if (!pass->n)
			break;
		r = destroy_victims(nl, pass, &seq, &failed);
		if (r < 0)
			return r;
		ended += r;
		left = failed + pass->beyond;
	}
	*ret_left = left;
	return ended;
}

static struct mnl_socket *open_socket(void)
{
	const struct timeval limit = {.tv_sec = TIMEOUT_S};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	int saved;

	if (!nl)
		return NULL;
	if (!setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) &&
	    !mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		return nl;
	saved = errno;
	mnl_socket_close(nl);
	errno = saved;
	return NULL;
}

static int explain(int r, struct tcpc_err *err)
{
	if (r == -EOPNOTSUPP)
		return tcpc_err_set(err, EOPNOTSUPP,
				    "the kernel cannot end connections: it is "
				    "built without CONFIG_INET_DIAG_DESTROY");
	if (r == -ENOENT)
		return tcpc_err_set(err, EOPNOTSUPP,
				    "the kernel cannot list TCP connections: it "
				    "has neither CONFIG_INET_TCP_DIAG nor its module tcp_diag");
	return tcpc_err_set(err, -r, "cannot end connections: %s%s", strerror(-r),
			    r == -EPERM ? " (CAP_NET_ADMIN is needed)" : "");
}

int tcpc_sockdiag_destroy(const __be16 *ports, unsigned int n_ports, tcpc_sockdiag_match match,
			  void *user, unsigned int *ret_left, struct tcpc_err *err)
{
	struct pass pass = {
		.states = STATES,
		.ports = ports,
		.n_ports = n_ports,
		.match = match,
		.user = user,
	};
	struct mnl_socket *nl;
	int r;

	nl = open_socket();
	if (!nl)
		return tcpc_err_set(err, errno, "cannot open a sock_diag socket: %s",
				    strerror(errno));
	r = run_passes(nl, &pass, ret_left);
	mnl_socket_close(nl);
	free(pass.victims);
	return r < 0 ? explain(r, err) : r;
}

int tcpc_sockdiag_each(const __be16 *ports, unsigned int n_ports, tcpc_sockdiag_match see,
		       void *user, struct tcpc_err *err)
{
	struct pass pass = {
		.states = 1u << BPF_TCP_ESTABLISHED | 1u << BPF_TCP_CLOSE_WAIT,
		.ports = ports,
		.n_ports = n_ports,
		.match = see,
		.user = user,
	};
	struct mnl_socket *nl = open_socket();
	__u32 seq = 0;
	int r;

	if (!nl)
		return tcpc_err_set(err, errno, "cannot open a sock_diag socket: %s",
				    strerror(errno));
	r = list_victims(nl, &pass, &seq);
	mnl_socket_close(nl);
	free(pass.victims);
	return r ? tcpc_err_set(err, -r, "cannot list connections: %s", strerror(-r)) : 0;
}

struct local {
	tcpc_sockdiag_match see;
	void *user;
};

static int on_local(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct tcpc_flow flow = {.client_port = msg->id.idiag_dport,
				 .server_port = msg->id.idiag_sport};
	struct local *l = data;

	if (!tcpc_nlmsg_is(nlh, SOCK_DIAG_BY_FAMILY, sizeof(*msg)))
		return MNL_CB_OK;
	flow.client = addr_of(msg->idiag_family, msg->id.idiag_dst);
	flow.server = addr_of(msg->idiag_family, msg->id.idiag_src);
	if (flow.server.w[3])
		l->see(l->user, &flow);
	return MNL_CB_OK;
}

/* Lists the sockets of both families in these states; a kernel may lack IPv6. */
static int dump(__u32 states, mnl_cb_t cb, void *user, struct tcpc_err *err)
{
	static const __u8 families[] = {AF_INET, AF_INET6};
	char buf[MNL_NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2)] __attribute__((aligned(8)));
	struct mnl_socket *nl = open_socket();
	struct inet_diag_req_v2 *req;
	int r = 0;

	if (!nl)
		return tcpc_err_set(err, errno, "cannot open a sock_diag socket: %s",
				    strerror(errno));
	for (__u32 i = 0; i < 2 && !r; i++) {
		req = new_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, i + 1);
		req->sdiag_family = families[i];
		req->idiag_states = states;
		r = transact(nl, (struct nlmsghdr *)buf, cb, user);
		if (r == -ENOENT && families[i] == AF_INET6)
			r = 0;
	}
	mnl_socket_close(nl);
	return r ? tcpc_err_set(err, -r, "cannot list sockets: %s", strerror(-r)) : 0;
}

int tcpc_sockdiag_local(tcpc_sockdiag_match see, void *user, struct tcpc_err *err)
{
	struct local l = {see, user};

	return dump((STATES | 1u << BPF_TCP_LISTEN) & ~(1u << BPF_TCP_TIME_WAIT), on_local, &l,
		    err);
}

/* ---- listeners ------------------------------------------------------------------------------- */

struct listeners {
	__be16 port;
	struct tcpc_listener *list;
	int n, max;
};

static int on_listener(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	bool v6 = msg->idiag_family == AF_INET6, only = false;
	struct listeners *l = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY || msg->id.idiag_sport != l->port)
		return MNL_CB_OK;
	mnl_attr_for_each (attr, nlh, sizeof(*msg))
		if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY)
			only = mnl_attr_get_u8(attr);
	if (l->n < l->max)
		l->list[l->n] = (struct tcpc_listener){
			.at = {addr_of(msg->idiag_family, msg->id.idiag_src), l->port},
			.v4 = !v6 || !only,
			.v6 = v6,
			.waiting = msg->idiag_rqueue,
			.limit = msg->idiag_wqueue,
		};
	l->n++;
	return MNL_CB_OK;
}

int tcpc_sockdiag_listeners(__be16 port, struct tcpc_listener *ret, int max, struct tcpc_err *err)
{
	struct listeners l = {.port = port, .list = ret, .max = max};

	return dump(1u << BPF_TCP_LISTEN, on_listener, &l, err) ?: l.n;
}

int tcpc_sockdiag_check(struct tcpc_err *err)
{
	/* All zero: no connection is like that, so a kernel that could end it says ENOENT. */
	const struct victim nobody = {.family = AF_INET};
	struct mnl_socket *nl = open_socket();
	int r;

	if (!nl)
		return tcpc_err_set(err, errno, "cannot open a sock_diag socket: %s",
				    strerror(errno));
	r = destroy_one(nl, &nobody, 1);
	mnl_socket_close(nl);
	return r ? explain(r, err) : 0;
}
