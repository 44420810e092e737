// dashboards.test.mjs - what the dashboards page shows and does, over the three dashboards we ship.
import { check, same, until } from './harness.mjs';

const SETTLED = ['ok', 'empty', 'error', 'partial', 'stale', 'unsupported'];

/** The states of the panels in sight, once none is loading. */
async function settled(page, timeoutMs = 15_000) {
    return until(() => page.evaluate((done) => {
        const panels = [...document.querySelectorAll('[data-testid=panel]')].filter((panel) => panel.getBoundingClientRect().top < innerHeight);
        const states = panels.map((panel) => panel.dataset.state);
        return panels.length > 0 && states.every((state) => done.includes(state)) ? states : false;
    }, SETTLED), 'settled panels', timeoutMs);
}

const open = async (page, base, path) => {
    const answer = await page.goto(base + path);
    await page.waitForSelector('[data-testid=dashboard], [data-testid=dashboard-list]');
    return answer;
};

/** Answers every query_range and query of the page with `body`. */
const answerWith = (page, status, body) => page.route(/\/api\/v1\/query(_range)?(\?|$)/, (route) =>
    route.fulfill({ status, contentType: 'application/json', body: JSON.stringify(body) }));

const panelBox = (page, title) => page.locator(`[data-testid=panel][data-panel-title="${title}"]`);
const query = (page) => new URL(page.url()).searchParams;

