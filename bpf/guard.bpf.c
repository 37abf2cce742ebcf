/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * The bind guard: an LSM program on bind(2). A socket that was stamped with its place binds to that interface and
 * that queue alone, and only while the lease that it was stamped for is the one that lives there. The kernel
 * itself has no capability check in bind(2) of an AF_XDP socket (net/xdp/xsk.c, xsk_bind). A socket without a
 * stamp, of whatever family, is none of our business.
 *
 * XDP_SHARED_UMEM makes no difference: the interface and the queue of the address are the ones that count there
 * too. The address is the kernel's own copy by now (net/socket.c, __sys_bind), so nobody changes it afterwards.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/if_xdp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* As much of the kernel's own as is needed; libbpf finds the member in the running kernel's. */
struct sock;
struct sockaddr;
struct socket {
	struct sock *sk;
} __attribute__((preserve_access_index));

struct place {
	__u64 netns;
	__u32 ifindex;
	__u32 queue;
};

struct stamp {
	struct place place;
	__u64 lease;
};

/* Goes with its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct stamp);
} stamps SEC(".maps");

/* Which lease lives where. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct place);
	__type(value, __u64);
} leases SEC(".maps");

SEC("lsm/socket_bind")
int BPF_PROG(guard_bind, struct socket *sock, struct sockaddr *address, int len, int ret)
{
	struct sockaddr_xdp wanted = {};
	struct place place;
	struct stamp *stamp;
	struct sock *sk;
	__u64 *lease;

	/* The verifier asks for the test from Linux 6.12 on. */
	sk = sock->sk;
	if (!sk)
		return ret ? -EPERM : 0;
	stamp = bpf_sk_storage_get(&stamps, sk, 0, 0);
	if (!stamp)
		return ret ? -EPERM : 0;
	if (ret || len < (int)sizeof(wanted))
		return -EPERM;
	if (bpf_probe_read_kernel(&wanted, sizeof(wanted), address))
		return -EPERM;
	place = stamp->place;
	/* What the kernel says where SO_BINDTOIFINDEX pins the socket. */
	if (wanted.sxdp_ifindex != place.ifindex)
		return -EINVAL;
	if (wanted.sxdp_queue_id != place.queue)
		return -EPERM;
	lease = bpf_map_lookup_elem(&leases, &place);
	return lease && *lease == stamp->lease ? 0 : -EPERM;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
