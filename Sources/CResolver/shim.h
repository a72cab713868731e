// glibc's stub resolver, as one module for Swift: resolver(3).
#ifndef HIVE_CRESOLVER_SHIM_H
#define HIVE_CRESOLVER_SHIM_H

#include <netinet/in.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

// The names of these functions are macros, which clang does not import.
static inline int hive_res_init(res_state _Nonnull state) { return res_ninit(state); }
static inline void hive_res_close(res_state _Nonnull state) { res_nclose(state); }
static inline int hive_res_query(
    res_state _Nonnull state, const char *_Nonnull name, int type, unsigned char *_Nonnull answer, int size) {
  return res_nquery(state, name, ns_c_in, type, answer, size);
}

/// The state that getaddrinfo(3) uses in this thread: `_res`.
static inline res_state _Nonnull hive_res_of_thread(void) { return __res_state(); }

/// How many records a section has.
static inline int hive_ns_count(ns_msg *_Nonnull message, ns_sect section) { return ns_msg_count(*message, section); }

#endif
