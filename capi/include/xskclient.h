/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * libxskclient: AF_XDP sockets for an ordinary user, from xsk-helper.
 *
 * No function prints, exits or aborts. There is no global state, so any thread may call any
 * function; one object is for one thread at a time. A function that can fail returns -1 and, where
 * `error` is not NULL, puts an error there that is freed with xskclient_error_free(). Strings that
 * a function returns belong to the object that it was asked of, and are never NULL. A pointer that a
 * function takes is NULL or valid; the getters of NULL return 0 or "".
 *
 * This file is generated: change capi/src, and see capi/README.md.
 */

#ifndef XSKCLIENT_H
#define XSKCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Stands for every queue, or every user, in xskclient_revoke().
 */
#define XSKCLIENT_ANY UINT32_MAX

/**
 * How the XDP program is attached.
 */
typedef enum xskclient_mode {
  /**
   * In a request: native, and skb where the driver has no native XDP. In an answer: not known.
   */
  XSKCLIENT_MODE_AUTO = 0,
  /**
   * By the driver.
   */
  XSKCLIENT_MODE_NATIVE = 1,
  /**
   * By the kernel, for any driver.
   */
  XSKCLIENT_MODE_SKB = 2,
} xskclient_mode;

/**
 * What xskclient_news() returns where it does not fail.
 */
typedef enum xskclient_news_kind {
  /**
   * Nothing happened until the time was over.
   */
  XSKCLIENT_NEWS_KIND_NONE = 0,
  /**
   * There is an event.
   */
  XSKCLIENT_NEWS_KIND_EVENT = 1,
  /**
   * The lease is over.
   */
  XSKCLIENT_NEWS_KIND_ENDED = 2,
} xskclient_news_kind;

/**
 * Why a call failed.
 */
typedef struct xskclient_error xskclient_error;

/**
 * Something that happened to a lease.
 */
typedef struct xskclient_event xskclient_event;

/**
 * What the helper says about the sockets of a lease.
 */
typedef struct xskclient_grant xskclient_grant;

/**
 * An interface that carries the helper's program. It belongs to its status.
 */
typedef struct xskclient_interface xskclient_interface;

/**
 * A lease of a status. It belongs to that status.
 */
typedef struct xskclient_lease xskclient_lease;

/**
 * What to ask the helper for.
 */
typedef struct xskclient_request xskclient_request;

/**
 * What is leased at one moment.
 */
typedef struct xskclient_status xskclient_status;

/**
 * What a request would be granted.
 */
typedef struct xskclient_verdict xskclient_verdict;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Asks the helper that listens at `path` for sockets. NULL is the system's socket. It forks
 * nothing.
 *
 * Writes the sockets, in queue order, to `sockets`, which has room for `capacity`, and the
 * connection to `connection`. Both are the caller's, close-on-exec; xskclient_release() closes
 * them. The lease lasts while a copy of the connection is open, in this process or another. Writes
 * a grant to `grant` unless that is NULL.
 *
 * Returns the number of sockets, or -1. It takes at most ten seconds.
 */
int xskclient_acquire(const char *path,
                      const struct xskclient_request *request,
                      int *sockets,
                      size_t capacity,
                      int *connection,
                      struct xskclient_grant **grant,
                      struct xskclient_error **error);

/**
 * As xskclient_acquire(), but starts a helper: the installed one where `path` is NULL.
 *
 * This forks and executes that program, which is setuid or has file capabilities. It inherits no
 * environment. The call waits until the helper has forked off.
 */
int xskclient_acquire_from(const char *path,
                           const struct xskclient_request *request,
                           int *sockets,
                           size_t capacity,
                           int *connection,
                           struct xskclient_grant **grant,
                           struct xskclient_error **error);

/**
 * Closes `count` sockets and the connection, which have to be open and the caller's; numbers below
 * 0 are skipped. The lease ends if no other process has a copy of the connection.
 */
