// What glibc and the kernel have beyond Swift's module of glibc, and that needs no library: for programs that do not speak netlink.
#ifndef HIVE_CLINUX_SHIM_H
#define HIVE_CLINUX_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <linux/sched.h>

/// accept4(2), behind _GNU_SOURCE in glibc: close-on-exec and without waiting.
static inline int hive_linux_accept(int fd) {
    return (int)syscall(SYS_accept4, fd, (void *)0, (void *)0, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/// Nobody who is executed from here on gets more rights than there are: prctl(2), which takes what it takes as variadic.
static inline int hive_give_up_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL);
}

/// openat2(2), for which glibc 2.36 has no function. Close-on-exec.
static inline int hive_openat2(int directory, const char *_Nonnull path, unsigned long long flags, unsigned long long resolve) {
    struct open_how how = {flags | O_CLOEXEC, 0, resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

/// O_PATH, behind _GNU_SOURCE in glibc: a descriptor that only says which file is meant, and does not open it.
static inline int hive_o_path(void) { return __O_PATH; }

/// ioctl_ns(2): the CLONE_NEW… of a namespace. Fails with ENOTTY on every other file.
static inline int hive_namespace_kind(int fd) { return ioctl(fd, NS_GET_NSTYPE); }

/// epoll_ctl(2): begins to look at a descriptor, looks for something else, or stops (`events` 0). `key` is what is told with an event.
static inline int hive_epoll_set(int epoll, int operation, int fd, unsigned events, unsigned long long key) {
    struct epoll_event event = {events, {.u64 = key}};
    return epoll_ctl(epoll, operation, fd, &event);
}

/// What has happened: what, and the key of whom.
struct hive_event {
    unsigned events;
    unsigned long long key;
};

/// epoll_wait(2), for at most 256 events. `struct epoll_event` is packed on some processors, which Swift does not know how to read.
static inline int hive_epoll_wait(int epoll, struct hive_event *_Nonnull found, int most, int milliseconds) {
    struct epoll_event events[256];
    int count = epoll_wait(epoll, events, most < 256 ? most : 256, milliseconds);
    for (int index = 0; index < count; index++) {
        found[index].events = events[index].events;
        found[index].key = events[index].data.u64;
    }
    return count;
}

#endif
