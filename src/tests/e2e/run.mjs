// run.mjs - tests of the pages of a running system.
//
// Usage: node run.mjs [NAME]      only the tests whose name contains NAME
// Addresses: BAROGRAPH_DASHBOARDS_URL (http://127.0.0.1:3000), BAROGRAPH_EXPLORE_URL (…:5601),
// BAROGRAPH_QUERY_URL (…:9090). A part whose server does not answer is skipped, and said so.
// Ends in a line "N passed, N failed, N skipped"; status 1 when any failed.
import { existsSync } from 'node:fs';
import { missing, runTests } from './harness.mjs';

const PARTS = [
    ['dashboards', process.env.BAROGRAPH_DASHBOARDS_URL ?? 'http://127.0.0.1:3000'],
    ['explore', process.env.BAROGRAPH_EXPLORE_URL ?? 'http://127.0.0.1:5601'],
    ['query', process.env.BAROGRAPH_QUERY_URL ?? 'http://127.0.0.1:9090'],
];

async function answers(base) {
    try {
        return (await fetch(`${base}/`, { redirect: 'manual', signal: AbortSignal.timeout(3000) })).status < 500;
    } catch {
        return false;
    }
}

const only = process.argv[2] ?? '';
const sum = { passed: 0, failed: 0, skipped: 0 };
const reason = await missing();
for (const [part, base] of PARTS) {
    const file = new URL(`./${part}.test.mjs`, import.meta.url);
    if (!existsSync(file)) continue;
    const why = reason ?? (await answers(base) ? null : `nothing answers at ${base}`);
    const { tests } = await import(file.href);
    if (why !== null) {
        console.log(`skip - ${part}: ${tests.length} tests: ${why}`);
        sum.skipped += tests.length;
        continue;
    }
    const counts = await runTests(part, base.replace(/\/$/, ''), tests, only);
    sum.passed += counts.passed;
    sum.failed += counts.failed;
}
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exit(sum.failed > 0 ? 1 : 0);
