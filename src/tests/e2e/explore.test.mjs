// explore.test.mjs - what the explore page shows, asks and survives. But for the first test the page
// is served by the running role and the store's answers are made here, so that counts are known.
import { check, same, until } from './harness.mjs';

const END = Date.UTC(2026, 0, 31, 12);
const LEVELS = ['info', 'info', 'debug', 'warn', 'error'];
const MARKUP = '<img src=x onerror=alert(1)><script>alert(2)</script>';
const docs = Array.from({ length: 900 }, (_, i) => ({
    _index: 'logs-2026.01.31', _id: `d${i}`, sort: [END - i * 1000, 900 - i],
    _source: { '@timestamp': new Date(END - i * 1000).toISOString(), message: i === 3 ? MARKUP : `line ${i} of the shop`, log: { level: LEVELS[i % 5] }, service: { name: i % 2 ? 'shop' : MARKUP }, n: i },
}));
const RANGE = `from=${END - 899_500}&to=${END + 500}`;

/** Answers like the store and notes every question. `hold` changes an answer. */
async function store(page, hold = () => null) {
    const asked = [];
    await page.route('**/api/es/**', (route) => {
        const url = new URL(route.request().url());
        const body = JSON.parse(route.request().postData() ?? '{}');
        const give = (json, status = 200) => route.fulfill({ status, contentType: 'application/json', body: JSON.stringify(json) });
        asked.push({ path: url.pathname, body });
        const other = hold(url.pathname, body);
        if (other) return give(other.json, other.status);
        if (url.pathname.endsWith('_field_caps')) {
            const field = (type, aggregatable = true) => ({ [type]: { type, searchable: true, aggregatable } });
            return give({ fields: { '@timestamp': field('date'), message: field('text', false), 'log.level': field('keyword'), 'service.name': field('keyword'), n: field('long') } });
        }
        if (url.pathname.includes('_cat/indices')) return give([{ index: 'logs-2026.01.31' }]);
        const { gte, lte } = body.query.bool.filter[0].range['@timestamp'];
        let hits = docs.filter((doc) => doc.sort[0] >= gte && doc.sort[0] <= lte);
        const total = hits.length;
        const aggregations = {};
        if (body.aggs?.times) {
            const step = parseInt(body.aggs.times.date_histogram.fixed_interval, 10);
            const buckets = new Map();
            for (const doc of hits) { const key = Math.floor(doc.sort[0] / step) * step; buckets.set(key, [...buckets.get(key) ?? [], doc]); }
            aggregations.times = { buckets: [...buckets].map(([key, inside]) => ({ key, doc_count: inside.length, levels: { buckets: [...new Set(LEVELS)].map((level) => ({ key: level, doc_count: inside.filter((doc) => doc._source.log.level === level).length })).filter((one) => one.doc_count > 0) } })) };
        }
        if (body.aggs?.top) aggregations.top = { buckets: [{ key: MARKUP, doc_count: 450 }, { key: 'shop', doc_count: 450 }], sum_other_doc_count: 0 };
        if (body.search_after) hits = hits.filter((doc) => doc.sort[0] < body.search_after[0]);
        return give({ _shards: { total: 1, failed: 0 }, hits: { total: { value: total, relation: 'eq' }, hits: hits.slice(0, body.size) }, aggregations });
    });
    return asked;
}

const state = (page, wanted) => until(() => page.evaluate((want) => document.querySelector('[data-testid=explore]')?.dataset.state === want, wanted), `state ${wanted}`);
const query = (page) => new URL(page.url()).searchParams;
const open = async (page, base, path = `/?${RANGE}`) => { await page.goto(base + path); await page.waitForSelector('[data-testid=explore]'); };
const filtersOf = (asked) => asked.filter(({ path, body }) => path.endsWith('_search') && body.size > 1).at(-1).body.query.bool;

