// metrics.mjs - made-up but plausible metrics of a host, its probes and our roles, for any instant.
//
// Counters are integrals of smooth rates, so the past (history) and the present (scrapes) fit together.
const DAY = 86400;
const wave = (t, period, phase = 0) => Math.sin(((t / period) + phase) * 2 * Math.PI);
const noise = (t, seed) => { const x = Math.sin(Math.floor(t / 15) * 12.9898 + seed * 78.233) * 43758.5453; return x - Math.floor(x); };
/** Integral of base + amp*(1 + sin), rising with t; t is counted from a fixed day. */
const grow = (t, base, amp, period, phase = 0) => {
    const s = t - 1.7e9;
    return base * s + amp * (s - (period / (2 * Math.PI)) * Math.cos((s / period + phase) * 2 * Math.PI));
};

export function sample(t) {
    const out = [];
    const family = (name, type, rows) => out.push({ name, type, rows });
    const cpu = [];
    const modes = { user: [0.12, 0.1], system: [0.04, 0.03], iowait: [0.006, 0.012], irq: [0, 0], softirq: [0.004, 0.004], steal: [0.001, 0.001], nice: [0, 0.001] };
    for (let core = 0; core < 4; core++) {
        let busy = 0;
        for (const [mode, [base, amp]] of Object.entries(modes)) {
            const value = grow(t, base * (1 + core * 0.1), amp, 1700 + core * 130, core / 5);
            busy += value;
            cpu.push([{ cpu: String(core), mode }, value]);
        }
        cpu.push([{ cpu: String(core), mode: 'idle' }, (t - 1.7e9) - busy + 3e7]);
    }
    family('node_cpu_seconds_total', 'counter', cpu);
    family('node_load1', 'gauge', [[{}, 1.1 + 0.6 * wave(t, 1700) + 0.4 * noise(t, 1)]]);
    family('node_load5', 'gauge', [[{}, 1.0 + 0.5 * wave(t, 1700, -0.05) + 0.1 * noise(t, 2)]]);
    family('node_load15', 'gauge', [[{}, 0.95 + 0.35 * wave(t, 1700, -0.15)]]);
    const total = 16 * 2 ** 30;
    const cached = 5.1 * 2 ** 30 + 4e8 * wave(t, 5000);
    const free = 3.2 * 2 ** 30 - 5e8 * wave(t, 4000, 0.2) - 2e8 * noise(t, 4);
    const mem = { MemTotal: total, MemFree: free, Cached: cached, Buffers: 3.3e8, SReclaimable: 4.2e8, MemAvailable: free + cached + 5e8, SwapTotal: 2 * 2 ** 30, SwapFree: 1.8 * 2 ** 30, SwapCached: 2e7, Slab: 6e8, PageTables: 4e7, Shmem: 1.2e8, Dirty: 3e6 + 4e6 * noise(t, 3), Writeback: 0, Active: 6e9, Inactive: 3e9, Committed_AS: 9e9 };
    for (const [name, value] of Object.entries(mem)) family(`node_memory_${name}_bytes`, 'gauge', [[{}, Math.round(value)]]);
    const disks = ['nvme0n1', 'sda'];
    const per = (name, type, make) => family(name, type, disks.map((device, i) => [{ device }, make(i)]));
    per('node_disk_read_bytes_total', 'counter', (i) => grow(t, 2e5, 3e6 / (i + 1), 2100, i / 3));
    per('node_disk_written_bytes_total', 'counter', (i) => grow(t, 9e5, 5e6 / (i + 1), 1500, i / 4));
    per('node_disk_reads_completed_total', 'counter', (i) => grow(t, 4, 40 / (i + 1), 2100, i / 3));
    per('node_disk_writes_completed_total', 'counter', (i) => grow(t, 12, 70 / (i + 1), 1500, i / 4));
    per('node_disk_io_time_seconds_total', 'counter', (i) => grow(t, 0.02, 0.09 / (i + 1), 1500, i / 4));
    per('node_disk_io_time_weighted_seconds_total', 'counter', (i) => grow(t, 0.03, 0.12 / (i + 1), 1500, i / 4));
    per('node_disk_read_time_seconds_total', 'counter', (i) => grow(t, 0.01, 0.03 / (i + 1), 2100, i / 3));
    per('node_disk_write_time_seconds_total', 'counter', (i) => grow(t, 0.02, 0.06 / (i + 1), 1500, i / 4));
    per('node_disk_io_now', 'gauge', (i) => Math.floor(3 * noise(t, 20 + i)));
    const mounts = [['/', '/dev/nvme0n1p2', 'ext4', 234e9, 0.42], ['/boot/efi', '/dev/nvme0n1p1', 'vfat', 5.2e8, 0.88], ['/data', '/dev/sda1', 'xfs', 1.9e12, 0.17], ['/run', 'tmpfs', 'tmpfs', 1.6e9, 0.97]];
    const fs = (name, make) => family(name, 'gauge', mounts.map(([mountpoint, device, fstype, size, avail]) => [{ device, fstype, mountpoint }, Math.round(make(size, avail))]));
    fs('node_filesystem_size_bytes', (size) => size);
    fs('node_filesystem_avail_bytes', (size, avail) => size * (avail - 0.02 * ((t % DAY) / DAY)));
    fs('node_filesystem_free_bytes', (size, avail) => size * (avail + 0.02 - 0.02 * ((t % DAY) / DAY)));
    fs('node_filesystem_files', () => 15e6); fs('node_filesystem_files_free', () => 14.2e6);
    fs('node_filesystem_readonly', () => 0); fs('node_filesystem_device_error', () => 0);
    const nics = ['eth0', 'docker0', 'lo'];
    const net = (name, make) => family(name, 'counter', nics.map((device, i) => [{ device }, make(i)]));
    net('node_network_receive_bytes_total', (i) => grow(t, 4e4 / (i + 1), 9e5 / (i * i + 1), 1900, i / 3));
    net('node_network_transmit_bytes_total', (i) => grow(t, 3e4 / (i + 1), 4e5 / (i * i + 1), 1900, 0.1 + i / 3));
    net('node_network_receive_packets_total', (i) => grow(t, 90 / (i + 1), 700 / (i * i + 1), 1900, i / 3));
    net('node_network_transmit_packets_total', (i) => grow(t, 80 / (i + 1), 500 / (i * i + 1), 1900, i / 3));
    for (const what of ['errs', 'drop']) for (const way of ['receive', 'transmit']) net(`node_network_${way}_${what}_total`, (i) => (i === 0 ? Math.floor((t - 1.7e9) / 4000) : 0));
    family('node_network_up', 'gauge', nics.map((device) => [{ device }, 1]));
    for (const kind of ['cpu', 'memory', 'io']) family(`node_pressure_${kind}_waiting_seconds_total`, 'counter', [[{}, grow(t, 0.004, kind === 'cpu' ? 0.05 : 0.012, 1700, 0.2)]]);
    for (const kind of ['memory', 'io']) family(`node_pressure_${kind}_stalled_seconds_total`, 'counter', [[{}, grow(t, 0.001, 0.006, 1700, 0.2)]]);
    family('node_procs_running', 'gauge', [[{}, 1 + Math.floor(4 * noise(t, 6))]]);
    family('node_procs_blocked', 'gauge', [[{}, Math.floor(1.3 * noise(t, 7))]]);
    family('node_forks_total', 'counter', [[{}, grow(t, 2, 6, 1700)]]);
    family('node_context_switches_total', 'counter', [[{}, grow(t, 2100, 3000, 1700)]]);
    family('node_intr_total', 'counter', [[{}, grow(t, 1100, 1700, 1700)]]);
    family('node_boot_time_seconds', 'gauge', [[{}, 1.795e9]]);
    family('node_time_seconds', 'gauge', [[{}, t]]);
    family('node_timex_offset_seconds', 'gauge', [[{}, 0.0002 * wave(t, 900)]]);
    family('node_uname_info', 'gauge', [[{ nodename: 'weatherhouse', release: '6.1.0-28-amd64', sysname: 'Linux', version: '#1 SMP', machine: 'x86_64', domainname: '(none)' }, 1]]);
    family('node_os_info', 'gauge', [[{ pretty_name: 'Debian GNU/Linux 12 (bookworm)', name: 'Debian GNU/Linux', version_id: '12' }, 1]]);
    for (const [name, base] of [['pgfault', 900], ['pgmajfault', 0.4], ['pgpgin', 300], ['pgpgout', 900], ['pswpin', 0.02], ['pswpout', 0.02]]) family(`node_vmstat_${name}`, 'unknown', [[{}, Math.round(grow(t, base, base, 1700))]]);
    family('node_filefd_allocated', 'gauge', [[{}, 4200 + Math.round(300 * wave(t, 3000))]]);
    family('node_filefd_maximum', 'gauge', [[{}, 1048576]]);
    family('node_netstat_Tcp_CurrEstab', 'gauge', [[{}, 42 + Math.round(9 * wave(t, 2000))]]);
    family('node_entropy_available_bits', 'gauge', [[{}, 256]]);
    const probes = ['http://prometheus-container:9090/-/healthy', 'http://elasticsearch:9200', 'https://example.org', 'tcp://db.internal:5432', '<img src=x onerror=alert(1)>'];
    const outage = (i) => i === 3 && Math.floor(t / 600) % 7 === 2;
    const phases = ['resolve', 'connect', 'tls', 'processing', 'transfer'];
    family('probe_success', 'gauge', probes.map((target, i) => [{ target }, outage(i) ? 0 : 1]));
    family('probe_duration_seconds', 'gauge', probes.map((target, i) => [{ target }, outage(i) ? 5 : 0.004 * (1 + i * i * 3) * (1 + 0.4 * wave(t, 800, i / 5) + 0.5 * noise(t, 30 + i))]));
    family('probe_http_status_code', 'gauge', probes.slice(0, 3).map((target, i) => [{ target }, i === 1 && Math.floor(t / 900) % 9 === 3 ? 503 : 200]));
    family('probe_http_duration_seconds', 'gauge', probes.slice(0, 3).flatMap((target, i) => phases.map((phase, j) => [{ target, phase }, (i < 2 && phase === 'tls' ? 0 : 0.001 * (1 + i * 4) * (1 + j % 3) * (1 + 0.3 * noise(t, 60 + i * 5 + j)))])));
    family('probe_ssl_earliest_cert_expiry', 'gauge', [[{ target: probes[2] }, 1.803e9]]);
    return out;
}

