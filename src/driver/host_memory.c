/* host_memory.c - /proc/meminfo, /proc/vmstat and /proc/pressure. */
#include "driver/host.h"

/* "Active(anon):  12 kB" becomes node_memory_Active_anon_bytes; no unit: no suffix. */
static const char *memory_name(struct host_scrape *scrape, struct str key, bool is_bytes)
{
    CLEANUP(buf_release) struct buf name;
    buf_init(&name, 256);
    buf_append_str(&name, STR("node_memory_"));
    for (size_t i = 0; i < key.size; i++) {
        char c = key.data[i];
        if (c == ')' || c == ':') continue;
        buf_append_char(&name, c == '(' ? '_' : c);
    }
    if (is_bytes) buf_append_str(&name, STR("_bytes"));
    return name.has_failed ? "" : host_text(scrape, buf_str(&name));
}

bool host_collect_memory(struct host_scrape *scrape)
{
    struct str text;
    if (!host_read(scrape, scrape->host->procfs, "meminfo", &text)) return false;
    struct str line;
    while (host_next_line(&text, &line)) {
        struct str key;
        struct str value;
        struct str unit = { 0 };
        if (!host_next_word(&line, &key) || !host_next_word(&line, &value)) continue;
        (void)host_next_word(&line, &unit);
        bool is_bytes = str_equal(unit, STR("kB"));
        const char *name = memory_name(scrape, key, is_bytes);
        key.size--;
        struct str help = arena_printf(&scrape->arena, "Memory information field " STR_FMT "%s.",
                                       STR_ARG(key), is_bytes ? "_bytes" : "");
        if (help.data == NULL) return false;
        pm_emit_one(scrape->emit, PM_GAUGE, name, help.data,
                    host_number(value) * (is_bytes ? 1024 : 1));
    }
    return true;
}

/* The same fields that node_exporter takes by default. */
static bool is_wanted(struct str key)
{
    if (str_starts_with(key, STR("oom_kill")) || str_starts_with(key, STR("pgpg")) ||
        str_starts_with(key, STR("pswp"))) {
        return true;
    }
    return str_starts_with(key, STR("pg")) && str_find(key, STR("fault")) != STR_NONE;
}

bool host_collect_vmstat(struct host_scrape *scrape)
{
    struct str text;
    if (!host_read(scrape, scrape->host->procfs, "vmstat", &text)) return false;
    struct str line;
    while (host_next_line(&text, &line)) {
        struct str key;
        struct str value;
        if (!host_next_word(&line, &key) || !host_next_word(&line, &value)) continue;
        if (!is_wanted(key)) continue;
        struct str name = arena_printf(&scrape->arena, "node_vmstat_" STR_FMT, STR_ARG(key));
        struct str help = arena_printf(&scrape->arena,
                                       "/proc/vmstat information field " STR_FMT ".", STR_ARG(key));
        if (name.data == NULL || help.data == NULL) return false;
        pm_emit_one(scrape->emit, PM_UNTYPED, name.data, help.data, host_number(value));
    }
    return true;
}

/* One row a line of a file of /proc/pressure. */
static const struct {
    const char *file;
    struct str line; /* its first word */
    const char *name;
    const char *help;
} pressures[] = {
    { "pressure/cpu", STR_INIT("some"), "node_pressure_cpu_waiting_seconds_total",
      "Total time in seconds that processes have waited for CPU time." },
    { "pressure/io", STR_INIT("some"), "node_pressure_io_waiting_seconds_total",
      "Total time in seconds that processes have waited due to IO congestion." },
    { "pressure/io", STR_INIT("full"), "node_pressure_io_stalled_seconds_total",
      "Total time in seconds no process could make progress due to IO congestion." },
    { "pressure/memory", STR_INIT("some"), "node_pressure_memory_waiting_seconds_total",
      "Total time in seconds that processes have waited for memory." },
    { "pressure/memory", STR_INIT("full"), "node_pressure_memory_stalled_seconds_total",
      "Total time in seconds no process could make progress due to memory congestion." },
};

/* The microseconds behind "total=" of a line such as
 * "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234". */
static bool total_of(struct str line, struct str wanted, double *seconds)
{
    struct str word;
    if (!host_next_word(&line, &word) || !str_equal(word, wanted)) return false;
    while (host_next_word(&line, &word)) {
        if (!str_starts_with(word, STR("total="))) continue;
        *seconds = host_number(str_skip(word, 6)) / 1e6;
        return true;
    }
    return false;
}

bool host_collect_pressure(struct host_scrape *scrape)
{
    bool has_any = false;
    for (size_t i = 0; i < ARRAY_LENGTH(pressures); i++) {
        struct str text;
        struct str line;
        double seconds;
        if (!host_read(scrape, scrape->host->procfs, pressures[i].file, &text)) continue;
        while (host_next_line(&text, &line)) {
            if (!total_of(line, pressures[i].line, &seconds)) continue;
            pm_emit_one(scrape->emit, PM_COUNTER, pressures[i].name, pressures[i].help, seconds);
            has_any = true;
        }
    }
    return has_any;
}
