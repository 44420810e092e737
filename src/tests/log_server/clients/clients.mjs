// clients.mjs - official clients of Elasticsearch and OpenSearch against the role logs: each writes,
// searches, scrolls, pages over a point in time and aggregates. Prints one JSON line a client.
// Usage: node clients.mjs URL CLIENT...
import { createRequire } from "node:module";

const [url, ...names] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const COUNT = 250;

const documents = Array.from({ length: COUNT }, (_, i) => ({
    "@timestamp": new Date(1700000000000 + i * 1000).toISOString(),
    message: i % 5 === 0 ? `request ${i} timed out` : `request ${i} was answered`,
    "log.level": i % 5 === 0 ? "error" : "info",
    took_ms: i,
}));

// Version 7 answers {body}, later ones the body itself, and 8 dropped the wrapping `body` parameter.
const bodyOf = (answer) => (answer.body !== undefined && answer.statusCode !== undefined ? answer.body : answer);
const totalOf = (hits) => (typeof hits.total === "number" ? hits.total : hits.total.value);

async function run(name) {
    const { Client, errors } = require(name);
    const client = new Client({ node: url, maxRetries: 1, requestTimeout: 20000 });
    const index = `clients-${name.replace(/[^a-z0-9]+/g, "-").replace(/^-/, "")}`;
    const wraps = name.endsWith("-7") || name.includes("opensearch");
    const call = async (method, parameters, body) =>
        bodyOf(await method(wraps ? { ...parameters, body } : { ...parameters, ...body }));
    const result = { name };

    const info = bodyOf(await client.info());
    result.version = info.version.number;
    await call(client.indices.create.bind(client.indices), { index }, {
        mappings: { properties: { message: { type: "text" }, took_ms: { type: "long" } } } });
    const lines = documents.flatMap((document, i) => [{ create: { _id: String(i) } }, document]);
    const bulk = bodyOf(await client.bulk(
        wraps ? { index, refresh: true, body: lines } : { index, refresh: true, operations: lines }));
    result.written = bulk.items.filter((item) => item.create.status === 201).length;
    result.errors = bulk.errors;

    const found = await call(client.search.bind(client), { index }, {
        query: { bool: { must: [{ match: { message: "timed" } }], filter: [{ range: { took_ms: { lt: 100 } } }] } },
        sort: [{ took_ms: "desc" }], size: 3 });
    result.found = [totalOf(found.hits), found.hits.hits.map((hit) => hit._id)];

    const scrolled = [];
    let page = await call(client.search.bind(client), { index, scroll: "1m", size: 100 }, { sort: ["_doc"] });
    while (page.hits.hits.length > 0) {
        scrolled.push(...page.hits.hits.map((hit) => hit._id));
        page = await call(client.scroll.bind(client), {}, { scroll_id: page._scroll_id, scroll: "1m" });
    }
    await call(client.clearScroll.bind(client), {}, { scroll_id: [page._scroll_id] });
    result.scrolled = new Set(scrolled).size;

    if (!name.includes("opensearch")) {
        const opened = bodyOf(await client.openPointInTime({ index, keep_alive: "1m" }));
        const seen = [];
        let after;
        for (;;) {
            const hits = (await call(client.search.bind(client), {}, {
                pit: { id: opened.id, keep_alive: "1m" }, size: 80, sort: [{ took_ms: "asc" }],
                ...(after ? { search_after: after } : {}) })).hits.hits;
            if (hits.length === 0) break;
            seen.push(...hits.map((hit) => hit._id));
            after = hits[hits.length - 1].sort;
        }
        await call(client.closePointInTime.bind(client), {}, { id: opened.id });
        result.paged = new Set(seen).size;
    }

    const aggregated = await call(client.search.bind(client), { index, size: 0 }, {
        aggs: {
            levels: { terms: { field: "log.level.keyword" }, aggs: { slowest: { max: { field: "took_ms" } } } },
            minutes: { date_histogram: { field: "@timestamp", fixed_interval: "1m" } },
        } });
    result.levels = aggregated.aggregations.levels.buckets.map((b) => [b.key, b.doc_count, b.slowest.value]);
    result.minutes = aggregated.aggregations.minutes.buckets.reduce((sum, b) => sum + b.doc_count, 0);

    await call(client.update.bind(client), { index, id: "3", refresh: true }, { doc: { took_ms: 5000 } });
    const one = bodyOf(await client.get({ index, id: "3" }));
    result.updated = one._source.took_ms;
    result.counted = (await call(client.count.bind(client), { index }, {})).count;
    try {
        await call(client.search.bind(client), { index: "no-such-index" }, {});
    } catch (error) {
        result.missing = [error instanceof errors.ResponseError, error.statusCode, error.message.split(":")[0].split("\n")[0]];
    }
    const helped = [];
    if (client.helpers?.scrollDocuments) {
        const parameters = wraps ? { index, size: 60, body: { query: { match_all: {} } } }
            : { index, size: 60, query: { match_all: {} } };
        for await (const document of client.helpers.scrollDocuments(parameters)) helped.push(document.took_ms);
        result.helped = helped.length;
    }
    await client.close();
    return result;
}

for (const name of names) {
    try {
        console.log(JSON.stringify(await run(name)));
    } catch (error) {
        console.log(JSON.stringify({ name, failed: String(error), body: error.meta?.body, at: error.stack?.split("\n")[1] }));
    }
}
