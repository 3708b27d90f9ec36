// SPDX-License-Identifier: GPL-2.0-only
/* iptables_program.c - see iptables_program.h. */
#include "edge/iptables_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"

const struct tcpc_iptables_place tcpc_iptables_places[TCPC_IPTABLES_PLACES] = {
	{false, ""}, {false, "iptables-nft"}, {false, "iptables-legacy"},
	{true, ""},  {true, "ip6tables-nft"}, {true, "ip6tables-legacy"},
};

int tcpc_iptables_program(const struct tcpc_iptables_place *place, char *ret, size_t size,
			  struct tcpc_err *err)
{
	const char *program = place->program, *wanted = getenv("TCPCOPY_IPTABLES");

	if (!*program)
		program = wanted && *wanted ? wanted : "iptables";
	if (strlen(program) + 1 >= size) /* IPv6's is longer by one */
		return tcpc_err_set(err, EINVAL, "TCPCOPY_IPTABLES is longer than %zu bytes",
				    size - 2);
	if (!place->ipv6 || *place->program)
		strcpy(ret, program);
	else if (tcpc_text_ip6tables(program, ret, size))
		return tcpc_err_set(err, EINVAL,
				    "TCPCOPY_IPTABLES names no program 'iptables...', so IPv6's "
				    "cannot be told from it: %s",
				    program);
	return 0;
}

static bool has_legacy_filter(bool ipv6)
{
	FILE *names =
		fopen(ipv6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names", "re");
	bool found = false;
	char name[64];

	if (!names)
		return false;
	while (!found && fgets(name, sizeof(name), names))
		found = !strcmp(name, "filter\n");
	fclose(names);
	return found;
}

bool tcpc_iptables_may_hold(const struct tcpc_iptables_place *place)
{
	/* There as soon as the kernel has IPv6, even where no interface may use it. */
	if (place->ipv6 && access("/proc/net/if_inet6", F_OK))
		return false;
	/* Asking iptables-legacy-save creates the legacy tables. */
	return !strstr(place->program, "-legacy") || has_legacy_filter(place->ipv6);
}
