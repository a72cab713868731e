// libnftnl and the kernel's nf_tables headers, as one module for Swift.
//
// <netinet/in.h> first, and no _GNU_SOURCE: see Sources/CNetlink/shim.h.
#ifndef HIVE_CNFTABLES_SHIM_H
#define HIVE_CNFTABLES_SHIM_H

#include <netinet/in.h>

#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>

/// NFT_TABLE_F_PERSIST of enum nft_table_flags, Linux 6.9: newer than some distributions' headers.
enum { HIVE_NFT_TABLE_F_PERSIST = 0x4 };

#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/gen.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>

#endif
