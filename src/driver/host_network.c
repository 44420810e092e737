/* host_network.c - network interfaces, sockets and protocol counters. */
#include "driver/host.h"

#include <errno.h>

#define DEVICES_MAX 1024
#define FIELDS      16

/* The columns of /proc/net/dev behind the device's name. */
static const char *const columns[FIELDS] = {
    "receive_bytes",  "receive_packets",  "receive_errs",       "receive_drop",
    "receive_fifo",   "receive_frame",    "receive_compressed", "receive_multicast",
    "transmit_bytes", "transmit_packets", "transmit_errs",      "transmit_drop",
    "transmit_fifo",  "transmit_colls",   "transmit_carrier",   "transmit_compressed",
};

struct device {
    const char *name;
    double values[FIELDS];
};

static bool read_line(struct host_scrape *scrape, struct str line, struct device *device)
{
    size_t colon = str_find_char(line, ':');
    if (colon == STR_NONE) return false;
    struct str name = str_trim(str_first(line, colon));
    line = str_skip(line, colon + 1);
    *device = (struct device){ .name = host_text(scrape, name) };
    struct str word;
    for (size_t i = 0; i < FIELDS && host_next_word(&line, &word); i++) {
        device->values[i] = host_number(word);
    }
    return true;
}

bool host_collect_netdev(struct host_scrape *scrape)
{
    struct str text;
    if (!host_read(scrape, scrape->host->procfs, "net/dev", &text)) return false;
    struct device *devices = ARENA_ARRAY(&scrape->arena, struct device, DEVICES_MAX);
    if (devices == NULL) return false;
    size_t count = 0;
    struct str line;
    while (count < DEVICES_MAX && host_next_line(&text, &line)) {
        if (read_line(scrape, line, &devices[count])) count++;
    }
    for (size_t field = 0; field < FIELDS; field++) {
        struct str name = arena_printf(&scrape->arena, "node_network_%s_total", columns[field]);
        struct str help =
            arena_printf(&scrape->arena, "Network device statistic %s.", columns[field]);
        if (name.data == NULL || help.data == NULL) return false;
        pm_emit_family(scrape->emit, PM_COUNTER, name.data, help.data);
        for (size_t i = 0; i < count; i++) {
            pm_emit_value(scrape->emit, devices[i].values[field], "device", devices[i].name);
        }
    }
    return true;
}

/* Numbers below /sys/class/net/DEVICE. */
static const struct {
    const char *file;
    double scale;
    const char *name;
    const char *help;
} class_files[] = {
    { "carrier", 1, "node_network_carrier", "Network device property: carrier." },
    { "mtu", 1, "node_network_mtu_bytes", "Network device property: mtu_bytes." },
    { "speed", 125000, "node_network_speed_bytes", "Network device property: speed_bytes." },
    { "tx_queue_len", 1, "node_network_transmit_queue_length",
      "Network device property: transmit_queue_length." },
};

struct class_list {
    struct host_scrape *scrape;
    size_t count;
    const char *names[DEVICES_MAX];
};

static int visit_device(void *argument, const char *name)
{
    struct class_list *list = argument;
    if (list->count == DEVICES_MAX) return -E2BIG;
    list->names[list->count] = host_text(list->scrape, str_from(name));
    list->count++;
    return 0;
}

static struct str class_text(struct host_scrape *scrape, const char *device, const char *file)
{
    struct str path = arena_printf(&scrape->arena, "class/net/%s/%s", device, file);
    struct str text;
    if (path.data == NULL || !host_read(scrape, scrape->host->sysfs, path.data, &text)) {
        return (struct str){ 0 };
    }
    return str_trim(text);
}

static void emit_class_states(struct host_scrape *scrape, const struct class_list *list)
{
    pm_emit_family(scrape->emit, PM_GAUGE, "node_network_up",
                   "Value is 1 if operstate is 'up', 0 otherwise.");
    for (size_t i = 0; i < list->count; i++) {
        struct str state = class_text(scrape, list->names[i], "operstate");
        pm_emit_value(scrape->emit, str_equal(state, STR("up")) ? 1 : 0, "device", list->names[i]);
    }
    pm_emit_family(scrape->emit, PM_GAUGE, "node_network_info",
                   "Non-numeric data of a network device, value is always 1.");
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->names[i];
        pm_emit_value(scrape->emit, 1, "address",
                      host_text(scrape, class_text(scrape, name, "address")), "broadcast",
                      host_text(scrape, class_text(scrape, name, "broadcast")), "device", name,
                      "duplex", host_text(scrape, class_text(scrape, name, "duplex")), "ifalias",
                      host_text(scrape, class_text(scrape, name, "ifalias")), "operstate",
                      host_text(scrape, class_text(scrape, name, "operstate")));
    }
}

bool host_collect_netclass(struct host_scrape *scrape)
{
    char path[FILE_PATH_SIZE];
    if (file_join(path, scrape->host->sysfs, "class/net", NULL) != 0) return false;
    struct class_list *list = ARENA_NEW(&scrape->arena, struct class_list);
    if (list == NULL) return false;
    list->scrape = scrape;
    const struct disk *disk = scrape->host->disk;
    if (disk->list(disk->state, path, visit_device, list) != 0) return false;

    emit_class_states(scrape, list);
    for (size_t file = 0; file < ARRAY_LENGTH(class_files); file++) {
        pm_emit_family(scrape->emit, PM_GAUGE, class_files[file].name, class_files[file].help);
        for (size_t i = 0; i < list->count; i++) {
            int64_t number;
            struct str text = class_text(scrape, list->names[i], class_files[file].file);
            /* A device without a link says speed -1, or nothing. */
            if (!str_to_int64(text, &number) || number < 0) continue;
            pm_emit_value(scrape->emit, (double)number * class_files[file].scale, "device",
                          list->names[i]);
        }
    }
    return true;
}

