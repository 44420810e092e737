// logs.mjs - a stand-in for the log store, for developing the explore page: made-up lines and as much
// of Elasticsearch's search as that page asks for.
//
// Usage: node dev/logs.mjs [--port 13500] [--lines 60000] [--hours 6] [--rate 2] [--hostile]
import { createServer } from 'node:http';

const args = process.argv.slice(2);
const option = (name, other) => { const at = args.indexOf(`--${name}`); return at >= 0 ? args.splice(at, 2)[1] : other; };
const port = Number(option('port', '13500'));
const count = Number(option('lines', '60000'));
const hours = Number(option('hours', '6'));
const rate = Number(option('rate', '2'));
const hostile = args.includes('--hostile');

let seed = 42;
const random = () => { seed = (seed * 1664525 + 1013904223) % 2 ** 32; return seed / 2 ** 32; };
const pick = (list) => list[Math.floor(random() * list.length)];
const paths = ['/api/orders', '/api/orders/1841', '/login', '/assets/app.js', '/healthz', '/api/cart', '/search?q=barograph'];
const makers = [
    () => { const status = pick([200, 200, 200, 200, 304, 404, 500]); const took = Math.round(random() * (status === 500 ? 9000 : 240)); return { level: status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info', service: 'nginx', message: `GET ${pick(paths)} ${status} in ${took} ms`, http: { response: { status_code: status } }, event: { duration: took * 1e6 }, client: { ip: `10.0.${Math.floor(random() * 4)}.${Math.floor(random() * 250)}` } }; },
    () => ({ level: 'debug', service: 'shop', message: 'cache lookup', cache: { hit: random() > 0.3, key: `cart:${Math.floor(random() * 9999)}` } }),
    () => ({ level: 'info', service: 'shop', message: 'order accepted', order: { id: Math.floor(random() * 1e6), total: Math.round(random() * 20000) / 100 }, user: { id: `u-${Math.floor(random() * 500)}` } }),
    () => ({ level: 'warn', service: 'shop', message: 'retrying payment provider', attempt: Math.ceil(random() * 4), error: { message: 'connection reset by peer' } }),
    () => ({ level: 'error', service: 'worker', message: 'job failed: cannot reach mail.example:25', job: { name: 'send-mail', id: Math.floor(random() * 1e5) }, error: { type: 'ConnectError', message: 'connect ECONNREFUSED 10.0.3.7:25', stack_trace: 'ConnectError: connect ECONNREFUSED\n    at send (mail.js:41:9)\n    at run (worker.js:12:5)' } }),
    () => ({ level: 'info', service: 'worker', message: 'job done', job: { name: pick(['send-mail', 'thumbnails', 'rollup']), id: Math.floor(random() * 1e5) }, event: { duration: Math.round(random() * 4e9) } }),
    () => ({ level: 'trace', service: 'shop', message: 'enter checkout()' }),
    () => ({ level: 'fatal', service: 'worker', message: 'out of memory, giving up', process: { pid: 4711 } }),
];
const weights = [40, 18, 16, 5, 3, 14, 4, 0.1];
const draw = () => { let at = random() * weights.reduce((a, b) => a + b); return makers[weights.findIndex((weight) => (at -= weight) < 0)]; };

const docs = [];
let next = 0;
function add(at, extra) {
    const { level, service, message, ...more } = extra ?? draw()();
    const file = `/var/log/${service}/${service}.log`;
    docs.push({ n: next, at, _id: `d${next++}`, _index: `logs-${new Date(at).toISOString().slice(0, 10).replaceAll('-', '.')}`,
        _source: { '@timestamp': new Date(at).toISOString(), message, log: { level, file: { path: file }, offset: next * 120 }, service: { name: service }, host: { name: pick(['web-1', 'web-2']) }, ecs: { version: '1.6.0' }, ...more } });
}
const begin = Date.now() - hours * 3600_000;
for (let i = 0; i < count; i++) add(Math.floor(begin + ((i + random()) / count) * hours * 3600_000 + 600_000 * Math.sin(i / 4000)));
if (hostile) {
    for (let i = 0; i < 40; i++) add(Date.now() - i * 20_000, { level: '<img src=x onerror=alert(1)>', service: 'evil', message: '<img src=x onerror=alert(1)><script>alert(2)</script> </script>"\'`${alert(3)}', '<b>field</b>': '<svg onload=alert(4)>', url: 'javascript:alert(5)' });
}
docs.sort((a, b) => a.at - b.at);
if (rate > 0) setInterval(() => add(Date.now()), 1000 / rate);

const flatten = (object, before = '', out = {}) => {
    for (const [key, value] of Object.entries(object)) {
        if (value !== null && typeof value === 'object' && !Array.isArray(value)) flatten(value, `${before}${key}.`, out);
        else out[before + key] = value;
    }
    return out;
};
const fields = (doc) => (doc.flat ??= flatten(doc._source));
const words = (text) => String(text).toLowerCase().split(/[^\p{L}\p{N}_]+/u).filter(Boolean);
const pattern = (text) => new RegExp(`^${text.toLowerCase().replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.')}$`);
class Bad extends Error {}

// Words, phrases, field:value, field:>n, AND, OR, NOT, -, parentheses.
function parse(text) {
    const tokens = [...text.matchAll(/\s+|(\(|\))|((?:[\w.@*<>/-]+:)?"(?:[^"\\]|\\.)*"|(?:[\w.@*-]+:\()|[^\s()]+)/g)].filter((m) => m[1] || m[2]).map((m) => m[0]);
    let at = 0;
    const fail = (what) => { throw new Bad(`Failed to parse query [${text}]: ${what} at position ${at}`); };
    if ((text.match(/"/g) ?? []).length % 2) fail('a quote is not closed');
    const any = () => { let left = all(); while (tokens[at] === 'OR' || tokens[at] === '||') { at++; const [a, b] = [left, all()]; left = (d) => a(d) || b(d); } return left; };
    const all = () => { let left = one(); while (at < tokens.length && tokens[at] !== ')' && tokens[at] !== 'OR' && tokens[at] !== '||') { if (tokens[at] === 'AND' || tokens[at] === '&&') at++; const [a, b] = [left, one()]; left = (d) => a(d) && b(d); } return left; };
    const one = () => {
        const token = tokens[at++];
        if (token === undefined || token === ')' || token === 'AND' || token === 'OR') fail(`'${token ?? 'end'}' was not expected`);
        if (token === 'NOT' || token === '!') { const inner = one(); return (d) => !inner(d); }
        if (token === '(') { const inner = any(); if (tokens[at++] !== ')') fail("')' is missing"); return inner; }
        if (token.startsWith('-') && token.length > 1) return ((inner) => (d) => !inner(d))(leaf(token.slice(1)));
        return leaf(token);
    };
    const leaf = (token) => {
        const [, field, value] = /^(?:([\w.@*-]+):)?([\s\S]*)$/.exec(token);
        if (value === '') fail('a value is missing');
        const range = /^([<>]=?)(-?[\d.]+)$/.exec(value);
        if (field === '_id') return (d) => d._id === value.replaceAll('"', '');
        if (range) return (d) => { const v = Number(fields(d)[field]); return range[1] === '>' ? v > range[2] : range[1] === '>=' ? v >= range[2] : range[1] === '<' ? v < range[2] : v <= range[2]; };
        if (value === '*') return (d) => field === undefined || fields(d)[field] !== undefined;
        const phrase = value.startsWith('"') ? words(value.slice(1, -1)).join(' ') : null;
        const wild = phrase === null && /[*?]/.test(value) ? pattern(value) : null;
        const wanted = words(value).join(' ');
        const hit = (v) => { const list = words(v); return wild ? list.some((w) => wild.test(w)) || wild.test(String(v).toLowerCase()) : ` ${list.join(' ')} `.includes(` ${phrase ?? wanted} `); };
        return (d) => (field === undefined ? Object.values(fields(d)).some(hit) : fields(d)[field] !== undefined && hit(fields(d)[field]));
    };
    const result = any();
    if (at < tokens.length) fail(`'${tokens[at]}' was not expected`);
    return result;
}

function compile(query) {
    const [kind, body] = Object.entries(query ?? { match_all: {} })[0];
    if (kind === 'match_all') return () => true;
    if (kind === 'bool') {
        const list = (name) => [body[name] ?? []].flat().map(compile);
        const [must, not] = [[...list('must'), ...list('filter')], list('must_not')];
        return (d) => must.every((f) => f(d)) && !not.some((f) => f(d));
    }
    if (kind === 'range') { const { gte = -Infinity, lte = Infinity } = body['@timestamp']; return (d) => d.at >= gte && d.at <= lte; }
    if (kind === 'query_string') return parse(body.query);
    if (kind === 'exists') return (d) => fields(d)[body.field] !== undefined;
    if (kind === 'match_phrase') { const [[field, value]] = Object.entries(body); const wanted = words(value).join(' '); return (d) => fields(d)[field] !== undefined && ` ${words(fields(d)[field]).join(' ')} `.includes(` ${wanted} `); }
    throw new Bad(`unknown query [${kind}]`);
}
const tally = (list, field, size) => { const sums = new Map(); for (const d of list) { const v = fields(d)[field]; if (v !== undefined) sums.set(v, (sums.get(v) ?? 0) + 1); } const all = [...sums].sort((a, b) => b[1] - a[1]); return { buckets: all.slice(0, size).map(([key, doc_count]) => ({ key, doc_count })), sum_other_doc_count: all.slice(size).reduce((s, [, n]) => s + n, 0) }; };
function aggregate(aggs, list) {
    return Object.fromEntries(Object.entries(aggs).map(([name, { terms, date_histogram: times, aggs: inner }]) => {
        if (terms) return [name, tally(list, terms.field, terms.size ?? 10)];
        const step = Number(times.fixed_interval.replace('ms', ''));
        const buckets = new Map();
        for (const d of list) { const key = Math.floor(d.at / step) * step; (buckets.get(key) ?? buckets.set(key, []).get(key)).push(d); }
        return [name, { buckets: [...buckets].sort((a, b) => a[0] - b[0]).map(([key, inside]) => ({ key, key_as_string: new Date(key).toISOString(), doc_count: inside.length, ...(inner ? aggregate(inner, inside) : {}) })) }];
    }));
}
function search(index, body) {
    const begun = performance.now();
    const fits = compile(body.query);
    const name = index === '' || index === '*' ? null : index.split(',').map(pattern);
    let hits = docs.filter((d) => (!name || name.some((p) => p.test(d._index))) && fits(d));
    const total = hits.length;
    const answer = { timed_out: false, _shards: { total: 1, successful: 1, skipped: 0, failed: 0 }, hits: { total: body.track_total_hits === false ? undefined : { value: total, relation: 'eq' }, max_score: null, hits: [] } };
    if (body.aggs) answer.aggregations = aggregate(body.aggs, hits);
    const asc = Object.values([body.sort ?? []].flat()[0] ?? {})[0]?.order === 'asc';
    const key = (d) => [d.at, d.n];
    hits.sort((a, b) => (a.at - b.at || a.n - b.n) * (asc ? 1 : -1));
    if (body.search_after) { const [at, n] = body.search_after; hits = hits.filter((d) => { const c = d.at - at || d.n - (n ?? 0); return asc ? c > 0 : c < 0; }); }
    answer.hits.hits = hits.slice(0, body.size ?? 10).map((d) => ({ _index: d._index, _id: d._id, _score: null, _source: d._source, sort: key(d) }));
    answer.took = Math.round(performance.now() - begun);
    return answer;
}
const typeOf = (name, value) => (name === '@timestamp' ? 'date' : name === 'message' || name === 'error.stack_trace' ? 'text' : typeof value === 'number' ? (Number.isInteger(value) ? 'long' : 'float') : typeof value === 'boolean' ? 'boolean' : name.endsWith('.ip') ? 'ip' : 'keyword');

createServer(async (incoming, response) => {
    const send = (status, body) => { response.writeHead(status, { 'Content-Type': 'application/json; charset=UTF-8', 'X-elastic-product': 'Elasticsearch' }); response.end(JSON.stringify(body)); };
    const { pathname } = new URL(incoming.url, 'http://localhost');
    const parts = decodeURIComponent(pathname).split('/').filter(Boolean);
    const operation = parts.at(-1) ?? '';
    let text = '';
    for await (const bytes of incoming) text += bytes;
    try {
        if (parts.length === 0) return send(200, { name: 'stand-in', version: { number: '7.17.0' } });
        if (pathname.startsWith('/_cat/indices')) return send(200, [...new Set(docs.map((d) => d._index))].map((index) => ({ index })));
        if (operation === '_field_caps') {
            const seen = {};
            for (const d of docs) for (const [name, value] of Object.entries(fields(d))) seen[name] ??= typeOf(name, value);
            return send(200, { indices: ['logs'], fields: Object.fromEntries(Object.entries(seen).map(([name, type]) => [name, { [type]: { type, searchable: true, aggregatable: type !== 'text' } }])) });
        }
        if (operation === '_search') return send(200, search(parts.length > 1 ? parts[0] : '', JSON.parse(text || '{}')));
        return send(404, { error: { reason: 'no such address here' }, status: 404 });
    } catch (problem) {
        const reason = problem.message;
        return send(problem instanceof Bad ? 400 : 500, { error: { root_cause: [{ type: 'query_shard_exception', reason }], type: 'search_phase_execution_exception', reason: 'all shards failed' }, status: 400 });
    }
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/`));
