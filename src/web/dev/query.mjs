// query.mjs - the query page over a real Prometheus, for developing.
//
// Usage: node dev/query.mjs [--port 13502] [--prometheus http://127.0.0.1:13503] [--dist dist]
import { createServer, request } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const option = (name, other) => { const at = args.indexOf(`--${name}`); return at >= 0 ? args.splice(at, 2)[1] : other; };
const port = Number(option('port', '13502'));
const upstream = new URL(option('prometheus', 'http://127.0.0.1:13503'));
const dist = resolve(option('dist', join(here, '../dist')));
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types app";
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };

createServer((incoming, response) => {
    const { pathname } = new URL(incoming.url, 'http://localhost');
    if (pathname === '/' || pathname === '/graph') { response.writeHead(302, { Location: '/query' }); return response.end(); }
    if (pathname.startsWith('/api/')) {
        const onward = request({ hostname: upstream.hostname, port: upstream.port, path: incoming.url, method: incoming.method, headers: { 'content-type': incoming.headers['content-type'] ?? '' } }, (answer) => {
            response.writeHead(answer.statusCode, { 'Content-Type': 'application/json' });
            answer.pipe(response);
        });
        onward.on('error', () => response.destroy());
        return incoming.pipe(onward);
    }
    const file = join(dist, pathname === '/query' ? 'query.html' : pathname);
    if (!file.startsWith(dist) || !existsSync(file)) { response.writeHead(404); return response.end('not found\n'); }
    response.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Encoding': 'gzip', 'Content-Security-Policy': csp, 'Cache-Control': 'no-cache' });
    return response.end(gzipSync(readFileSync(file)));
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/`));
