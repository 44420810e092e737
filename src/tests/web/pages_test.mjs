// pages_test.mjs
//
// Goal:   what the pages compute without a browser is right: units, steps, date math, variables,
//         reading of old dashboards, layout, transformations, markdown.
// Method: modules of src/web bundled by its own esbuild and run in Node over tables. The units'
//         table holds what @grafana/data 13.2.3 answers for the same ids and values.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const web = fileURLToPath(new URL('../../web/', import.meta.url));
const { default: esbuild } = await import(pathToFileURL(join(web, 'node_modules/esbuild/lib/main.js')).href);

// The little of a browser that the modules look at when they are loaded.
globalThis.location = { search: '', pathname: '/', href: 'http://127.0.0.1/', origin: 'http://127.0.0.1' };
globalThis.document = { documentElement: { dataset: { theme: 'dark' } } };
globalThis.addEventListener = () => {};
globalThis.getComputedStyle = () => ({ getPropertyValue: () => '#000' });
process.env.TZ = 'UTC';

const folder = mkdtempSync(join(tmpdir(), 'pages-'));
async function load(...names) {
    const contents = names.map((name) => `export * from ${JSON.stringify(join(web, name))};`).join('\n');
    const outfile = join(folder, `${names[0].replace(/\W/g, '_')}.mjs`);
    esbuild.buildSync({ stdin: { contents, resolveDir: web }, bundle: true, format: 'esm', platform: 'neutral', mainFields: ['module', 'main'], outfile, jsx: 'automatic', jsxImportSource: 'preact', loader: { '.css': 'empty' } });
    return import(pathToFileURL(outfile).href);
}

const units = await load('shared/units.ts');
const time = await load('shared/time.ts');
const page = await load('pages/dashboards/model.ts', 'pages/dashboards/layout.ts', 'pages/dashboards/vars.ts', 'pages/dashboards/frames.ts', 'pages/dashboards/transform.ts', 'pages/dashboards/queries.ts');
const textPanel = await load('pages/dashboards/panels/text.tsx');

const problems = [];
function same(wanted, got, text) {
    if (JSON.stringify(wanted) !== JSON.stringify(got)) problems.push(`${text}: wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`);
}

function units_are_grafanas() {
    const table = JSON.parse(readFileSync(new URL('./unit_vectors.json', import.meta.url), 'utf8'));
    for (const [unit, value, decimals, wanted] of table) same(wanted, units.formatValue(value, unit, decimals ?? undefined, 'utc'), `${value} ${unit} ${decimals}`);
    same(['0 B', '512 MiB', '1 GiB', '1.5 GiB'], units.formatTicks([0, 2 ** 29, 2 ** 30, 1.5 * 2 ** 30], 'bytes'), 'ticks');
    same(['0.0025', '2.5 µs', '1 K'], [units.formatTicks([0.0025], 'none')[0], units.formatTicks([2.5e-6], 's')[0], units.formatTicks([1000], 'short')[0]], 'small ticks');
    same(['0%', '25%', '100%'], units.formatTicks([0, 0.25, 1], 'percentunit'), 'ticks');
}

function steps_are_grafanas() {
    const rows = [[9, 1], [12, 10], [60, 50], [1200, 1000], [3000, 2000], [16000, 15000], [80000, 60000], [108000, 120000], [1e6, 900000], [4e6, 3600000], [3e7, 21600000], [2e8, 86400000], [1e9, 604800000], [3e9, 2592000000], [1e11, 31536000000]];
    for (const [raw, wanted] of rows) same(wanted, time.niceStep(raw), `step of ${raw}`);
    const hour = { from: 0, to: 3600_000 };
    const day = { from: 0, to: 86_400_000 };
    const source = { intervalMs: 15000 };
    same({ intervalMs: 15000, stepMs: 15000, rateMs: 60000 }, page.stepsFor(hour, 1000, '', {}, source), '1h at 1000 px');
    same({ intervalMs: 120000, stepMs: 120000, rateMs: 135000 }, page.stepsFor(day, 800, '', {}, source), '24h at 800 px');
    same(30000, page.stepsFor(hour, 1000, '', { intervalFactor: 2 }, source).stepMs, 'factor');
    same(60000, page.stepsFor(hour, 1000, '1m', {}, source).stepMs, 'the panel\'s interval');
    same({ intervalMs: 15000, stepMs: 300000, rateMs: 1200000 }, page.stepsFor(hour, 1000, '', { interval: '5m' }, source), 'the target\'s interval');
}