const rolesOf = ['driver', 'metrics', 'logs', 'dashboards', 'explore', 'ship', 'up'];

/** What our own roles say of themselves. */
export function roleSample(t, role) {
    const out = [];
    const i = rolesOf.indexOf(role);
    const family = (name, type, rows) => out.push({ name, type, rows });
    family('process_resident_memory_bytes', 'gauge', [[{}, (6 + i * 2 + (role === 'metrics' ? 14 : 0)) * 1e6 + 5e5 * wave(t, 2500, i / 7)]]);
    family('process_cpu_seconds_total', 'counter', [[{}, grow(t, 0.001 * (i + 1), 0.006 * (i + 1), 1800, i / 7)]]);
    family('process_start_time_seconds', 'gauge', [[{}, 1.7955e9]]);
    family('process_open_fds', 'gauge', [[{}, 18 + i]]);
    family('barograph_build_info', 'gauge', [[{ version: '0.1.0', role }, 1]]);
    family('http_requests_total', 'counter', [[{ code: '200', handler: '/metrics' }, grow(t, 0.066, 0, 1000)], [{ code: '200', handler: '/api' }, grow(t, 0.4, 2 + i, 1400, i / 5)], [{ code: '404', handler: '/api' }, grow(t, 0, 0.02, 1400)]]);
    family('barograph_log_messages_total', 'counter', ['info', 'warning', 'error'].map((level, j) => [{ level }, grow(t, j === 0 ? 0.3 : 0, j === 0 ? 0.2 : 0.02 / j, 2200, i / 7)]));
    const histogram = (name, scale) => {
        const edges = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
        const rate = grow(t, 2, 5, 1600);
        const rows = edges.map((le) => [`${name}_bucket`, { le: String(le) }, rate * (1 - Math.exp(-le / (scale * (1 + 0.2 * wave(t, 3000)))))]);
        out.push({ name, type: 'histogram', flat: [...rows, [`${name}_bucket`, { le: '+Inf' }, rate], [`${name}_sum`, {}, rate * scale], [`${name}_count`, {}, rate]] });
    };
    if (role === 'ship') {
        family('barograph_ship_lines_total', 'counter', [[{}, grow(t, 20, 60, 1300)]]);
        family('barograph_ship_bytes_total', 'counter', [[{}, grow(t, 5200, 15600, 1300)]]);
        family('barograph_ship_acknowledged_total', 'counter', [[{}, grow(t - 2, 20, 60, 1300)]]);
        family('barograph_ship_failed_total', 'counter', [[{}, Math.floor((t - 1.7e9) / 1900)]]);
        family('barograph_ship_lag_bytes', 'gauge', [[{}, Math.max(0, 12000 + 9000 * wave(t, 1300) + 9000 * noise(t, 8))]]);
    }
    if (role === 'logs') {
        family('barograph_logs_indexed_documents_total', 'counter', [[{}, grow(t - 2, 20, 60, 1300)]]);
        family('barograph_logs_rejected_documents_total', 'counter', [[{}, Math.floor((t - 1.7e9) / 7000)]]);
        family('barograph_logs_documents', 'gauge', [[{}, 1.2e6 + 60 * (t % DAY)]]);
        family('barograph_logs_store_bytes', 'gauge', [[{}, 2.1e8 + 9000 * (t % DAY)]]);
        histogram('barograph_logs_search_duration_seconds', 0.012);
        histogram('barograph_logs_bulk_duration_seconds', 0.004);
    }
    if (role === 'metrics') {
        family('prometheus_tsdb_head_series', 'gauge', [[{}, 3120 + 40 * wave(t, 4000)]]);
        family('prometheus_tsdb_head_samples_appended_total', 'counter', [[{}, grow(t, 200, 20, 2000)]]);
        family('prometheus_tsdb_head_chunks', 'gauge', [[{}, 9200 + 600 * wave(t, 7200)]]);
        family('prometheus_tsdb_storage_blocks_bytes', 'gauge', [[{}, 4.2e7 + 300 * (t % DAY)]]);
        family('prometheus_engine_queries', 'gauge', [[{}, Math.floor(2 * noise(t, 9))]]);
        histogram('prometheus_engine_query_duration_histogram_seconds', 0.006);
    }
    return out;
}

