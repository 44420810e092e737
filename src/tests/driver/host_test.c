/* host_test.c
 *
 * Goal:   the collectors say what the kernel's files say, under node_exporter's names.
 * Method: a made-up /proc and /sys in a temporary folder; lines of the exposition are looked up.
 */
#include "base/file.h"
#include "driver/host.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[] = "/tmp/barograph-host-XXXXXX";
static char *text; /* the exposition */

static void put(const char *name, const char *content)
{
    char path[FILE_PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    EXPECT_INT(0, file_make_folders(&disk_system, path, NULL));
    *slash = '/';
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    (void)fputs(content, file);
    (void)fclose(file);
}

static void look(void)
{
    char proc[FILE_PATH_SIZE];
    char sys[FILE_PATH_SIZE];
    (void)snprintf(proc, sizeof(proc), "%s/proc", root);
    (void)snprintf(sys, sizeof(sys), "%s/sys", root);
    struct host host = { .disk = &disk_system, .procfs = proc, .sysfs = sys, .rootfs = "/" };
    struct pm_registry *registry = NULL;
    struct pm_error cause = { 0 };
    REQUIRE(pm_registry_new(&registry, &cause) == 0);
    REQUIRE(pm_register_collector(registry, host_collect, &host, &cause) == 0);
    size_t size;
    free(text);
    text = pm_render_text(registry, pm_negotiate("text/plain"), &size);
    pm_registry_free(registry);
}

static bool has_line(const char *line)
{
    if (text == NULL) return false;
    struct str rest = str_from(text);
    while (rest.size > 0) {
        if (str_equal(str_cut(&rest, '\n'), str_from(line))) return true;
    }
    return false;
}

static void nothing_is_no_success(void)
{
    look();
    EXPECT(has_line("node_scrape_collector_success{collector=\"cpu\"} 0"));
    EXPECT(has_line("node_scrape_collector_success{collector=\"meminfo\"} 0"));
    EXPECT(has_line("node_scrape_collector_success{collector=\"pressure\"} 0"));
    EXPECT(has_line("node_scrape_collector_success{collector=\"time\"} 1"));
}

static const struct {
    const char *file;
    const char *content;
} host_files[] = {
    { "proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 100 200 300 400 500 600 700 800 900 1000\n"
                   "intr 99 1 2\nctxt 1234\nbtime 1600000000\nprocesses 77\nprocs_running 3\n"
                   "procs_blocked 1\n" },
    { "proc/meminfo", "MemTotal:  1000 kB\nActive(anon):  3 kB\nHugePages_Total: 5\n" },
    { "proc/vmstat", "pgfault 11\npgpgin 12\nnr_free_pages 13\noom_kill 2\n" },
    { "proc/loadavg", "0.50 0.25 0.12 1/100 4242\n" },
    { "proc/diskstats",
      "   8       0 sda 10 1 200 3000 20 2 400 5000 1 6000 7000 0 0 0 0 0 0\n"
      "   8       1 sda1 1 1 1 1 1 1 1 1 1 1 1\n   7       0 loop0 1 0 2 3 0 0 0 0 0 1 1\n" },
    { "proc/net/dev", "Inter-| Receive | Transmit\n face |bytes\n"
                      "  eth0: 100 2 3 4 5 6 7 8 900 10 11 12 13 14 15 16\n" },
    { "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n" },
    { "proc/sys/fs/file-nr", "1024\t0\t9999\n" },
    { "proc/net/sockstat", "sockets: used 9\nTCP: inuse 4 orphan 0 tw 1 alloc 5 mem 2\n" },
    { "proc/1/mounts", "/dev/x /a\\040b ext4 rw 0 0\n/dev/y / ext4 ro 0 0\n"
                       "proc /proc proc rw 0 0\n" },
    { "sys/class/net/eth0/mtu", "1500\n" },
    { "sys/class/net/eth0/operstate", "up\n" },
};

static void files_become_series(void)
{
    static const char *const lines[] = {
        "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1",
        "node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 8",
        "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"} 10",
        "node_context_switches_total 1234",
        "node_intr_total 99",
        "node_forks_total 77",
        "node_boot_time_seconds 1.6e+09",
        "node_procs_running 3",
        "node_procs_blocked 1",
        "node_memory_MemTotal_bytes 1.024e+06",
        "node_memory_Active_anon_bytes 3072",
        "node_memory_HugePages_Total 5",
        "node_vmstat_pgfault 11",
        "node_vmstat_oom_kill 2",
        "node_load1 0.5",
        "node_load15 0.12",
        "node_disk_reads_completed_total{device=\"sda\"} 10",
        "node_disk_read_bytes_total{device=\"sda\"} 102400",
        "node_disk_read_time_seconds_total{device=\"sda\"} 3",
        "node_disk_io_now{device=\"sda\"} 1",
        "node_disk_io_time_seconds_total{device=\"sda\"} 6",
        "node_network_receive_bytes_total{device=\"eth0\"} 100",
        "node_network_transmit_bytes_total{device=\"eth0\"} 900",
        "node_network_mtu_bytes{device=\"eth0\"} 1500",
        "node_network_up{device=\"eth0\"} 1",
        "node_pressure_cpu_waiting_seconds_total 2.5",
        "node_filefd_allocated 1024",
        "node_filefd_maximum 9999",
        "node_sockstat_TCP_inuse 4",
        "node_filesystem_device_error{device=\"/dev/x\",fstype=\"ext4\",mountpoint=\"/a b\"} 1",
        "node_filesystem_readonly{device=\"/dev/y\",fstype=\"ext4\",mountpoint=\"/\"} 1",
        "node_scrape_collector_success{collector=\"cpu\"} 1",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(host_files); i++)
        put(host_files[i].file, host_files[i].content);
    look();
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        test_context(lines[i]);
        EXPECT(has_line(lines[i]));
    }
    test_context("left out");
    REQUIRE(text != NULL);
    EXPECT(strstr(text, "device=\"sda1\"") == NULL);
    EXPECT(strstr(text, "device=\"loop0\"") == NULL);
    EXPECT(strstr(text, "mountpoint=\"/proc\"") == NULL);
    EXPECT(strstr(text, "nr_free_pages") == NULL);
}

/* Files that are cut, empty or nonsense: no crash, no line that is not exposition. */
static void broken_files_do_no_harm(void)
{
    static const char *const names[] = {
        "proc/stat",    "proc/meminfo",  "proc/vmstat",       "proc/loadavg",     "proc/diskstats",
        "proc/net/dev", "proc/1/mounts", "proc/pressure/cpu", "proc/net/sockstat"
    };
    static const char *const contents[] = {
        "",        "\n",         ":",
        "cpu",     "x y z\n\n",  "eth0:",
        "\\04 \\", "some avg10", "a b c d e f g h i j k l m n o p"
    };
    for (size_t i = 0; i < ARRAY_LENGTH(contents); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(names); j++) put(names[j], contents[i]);
        look();
        EXPECT(text != NULL);
    }
}

int main(void)
{
    static const struct test tests[] = { TEST(nothing_is_no_success), TEST(files_become_series),
                                         TEST(broken_files_do_no_harm) };
    if (mkdtemp(root) == NULL) return 1;
    int status = test_main(tests, ARRAY_LENGTH(tests));
    free(text);
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command) == 0 ? status : 1;
}