function instants_are_read() {
    const now = Date.UTC(2026, 10, 25, 14, 5, 3);
    const rows = [
        ['now', false, now], ['now-1h', false, 1795611903000], ['now-1d/d', false, 1795478400000], ['now-1d/d', true, 1795564799999],
        ['now/M', true, 1796083199999], ['now-1M/M', false, 1790812800000], ['now-1M/M', true, 1793491199999], ['now/y', false, 1767225600000],
        ['now/Q', false, 1790812800000], ['now-3Q/Q', true, 1775001599999], ['now-1w+2d/h', false, 1795183200000],
        ['1795611903000', false, 1795611903000], ['1795611903', false, 1795611903000], ['20261125', false, 1795564800000], ['20261125T140503', false, now],
        ['2026-11-25 14:05:03', false, now], ['2026-11-25T14:05:03.000Z', false, now], ['2026-11-25T15:05:03+01:00', false, now], ['14:05', false, now - 3000],
        ['yesterday 03:00', false, Date.UTC(2026, 10, 24, 3)], ['2026-13-01', false, null], ['nonsense', false, null], ['', false, null], ['now-1x', false, null],
    ];
    for (const [text, up, wanted] of rows) same(wanted, time.readInstant(text, now, up, 'utc'), `'${text}'`);
    same(Date.UTC(2026, 2, 28, 23), time.readInstant('2026-03-29', now, false, 'Europe/Berlin'), 'midnight before a clock change');
    same(Date.UTC(2026, 2, 29, 22), time.readInstant('2026-03-30', now, false, 'Europe/Berlin'), 'midnight after it');
    same([90000, 5400000, null, 500], ['1m30s', '1h30m', 'x', '500ms'].map(time.readDuration), 'durations');
    same('Last 1 hour', time.describeRange({ from: 'now-1h', to: 'now' }), 'description');
}

const variable = (more) => ({ name: 'v', label: 'v', type: 'query', multi: true, includeAll: true, allValue: '', hide: 0, choices: [{ text: 'a.b', value: 'a.b' }, { text: 'c/d', value: 'c/d' }], value: ['a.b'], definition: {}, ...more });

function variables_stand_in_queries() {
    const rows = [
        [{}, 'x=~"$v"', 'prom', 'x=~"a\\\\.b"'],
        [{ value: ['a.b', 'c/d'] }, 'x=~"$v"', 'prom', 'x=~"(a\\\\.b|c/d)"'],
        [{ value: ['$__all'] }, 'x=~"$v"', 'prom', 'x=~"(a\\\\.b|c/d)"'],
        [{ value: ['$__all'], allValue: '.*' }, 'x=~"$v"', 'prom', 'x=~".*"'],
        [{ multi: false, includeAll: false }, 'x="$v"', 'prom', 'x="a.b"'],
        [{ multi: false, includeAll: false, value: ['say "hi" \\'] }, 'x="$v"', 'prom', 'x="say \\"hi\\" \\\\"'],
        [{ value: ['a.b', 'c/d'] }, '${v:pipe} ${v:csv} ${v:json} ${v:regex} ${v:glob} [[v:pipe]]', 'prom', 'a.b|c/d a.b,c/d ["a.b","c/d"] (a\\.b|c\\/d) {a.b,c/d} a.b|c/d'],
        [{ value: ['a.b', 'c/d'] }, '${v:queryparam}', 'link', 'var-v=a.b&var-v=c%2Fd'],
        [{ value: ['$__all'], allValue: '.*' }, '$v', 'text', 'All'],
        [{ choices: [{ text: 'A', value: 'a' }], value: ['a'] }, '$v', 'raw', 'a'],
        [{ value: ['$__all'] }, '$v and ${v:text} and $unknown and $vv', 'text', 'All and All and $unknown and $vv'],
    ];
    for (const [more, given, format, wanted] of rows) same(wanted, page.fillIn(given, { variables: [variable(more)] }, format), given);
    same('c/d', page.fillIn('$v', { variables: [variable({})], repeat: new Map([['v', 'c/d']]) }, 'text'), 'a repeat wins');
    same('5m 300', page.fillIn('$__interval ${__interval_s}', { variables: [], macros: new Map([['__interval', '5m'], ['__interval_s', '300']]) }), 'macros');
}