void xskclient_release(const int *sockets, size_t count, int connection);

/**
 * Waits up to `timeout` milliseconds for something to happen to the lease of `connection`.
 *
 * Returns a number of xskclient_news_kind, or -1. With XSKCLIENT_NEWS_KIND_EVENT it writes the
 * event to `event` unless that is NULL. The connection is readable for poll(2) when there is news.
 */
int xskclient_news(int connection,
                   uint32_t timeout,
                   struct xskclient_event **event,
                   struct xskclient_error **error);

/**
 * Asks what xskclient_acquire() would be granted, and changes nothing. Returns 0, or -1.
 */
int xskclient_check(const char *path,
                    const struct xskclient_request *request,
                    struct xskclient_verdict **verdict,
                    struct xskclient_error **error);

/**
 * Asks what is leased. Returns 0, or -1.
 */
int xskclient_get_status(const char *path,
                         struct xskclient_status **status,
                         struct xskclient_error **error);

/**
 * Ends leases of the caller's, or anybody's for root: those on `ifname` (NULL for every interface)
 * that hold `queue` and are of `user` (XSKCLIENT_ANY for every one).
 *
 * Returns how many leases were told to end, or -1.
 */
int xskclient_revoke(const char *path,
                     const char *ifname,
                     uint32_t queue,
                     uint32_t user,
                     struct xskclient_error **error);

/**
 * The library's version.
 */
const char *xskclient_version(void);

/**
 * The stable name of the reason, such as "not-allowed" or "busy". PROTOCOL.md lists those of the
 * helper; "usage", "unreachable", "timeout", "protocol", "no-descriptor", "namespace" and "system"
 * are the library's own.
 */
const char *xskclient_error_code(const struct xskclient_error *error);

/**
 * What the error is about: an interface, a file, a system call.
 */
const char *xskclient_error_object(const struct xskclient_error *error);

/**
 * What happened: a sentence for people.
 */
const char *xskclient_error_message(const struct xskclient_error *error);

/**
 * What to do next, or "".
 */
const char *xskclient_error_hint(const struct xskclient_error *error);

/**
 * The exit status that xsk-client has for this error: 64 usage, 69 unreachable, 75 busy, 77
 * denied, 78 configuration.
 */
int xskclient_error_exit_status(const struct xskclient_error *error);

/**
 * Frees an error. NULL is fine.
 */
void xskclient_error_free(struct xskclient_error *error);

/**
 * The stable name of what happened, such as "interface-down" or "revoked".
 */
const char *xskclient_event_kind(const struct xskclient_event *event);

/**
 * What happened: a sentence for people.
 */
const char *xskclient_event_text(const struct xskclient_event *event);

/**
 * Frees an event. NULL is fine.
 */
void xskclient_event_free(struct xskclient_event *event);

/**
 * The lease's number, unique while the machine is up.
 */
uint64_t xskclient_grant_lease(const struct xskclient_grant *grant);

/**
 * The interface's primary name.
 */
const char *xskclient_grant_ifname(const struct xskclient_grant *grant);

/**
 * The interface's index, for `sxdp_ifindex`.
 */
uint32_t xskclient_grant_ifindex(const struct xskclient_grant *grant);

/**
 * Writes the interface's link-layer address to six bytes; zeros where it has none.
 */
void xskclient_grant_mac(const struct xskclient_grant *grant, uint8_t *mac);

/**
 * The interface's MTU in bytes.
 */
uint32_t xskclient_grant_mtu(const struct xskclient_grant *grant);

/**
 * The queue of the first socket, for `sxdp_queue_id`.
 */
uint32_t xskclient_grant_first_queue(const struct xskclient_grant *grant);

/**
 * How many queues, and so sockets, there are.
 */
uint32_t xskclient_grant_queues(const struct xskclient_grant *grant);

/**
 * How the program is attached: XSKCLIENT_MODE_NATIVE or XSKCLIENT_MODE_SKB.
 */
