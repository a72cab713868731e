// libmnl and the kernel's rtnetlink headers, as one module for Swift.
//
// <netinet/in.h> comes before the kernel's headers: it defines struct sockaddr_in6 first, and the
// kernel's headers then leave it alone (linux/libc-compat.h). _GNU_SOURCE is not defined here: clang
// builds this as a module, and a feature macro would make its types disagree with other modules'.
#ifndef HIVE_CNETLINK_SHIM_H
#define HIVE_CNETLINK_SHIM_H

#include <netinet/in.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/capability.h>
#include <linux/bpf.h>
#include <linux/fib_rules.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/sock_diag.h>
#include <linux/veth.h>

/// setns(2). Behind _GNU_SOURCE in glibc, hence by number.
static inline int hive_setns(int fd, int type) { return (int)syscall(SYS_setns, fd, type); }

/// unshare(2). Behind _GNU_SOURCE in glibc, hence by number.
static inline int hive_unshare(int flags) { return (int)syscall(SYS_unshare, flags); }

/// NS_GET_NSTYPE of ioctl_ns(2): a macro that clang does not import.
static inline unsigned long hive_ns_get_nstype(void) { return NS_GET_NSTYPE; }

/// BPF_TCX_INGRESS and BPF_TCX_EGRESS of enum bpf_attach_type, Linux 6.6: newer than some distributions' headers.
enum { HIVE_BPF_TCX_INGRESS = 46, HIVE_BPF_TCX_EGRESS = 47 };

/// How many BPF programs a link has at that place: bpf(2), BPF_PROG_QUERY. -1 with errno, EINVAL where the kernel has no such place.
static inline int hive_bpf_programs(int ifindex, int place) {
    union bpf_attr query = {0};
    query.query.target_fd = (unsigned)ifindex;
    query.query.attach_type = (unsigned)place;
    if (syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof query) != 0) return -1;
    return (int)query.query.prog_cnt;
}

/// The calling thread stays on the processor that it is on: getcpu(2), sched_setaffinity(2), by number as above.
static inline int hive_stay_on_processor(void) {
    unsigned processor = 0;
    unsigned long mask[64] = {0};
    const unsigned bits = 8 * sizeof *mask;
    if (syscall(SYS_getcpu, &processor, (void *)0, (void *)0) != 0) return -1;
    mask[processor / bits % 64] = 1UL << processor % bits;
    return (int)syscall(SYS_sched_setaffinity, 0, sizeof mask, mask);
}

/// recvmsg(2) of a netlink datagram, without waiting. `nsid` becomes the number that the socket's namespace has for the one that a
/// notification is from (NETLINK_LISTEN_ALL_NSID), or -1 for its own. `truncated` becomes 1 where the buffer was too short.
static inline ssize_t hive_netlink_receive(int fd, void *buffer, size_t length, int *nsid, int *truncated) {
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {buffer, length};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t count = recvmsg(fd, &message, MSG_DONTWAIT);
    *nsid = -1;
    *truncated = count >= 0 && (message.msg_flags & MSG_TRUNC);
    if (count < 0) return count;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item))
        if (item->cmsg_level == SOL_NETLINK && item->cmsg_type == NETLINK_LISTEN_ALL_NSID)
            memcpy(nsid, CMSG_DATA(item), sizeof *nsid);
    return count;
}

/// accept4(2), behind _GNU_SOURCE in glibc: close-on-exec and without waiting.
static inline int hive_accept(int fd) {
    return (int)syscall(SYS_accept4, fd, (void *)0, (void *)0, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/// Gives back the pages of the program's own text and constants: they are the file's, and come back from it when they are needed.
/// Nothing there was ever written to. (The symbols are the linker's, see end(3).)
static inline void hive_forget_text(void) {
    extern char __executable_start, etext;
    const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
    const unsigned long start = ((unsigned long)&__executable_start + page - 1) & -page;
    const unsigned long end = (unsigned long)&etext & -page;
    if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
}

/// strerrorname_np(3), glibc 2.32: "ENOENT" for 2, NULL for a number it does not know.
extern const char *strerrorname_np(int);
static inline const char *_Nullable hive_errno_name(int code) { return strerrorname_np(code); }

#endif
