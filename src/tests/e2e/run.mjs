// run.mjs - tests of the pages of a running system.
//
// Usage: node run.mjs [NAME]      only the tests whose name contains NAME
// Addresses: BAROGRAPH_DASHBOARDS_URL (http://127.0.0.1:3000), BAROGRAPH_EXPLORE_URL (…:5601),
// BAROGRAPH_QUERY_URL (…:9090). A part whose server does not answer is skipped, and said so.
// Prints TAP and ends in a line "# N passed, N failed, N skipped"; status 1 when any failed.
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
const counts = { number: 0, passed: 0, failed: 0, skipped: 0 };
const parts = [];
for (const [part, base] of PARTS) {
    const file = new URL(`./${part}.test.mjs`, import.meta.url);
    if (!existsSync(file)) continue;
    const { tests } = await import(file.href);
    parts.push({ part, base, tests: tests.filter(({ name }) => `${part} ${name}`.includes(only)) });
}
console.log(`1..${parts.reduce((sum, { tests }) => sum + tests.length, 0)}`);
const reason = await missing();
for (const { part, base, tests } of parts) {
    const why = reason ?? (await answers(base) ? null : `nothing answers at ${base}`);
    if (why === null) {
        await runTests(part, base.replace(/\/$/, ''), tests, counts);
        continue;
    }
    for (const { name } of tests) {
        counts.number++;
        counts.skipped++;
        console.log(`ok ${counts.number} - ${part}: ${name} # SKIP ${why}`);
    }
}
console.log(`# ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 ? 1 : 0);
