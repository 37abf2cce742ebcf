/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Uses every part of the library against a real helper: `client all IFNAME`. Against a helper that
 * talks nonsense: `client survive PATH ROUNDS`. By a helper of its own: `client start HELPER IFNAME`.
 * C and C++ compile it. It exits with 0 and "done" if all is as it should be.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xskclient.h"

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                                                 \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static const char *interface_name;

static int open_descriptors(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void is_refused(const char *ifname, const char *code) {
    xskclient_error *error = NULL;
    xskclient_request *request = xskclient_request_new(ifname);
    int sockets[1] = {-1}, connection = -1;
    CHECK(xskclient_acquire(NULL, request, sockets, 1, &connection, NULL, &error) == -1);
    CHECK(!strcmp(xskclient_error_code(error), code));
    CHECK(*xskclient_error_message(error) && *xskclient_error_object(error));
    CHECK(xskclient_error_exit_status(error) >= 64);
    CHECK(sockets[0] == -1 && connection == -1);
    xskclient_error_free(error);
    CHECK(xskclient_acquire(NULL, request, sockets, 1, &connection, NULL, NULL) == -1);
    xskclient_request_free(request);
}

static void wrong_calls_are_errors(void) {
    xskclient_error *error = NULL;
    xskclient_request *request = xskclient_request_new(interface_name);
    int sockets[1], connection;
    CHECK(xskclient_acquire(NULL, NULL, sockets, 1, &connection, NULL, &error) == -1);
    CHECK(!strcmp(xskclient_error_code(error), "usage"));
    xskclient_error_free(error);
    xskclient_request_queues(request, 0, 2);
    CHECK(xskclient_acquire(NULL, request, sockets, 1, &connection, NULL, &error) == -1);
    CHECK(!strcmp(xskclient_error_code(error), "usage"));
    xskclient_error_free(error);
    CHECK(xskclient_acquire(NULL, request, NULL, 9, &connection, NULL, NULL) == -1);
    CHECK(xskclient_acquire("/nowhere/socket", request, sockets, 2, &connection, NULL, &error) == -1);
    CHECK(xskclient_error_exit_status(error) == 69);
    xskclient_error_free(error);
    CHECK(xskclient_news(-1, 0, NULL, NULL) == -1);
    CHECK(!xskclient_request_new(NULL) && !xskclient_request_new("\xff"));
    CHECK(!*xskclient_error_hint(NULL) && !xskclient_grant_mtu(NULL) && !xskclient_status_lease(NULL, 0));
    xskclient_request_free(request);
    xskclient_request_free(NULL);
}

static void checks(void) {
    xskclient_error *error = NULL;
    xskclient_verdict *verdict = NULL;
    xskclient_request *request = xskclient_request_new(interface_name);
    CHECK(!xskclient_check(NULL, request, &verdict, &error));
    CHECK(*xskclient_verdict_rule(verdict) && xskclient_verdict_confined_to_device(verdict));
    xskclient_verdict_free(verdict);
    xskclient_request_free(request);
}

static void lease_is_listed(const xskclient_grant *grant) {
    xskclient_status *status = NULL;
    CHECK(!xskclient_get_status(NULL, &status, NULL));
    size_t index, found = 0;
    for (index = 0; index < xskclient_status_leases(status); index++) {
        const xskclient_lease *lease = xskclient_status_lease(status, index);
        found += xskclient_lease_id(lease) == xskclient_grant_lease(grant);
        CHECK(xskclient_lease_uid(lease) == getuid());
    }
    CHECK(found == 1 && !xskclient_status_lease(status, index));
    CHECK(xskclient_status_interfaces(status) == 1);
    CHECK(!strcmp(xskclient_interface_ifname(xskclient_status_interface(status, 0)), interface_name));
    xskclient_status_free(status);
}

static void acquires_and_hears_of_a_revoke(void) {
    xskclient_error *error = NULL;
    xskclient_event *event = NULL;
    xskclient_grant *grant = NULL;
    xskclient_request *request = xskclient_request_new(interface_name);
    unsigned char mac[6] = {0};
    int sockets[4], connection;
    xskclient_request_queues(request, 0, 2);
    xskclient_request_mode(request, XSKCLIENT_MODE_SKB);
    xskclient_request_memlock(request, 1 << 20);
    CHECK(xskclient_acquire(NULL, request, sockets, 4, &connection, &grant, &error) == 2);
    CHECK(xskclient_grant_queues(grant) == 2 && xskclient_grant_mode(grant) == XSKCLIENT_MODE_SKB);
    CHECK(!strcmp(xskclient_grant_ifname(grant), interface_name) && xskclient_grant_ifindex(grant));
    xskclient_grant_mac(grant, mac);
    CHECK(mac[0] | mac[5]);
    lease_is_listed(grant);
    is_refused(interface_name, "busy");
    CHECK(xskclient_news(connection, 0, &event, &error) == XSKCLIENT_NEWS_KIND_NONE);
    CHECK(xskclient_revoke(NULL, interface_name, XSKCLIENT_ANY, XSKCLIENT_ANY, &error) == 1);
    CHECK(xskclient_news(connection, 10000, &event, &error) == XSKCLIENT_NEWS_KIND_EVENT);
    CHECK(!strcmp(xskclient_event_kind(event), "revoked") && *xskclient_event_text(event));
    CHECK(xskclient_news(connection, 10000, NULL, &error) == XSKCLIENT_NEWS_KIND_ENDED);
    xskclient_event_free(event);
    xskclient_grant_free(grant);
    xskclient_request_free(request);
    xskclient_release(sockets, 2, connection);
}

static void *asks_often(void *unused) {
    (void)unused;
    for (int round = 0; round < 5; round++) {
        checks();
        is_refused("lo", "not-allowed");
    }
    return NULL;
}

static void all(void) {
    pthread_t threads[4];
    int before = open_descriptors();
    acquires_and_hears_of_a_revoke();
    wrong_calls_are_errors();
    for (int i = 0; i < 4; i++)
        CHECK(!pthread_create(&threads[i], NULL, asks_often, NULL));
    for (int i = 0; i < 4; i++)
        CHECK(!pthread_join(threads[i], NULL));
    CHECK(open_descriptors() == before);
}

static void survive(const char *path, int rounds) {
    int before = open_descriptors();
    xskclient_request *request = xskclient_request_new("eth1");
    for (int round = 0; round < rounds; round++) {
        xskclient_error *error = NULL;
        int sockets[1], connection;
        CHECK(xskclient_acquire(path, request, sockets, 1, &connection, NULL, &error) == -1);
        CHECK(*xskclient_error_message(error));
        xskclient_error_free(error);
    }
    xskclient_request_free(request);
    CHECK(open_descriptors() == before);
}

static void start(const char *helper) {
    xskclient_request *request = xskclient_request_new(interface_name);
    int sockets[1], connection;
    CHECK(xskclient_acquire_from(helper, request, sockets, 1, &connection, NULL, NULL) == 1);
    xskclient_request_free(request);
    xskclient_release(sockets, 1, connection);
}

int main(int argc, char **argv) {
    CHECK(argc > 2);
    interface_name = argv[argc - 1];
    if (!strcmp(argv[1], "all"))
        all();
    else if (!strcmp(argv[1], "survive"))
        survive(argv[2], atoi(argv[3]));
    else
        start(argv[2]);
    printf("done %s\n", xskclient_version());
    return 0;
}
