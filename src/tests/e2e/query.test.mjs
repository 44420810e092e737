// query.test.mjs - what the query page shows and does. Questions with known answers are answered here;
// the others by the server that runs.
import { check, same, until } from './harness.mjs';

const MARKUP = '<img src=x onerror=alert(1)>';
const state = (page, wanted, index = 0) => until(() => page.evaluate(([want, at]) => document.querySelectorAll('[data-testid=query-panel]')[at]?.dataset.state === want, [wanted, index]), `state ${wanted}`);
const open = async (page, base, path) => { await page.goto(base + path); await page.waitForSelector('[data-testid=query-page]'); };
const query = (page) => new URL(page.url()).searchParams;
const answer = (page, make) => page.route(/\/api\/v1\/query(_range)?(\?|$)/, (route) => {
    const form = new URLSearchParams(route.request().postData() ?? '');
    const { status = 200, ...body } = make(form, route.request().url());
    return route.fulfill({ status, contentType: 'application/json', body: JSON.stringify({ status: status === 200 ? 'success' : 'error', ...body }) });
});
const vector = (...rows) => ({ data: { resultType: 'vector', result: rows.map(([metric, value]) => ({ metric, value: [1, value] })) } });
const matrix = (form, metric = { __name__: 'm' }) => {
    const [start, end, step] = ['start', 'end', 'step'].map((key) => Number(form.get(key)));
    const values = [];
    for (let at = start; at <= end; at += step) values.push([at, String(Math.sin(at / 60))]);
    return { data: { resultType: 'matrix', result: [{ metric, values }] } };
};