export const tests = [
    {
        name: 'the list shows our dashboards, typing filters, Enter opens',
        async run({ page, base }) {
            await open(page, base, '/');
            await page.waitForSelector('[data-testid=dashboard-link]');
            const uids = await page.$$eval('[data-testid=dashboard-link]', (links) => links.map((link) => link.dataset.uid));
            for (const uid of ['host', 'pipeline', 'probes']) check(uids.includes(uid), `the list lacks ${uid}`);
            await page.keyboard.type('logs pipe');
            await until(() => page.$$eval('[data-testid=dashboard-link]', (links) => links.length === 1), 'one match');
            await page.keyboard.press('Enter');
            await until(() => new URL(page.url()).pathname.startsWith('/d/pipeline/'), 'the dashboard');
        },
    },
    {
        name: 'any slug leads to the canonical address, an unknown uid to a page that helps',
        async run({ page, base }) {
            await open(page, base, '/d/host/anything?from=now-30m&to=now');
            await until(() => new URL(page.url()).pathname === '/d/host/host', 'the canonical address');
            same('now-30m', query(page).get('from'), 'the range stays');
            await open(page, base, '/d/there-is-none/x');
            await page.waitForSelector('[data-testid=not-found]');
            check(await page.isVisible('[data-testid=dashboard-search]'), 'the search box is there');
        },
    },
    {
        name: 'Host: every panel in sight settles and shows live values',
        async run({ page, base }) {
            await open(page, base, '/d/host/host?from=now-15m&to=now&refresh=');
            const states = await settled(page);
            check(states.filter((state) => state === 'ok').length >= 6, `most panels are ok: ${states.join(' ')}`);
            check(!states.includes('error'), `no panel failed: ${states.join(' ')}`);
            const cpu = await panelBox(page, 'CPU').locator('[data-testid=stat-value]').textContent();
            check(/^\d+(\.\d+)?%$/.test(cpu), `the CPU gauge shows a share: ${cpu}`);
            const memory = await panelBox(page, 'Memory size').locator('[data-testid=stat-value]').textContent();
            check(/[KMGT]iB$/.test(memory), `the memory size is in bytes: ${memory}`);
            await page.locator('[data-panel-title="Processor time"] canvas').waitFor();
        },
    },
    ...['pipeline', 'probes'].map((uid) => ({
        name: `${uid}: no query of any panel fails`,
        async run({ page, base }) {
            await open(page, base, `/d/${uid}?from=now-15m&to=now&refresh=`);
            await settled(page);
            for (const panel of await page.$$('[data-testid=panel]')) await panel.scrollIntoViewIfNeeded();
            await settled(page);
            const bad = await page.$$eval('[data-testid=panel]', (panels) => panels.filter((panel) => ['error', 'partial'].includes(panel.dataset.state)).map((panel) => panel.dataset.panelTitle));
            same([], bad, 'failed panels');
        },
    })),
    {
        name: 'panels stand where gridPos says, none over another, no sideways scroll',
        async run({ page, base }) {
            await open(page, base, '/d/host/host?from=now-15m&to=now&refresh=');
            await settled(page);
            const { dashboard } = await page.evaluate(async () => (await fetch('/api/dashboards/uid/host')).json());
            const boxes = await page.$$eval('[data-testid=panel]', (panels) => panels.map((panel) => {
                const { left, top, width, height } = panel.getBoundingClientRect();
                return { id: Number(panel.dataset.panelId), left, top: top + scrollY, width, height };
            }));
            const origin = { left: Math.min(...boxes.map((box) => box.left)), top: Math.min(...boxes.map((box) => box.top)) };
            const wide = (await page.evaluate(() => document.querySelector('.grid').getBoundingClientRect().width)) + 8;
            for (const box of boxes) {
                const { gridPos: at } = dashboard.panels.find((panel) => panel.id === box.id);
                const wanted = { left: (at.x * wide) / 24, top: at.y * 38, width: (at.w * wide) / 24 - 8, height: at.h * 38 - 8 };
                for (const side of ['left', 'top', 'width', 'height']) {
                    const got = box[side] - (origin[side] ?? 0);
                    check(Math.abs(got - wanted[side]) <= 2, `panel ${box.id}: ${side} is ${got}, wanted ${wanted[side]}`);
                }
            }
            check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scroll');
        },
    },
    {
        name: 'a drag over a chart sets the range of all panels, Back restores it',
        async run({ page, base }) {
            await open(page, base, '/d/host/host?from=now-15m&to=now&refresh=');
            await settled(page);
            const over = page.locator('[data-panel-title="Processor time"] .u-over');
            const { from, to } = await page.locator('[data-panel-title="Processor time"] [data-testid=chart]').evaluate((chart) => ({ from: Number(chart.dataset.from), to: Number(chart.dataset.to) }));
            const box = await over.boundingBox();
            const y = box.y + box.height / 2;
            await page.mouse.move(box.x + 100, y);
            await page.mouse.down();
            await page.mouse.move(box.x + 200, y, { steps: 4 });
            await page.mouse.move(box.x + 300, y, { steps: 4 });
            await page.mouse.up();
            await until(() => /^\d+$/.test(query(page).get('from') ?? ''), 'an absolute range');
            const perPixel = (to - from) / box.width;
            const wanted = from + 100 * perPixel;
            check(Math.abs(Number(query(page).get('from')) - wanted) <= 2 * perPixel, 'from is where the drag began');
            check(Math.abs(Number(query(page).get('to')) - Number(query(page).get('from')) - 200 * perPixel) <= 3 * perPixel, 'the span is that of the drag');
            await page.goBack();
            await until(() => query(page).get('from') === 'now-15m', 'the former range');
        },
    },
    {
        name: 'variables stand in the address and in the queries',
        async run({ page, base }) {
            const asked = [];
            page.on('request', (request) => { if (request.url().includes('/query')) asked.push(decodeURIComponent(request.url() + (request.postData() ?? '')).replace(/\+/g, ' ')); });
            await open(page, base, '/d/host/host?from=now-15m&to=now&refresh=');
            await settled(page);
            const instance = query(page).get('var-instance');
            check(instance, 'the instance stands in the address');
            check(asked.some((url) => url.includes(`instance="${instance}"`)), 'queries name the instance');
            check(!asked.some((url) => url.includes('$')), `no query holds a $: ${asked.find((url) => url.includes('$'))}`);
        },
    },
    {
        name: 'v shows one panel alone, Escape returns; viewPanel works from the address',
        async run({ page, base }) {
            await open(page, base, '/d/host/host?from=now-15m&to=now&refresh=');
            await settled(page);
            await page.locator('[data-panel-title="Processor time"] .u-over').hover();
            await page.keyboard.press('v');
            await until(() => query(page).has('viewPanel'), 'viewPanel in the address');
            same(1, await page.locator('[data-testid=panel]').count(), 'panels');
            await page.keyboard.press('Escape');
            await until(() => page.locator('[data-testid=panel]').count().then((count) => count > 5), 'all panels');
            await open(page, base, '/d/host/host?viewPanel=panel-1&from=now-15m&to=now');
            same('1', await page.locator('[data-testid=panel]').first().getAttribute('data-panel-id'), 'the panel');
        },
    },
    {
        name: 'a click in the legend isolates, another shows all; rows close and open',
        async run({ page, base }) {
            await open(page, base, '/d/host/host?from=now-15m&to=now&refresh=');
            await settled(page);
            const entries = panelBox(page, 'Load').last().locator('[data-testid=legend-entry]');
            await entries.first().click();
            same(['true', 'false', 'false', 'false'], await entries.evaluateAll((all) => all.map((one) => one.getAttribute('aria-pressed'))), 'isolated');
            await entries.first().click();
            same(['true', 'true', 'true', 'true'], await entries.evaluateAll((all) => all.map((one) => one.getAttribute('aria-pressed'))), 'all');
            const before = await page.locator('[data-testid=panel]').count();
            await page.click('[data-testid=row][data-row-title="Processor"] button');
            same(before - 3, await page.locator('[data-testid=panel]').count(), 'panels of a closed row are gone');
            await page.click('[data-testid=row][data-row-title="Processor"] button');
            same(before, await page.locator('[data-testid=panel]').count(), 'and back');
        },
    },
    {
        name: 'a failed query shows the server\'s words, an empty answer says so, a lost server too',
        async run({ page, base }) {
            await answerWith(page, 400, { status: 'error', errorType: 'bad_data', error: 'parse error <b>here</b>' });
            await open(page, base, '/d/probes?from=now-15m&to=now&refresh=');
            const states = await settled(page);
            check(states.every((state) => state === 'error'), `all failed: ${states.join(' ')}`);
            same('parse error <b>here</b>', await page.locator('[data-testid=panel-message]').first().textContent(), 'message');
            await page.unroute(/\/api\/v1\/query(_range)?(\?|$)/);
            await answerWith(page, 200, { status: 'success', data: { resultType: 'matrix', result: [] } });
            await page.click('[data-testid=refresh]');
            await until(async () => (await settled(page)).every((state) => state === 'empty'), 'empty panels');
            await page.unroute(/\/api\/v1\/query(_range)?(\?|$)/);
            await page.route(/\/api\//, (route) => route.abort());
            await page.click('[data-testid=refresh]');
            await page.waitForSelector('[data-testid=offline]');
            await page.unroute(/\/api\//);
            await until(() => page.locator('[data-testid=offline]').count().then((count) => count === 0), 'recovery', 12_000);
        },
    },
    {
        name: 'label values with markup stay text',
        async run({ page, base }) {
            const hostile = '<img src=x onerror=alert(1)><script>alert(2)</script>';
            const now = Math.floor(Date.now() / 1000);
            await page.route(/\/api\/v1\/query_range/, (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify({
                status: 'success', data: { resultType: 'matrix', result: [{ metric: { __name__: hostile, target: hostile, job: hostile }, values: Array.from({ length: 60 }, (_, i) => [now - 900 + i * 15, String(i)]) }] } }) }));
            await page.route(/\/api\/v1\/query\?/, (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify({
                status: 'success', data: { resultType: 'vector', result: [{ metric: { target: hostile }, value: [now, '1'] }] } }) }));
            await page.route(/\/label\//, (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify({ status: 'success', data: [hostile] }) }));
            await open(page, base, '/d/probes?from=now-15m&to=now&refresh=');
            await settled(page);
            await page.locator('.u-over').first().hover();
            await until(() => page.getByText(hostile).count().then((count) => count > 0), 'the label as text');
            same(0, await page.locator('img, #app script').count(), 'elements made of data');
        },
    },
    {
        name: 'theme= wins before the first paint; ? lists keys; kiosk hides the bar',
        async run({ page, base }) {
            await open(page, base, '/d/host/host?theme=light&refresh=');
            same('light', await page.evaluate(() => document.documentElement.dataset.theme), 'theme');
            await page.keyboard.press('?');
            await page.waitForSelector('[data-testid=key-help]');
            await page.keyboard.press('Escape');
            await open(page, base, '/d/host/host?kiosk&refresh=');
            await page.waitForSelector('[data-testid=panel]');
            same(0, await page.locator('[data-testid=top-bar]').count(), 'bars');
        },
    },
    {
        name: 'the policy is strict and assets are small and cached',
        async run({ page, base }) {
            let size = 0;
            page.on('response', async (response) => {
                if (response.url().includes('/assets/')) size += Number(response.headers()['content-length'] ?? 0);
            });
            const answer = await open(page, base, '/d/host/host?refresh=');
            const policy = answer.headers()['content-security-policy'] ?? '';
            check(policy.includes("script-src 'self'") || policy.includes("default-src 'self'"), `a policy: ${policy}`);
            check(!policy.includes('unsafe'), `nothing unsafe: ${policy}`);
            await settled(page);
            check(size > 0 && size <= 110_000, `the first load is ${size} bytes`);
        },
    },
    {
        name: 'a phone sees one column without sideways scroll',
        options: { viewport: { width: 390, height: 844 }, hasTouch: true },
        async run({ page, base }) {
            await open(page, base, '/d/host/host?from=now-15m&to=now&refresh=');
            await settled(page);
            check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scroll');
            const widths = await page.$$eval('[data-panel-type=timeseries]', (panels) => panels.map((panel) => Math.round(panel.getBoundingClientRect().width)));
            check(widths.every((width) => width > 350), `charts are as wide as the page: ${widths.join(' ')}`);
        },
    },
];
