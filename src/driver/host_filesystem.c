/* host_filesystem.c - the mounts and how full they are. */
#include "driver/host.h"

#include <sys/statvfs.h>

#define MOUNTS_MAX 1024

/* File systems without space of their own, as node_exporter leaves them out. */
static const struct str types_left_out[] = {
    STR_INIT("autofs"),     STR_INIT("binfmt_misc"), STR_INIT("bpf"),      STR_INIT("cgroup"),
    STR_INIT("cgroup2"),    STR_INIT("configfs"),    STR_INIT("debugfs"),  STR_INIT("devpts"),
    STR_INIT("devtmpfs"),   STR_INIT("erofs"),       STR_INIT("fusectl"),  STR_INIT("hugetlbfs"),
    STR_INIT("iso9660"),    STR_INIT("mqueue"),      STR_INIT("nsfs"),     STR_INIT("overlay"),
    STR_INIT("proc"),       STR_INIT("procfs"),      STR_INIT("pstore"),   STR_INIT("rpc_pipefs"),
    STR_INIT("securityfs"), STR_INIT("selinuxfs"),   STR_INIT("squashfs"), STR_INIT("sysfs"),
    STR_INIT("tracefs"),
};

static const struct str folders_left_out[] = {
    STR_INIT("/dev"),
    STR_INIT("/proc"),
    STR_INIT("/sys"),
    STR_INIT("/run/credentials"),
    STR_INIT("/var/lib/docker"),
    STR_INIT("/var/lib/containers/storage"),
};

struct mount {
    const char *device;
    const char *type;
    const char *point;
    bool is_readonly;
    bool has_failed;
    struct statvfs status;
};

/* The root is always shown, also where it is an overlay as in a container. */
static bool is_left_out(struct str type, struct str point)
{
    if (str_equal(point, STR("/"))) return str_equal(type, STR("rootfs"));
    for (size_t i = 0; i < ARRAY_LENGTH(types_left_out); i++) {
        if (str_equal(type, types_left_out[i])) return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(folders_left_out); i++) {
        struct str folder = folders_left_out[i];
        if (!str_starts_with(point, folder)) continue;
        if (point.size == folder.size || point.data[folder.size] == '/') return true;
    }
    return false;
}

/* /proc/mounts writes blanks in names as \040 and the like: three octal digits. */
static const char *unescape(struct host_scrape *scrape, struct str text)
{
    CLEANUP(buf_release) struct buf plain;
    buf_init(&plain, FILE_PATH_SIZE);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\\' || i + 3 >= text.size) {
            buf_append_char(&plain, text.data[i]);
            continue;
        }
        int code = 0;
        for (size_t digit = 1; digit <= 3; digit++) code = code * 8 + (text.data[i + digit] - '0');
        buf_append_char(&plain, (char)code);
        i += 3;
    }
    return plain.has_failed ? "" : host_text(scrape, buf_str(&plain));
}

static bool has_option(struct str options, struct str wanted)
{
    while (options.size > 0) {
        if (str_equal(str_cut(&options, ','), wanted)) return true;
    }
    return false;
}

static bool read_line(struct host_scrape *scrape, struct str line, struct mount *mount)
{
    struct str device;
    struct str point;
    struct str type;
    struct str options;
    if (!host_next_word(&line, &device) || !host_next_word(&line, &point)) return false;
    if (!host_next_word(&line, &type) || !host_next_word(&line, &options)) return false;
    if (is_left_out(type, point)) return false;
    *mount = (struct mount){ .device = unescape(scrape, device),
                             .type = host_text(scrape, type),
                             .point = unescape(scrape, point),
                             .is_readonly = has_option(options, STR("ro")) };
    char path[FILE_PATH_SIZE];
    const char *inside = mount->point[0] == '/' ? mount->point + 1 : mount->point;
    mount->has_failed = file_join(path, scrape->host->rootfs, inside, NULL) != 0 ||
                        statvfs(path, &mount->status) != 0;
    return true;
}

static bool is_known(const struct mount *mounts, size_t count, const struct mount *mount)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(mounts[i].point, mount->point) == 0 &&
            strcmp(mounts[i].device, mount->device) == 0 &&
            strcmp(mounts[i].type, mount->type) == 0) {
            return true;
        }
    }
    return false;
}

static double value_size(const struct mount *m)
{
    return (double)m->status.f_blocks * (double)m->status.f_frsize;
}

static double value_free(const struct mount *m)
{
    return (double)m->status.f_bfree * (double)m->status.f_frsize;
}

static double value_available(const struct mount *m)
{
    return (double)m->status.f_bavail * (double)m->status.f_frsize;
}

static double value_files(const struct mount *m)
{
    return (double)m->status.f_files;
}

static double value_files_free(const struct mount *m)
{
    return (double)m->status.f_ffree;
}

static double value_readonly(const struct mount *m)
{
    return m->is_readonly ? 1 : 0;
}

static double value_failed(const struct mount *m)
{
    return m->has_failed ? 1 : 0;
}

static const struct {
    bool needs_status;
    double (*value)(const struct mount *mount);
    const char *name;
    const char *help;
} gauges[] = {
    { true, value_available, "node_filesystem_avail_bytes",
      "Filesystem space available to non-root users in bytes." },
    { false, value_failed, "node_filesystem_device_error",
      "Whether an error occurred while getting statistics for the given device." },
    { true, value_files, "node_filesystem_files", "Filesystem total file nodes." },
    { true, value_files_free, "node_filesystem_files_free", "Filesystem total free file nodes." },
    { true, value_free, "node_filesystem_free_bytes", "Filesystem free space in bytes." },
    { false, value_readonly, "node_filesystem_readonly", "Filesystem read-only status." },
    { true, value_size, "node_filesystem_size_bytes", "Filesystem size in bytes." },
};

bool host_collect_filesystem(struct host_scrape *scrape)
{
    struct str text;
    if (!host_read(scrape, scrape->host->procfs, "1/mounts", &text) &&
        !host_read(scrape, scrape->host->procfs, "self/mounts", &text)) {
        return false;
    }
    struct mount *mounts = ARENA_ARRAY(&scrape->arena, struct mount, MOUNTS_MAX);
    if (mounts == NULL) return false;
    size_t count = 0;
    struct str line;
    while (count < MOUNTS_MAX && host_next_line(&text, &line)) {
        if (!read_line(scrape, line, &mounts[count])) continue;
        if (!is_known(mounts, count, &mounts[count])) count++;
    }
    for (size_t gauge = 0; gauge < ARRAY_LENGTH(gauges); gauge++) {
        pm_emit_family(scrape->emit, PM_GAUGE, gauges[gauge].name, gauges[gauge].help);
        for (size_t i = 0; i < count; i++) {
            if (gauges[gauge].needs_status && mounts[i].has_failed) continue;
            pm_emit_value(scrape->emit, gauges[gauge].value(&mounts[i]), "device", mounts[i].device,
                          "fstype", mounts[i].type, "mountpoint", mounts[i].point);
        }
    }
    return true;
}
