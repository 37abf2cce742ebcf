/* SPDX-License-Identifier: (MIT OR Apache-2.0) OR GPL-2.0-only */
/*
 * The XSK program: a frame that arrives on a queue with a socket goes to that socket, any other goes on to the
 * host's stack. And a second program that is never attached: run by BPF_PROG_TEST_RUN it tells which slots of
 * the map are occupied, since the bpf() system call cannot look an XSKMAP's slots up.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1); /* the interface's allocated queues, set before the load */
} xsks SEC(".maps");

SEC("xdp")
int xsk_redirect(struct xdp_md *ctx)
{
	return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

/* For a consumer that takes frames of several buffers; the same program, declared so to the kernel. */
SEC("xdp.frags")
int xsk_frags(struct xdp_md *ctx)
{
	return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

/* How many slots one run looks at; slots.rs knows it too. */
#define SLOTS 8
/* The verdict of a run that looked. */
#define LOOKED 2

/* The frame of a run; the helpers below take offsets. */
struct slots {
	__u32 first;		/* in: the first slot to look at */
	__u32 unused;
	__u8 occupied[SLOTS];	/* out: 1 for each that is */
};

/*
 * A program for tc, whose frame is read and written by helpers: before Linux 6.1 pointers into a frame are not to
 * be compared without CAP_PERFMON, which is given up by now. Nothing that the verifier follows depends on an answer,
 * or it would follow every combination of them. Few slots at once, since the verifier's time grows with them, and
 * every first grant on an interface waits for it.
 */
SEC("tc")
int xsk_slots(struct __sk_buff *frame)
{
	const __u8 yes = 1;
	__u32 first;

	if (bpf_skb_load_bytes(frame, 0, &first, sizeof(first)))
		return 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < SLOTS; i++) {
		__u32 slot = first + i;

		if (bpf_map_lookup_elem(&xsks, &slot) &&
		    bpf_skb_store_bytes(frame, __builtin_offsetof(struct slots, occupied) + i, &yes, 1, 0))
			return 0;
	}
	return LOOKED;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
