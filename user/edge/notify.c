// SPDX-License-Identifier: GPL-2.0-only
/* notify.c - see notify.h. */
#include "edge/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"

#define USEC_A_MS 1000
#define NSEC_A_USEC 1000
#define USEC_A_S 1000000

static void on_watchdog(uv_timer_t *timer)
{
	tcpc_notify_say(timer->data, "WATCHDOG=1");
}

/* $WATCHDOG_PID, if it is there, says whom the variable is meant for. */
static void begin_watchdog(struct tcpc_notify *n, uv_loop_t *loop)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long period, meant;
	uint64_t ms;

	if (!usec || tcpc_text_number(usec, UINT32_MAX, &period) || !period)
		return;
	if (pid && (tcpc_text_number(pid, INT32_MAX, &meant) || meant != (unsigned long)getpid()))
		return;
	ms = period / 2 / USEC_A_MS ?: 1;
	n->watched = true;
	n->timer.data = n;
	uv_timer_init(loop, &n->timer);
	uv_unref((uv_handle_t *)&n->timer); /* does not keep the loop from ending */
	uv_timer_start(&n->timer, on_watchdog, ms, ms);
}

/* A path, or a name in the abstract namespace, written with @ in place of the zero byte. */
static int connect_to(const char *name, int *ret_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	int fd, r;

	if ((name[0] != '/' && name[0] != '@') || !name[1] || len >= sizeof(addr.sun_path))
		return -EINVAL;
	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, offsetof(struct sockaddr_un, sun_path) + len)) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int tcpc_notify_open(struct tcpc_notify *n, uv_loop_t *loop)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int r = 0;

	*n = (struct tcpc_notify){.fd = -1};
	if (name && *name)
		r = connect_to(name, &n->fd);
	if (n->fd >= 0)
		begin_watchdog(n, loop);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return r;
}

void tcpc_notify_say(const struct tcpc_notify *n, const char *state)
{
	if (n->fd >= 0 && send(n->fd, state, strlen(state), MSG_NOSIGNAL) < 0)
		return; /* its queue is full, or it is gone: nothing to be done here */
}

void tcpc_notify_reloading(const struct tcpc_notify *n)
{
	struct timespec now;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * USEC_A_S + now.tv_nsec / NSEC_A_USEC);
	tcpc_notify_say(n, text);
}

void tcpc_notify_close(struct tcpc_notify *n)
{
	if (n->watched)
		uv_close((uv_handle_t *)&n->timer, NULL);
	if (n->fd >= 0)
		close(n->fd);
	n->watched = false;
	n->fd = -1;
}
