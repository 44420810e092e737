// pages_test.mjs
//
// Goal:   what the explore and query pages compute without a browser is right.
// Method: their modules bundled by the pages' own esbuild and run in Node over tables.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const web = fileURLToPath(new URL('../../web/', import.meta.url));
const { default: esbuild } = await import(pathToFileURL(join(web, 'node_modules/esbuild/lib/main.js')).href);
globalThis.location = { search: '', pathname: '/', href: 'http://127.0.0.1/', origin: 'http://127.0.0.1' };
globalThis.addEventListener = () => {};
const folder = mkdtempSync(join(tmpdir(), 'explore-'));
const contents = ['explore/filters', 'explore/lines', 'explore/store', 'query/complete', 'query/highlight', 'query/state']
    .map((name) => `export * from ${JSON.stringify(join(web, `pages/${name}.ts`))};`).join('\n');
const outfile = join(folder, 'pages.mjs');
esbuild.buildSync({ stdin: { contents, resolveDir: web }, bundle: true, format: 'esm', platform: 'neutral', mainFields: ['module', 'main'], outfile });
const page = await import(pathToFileURL(outfile).href);

const problems = [];
function same(wanted, got, text) {
    if (JSON.stringify(wanted) !== JSON.stringify(got)) problems.push(`${text}: wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`);
}

function filters_come_back_from_the_address() {
    for (const text of ['is:a.b:c:d', 'not:a:', 'has:a', 'off.hasnt:a', 'off.is:a:x\ny']) same(text, page.printFilter(page.readFilter(text)), text);
    for (const text of ['', 'is:a', 'was:a:b', 'is::b']) same(null, page.readFilter(text), text);
    const bool = page.boolQuery('x', 'lucene', page.readFilters(['is:a:1', 'not:b:2', 'off.is:c:3', 'has:d']), 1, 2).bool;
    same([{ match_phrase: { a: '1' } }, { exists: { field: 'd' } }], bool.filter.slice(2), 'filter');
    same([{ match_phrase: { b: '2' } }], bool.must_not, 'must not');
    same({ query_string: { query: 'x', analyze_wildcard: true } }, bool.filter[1], 'in Lucene');
    same({ kql: { query: 'x' } }, page.boolQuery('x', 'kql', [], 1, 2).bool.filter[1], 'in KQL');
    for (const [text, phrase] of [['do not panic', '"do not panic"'], [' a "b" \\c', '"a \\"b\\" \\\\c"'], ['"a b"', null], ['"a" b"', '"\\"a\\" b\\""'], ['  ', null]]) same(phrase, page.asPhrase(text), `${text} as a phrase`);
    for (const [word, language] of [['kql', 'kql'], ['lucene', 'lucene'], [null, 'lucene'], ['sql', 'lucene']]) same(language, page.readLanguage(word, 'lucene'), `lang=${word}`);
}

function marks_are_what_was_asked_for() {
    const marked = (query, text) => { const pattern = page.markPattern(query); return pattern === null ? [] : text.match(pattern) ?? []; };
    same(['Error'], marked('error AND level:warn', 'Error: warn'), 'words, not other fields');
    same(['a (b)'], marked('"a (b)"', 'x a (b)'), 'phrases');
    same(['could not reach'], 'it could not reach x'.match(page.markPattern('"could not reach"', true)), 'a phrase with an operator inside');
    same(['b'.repeat(2)], marked('bb NOT "could -x reach" -message:"bb cc"', 'bb cc could'), 'a negated phrase');
    same([], marked('NOT error -x', 'error'), 'what must not be there');
    same(['retrying'], marked('retry*', 'retrying now'), 'wildcards');
}

function levels_and_steps() {
    for (const [word, level] of [['ERR', 'error'], ['Warning', 'warn'], ['notice', 'info'], ['crit', 'fatal'], ['<b>', '']]) same(level, page.readLevel(word), word);
    for (const [hours, bars, step] of [[1, 60, 60_000], [1, 50, 120_000], [24, 100, 900_000], [1 / 3600, 100, 10]]) same(step, page.barStep({ from: 0, to: hours * 3600_000 }, bars), `${hours} h in ${bars} bars`);
    const line = (key, at) => ({ key, at });
    same(['n', 'a', 'm', 'b'], page.mergeLines([line('n', 9), line('m', 5)], [line('a', 7), line('b', 3)], 9).map((one) => one.key), 'merged');
}

function places_of_an_expression() {
    for (const [text, kind, typed] of [['ra', 'name', 'ra'], ['up{jo', 'label', 'jo'], ['up{job="x', 'value', 'x'], ['sum by (in', 'grouping', 'in'], ['up[5', 'none', ''], ['# u', 'none', ''], ['up{job="a",', 'label', '']]) {
        const place = page.placeOf(text);
        same([kind, typed], [place.kind, place.typed], text);
    }
    same(4, page.errorOffset('invalid parameter "query": 1:5: parse error: x', 'sum('), 'an offset');
    same(5, page.errorOffset('2:3: parse error', 'ab\ncde'), 'in the second line');
    same(null, page.errorOffset('it is full', 'up'), 'no place');
    for (const text of ['sum by (a) (rate(x{b=~"c"}[5m])) > 1e3 # y', '"', '{', '`a\nb', 'é ~ 0x1F'] ) same(text, page.cutUp(text).map((piece) => piece.text).join(''), 'nothing is lost');
}

const tests = [filters_come_back_from_the_address, marks_are_what_was_asked_for, levels_and_steps, places_of_an_expression];
console.log(`1..${tests.length}`);
let failed = 0;
tests.forEach((test, index) => {
    problems.length = 0;
    try { test(); } catch (problem) { problems.push(problem.stack); }
    if (problems.length > 0) failed++;
    console.log(`${problems.length === 0 ? 'ok' : 'not ok'} ${index + 1} - ${test.name}${problems.map((text) => `\n# ${text}`).join('')}`);
});
rmSync(folder, { recursive: true });
console.log(`# ${tests.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
