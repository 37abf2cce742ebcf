/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Gives a leased socket to libxdp, and sends frames back to where they come from. Needs no
 * capability, and libxdp 1.5 or later, which takes a socket that somebody else has made.
 *
 *     cc -o adopt adopt.c $(pkg-config --cflags --libs libxskclient libxdp)
 *     ./adopt eth1 100
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <bpf/libbpf_common.h>
#include <xdp/xsk.h>
#include <xskclient.h>

#define FRAMES 256
#define FRAME_SIZE 4096

/* What libxdp fills in. */
struct rings {
    struct xsk_ring_prod fill, tx;
    struct xsk_ring_cons comp, rx;
};

static int failed(xskclient_error *error) {
    int status = xskclient_error_exit_status(error);
    fprintf(stderr, "adopt: %s\n", xskclient_error_message(error));
    if (*xskclient_error_hint(error))
        fprintf(stderr, "  hint: %s\n", xskclient_error_hint(error));
    xskclient_error_free(error);
    return status;
}

/* The socket gets a UMEM and rings, and is bound. libxdp loads no program: the lease has one. */
static struct xsk_socket *adopt(int fd, const char *ifname, void *memory, struct rings *rings,
                                struct xsk_umem **umem) {
    LIBBPF_OPTS(xsk_umem_opts, of_umem, .fd = fd, .size = FRAMES * FRAME_SIZE);
    LIBBPF_OPTS(xsk_socket_opts, of_socket, .rx = &rings->rx, .tx = &rings->tx,
                .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD);
    *umem = xsk_umem__create_opts(memory, &rings->fill, &rings->comp, &of_umem);
    return *umem ? xsk_socket__create_opts(ifname, 0, *umem, &of_socket) : NULL;
}

/* The kernel may put a frame into this part of the UMEM. */
static void give(struct xsk_ring_prod *fill, __u64 address) {
    __u32 at;
    if (xsk_ring_prod__reserve(fill, 1, &at) == 1) {
        *xsk_ring_prod__fill_addr(fill, at) = address - address % FRAME_SIZE;
        xsk_ring_prod__submit(fill, 1);
    }
}

/* Sends the frame back. Returns false where there is no room. */
static bool send_back(struct rings *rings, void *memory, const struct xdp_desc *frame) {
    unsigned char *bytes = xsk_umem__get_data(memory, frame->addr), source[6];
    __u32 at;
    if (xsk_ring_prod__reserve(&rings->tx, 1, &at) != 1)
        return false;
    memcpy(source, bytes + 6, 6);
    memcpy(bytes + 6, bytes, 6);
    memcpy(bytes, source, 6);
    *xsk_ring_prod__tx_desc(&rings->tx, at) = (struct xdp_desc){.addr = frame->addr, .len = frame->len};
    xsk_ring_prod__submit(&rings->tx, 1);
    return true;
}

/* What was received is sent back, and what was sent can be received into again. */
static __u32 work(struct xsk_socket *xsk, struct rings *rings, void *memory) {
    __u32 at, count = xsk_ring_cons__peek(&rings->comp, FRAMES, &at);
    for (__u32 i = 0; i < count; i++)
        give(&rings->fill, *xsk_ring_cons__comp_addr(&rings->comp, at + i));
    xsk_ring_cons__release(&rings->comp, count);

    count = xsk_ring_cons__peek(&rings->rx, FRAMES, &at);
    for (__u32 i = 0; i < count; i++) {
        const struct xdp_desc *frame = xsk_ring_cons__rx_desc(&rings->rx, at + i);
        if (!send_back(rings, memory, frame))
            give(&rings->fill, frame->addr);
    }
    xsk_ring_cons__release(&rings->rx, count);
    if (count)
        sendto(xsk_socket__fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
    return count;
}

static bool is_over(int connection) {
    xskclient_error *error = NULL;
    int news = xskclient_news(connection, 0, NULL, &error);
    xskclient_error_free(error);
    return news < 0 || news == XSKCLIENT_NEWS_KIND_ENDED;
}

/* Until the lease is over, or so many frames were received. */
static __u32 serve(struct xsk_socket *xsk, int connection, struct rings *rings, void *memory, __u32 most) {
    struct pollfd waits[] = {{xsk_socket__fd(xsk), POLLIN, 0}, {connection, POLLIN, 0}};
    __u32 seen = 0;
    while (seen < most && poll(waits, 2, -1) > 0 && !(waits[1].revents && is_over(connection)))
        seen += work(xsk, rings, memory);
    return seen;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: adopt IFNAME FRAMES\n");
        return 64;
    }
    xskclient_request *request = xskclient_request_new(argv[1]);
    xskclient_error *error = NULL;
    int fd, connection;
    int count = xskclient_acquire(NULL, request, &fd, 1, &connection, NULL, &error);
    xskclient_request_free(request);
    if (count < 0)
        return failed(error);

    struct rings rings = {0};
    struct xsk_umem *umem = NULL;
    void *memory = mmap(NULL, FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct xsk_socket *xsk = memory == MAP_FAILED ? NULL : adopt(fd, argv[1], memory, &rings, &umem);
    if (!xsk) {
        perror("adopt: libxdp does not take the socket");
        return 70;
    }
    for (__u64 frame = 0; frame < FRAMES; frame++)
        give(&rings.fill, frame * FRAME_SIZE);
    printf("ready\n");
    fflush(stdout);
    printf("%u frames\n", serve(xsk, connection, &rings, memory, (__u32)strtoul(argv[2], NULL, 10)));
    xsk_socket__delete(xsk);
    xsk_umem__delete(umem);
    xskclient_release(NULL, 0, connection);
    return 0;
}