export const tests = [
    {
        name: 'the store that runs here answers without an error',
        async run({ page, base }) {
            await open(page, base, '/');
            await until(() => page.evaluate(() => ['ok', 'empty'].includes(document.querySelector('[data-testid=explore]').dataset.state)), 'lines, or none');
            same(200, (await page.request.get(`${base}/app/discover`)).status(), "Kibana's address");
            same('available', (await (await page.request.get(`${base}/api/status`)).json()).status.overall.level, 'status');
            for (const path of ['_bulk', 'x/_doc/1', '_cluster/settings', 'x/_delete_by_query']) same(403, (await page.request.post(`${base}/api/es/${path}`, { data: {} })).status(), path);
        },
    },
    {
        name: 'lines stand newest first, bars add up to the hits, levels are named',
        async run({ page, base }) {
            await store(page);
            await open(page, base);
            await state(page, 'ok');
            same('d0', await page.locator('[data-testid=line]').first().getAttribute('data-id'), 'the newest line');
            await page.waitForSelector('[data-testid=hits][data-count="900"]');
            same('900', await page.locator('[data-testid=histogram]').getAttribute('data-sum'), 'sum of the bars');
            same('180', await page.locator('[data-testid=level][data-level=error]').getAttribute('data-count'), 'errors');
            same(['info', 'info', 'debug', 'warn', 'error'], await page.$$eval('[data-testid=line]', (lines) => lines.slice(0, 5).map((line) => line.dataset.level)), 'levels');
            check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scroll');
        },
    },
    {
        name: 'scrolling reads on to the last line, few rows in the document',
        async run({ page, base }) {
            await store(page);
            await open(page, base);
            await state(page, 'ok');
            await until(async () => {
                await page.$eval('[data-testid=lines]', (list) => { list.scrollTop = list.scrollHeight; });
                return page.$$eval('[data-testid=line]', (lines) => lines.at(-1)?.dataset.id === 'd899');
            }, 'the last line');
            same('900', await page.locator('[data-testid=lines]').getAttribute('data-count'), 'all lines, none twice');
            check((await page.$$('[data-testid=line]')).length <= 200, 'few rows');
        },
    },
    {
        name: 'query, syntax error in place, results stay',
        async run({ page, base }) {
            const asked = await store(page, (path, body) => (JSON.stringify(body).includes('"a AND"') ? { status: 400, json: { error: {
                root_cause: [{ reason: 'Failed to parse query [a AND]' }],
                failed_shards: [{ reason: { reason: 'Failed to parse query [a AND]', caused_by: { reason: "Cannot parse 'a AND': Encountered the end at column 5" } } }],
            } } } : null));
            await open(page, base);
            await state(page, 'ok');
            await page.keyboard.press('/');
            await page.keyboard.type('shop');
            await page.keyboard.press('Enter');
            await until(() => query(page).get('q') === 'shop', 'the query in the address');
            await until(() => filtersOf(asked).filter.some((clause) => clause.query_string?.query === 'shop'), 'the query sent');
            await page.waitForSelector('[data-testid=line] mark');
            await page.fill('[data-testid=query]', 'a AND');
            await page.keyboard.press('Enter');
            await page.waitForSelector('[data-testid=query-error]');
            check((await page.textContent('[data-testid=query-error]')).includes('at column 5'), "the server's words, with the place");
            check((await page.$$('[data-testid=line]')).length > 10, 'lines stay');
        },
    },
    {
        name: 'the language is chosen, sent, kept in the address and remembered',
        async run({ page, base }) {
            const asked = await store(page);
            await open(page, base, `/?${RANGE}&q=shop`);
            await state(page, 'ok');
            same('lucene', await page.getAttribute('[data-testid=query]', 'data-language'), 'a link without a language');
            await page.click('[data-testid=language]');
            await page.click('[data-testid=language-kql]');
            await until(() => query(page).get('lang') === 'kql', 'the language in the address');
            await page.fill('[data-testid=query]', 'shop and not n >= 5');
            await page.keyboard.press('Enter');
            await until(() => filtersOf(asked).filter.some((clause) => clause.kql?.query === 'shop and not n >= 5'), 'KQL sent');
            check(!filtersOf(asked).filter.some((clause) => clause.query_string), 'and only it');
            await page.waitForSelector('[data-testid=line] mark');
            await page.reload();
            await page.waitForSelector('[data-testid=query][data-language=kql]');
            same('shop and not n >= 5', await page.inputValue('[data-testid=query]'), 'the query');
            await open(page, base, `/?${RANGE}`);
            await page.waitForSelector('[data-testid=query][data-language=kql]');
            await page.click('[data-testid=language]');
            await page.waitForSelector('[data-testid=language-kql]:focus');
            await page.keyboard.press('ArrowDown');
            await page.waitForSelector('[data-testid=language-lucene]:focus');
            await page.keyboard.press('Enter');
            await until(() => query(page).get('lang') === 'lucene', 'by keyboard');
        },
    },
    {
        name: 'KQL that cannot be read is told at the box by the store that runs here',
        async run({ page, base }) {
            await open(page, base, '/?lang=kql&q=level%3A(');
            await page.waitForSelector('[data-testid=query-error]');
            check((await page.textContent('[data-testid=query-error]')).length > 10, 'a sentence');
        },
    },
    {
        name: 'filter for and out from a line; pills invert and go; all in the address',
        async run({ page, base }) {
            const asked = await store(page);
            await open(page, base);
            await state(page, 'ok');
            await page.locator('[data-testid=line][data-id=d1] .line-time').click();
            await page.locator('[data-testid=line-field][data-field="service.name"] [data-testid=filter-for]').click();
            await page.waitForSelector('[data-testid=filter][data-field="service.name"]');
            same('is:service.name:shop', query(page).get('f'), 'address');
            await until(() => filtersOf(asked).filter.some((clause) => clause.match_phrase?.['service.name'] === 'shop'), 'the filter sent');
            await page.click('[data-testid=filter-invert]');
            await until(() => filtersOf(asked).must_not?.[0]?.match_phrase['service.name'] === 'shop', 'the contrary sent');
            await page.reload();
            await page.waitForSelector('[data-testid=filter][data-not=true]');
            await page.click('[data-testid=filter-remove]');
            await until(() => query(page).get('f') === null, 'no filter');
        },
    },
    {
        name: 'fields show types, top values and become columns',
        async run({ page, base }) {
            await store(page);
            await open(page, base);
            await page.locator('[data-testid=field][data-field="service.name"] .field-name').click();
            await page.waitForSelector('[data-testid=top-value][data-value=shop][data-count="450"]');
            await page.locator('[data-testid=field][data-field=n]').hover();
            await page.locator('[data-testid=field][data-field=n] [data-testid=toggle-column]').click();
            await page.waitForSelector('[data-testid=column][data-column=n]');
            same('n', query(page).get('cols'), 'address');
        },
    },
    {
        name: 'a drag over the bars sets the range, Back restores it',
        async run({ page, base }) {
            await store(page);
            await open(page, base);
            const box = await page.locator('[data-testid=histogram] svg').boundingBox();
            await page.mouse.move(box.x + 300, box.y + 40);
            await page.mouse.down();
            await page.mouse.move(box.x + 420, box.y + 40, { steps: 5 });
            await page.mouse.up();
            await until(() => Number(query(page).get('to')) - Number(query(page).get('from')) < 300_000, 'a smaller range');
            await page.goBack();
            await until(() => query(page).get('from') === String(END - 899_500), 'the former range');
        },
    },
    {
        name: 'keys: j, k, Enter, e, ?',
        async run({ page, base }) {
            await store(page);
            await open(page, base);
            await state(page, 'ok');
            const current = () => page.$eval('.line.current', (line) => line.dataset.id);
            await page.keyboard.press('j');
            same('d0', await current(), 'the first');
            await page.keyboard.press('j');
            await page.keyboard.press('j');
            await page.keyboard.press('k');
            same('d1', await current(), 'the second');
            await page.keyboard.press('e');
            same('d4', await current(), 'the next error');
            await page.keyboard.press('Enter');
            await page.waitForSelector('[data-testid=line][data-id=d4] [data-testid=line-detail]');
            await page.keyboard.press('?');
            await page.waitForSelector('[data-testid=key-help]');
        },
    },
    {
        name: 'following: new lines come in above, and do not move what is read',
        async run({ page, base }) {
            let extra = [];
            await store(page, (path, body) => (path.endsWith('_search') && body.size > 1 && extra.length > 0 ? { json: { hits: { hits: extra } } } : null));
            await open(page, base, `/?from=${END - 899_500}&to=now&live=1`);
            await state(page, 'ok');
            await page.$eval('[data-testid=lines]', (list) => { list.scrollTop = 480; });
            await page.waitForTimeout(200);
            const place = () => page.$eval('[data-testid=line][data-id=d25]', (line) => Math.round(line.getBoundingClientRect().top));
            const before = await place();
            extra = [{ ...docs[0], _id: 'new', sort: [END + 1000, 1000], _source: { ...docs[0]._source, '@timestamp': new Date(END + 1000).toISOString() } }];
            await page.waitForSelector('[data-testid=new-lines]');
            same(before, await place(), 'the line in sight');
            await page.click('[data-testid=new-lines]');
            await page.waitForSelector('[data-testid=line][data-id=new]');
        },
    },
    {
        name: 'nothing found: says so and leads to the newest line',
        async run({ page, base }) {
            await store(page);
            await open(page, base, `/?from=${END + 3600_000}&to=${END + 7200_000}`);
            await state(page, 'empty');
            await page.click('[data-testid=jump-newest]');
            await state(page, 'ok');
        },
    },
    {
        name: 'the store is away: its error is shown, retry works, old lines stay',
        async run({ page, base }) {
            let down = true;
            await store(page, () => (down ? { status: 502, json: { message: 'the log store does not answer: refused' } } : null));
            await open(page, base);
            await state(page, 'error');
            check((await page.textContent('[data-testid=error]')).includes('the log store does not answer'), 'the reason');
            down = false;
            await page.click('[data-testid=retry]');
            await state(page, 'ok');
            down = true;
            await page.click('[data-testid=refresh]');
            await page.waitForSelector('[data-testid=store-down]');
            check((await page.$$('[data-testid=line]')).length > 10, 'lines stay');
        },
    },
    {
        name: 'a part of the store failed: lines and a warning',
        async run({ page, base }) {
            await store(page, (path, body) => (path.endsWith('_search') && body.size > 1 ? { json: { _shards: { total: 2, failed: 1, failures: [{ reason: { reason: 'disk' } }] }, hits: { hits: docs.slice(0, 5) } } } : null));
            await open(page, base);
            await state(page, 'partial');
            check((await page.textContent('[data-testid=partial]')).includes('1 of 2'), 'which part');
        },
    },
    {
        name: 'markup in lines, values and the address stays text',
        async run({ page, base }) {
            await store(page);
            await open(page, base, `/?${RANGE}&q=${encodeURIComponent('img onerror')}&f=${encodeURIComponent(`off.is:${MARKUP}:${MARKUP}`)}&cols=message,${encodeURIComponent('<b>x</b>')}`);
            await state(page, 'ok');
            check((await page.textContent('[data-testid=line][data-id=d3]')).includes(MARKUP), 'the line as text');
            await page.locator('[data-testid=line][data-id=d2] .line-time').click();
            await page.locator('[data-testid=line-tab-json]').click();
            await page.locator('[data-testid=field][data-field="service.name"] .field-name').click();
            await page.waitForSelector('[data-testid=top-value]');
            same(0, await page.locator('img, script:not([src])').count(), 'elements made of data');
        },
    },
];