function old_dashboards_are_read() {
    const old = page.readDashboard({ title: 'Old', schemaVersion: 14, rows: [
        { title: 'One', height: '250px', showTitle: true, panels: [{ id: 1, type: 'graph', span: 6, yaxes: [{ format: 'bytes', min: '0' }, { format: 'short' }], stack: true, nullPointMode: 'connected', seriesOverrides: [{ alias: '/x/', transform: 'negative-Y' }], targets: [{ expr: 'up' }] }, { id: 2, type: 'singlestat', span: 6, format: 's', valueName: 'current', thresholds: '1,2', colors: ['a', 'b', 'c'], colorBackground: true }] },
        { title: 'Two', collapse: true, panels: [{ id: 3, type: 'text', span: 12, content: 'hi' }] },
    ] });
    const [first, second] = old.sections;
    same(['One', false, 'Two', true], [first.row.title, first.row.collapsed, second.row.title, second.row.collapsed], 'rows');
    const [graph, stat] = first.panels;
    same(['timeseries', { x: 0, y: 1, w: 12, h: 7 }, 'bytes', 0, 'normal', true], [graph.type, graph.grid, graph.defaults.unit, graph.defaults.min, graph.defaults.custom.stacking.mode, graph.defaults.custom.spanNulls], 'graph');
    same([{ id: 'byRegexp', options: '/x/' }, 'negative-Y'], [graph.overrides[0].matcher, graph.overrides[0].properties[0].value], 'override');
    same(['stat', 'background', ['lastNotNull'], [{ color: 'a', value: null }, { color: 'b', value: 1 }, { color: 'c', value: 2 }]], [stat.type, stat.options.colorMode, stat.options.reduceOptions.calcs, stat.defaults.thresholds.steps], 'singlestat');
    same('A', graph.targets[0].refId, 'reference made');
    let failure = '';
    try { page.readDashboard({ apiVersion: 'dashboard.grafana.app/v2beta1', spec: {} }); } catch (problem) { failure = problem.message; }
    same(true, failure.includes('v2'), 'v2 is refused with a reason');
    same('Wrapped', page.readDashboard({ apiVersion: 'dashboard.grafana.app/v1beta1', metadata: { name: 'u' }, spec: { title: 'Wrapped' } }).title, 'v1 wrapper');
}

function panels_are_placed() {
    const panel = (id, x, y, w, h, more = {}) => ({ id, key: String(id), grid: { x, y, w, h }, repeat: '', repeatDirection: 'h', maxPerRow: 4, scope: new Map(), ...more });
    const places = (panels, values = []) => page.placePanels(panels, () => values).map(({ key, grid: { x, y, w, h } }) => [key, x, y, w, h]);
    same([['1', 0, 0, 12, 8], ['2', 12, 0, 12, 4], ['3', 12, 4, 12, 4], ['4', 0, 8, 24, 2]], places([panel(1, 0, 3, 12, 8), panel(2, 12, 3, 12, 4), panel(3, 12, 7, 12, 4), panel(4, 0, 30, 24, 2)]), 'gaps close');
    same([['1', 0, 0, 12, 4], ['1-b', 12, 0, 12, 4], ['2', 0, 4, 24, 3]], places([panel(1, 0, 0, 6, 4, { repeat: 'v' }), panel(2, 0, 4, 24, 3)], ['a', 'b']), 'across');
    same([['1', 0, 0, 6, 4], ['1-b', 0, 4, 6, 4], ['1-c', 0, 8, 6, 4]], places([panel(1, 0, 0, 6, 4, { repeat: 'v', repeatDirection: 'v' })], ['a', 'b', 'c']), 'down');
    same([0, 0, 0, 0, 4], places([panel(1, 0, 0, 6, 4, { repeat: 'v' })], ['a', 'b', 'c', 'd', 'e']).map((one) => one[2]), 'wraps after four');
}

