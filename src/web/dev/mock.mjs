// mock.mjs - the dashboards role's addresses for developing the pages, over a real Prometheus.
//
// Usage: node dev/mock.mjs [--port 13000] [--prometheus http://127.0.0.1:13090] [--dist dist] [DASHBOARD.json…]
// It also exposes made-up metrics at /fake/metrics/<role> for that Prometheus to scrape, and with
// --history prints three hours of them for `promtool tsdb create-blocks-from openmetrics`.
import { createServer, request } from 'node:http';
import { readFileSync, readdirSync, existsSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expose, history, roles, roleSample, sample } from './metrics.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const option = (name, other) => { const at = args.indexOf(`--${name}`); return at >= 0 ? args.splice(at, 2)[1] : other; };
const port = Number(option('port', '13000'));
const upstream = new URL(option('prometheus', 'http://127.0.0.1:13090'));
const dist = resolve(option('dist', join(here, '../dist')));
const hours = Number(option('hours', '6'));

const instances = { driver: 'driver-container:8081', metrics: 'localhost:9090', logs: 'localhost:9200', dashboards: 'localhost:3000', explore: 'localhost:5601', ship: 'localhost:9479', up: 'localhost:9478' };
const make = (role) => (t) => [...roleSample(t, role), ...(role === 'driver' ? sample(t) : [])];

if (args.includes('--history')) {
    const now = Math.floor(Date.now() / 1000 / 15) * 15;
    process.stdout.write(history(roles.map((role) => [{ job: role, instance: instances[role] }, make(role)]), now - hours * 3600, now, 15));
    process.exit(0);
}
if (args.includes('--scrape-config')) {
    const jobs = roles.map((role) => `  - job_name: ${role}\n    metrics_path: /fake/metrics/${role}\n    static_configs: [{ targets: ['127.0.0.1:${port}'], labels: { instance: '${instances[role]}' } }]`);
    console.log(`global: { scrape_interval: 15s }\nscrape_configs:\n${jobs.join('\n')}`);
    process.exit(0);
}

const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types app";
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };
const listFiles = () => args.filter((arg) => !arg.startsWith('--')).flatMap((path) => (statSync(path).isDirectory() ? readdirSync(path).filter((name) => name.endsWith('.json')).map((name) => join(path, name)) : [path]));
const load = () => listFiles().map((file) => { try { return { file, dashboard: JSON.parse(readFileSync(file, 'utf8')) }; } catch (problem) { console.error(file, problem.message); return null; } }).filter(Boolean);
const slug = (title) => String(title).toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
const uidOf = ({ dashboard, file }) => dashboard.uid || slug(basename(file, '.json'));

const send = (response, status, body, type = 'application/json') => {
    response.writeHead(status, { 'Content-Type': type, 'Content-Security-Policy': csp, 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-cache' });
    response.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
};
const asset = (response, name, incoming) => {
    const path = join(dist, name);
    if (!path.startsWith(dist) || !existsSync(path)) return send(response, 404, { message: 'not found' });
    const type = types[extname(path)] ?? 'application/octet-stream';
    if (!String(incoming.headers['accept-encoding']).includes('gzip')) return send(response, 200, readFileSync(path), type);
    const packed = gzipSync(readFileSync(path), { level: 9 });
    response.setHeader('Content-Encoding', 'gzip');
    response.setHeader('Content-Length', packed.length);
    return send(response, 200, packed, type);
};

createServer((incoming, response) => {
    const url = new URL(incoming.url, 'http://localhost');
    const { pathname } = url;
    const role = /^\/fake\/metrics\/(\w+)$/.exec(pathname)?.[1];
    if (role) return send(response, 200, expose(make(role)(Math.floor(Date.now() / 1000))), 'text/plain; version=0.0.4');
    if (pathname === '/' || pathname.startsWith('/d/')) return asset(response, 'dashboards.html', incoming);
    if (pathname.startsWith('/assets/')) return asset(response, pathname.slice(1), incoming);
    if (pathname === '/api/health') return send(response, 200, { commit: 'mock', database: 'ok', version: '10.0.1' });
    if (pathname === '/api/search') {
        return send(response, 200, load().map((one, id) => ({ id, uid: uidOf(one), title: one.dashboard.title, url: `/d/${uidOf(one)}/${slug(one.dashboard.title)}`, type: 'dash-db', tags: one.dashboard.tags ?? [] })));
    }
    const uid = /^\/api\/dashboards\/uid\/(.+)$/.exec(pathname)?.[1];
    if (uid) {
        const hit = load().find((one) => uidOf(one) === decodeURIComponent(uid));
        return hit ? send(response, 200, { dashboard: { ...hit.dashboard, uid: uidOf(hit) }, meta: { slug: slug(hit.dashboard.title), provisioned: true } }) : send(response, 404, { message: 'Dashboard not found' });
    }
    if (pathname === '/api/datasources') return send(response, 200, [{ id: 1, uid: 'prometheus', name: 'Prometheus', type: 'prometheus', access: 'proxy', isDefault: true, jsonData: { timeInterval: '15s' } }]);
    const proxied = /^\/api\/datasources\/proxy\/uid\/prometheus(\/.*)$/.exec(pathname)?.[1];
    if (proxied) {
        const onward = request({ hostname: upstream.hostname, port: upstream.port, path: proxied + url.search, method: incoming.method, headers: { 'content-type': incoming.headers['content-type'] ?? '' } }, (answer) => {
            response.writeHead(answer.statusCode, { 'Content-Type': 'application/json' });
            answer.pipe(response);
        });
        onward.on('error', () => send(response, 502, { message: 'the metrics role is not reachable' }));
        return incoming.pipe(onward);
    }
    return send(response, 404, { message: 'not found' });
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/`));