export const tests = [
    {
        name: 'the server that runs here evaluates 1+1 and up',
        async run({ page, base }) {
            await open(page, base, '/query?g0.expr=1%2B1&g0.tab=1&g1.expr=up&g1.tab=table');
            await state(page, 'ok');
            same('2', (await page.locator('[data-testid=result-row] .value').first().textContent()), 'value');
            await until(() => page.$$eval('[data-testid=query-panel]', (panels) => ['ok', 'empty'].includes(panels[1].dataset.state)), 'up');
        },
    },
    {
        name: 'typing and Enter run, the address holds it, Back and history go back',
        async run({ page, base }) {
            await answer(page, (form) => vector([{ __name__: form.get('query') }, '7']));
            await open(page, base, '/query');
            await state(page, 'idle');
            for (const expr of ['alpha', 'beta']) {
                await page.fill('[data-testid=expression]', expr);
                await page.press('[data-testid=expression]', 'Enter');
                await until(() => query(page).get('g0.expr') === expr, 'the address');
                await until(async () => (await page.textContent('[data-testid=result-row]').catch(() => '')).includes(expr), 'the answer');
            }
            await page.goBack();
            await until(async () => (await page.inputValue('[data-testid=expression]')) === 'alpha', 'the former expression');
            await page.click('[data-testid=history]');
            same(['beta', 'alpha'], await page.$$eval('[data-testid=history-entry]', (entries) => entries.map((one) => one.textContent)), 'history');
        },
    },
    {
        name: "Prometheus' addresses: range, end, step, stacked, several panels",
        async run({ page, base }) {
            const forms = [];
            await answer(page, (form) => { forms.push(form); return matrix(form); });
            await open(page, base, '/query?g0.expr=a&g0.tab=0&g0.range_input=2h&g0.end_input=2026-01-31%2012:00:00&g0.step_input=60&g0.stacked=1&g1.expr=b&g1.tab=graph');
            await state(page, 'ok', 0);
            await state(page, 'ok', 1);
            const form = forms.find((one) => one.get('query') === 'a');
            same([Date.UTC(2026, 0, 31, 12) / 1000, 7200, 60], [Number(form.get('end')), form.get('end') - form.get('start'), Number(form.get('step'))], 'the request');
            same('true', await page.locator('[data-testid=stacked]').first().getAttribute('aria-pressed'), 'stacked');
            await page.waitForSelector('[data-testid=chart] canvas');
            await page.locator('[data-testid=remove-panel]').first().click();
            await until(() => query(page).get('g0.expr') === 'b' && query(page).get('g1.expr') === null, 'one panel');
        },
    },
    {
        name: 'a drag over the graph sets range and end',
        async run({ page, base }) {
            await answer(page, (form) => matrix(form));
            await open(page, base, '/query?g0.expr=a&g0.tab=graph&g0.range_input=1h');
            await state(page, 'ok');
            const box = await page.locator('.u-over').boundingBox();
            await page.mouse.move(box.x + 200, box.y + 50);
            await page.mouse.down();
            await page.mouse.move(box.x + 200 + box.width / 4, box.y + 50, { steps: 5 });
            await page.mouse.up();
            await until(() => query(page).get('g0.end_input') !== null, 'an end');
            check(query(page).get('g0.range_input') !== '1h', 'a range');
        },
    },
    {
        name: 'an error stands at its place with the words of the server; other answers stay',
        async run({ page, base }) {
            await answer(page, (form) => (form.get('query') === 'sum(' ? { status: 400, errorType: 'bad_data', error: 'invalid parameter "query": 1:5: parse error: unclosed left parenthesis' } : { ...vector([{ a: 'b' }, '1']), warnings: ['some were cut'], infos: ['metric might not be a counter'] }));
            await open(page, base, '/query?g0.expr=sum(&g1.expr=ok');
            await state(page, 'error', 0);
            check((await page.textContent('[data-testid=query-error]')).includes('1:5: parse error'), 'words');
            check(await page.locator('.editor-behind .bad').count() === 1, 'the place');
            await state(page, 'ok', 1);
            check((await page.textContent('[data-testid=query-warning]')).includes('some were cut'), 'warning');
            check((await page.textContent('[data-testid=query-info]')).includes('counter'), 'info');
        },
    },
    {
        name: 'names, labels and values are offered; Tab takes them',
        async run({ page, base }) {
            const give = (list) => (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify({ status: 'success', data: list }) });
            await page.route('**/api/v1/label/__name__/values*', give(['http_requests_total', 'http_errors_total', 'up']));
            await page.route('**/api/v1/labels*', give(['__name__', 'code', 'job']));
            await page.route('**/api/v1/label/code/values*', give(['200', '500']));
            await open(page, base, '/query');
            await page.click('[data-testid=expression]');
            for (const [typed, wanted] of [['rate(http_r', 'rate(http_requests_total'], ['{co', 'rate(http_requests_total{code'], ['="5', 'rate(http_requests_total{code="500']]) {
                await page.keyboard.type(typed);
                await page.waitForSelector('[data-testid=completion]');
                await page.keyboard.press('Tab');
                same(wanted, await page.inputValue('[data-testid=expression]'), 'text');
            }
        },
    },
    {
        name: 'no series, no server: each says so, and the page recovers',
        async run({ page, base }) {
            let down = false;
            await page.route(/\/api\/v1\/query/, (route) => (down ? route.abort() : route.fulfill({ contentType: 'application/json', body: JSON.stringify({ status: 'success', ...vector() }) })));
            await open(page, base, '/query?g0.expr=nothing');
            await state(page, 'empty');
            down = true;
            await page.click('[data-testid=execute]');
            await state(page, 'error');
            await page.waitForSelector('[data-testid=offline]');
            down = false;
            await page.click('[data-testid=retry]');
            await state(page, 'empty');
            same(0, await page.locator('[data-testid=offline]').count(), 'banner');
        },
    },
    {
        name: 'many rows are cut, with a way to see all',
        async run({ page, base }) {
            await answer(page, () => vector(...Array.from({ length: 3000 }, (_, i) => [{ i: String(i) }, String(i)])));
            await open(page, base, '/query?g0.expr=many');
            await state(page, 'ok');
            same(1000, await page.locator('[data-testid=result-row]').count(), 'rows');
            await page.click('[data-testid=show-all]');
            same(3000, await page.locator('[data-testid=result-row]').count(), 'rows');
        },
    },
    {
        name: 'markup in names, labels, values, errors, history and the address stays text',
        async run({ page, base }) {
            await page.addInitScript((text) => localStorage.setItem('barograph.query.history', JSON.stringify([text, 7, null, { a: 1 }])), MARKUP);
            await answer(page, (form, url) => (form.get('query') === 'bad' ? { status: 400, error: MARKUP } : url.includes('query_range') ? matrix(form, { __name__: MARKUP, [MARKUP]: MARKUP }) : vector([{ __name__: MARKUP, [MARKUP]: MARKUP }, '1'])));
            await open(page, base, `/query?g0.expr=${encodeURIComponent(`{__name__="${MARKUP}"}`)}&g0.tab=table&g1.expr=x&g1.tab=graph&g2.expr=bad`);
            await state(page, 'ok', 0);
            await state(page, 'ok', 1);
            await state(page, 'error', 2);
            check((await page.textContent('[data-testid=result-row]')).includes(MARKUP), 'the label as text');
            const over = await page.locator('.u-over').boundingBox();
            await page.mouse.move(over.x + over.width / 2, over.y + over.height / 2);
            await page.waitForSelector('[data-testid=chart-tooltip]');
            await page.locator('[data-testid=history]').first().click();
            same(1, await page.locator('[data-testid=history-entry]').count(), 'only texts are taken from the history');
            same(0, await page.locator('img, script:not([src])').count(), 'elements made of data');
        },
    },
];
