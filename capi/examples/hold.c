/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Holds a lease, and prints what happens to it until it is over or a line comes in on standard input.
 *
 *     cc -o hold hold.c $(pkg-config --cflags --libs libxskclient)
 *     ./hold eth1
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xskclient.h>

/* Prints an error, frees it, and returns the exit status that xsk-client would have. */
static int failed(xskclient_error *error) {
    int status = xskclient_error_exit_status(error);
    fprintf(stderr, "hold: %s (%s)\n", xskclient_error_message(error), xskclient_error_code(error));
    if (*xskclient_error_hint(error))
        fprintf(stderr, "  hint: %s\n", xskclient_error_hint(error));
    xskclient_error_free(error);
    return status;
}

/* Prints the news of the lease. Returns whether it goes on. */
static bool tell(int connection) {
    xskclient_error *error = NULL;
    xskclient_event *event = NULL;
    switch (xskclient_news(connection, 0, &event, &error)) {
    case XSKCLIENT_NEWS_KIND_NONE:
        return true;
    case XSKCLIENT_NEWS_KIND_EVENT:
        printf("%s\n", xskclient_event_text(event));
        fflush(stdout);
        xskclient_event_free(event);
        return true;
    case XSKCLIENT_NEWS_KIND_ENDED:
        printf("the lease is over\n");
        return false;
    default:
        failed(error);
        return false;
    }
}

static void wait_for_the_end(int connection) {
    struct pollfd waits[] = {{connection, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    while (poll(waits, 2, -1) > 0 && !waits[1].revents && tell(connection))
        ;
}

int main(int argc, char **argv) {
    xskclient_request *request = argc > 1 ? xskclient_request_new(argv[1]) : NULL;
    xskclient_error *error = NULL;
    xskclient_grant *grant = NULL;
    int sockets[1], connection;

    int count = xskclient_acquire(argc > 2 ? argv[2] : NULL, request, sockets, 1, &connection, &grant, &error);
    xskclient_request_free(request);
    if (count < 0)
        return failed(error);
    printf("ready: lease %llu, %s queue %u, %s mode\n", (unsigned long long)xskclient_grant_lease(grant),
           xskclient_grant_ifname(grant), xskclient_grant_first_queue(grant),
           xskclient_grant_mode(grant) == XSKCLIENT_MODE_NATIVE ? "native" : "skb");
    fflush(stdout);
    xskclient_grant_free(grant);
    wait_for_the_end(connection);
    xskclient_release(sockets, (size_t)count, connection);
    return 0;
}
