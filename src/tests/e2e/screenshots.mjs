// screenshots.mjs - pictures of a running system's pages, small enough for the README.
//
// Usage: node screenshots.mjs FOLDER     the addresses are those of run.mjs
// A page whose server does not answer is left out, and said so.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const SIZE = { width: 1280, height: 800 };
const SCALE = 0.75;
const dashboards = process.env.BAROGRAPH_DASHBOARDS_URL ?? 'http://127.0.0.1:3000';
const explore = process.env.BAROGRAPH_EXPLORE_URL ?? 'http://127.0.0.1:5601';
const query = process.env.BAROGRAPH_QUERY_URL ?? 'http://127.0.0.1:9090';
const PICTURES = [
    ['host-dark', 'dark', `${dashboards}/d/host/host?from=now-15m&to=now&refresh=`],
    ['host-light', 'light', `${dashboards}/d/host/host?from=now-15m&to=now&refresh=`],
    ['pipeline-dark', 'dark', `${dashboards}/d/pipeline?from=now-15m&to=now&refresh=`],
    ['explore-dark', 'dark', `${explore}/`],
    ['explore-light', 'light', `${explore}/`],
    ['query-dark', 'dark', `${query}/query?g0.expr=rate(node_cpu_seconds_total%5B1m%5D)&g0.tab=graph&g0.range_input=15m`],
];

const folder = process.argv[2];
if (!folder) {
    console.error('usage: node screenshots.mjs FOLDER');
    process.exit(2);
}
mkdirSync(folder, { recursive: true });
const { chromium } = await import('playwright-core');
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--no-first-run'],
});
for (const [name, colorScheme, url] of PICTURES) {
    const context = await browser.newContext({ viewport: SIZE, deviceScaleFactor: SCALE, colorScheme });
    const page = await context.newPage();
    try {
        await page.goto(url, { timeout: 5000 });
        // Until nothing in sight is loading, but not for ever.
        await page.waitForFunction(() => {
            const waiting = [...document.querySelectorAll('[data-state=loading], [data-state=refreshing]')];
            return document.querySelector('[data-state]') && waiting.every((one) => one.getBoundingClientRect().top > innerHeight);
        }, null, { timeout: 10_000 }).catch(() => {});
        await page.waitForTimeout(500);
        await page.screenshot({ path: join(folder, `${name}.png`) });
        console.log(`${name}.png`);
    } catch (problem) {
        console.log(`${name}: left out: ${String(problem.message).split('\n', 1)[0]}`);
    } finally {
        await context.close();
    }
}
await browser.close();
