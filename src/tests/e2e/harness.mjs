// harness.mjs - runs page tests in a headless Chromium and watches what no page may do.
//
// Beside a test's own checks every page is watched for: exceptions, console errors that are not of
// failed requests, breaches of the content security policy, dialogs, requests to other origins.
import { existsSync } from 'node:fs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];

export class Failure extends Error {}

export function check(condition, text) {
    if (!condition) throw new Failure(text);
}

export function same(wanted, got, text = 'values differ') {
    const [a, b] = [JSON.stringify(wanted), JSON.stringify(got)];
    if (a !== b) throw new Failure(`${text}: wanted ${a}, got ${b}`);
}

/** Waits until `probe` gives something true; fails with what it gave last. */
export async function until(probe, text, timeoutMs = 10_000) {
    const end = Date.now() + timeoutMs;
    let got;
    for (;;) {
        got = await probe();
        if (got) return got;
        if (Date.now() > end) throw new Failure(`${text} did not come within ${timeoutMs} ms (last: ${JSON.stringify(got)})`);
        await new Promise((wake) => setTimeout(wake, 50));
    }
}

/** Why the tests cannot run here, or null. */
export async function missing() {
    if (!existsSync(CHROMIUM)) return `no browser at ${CHROMIUM}`;
    try {
        await import('playwright-core');
    } catch {
        return 'playwright-core is not installed: run npm ci in src/tests/e2e';
    }
    return null;
}

async function watched(browser, base, options) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark', ...options });
    const page = await context.newPage();
    const breaches = [];
    const origin = new URL(base).origin;
    page.on('pageerror', (problem) => breaches.push(`exception: ${problem.message}`));
    page.on('dialog', (dialog) => { breaches.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
    page.on('console', (message) => {
        if (message.type() === 'error' && !message.text().includes('Failed to load resource')) breaches.push(`console: ${message.text().slice(0, 200)}`);
    });
    page.on('request', (request) => {
        const url = request.url();
        if (!url.startsWith(`${origin}/`) && !url.startsWith('data:') && !url.startsWith('blob:')) breaches.push(`request elsewhere: ${url}`);
    });
    await context.addInitScript(() => {
        addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    return { context, page, breaches };
}

/** Runs `tests` ([{name, options?, run}]) against `base`; prints a line of TAP each, numbered on from `counts`. */
export async function runTests(title, base, tests, counts) {
    const { chromium } = await import('playwright-core');
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
    try {
        for (const { name, options, run } of tests) {
            counts.number++;
            const { context, page, breaches } = await watched(browser, base, options);
            try {
                await run({ page, base });
                same([], breaches, 'the page did what it must not');
                counts.passed++;
                console.log(`ok ${counts.number} - ${title}: ${name}`);
            } catch (problem) {
                counts.failed++;
                console.log(`not ok ${counts.number} - ${title}: ${name}\n#   ${String(problem.message).split('\n').slice(0, 6).join('\n#   ')}`);
            } finally {
                await context.close();
            }
        }
    } finally {
        await browser.close();
    }
}
