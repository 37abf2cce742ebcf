/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a program does that has the privileges itself, on libxdp. The benchmark compiles it with the machine's
 * compiler and runs it beside our own.
 *
 *   reference setup IFNAME            one socket by libxdp, program included; prints the nanoseconds that took
 *   reference reflect IFNAME SECONDS  sends every frame back, addresses exchanged; prints
 *                                     frames, and nanoseconds of user and system time
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <xdp/xsk.h>

#define FRAMES 1024
#define BATCH 64

static struct xsk_umem *umem;
static struct xsk_socket *xsk;
static struct xsk_ring_prod fill, tx;
static struct xsk_ring_cons completion, rx;
static char *area;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void must(int result, const char *what)
{
	if (result) {
		fprintf(stderr, "%s: %d\n", what, result);
		exit(1);
	}
}

static void set_up(const char *ifname)
{
	const struct xsk_umem_config uc = {
		.fill_size = FRAMES, .comp_size = FRAMES, .frame_size = 4096,
	};
	const struct xsk_socket_config sc = {
		.rx_size = FRAMES, .tx_size = FRAMES, .bind_flags = XDP_USE_NEED_WAKEUP,
	};

	must(xsk_umem__create(&umem, area, FRAMES * 4096ull, &fill, &completion, &uc), "umem");
	must(xsk_socket__create(&xsk, ifname, 0, umem, &rx, &tx, &sc), "socket");
}

static void give(uint64_t address)
{
	uint32_t at;

	while (!xsk_ring_prod__reserve(&fill, 1, &at))
		;
	*xsk_ring_prod__fill_addr(&fill, at) = address;
	xsk_ring_prod__submit(&fill, 1);
}

static void recycle(void)
{
	uint32_t at, n = xsk_ring_cons__peek(&completion, BATCH, &at);

	for (uint32_t i = 0; i < n; i++)
		give(*xsk_ring_cons__comp_addr(&completion, at + i) & ~4095ull);
	xsk_ring_cons__release(&completion, n);
}

static void swap(unsigned char *frame)
{
	unsigned char address[6];

	memcpy(address, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, address, 6);
}

static uint32_t turn(void)
{
	uint32_t from, to, n = xsk_ring_cons__peek(&rx, BATCH, &from);

	recycle();
	if (!n)
		return 0;
	while (xsk_ring_prod__reserve(&tx, n, &to) != n) {
		sendto(xsk_socket__fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
		recycle();
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *in = xsk_ring_cons__rx_desc(&rx, from + i);
		struct xdp_desc *out = xsk_ring_prod__tx_desc(&tx, to + i);

		swap((unsigned char *)xsk_umem__get_data(area, in->addr));
		*out = *in;
	}
	xsk_ring_cons__release(&rx, n);
	xsk_ring_prod__submit(&tx, n);
	if (xsk_ring_prod__needs_wakeup(&tx))
		sendto(xsk_socket__fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
	return n;
}

static void reflect(int seconds)
{
	struct pollfd wait = { .fd = xsk_socket__fd(xsk), .events = POLLIN };
	uint64_t frames = 0, end = now() + seconds * 1000000000ull;
	struct rusage used;

	for (int i = 0; i < FRAMES * 3 / 4; i++)
		give(i * 4096ull);
	puts("ready");
	fflush(stdout);
	while (now() < end) {
		uint32_t n = turn();

		frames += n;
		if (!n)
			poll(&wait, 1, 100);
	}
	getrusage(RUSAGE_SELF, &used);
	printf("%llu %lld %lld\n", (unsigned long long)frames,
	       used.ru_utime.tv_sec * 1000000000ll + used.ru_utime.tv_usec * 1000ll,
	       used.ru_stime.tv_sec * 1000000000ll + used.ru_stime.tv_usec * 1000ll);
}

int main(int argc, char **argv)
{
	uint64_t start;

	if (argc < 3)
		return 2;
	setenv("LIBXDP_SKIP_DISPATCHER", "1", 1);
	area = mmap(NULL, FRAMES * 4096ull, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	must(area == MAP_FAILED, "mmap");
	start = now();
	set_up(argv[2]);
	if (!strcmp(argv[1], "setup"))
		printf("%llu\n", (unsigned long long)(now() - start));
	else
		reflect(argc > 3 ? atoi(argv[3]) : 4);
	xsk_socket__delete(xsk);
	xsk_umem__delete(umem);
	return 0;
}
