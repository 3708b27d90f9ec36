// SPDX-License-Identifier: GPL-2.0-only
/* nfqueue_config.c - see nfqueue_config.h. */
#include "edge/nfqueue_config.h"

#include <errno.h>
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <libnetfilter_queue/libnetfilter_queue.h>

#include "edge/nfqueue.h"

/* Send one configuration message and wait for the kernel's answer. Returns 0 or -errno. */
static int configure(struct mnl_socket *nl, struct nlmsghdr *nlh)
{
	unsigned int portid = mnl_socket_get_portid(nl);
	char answer[MNL_SOCKET_BUFFER_SIZE];
	ssize_t n;

	nlh->nlmsg_flags |= NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, answer, sizeof(answer));
	if (n < 0)
		return -errno;
	return mnl_cb_run(answer, n, 1, portid, NULL, NULL) < 0 ? -errno : 0;
}

int tcpc_nfqueue_bind(struct mnl_socket *nl, unsigned int number)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, number);

	nfq_nlmsg_cfg_put_cmd(nlh, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	return configure(nl, nlh);
}

int tcpc_nfqueue_set(struct mnl_socket *nl, unsigned int number)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, number);

	nfq_nlmsg_cfg_put_params(nlh, NFQNL_COPY_PACKET, TCPC_NFQUEUE_COPY_BYTES);
	nfq_nlmsg_cfg_put_qmaxlen(nlh, TCPC_NFQUEUE_LENGTH);
	/* GSO: take large responses whole, the kernel need not cut and checksum them first. */
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	return configure(nl, nlh);
}