uint32_t xskclient_grant_mode(const struct xskclient_grant *grant);

/**
 * Why the program is attached so, where the request left it open; else "".
 */
const char *xskclient_grant_mode_reason(const struct xskclient_grant *grant);

/**
 * The id of the XDP program on the interface.
 */
uint32_t xskclient_grant_program_id(const struct xskclient_grant *grant);

/**
 * Whether the kernel lets the sockets bind to this interface alone.
 */
bool xskclient_grant_confined_to_device(const struct xskclient_grant *grant);

/**
 * Whether the kernel lets the sockets bind to their queues alone.
 */
bool xskclient_grant_confined_to_queue(const struct xskclient_grant *grant);

/**
 * Whether frames of several buffers arrive: bind with XDP_USE_SG.
 */
bool xskclient_grant_frags(const struct xskclient_grant *grant);

/**
 * Whether the interface is promiscuous while the lease lasts.
 */
bool xskclient_grant_promisc(const struct xskclient_grant *grant);

/**
 * RLIMIT_MEMLOCK of this process in bytes, where the helper has raised it; else 0.
 */
uint64_t xskclient_grant_memlock_limit(const struct xskclient_grant *grant);

/**
 * The rule that allowed it: file and line.
 */
const char *xskclient_grant_rule(const struct xskclient_grant *grant);

/**
 * The process id of the lease's keeper.
 */
uint32_t xskclient_grant_keeper(const struct xskclient_grant *grant);

/**
 * How many warnings there are.
 */
size_t xskclient_grant_warnings(const struct xskclient_grant *grant);

/**
 * A warning: a sentence about the interface. "" beyond the last one.
 */
const char *xskclient_grant_warning(const struct xskclient_grant *grant, size_t index);

/**
 * Frees a grant; the lease and its descriptors stay. NULL is fine.
 */
void xskclient_grant_free(struct xskclient_grant *grant);

/**
 * A request for queue 0 of an interface. NULL where `ifname` is NULL or no UTF-8.
 */
struct xskclient_request *xskclient_request_new(const char *ifname);

/**
 * Frees a request. NULL is fine.
 */
void xskclient_request_free(struct xskclient_request *request);

/**
 * Asks for `count` queues, from `first` on.
 */
void xskclient_request_queues(struct xskclient_request *request, uint32_t first, uint32_t count);

/**
 * Asks for an attach mode: XSKCLIENT_MODE_NATIVE or XSKCLIENT_MODE_SKB; any other number is
 * XSKCLIENT_MODE_AUTO.
 */
void xskclient_request_mode(struct xskclient_request *request, uint32_t mode);

/**
 * Says that the consumer takes frames of several buffers (XDP_USE_SG).
 */
void xskclient_request_frags(struct xskclient_request *request);

/**
 * Asks for promiscuous mode while the lease lasts.
 */
void xskclient_request_promisc(struct xskclient_request *request);

/**
 * Asks for the frames of every multicast group while the lease lasts.
 */
void xskclient_request_allmulti(struct xskclient_request *request);

/**
 * Asks to receive for `count` link-layer addresses while the lease lasts; at most four.
 */
void xskclient_request_macs(struct xskclient_request *request,
                            const uint8_t (*macs)[6],
                            size_t count);

/**
 * Asks for busy polling on the sockets: microseconds, and frames a poll.
 */
void xskclient_request_busy_poll(struct xskclient_request *request,
                                 uint32_t usecs,
                                 uint32_t budget);

/**
 * Declares the bytes that the consumer will lock. Where the policy allows it, the helper raises
 * RLIMIT_MEMLOCK of this process by as much.
 */
void xskclient_request_memlock(struct xskclient_request *request, uint64_t bytes);

/**
 * How many leases there are: the caller's, or for root everybody's.
 */
size_t xskclient_status_leases(const struct xskclient_status *status);

/**
 * A lease; NULL beyond the last one.
 */
