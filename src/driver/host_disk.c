/* host_disk.c - /proc/diskstats: what the block devices did. */
#include "driver/host.h"

#define DEVICES_MAX 4096

/* The fields behind the device's name, in the kernel's order (Documentation/iostats). */
static const struct {
    enum pm_type type;
    double scale; /* to base units */
    const char *name;
    const char *help;
} fields[] = {
    { PM_COUNTER, 1, "node_disk_reads_completed_total",
      "The total number of reads completed successfully." },
    { PM_COUNTER, 1, "node_disk_reads_merged_total", "The total number of reads merged." },
    { PM_COUNTER, 512, "node_disk_read_bytes_total",
      "The total number of bytes read successfully." },
    { PM_COUNTER, 0.001, "node_disk_read_time_seconds_total",
      "The total number of seconds spent by all reads." },
    { PM_COUNTER, 1, "node_disk_writes_completed_total",
      "The total number of writes completed successfully." },
    { PM_COUNTER, 1, "node_disk_writes_merged_total", "The number of writes merged." },
    { PM_COUNTER, 512, "node_disk_written_bytes_total",
      "The total number of bytes written successfully." },
    { PM_COUNTER, 0.001, "node_disk_write_time_seconds_total",
      "This is the total number of seconds spent by all writes." },
    { PM_GAUGE, 1, "node_disk_io_now", "The number of I/Os currently in progress." },
    { PM_COUNTER, 0.001, "node_disk_io_time_seconds_total", "Total seconds spent doing I/Os." },
    { PM_COUNTER, 0.001, "node_disk_io_time_weighted_seconds_total",
      "The weighted number of seconds spent doing I/Os." },
    { PM_COUNTER, 1, "node_disk_discards_completed_total",
      "The total number of discards completed successfully." },
    { PM_COUNTER, 1, "node_disk_discards_merged_total", "The total number of discards merged." },
    { PM_COUNTER, 1, "node_disk_discarded_sectors_total",
      "The total number of sectors discarded successfully." },
    { PM_COUNTER, 0.001, "node_disk_discard_time_seconds_total",
      "This is the total number of seconds spent by all discards." },
    { PM_COUNTER, 1, "node_disk_flush_requests_total",
      "The total number of flush requests completed successfully." },
    { PM_COUNTER, 0.001, "node_disk_flush_requests_time_seconds_total",
      "This is the total number of seconds spent by all flush requests." },
};

struct device {
    const char *name;
    const char *major;
    const char *minor;
    size_t count; /* of values the kernel gave */
    double values[ARRAY_LENGTH(fields)];
};

static bool ends_in_digits(struct str name, struct str *stem)
{
    size_t size = name.size;
    while (size > 0 && name.data[size - 1] >= '0' && name.data[size - 1] <= '9') size--;
    *stem = str_first(name, size);
    return size < name.size;
}

/* Partitions and memory devices, as node_exporter leaves them out:
 * (z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+ */
static bool is_left_out(struct str name)
{
    static const struct str stems[] = { STR_INIT("ram"), STR_INIT("zram"), STR_INIT("loop"),
                                        STR_INIT("fd") };
    static const struct str prefixes[] = { STR_INIT("hd"), STR_INIT("sd"), STR_INIT("vd"),
                                           STR_INIT("xvd") };
    struct str stem;
    if (!ends_in_digits(name, &stem)) return false;
    for (size_t i = 0; i < ARRAY_LENGTH(stems); i++) {
        if (str_equal(stem, stems[i])) return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
        if (stem.size == prefixes[i].size + 1 && str_starts_with(stem, prefixes[i])) return true;
    }
    return str_starts_with(stem, STR("nvme")) && str_ends_with(stem, STR("p"));
}

static bool read_line(struct host_scrape *scrape, struct str line, struct device *device)
{
    struct str major;
    struct str minor;
    struct str name;
    struct str word;
    if (!host_next_word(&line, &major) || !host_next_word(&line, &minor)) return false;
    if (!host_next_word(&line, &name) || is_left_out(name)) return false;
    *device = (struct device){ .name = host_text(scrape, name),
                               .major = host_text(scrape, major),
                               .minor = host_text(scrape, minor) };
    while (device->count < ARRAY_LENGTH(fields) && host_next_word(&line, &word)) {
        device->values[device->count] = host_number(word) * fields[device->count].scale;
        device->count++;
    }
    return true;
}

bool host_collect_disk(struct host_scrape *scrape)
{
    struct str text;
    if (!host_read(scrape, scrape->host->procfs, "diskstats", &text)) return false;
    struct device *devices = ARENA_ARRAY(&scrape->arena, struct device, DEVICES_MAX);
    if (devices == NULL) return false;
    size_t count = 0;
    struct str line;
    while (count < DEVICES_MAX && host_next_line(&text, &line)) {
        if (read_line(scrape, line, &devices[count])) count++;
    }

    pm_emit_family(scrape->emit, PM_GAUGE, "node_disk_info", "Info of a block device.");
    for (size_t i = 0; i < count; i++) {
        pm_emit_value(scrape->emit, 1, "device", devices[i].name, "major", devices[i].major,
                      "minor", devices[i].minor);
    }
    for (size_t field = 0; field < ARRAY_LENGTH(fields); field++) {
        pm_emit_family(scrape->emit, fields[field].type, fields[field].name, fields[field].help);
        for (size_t i = 0; i < count; i++) {
            if (field >= devices[i].count) continue;
            pm_emit_value(scrape->emit, devices[i].values[field], "device", devices[i].name);
        }
    }
    return true;
}
