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

struct slots {
	__u32 first;	/* in: the first slot to look at */
	__u32 unused;
	__u64 occupied;	/* out: bit N stands for slot first + N */
};

/*
 * Unrolled, with each answer straight in memory that the verifier does not follow: in a loop, or in registers,
 * Linux 6.1 would follow every combination of the answers, and give up. Few at once, since the
 * verifier's time grows with them, and every first grant on an interface waits for it.
 */
SEC("xdp")
int xsk_slots(struct xdp_md *ctx)
{
	volatile struct slots *slots = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;

	if ((void *)(slots + 1) > end)
		return XDP_ABORTED;
	slots->occupied = 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < SLOTS; i++) {
		__u32 slot = slots->first + i;

		if (bpf_map_lookup_elem(&xsks, &slot))
			slots->occupied |= 1ULL << i;
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