const struct xskclient_lease *xskclient_status_lease(const struct xskclient_status *status,
                                                     size_t index);

/**
 * How many interfaces carry the helper's program.
 */
size_t xskclient_status_interfaces(const struct xskclient_status *status);

/**
 * An interface; NULL beyond the last one.
 */
const struct xskclient_interface *xskclient_status_interface(const struct xskclient_status *status,
                                                             size_t index);

/**
 * Frees a status, and with it its leases and interfaces. NULL is fine.
 */
void xskclient_status_free(struct xskclient_status *status);

/**
 * The lease's number.
 */
uint64_t xskclient_lease_id(const struct xskclient_lease *lease);

/**
 * The interface's name now; "" where it is gone.
 */
const char *xskclient_lease_ifname(const struct xskclient_lease *lease);

/**
 * The interface's index.
 */
uint32_t xskclient_lease_ifindex(const struct xskclient_lease *lease);

/**
 * The first queue.
 */
uint32_t xskclient_lease_first_queue(const struct xskclient_lease *lease);

/**
 * How many queues.
 */
uint32_t xskclient_lease_queues(const struct xskclient_lease *lease);

/**
 * Who holds it.
 */
uint32_t xskclient_lease_uid(const struct xskclient_lease *lease);

/**
 * The process that asked for it.
 */
uint32_t xskclient_lease_client(const struct xskclient_lease *lease);

/**
 * The process that keeps it.
 */
uint32_t xskclient_lease_keeper(const struct xskclient_lease *lease);

/**
 * Seconds since the grant.
 */
uint64_t xskclient_lease_age(const struct xskclient_lease *lease);

/**
 * The rule that allowed it: file and line.
 */
const char *xskclient_lease_rule(const struct xskclient_lease *lease);

/**
 * The interface's name now; "" where it is gone.
 */
const char *xskclient_interface_ifname(const struct xskclient_interface *interface);

/**
 * The interface's index.
 */
uint32_t xskclient_interface_ifindex(const struct xskclient_interface *interface);

/**
 * The id of the XDP program.
 */
uint32_t xskclient_interface_program_id(const struct xskclient_interface *interface);

/**
 * How the program is attached: XSKCLIENT_MODE_NATIVE or XSKCLIENT_MODE_SKB.
 */
uint32_t xskclient_interface_mode(const struct xskclient_interface *interface);

/**
 * How many occupied queues no lease accounts for.
 */
size_t xskclient_interface_orphans(const struct xskclient_interface *interface);

/**
 * The rule that allows it: file and line.
 */
const char *xskclient_verdict_rule(const struct xskclient_verdict *verdict);

/**
 * How the program would be attached; XSKCLIENT_MODE_AUTO where that is not known without trying.
 */
uint32_t xskclient_verdict_mode(const struct xskclient_verdict *verdict);

/**
 * Whether the kernel can hold the sockets to the interface.
 */
bool xskclient_verdict_confined_to_device(const struct xskclient_verdict *verdict);

/**
 * Whether the kernel can hold the sockets to their queues.
 */
bool xskclient_verdict_confined_to_queue(const struct xskclient_verdict *verdict);

/**
 * Whether promiscuous mode may be asked for.
 */
bool xskclient_verdict_promisc(const struct xskclient_verdict *verdict);

/**
 * Whether all-multicast mode may be asked for.
 */
bool xskclient_verdict_allmulti(const struct xskclient_verdict *verdict);

/**
 * Whether busy polling may be asked for.
 */
bool xskclient_verdict_busy_poll(const struct xskclient_verdict *verdict);

/**
 * The most bytes to which RLIMIT_MEMLOCK would be raised; 0 for never.
 */
uint64_t xskclient_verdict_memlock_max(const struct xskclient_verdict *verdict);

/**
 * Frees a verdict. NULL is fine.
 */
void xskclient_verdict_free(struct xskclient_verdict *verdict);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* XSKCLIENT_H */