const label = (labels) => {
    const text = Object.entries(labels).map(([key, value]) => `${key}="${String(value).replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`).join(',');
    return text === '' ? '' : `{${text}}`;
};

const flat = ({ name, rows, flat: given }) => given ?? rows.map(([labels, value]) => [name, labels, value]);

/** Text exposition of one instant. */
export const expose = (families) => families.map((one) => `# TYPE ${one.name} ${one.type === 'unknown' ? 'untyped' : one.type}\n${flat(one).map(([name, labels, value]) => `${name}${label(labels)} ${value}`).join('\n')}\n`).join('');

/** OpenMetrics with timestamps, grouped by family as the format wants it. */
export function history(jobs, from, to, step) {
    const families = new Map();
    for (const [extra, make] of jobs) {
        for (let t = from; t <= to; t += step) {
            for (const one of make(t)) {
                const series = families.get(one.name) ?? new Map();
                families.set(one.name, series);
                for (const [name, labels, value] of flat(one)) {
                    const key = `${name}${label({ ...labels, ...extra })}`;
                    if (!series.has(key)) series.set(key, []);
                    series.get(key).push(`${key} ${value} ${t}`);
                }
            }
            const ups = families.get('up') ?? new Map();
            families.set('up', ups);
            const key = `up${label(extra)}`;
            if (!ups.has(key)) ups.set(key, []);
            ups.get(key).push(`${key} 1 ${t}`);
        }
    }
    return `${[...families].map(([name, series]) => `# TYPE ${name} unknown\n${[...series.values()].flat().join('\n')}`).join('\n')}\n# EOF\n`;
}

export const roles = rolesOf;