function frames_are_transformed() {
    const { field } = page;
    const frame = (refId, ...fields) => ({ refId, fields });
    const run = (frames, ...steps) => page.transform(frames, steps, { variables: [] }).frames.map((one) => one.fields.map((part) => [part.name, part.values]));
    const a = frame('A', field('Time', 'time', [1, 1]), field('host', 'string', ['x', 'y']), field('Value #A', 'number', [10, 20]));
    const b = frame('B', field('Time', 'time', [1, 1]), field('host', 'string', ['y', 'z']), field('Value #B', 'number', [2, 3]));
    same([[['Time', [1, 1, 1]], ['host', ['x', 'y', 'z']], ['Value #A', [10, 20, null]], ['Value #B', [null, 2, 3]]]], run([a, b], { id: 'merge' }), 'merge');
    same([[['Share', [null, 10, null]]]], run([a, b], { id: 'merge' }, { id: 'calculateField', options: { mode: 'binary', binary: { left: 'Value #A', operator: '/', right: 'Value #B' }, alias: 'Share' } }, { id: 'filterFieldsByName', options: { include: { names: ['Share'] } } }), 'calculate');
    same([[['Host', ['x', 'y']], ['Value #A', [10, 20]]]], run([a], { id: 'organize', options: { excludeByName: { Time: true }, renameByName: { host: 'Host' }, indexByName: { host: 0 } } }), 'organize');
    same([[['host', ['x', 'y', 'z']], ['Time', [1, 1, null]], ['Value #A', [10, 20, null]], ['Time', [null, 1, 1]], ['Value #B', [null, 2, 3]]]], run([a, b], { id: 'joinByField', options: { byField: 'host' } }), 'join');
    same([[['Time', [1]], ['Value #A (sum)', [30]]]], run([a], { id: 'groupBy', options: { fields: { Time: { operation: 'groupby' }, 'Value #A': { operation: 'aggregate', aggregations: ['sum'] } } } }), 'group');
    same(['madeUp'], page.transform([a], [{ id: 'madeUp' }], { variables: [] }).unknown, 'unknown ones are named');
    const values = [1, null, 3, 2];
    same([2, 2, 1, 1, 3, 2, 6, 4, 2, 1], ['lastNotNull', 'last', 'first', 'min', 'max', 'mean', 'sum', 'count', 'range', 'diff'].map((calc) => page.reduce(values, calc)), 'reducers');
}

function values_are_shown() {
    const one = (config) => ({ type: 'number', index: 0, config: { custom: {}, ...config } });
    const said = (value, config) => page.shownText(page.show(value, one(config), 'utc'));
    same('N/A', said(null, { mappings: [{ type: 'special', options: { match: 'null', result: { text: 'N/A' } } }] }), 'null');
    same('Up', said(1, { mappings: [{ type: 'value', options: { 1: { text: 'Up' } } }] }), 'value');
    same('fine', said(5, { mappings: [{ type: 'range', options: { from: 0, to: 9, result: { text: 'fine' } } }] }), 'range');
    same('none yet', said(null, { noValue: 'none yet' }), 'noValue');
    const steps = [{ color: '#00f', value: null }, { color: '#0f0', value: 50 }, { color: '#f00', value: 90 }];
    same(['#00f', '#0f0', '#f00'], [10, 50, 99].map((value) => page.show(value, one({ thresholds: { mode: 'absolute', steps } }), 'utc').color), 'thresholds');
    same('#0f0', page.show(6, one({ min: 0, max: 10, thresholds: { mode: 'percentage', steps } }), 'utc').color, 'percentage');
}

function markdown_becomes_markup() {
    const rows = [
        ['# A *b*', '<h1>A <em>b</em></h1>'], ['a **b** `c<d`', '<p>a <strong>b</strong> <code>c&lt;d</code></p>'],
        ['- a\n- b\n  - c', '<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>'], ['[x](https://e.org)', '<p><a href="https://e.org">x</a></p>'],
        ['```\n<b>\n```', '<pre><code>&lt;b></code></pre>'], ['| a |\n|---|\n| 1 |', '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>'],
    ];
    for (const [given, wanted] of rows) same(wanted, textPanel.markdown(given), given);
}

const tests = [units_are_grafanas, steps_are_grafanas, instants_are_read, variables_stand_in_queries, old_dashboards_are_read, panels_are_placed, frames_are_transformed, values_are_shown, markdown_becomes_markup];
console.log(`1..${tests.length}`);
let failed = 0;
tests.forEach((run, index) => {
    problems.length = 0;
    try { run(); } catch (problem) { problems.push(problem.stack); }
    console.log(`${problems.length === 0 ? 'ok' : 'not ok'} ${index + 1} - ${run.name}`);
    for (const problem of problems) console.log(`# ${problem}`);
    if (problems.length > 0) failed++;
});
rmSync(folder, { recursive: true });
process.exit(failed > 0 ? 1 : 0);