/* "TCP: inuse 4 orphan 0" becomes node_sockstat_TCP_inuse; mem is in pages. */
static void emit_sockets(struct host_scrape *scrape, struct str text)
{
    struct str line;
    while (host_next_line(&text, &line)) {
        struct str protocol;
        struct str key;
        struct str value;
        if (!host_next_word(&line, &protocol) || !str_ends_with(protocol, STR(":"))) continue;
        protocol.size--;
        while (host_next_word(&line, &key) && host_next_word(&line, &value)) {
            struct str name = arena_printf(&scrape->arena, "node_sockstat_" STR_FMT "_" STR_FMT,
                                           STR_ARG(protocol), STR_ARG(key));
            struct str help =
                arena_printf(&scrape->arena, "Number of " STR_FMT " sockets in state " STR_FMT ".",
                             STR_ARG(protocol), STR_ARG(key));
            if (name.data == NULL || help.data == NULL) return;
            pm_emit_one(scrape->emit, PM_GAUGE, name.data, help.data, host_number(value));
        }
    }
}

bool host_collect_sockstat(struct host_scrape *scrape)
{
    struct str text;
    if (!host_read(scrape, scrape->host->procfs, "net/sockstat", &text)) return false;
    emit_sockets(scrape, text);
    if (host_read(scrape, scrape->host->procfs, "net/sockstat6", &text)) emit_sockets(scrape, text);
    return true;
}

/* The fields that node_exporter takes by default, as protocol_field. */
static const struct str netstat_wanted[] = {
    STR_INIT("Icmp_InErrors"),
    STR_INIT("Icmp_InMsgs"),
    STR_INIT("Icmp_OutMsgs"),
    STR_INIT("Ip_Forwarding"),
    STR_INIT("IpExt_InOctets"),
    STR_INIT("IpExt_OutOctets"),
    STR_INIT("TcpExt_ListenDrops"),
    STR_INIT("TcpExt_ListenOverflows"),
    STR_INIT("TcpExt_SyncookiesFailed"),
    STR_INIT("TcpExt_SyncookiesRecv"),
    STR_INIT("TcpExt_SyncookiesSent"),
    STR_INIT("TcpExt_TCPOFOQueue"),
    STR_INIT("TcpExt_TCPRcvQDrop"),
    STR_INIT("TcpExt_TCPSynRetrans"),
    STR_INIT("TcpExt_TCPTimeouts"),
    STR_INIT("Tcp_ActiveOpens"),
    STR_INIT("Tcp_CurrEstab"),
    STR_INIT("Tcp_InErrs"),
    STR_INIT("Tcp_InSegs"),
    STR_INIT("Tcp_OutRsts"),
    STR_INIT("Tcp_OutSegs"),
    STR_INIT("Tcp_PassiveOpens"),
    STR_INIT("Tcp_RetransSegs"),
    STR_INIT("Udp_InDatagrams"),
    STR_INIT("Udp_InErrors"),
    STR_INIT("Udp_NoPorts"),
    STR_INIT("Udp_OutDatagrams"),
    STR_INIT("Udp_RcvbufErrors"),
    STR_INIT("Udp_SndbufErrors"),
};

static bool is_wanted(struct str name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(netstat_wanted); i++) {
        if (str_equal(name, netstat_wanted[i])) return true;
    }
    return false;
}

/* Two lines a protocol: "Tcp: RtoAlgorithm RtoMin ..." and "Tcp: 1 200 ...". */
static void emit_protocols(struct host_scrape *scrape, struct str text)
{
    struct str keys;
    struct str values;
    while (host_next_line(&text, &keys) && host_next_line(&text, &values)) {
        struct str protocol;
        struct str again;
        struct str key;
        struct str value;
        if (!host_next_word(&keys, &protocol) || !host_next_word(&values, &again)) continue;
        if (!str_equal(protocol, again) || protocol.size == 0) return;
        protocol.size--;
        while (host_next_word(&keys, &key) && host_next_word(&values, &value)) {
            struct str field =
                arena_printf(&scrape->arena, STR_FMT "_" STR_FMT, STR_ARG(protocol), STR_ARG(key));
            if (field.data == NULL || !is_wanted(field)) continue;
            struct str name = arena_printf(&scrape->arena, "node_netstat_%s", field.data);
            int64_t number;
            if (name.data == NULL || !str_to_int64(value, &number)) continue;
            pm_emit_one(scrape->emit, PM_UNTYPED, name.data, "Statistic of a network protocol.",
                        (double)number);
        }
    }
}

bool host_collect_netstat(struct host_scrape *scrape)
{
    struct str text;
    if (!host_read(scrape, scrape->host->procfs, "net/snmp", &text)) return false;
    emit_protocols(scrape, text);
    if (host_read(scrape, scrape->host->procfs, "net/netstat", &text)) emit_protocols(scrape, text);
    return true;
}
