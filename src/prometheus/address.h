/* address.h - datagram sockets by path or address. */
#ifndef PROMETHEUS_ADDRESS_H
#define PROMETHEUS_ADDRESS_H

#include "prometheus/prometheus.h"

/* Sockets that close on exec; *fd is untouched on failure. */

/* Connected to a unix datagram socket, with an address of its own for answers. Blocks. */
int pm_address_connect(int *fd, const char *path, struct pm_error *error);

/* A unix datagram socket at path, made with mode; a file nobody listens on is replaced. Never
 * blocks. */
int pm_address_bind_path(int *fd, const char *path, unsigned mode, struct pm_error *error);

/* UDP at "127.0.0.1:8125" or "[::1]:8125"; *port out. Never blocks. */
int pm_address_bind_udp(int *fd, const char *address, unsigned *port, struct pm_error *error);

#endif
