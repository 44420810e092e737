// store.ts - asking the log store, with requests that any Elasticsearch 7 understands.
import { ApiError, fetchJson, isAbort } from '../../shared/api';
import { DAY, HOUR, MINUTE, SECOND, type Range } from '../../shared/time';
import { type Clause } from './filters';
import { LEVEL_FIELDS, readHit, readLevel, type Hit, type Level, type Line } from './lines';

export const PAGE_SIZE = 200;
const TAIL_PAGES_MAX = 5;
const TAIL_OVERLAP_MS = 5000;
const ROOT = '/api/es';

interface Answer {
    timed_out?: boolean;
    took?: number;
    _shards?: { total: number; failed: number; failures?: { reason?: { reason?: string } }[] };
    hits: { total?: number | { value: number; relation: string }; hits: Hit[] };
    aggregations?: Record<string, { buckets: Bucket[]; sum_other_doc_count?: number }>;
}
interface Bucket { key: string | number; key_as_string?: string; doc_count: number; levels?: { buckets: Bucket[] } }

const address = (index: string, operation: string): string =>
    `${ROOT}/${index === '' ? '' : `${encodeURIComponent(index)}/`}${operation}`;

async function search(index: string, body: Clause, signal?: AbortSignal): Promise<Answer> {
    return fetchJson<Answer>(address(index, '_search?ignore_unavailable=true&allow_no_indices=true'), { json: body, signal });
}

/** What the store could not do, though it answered; "" when all is well. */
function lackOf(answer: Answer): string {
    if (answer.timed_out) return 'The store stopped before it had seen everything.';
    const { failed = 0, total = 0, failures } = answer._shards ?? { failed: 0, total: 0 };
    return failed === 0 ? '' : `${failed} of ${total} parts of the store failed: ${failures?.[0]?.reason?.reason ?? 'no reason given'}`;
}

/* ---- lines ---- */

const SORT = [{ '@timestamp': { order: 'desc', unmapped_type: 'boolean' } }, { _doc: { order: 'desc' } }];

export interface Page { lines: Line[]; more: boolean; lack: string }

export async function readPage(index: string, query: Clause, after: unknown[] | null, signal?: AbortSignal): Promise<Page> {
    const body: Clause = { size: PAGE_SIZE, sort: SORT, track_total_hits: false, query };
    if (after) body.search_after = after;
    const answer = await search(index, body, signal);
    const { hits } = answer.hits;
    return { lines: hits.map(readHit), more: hits.length === PAGE_SIZE, lack: lackOf(answer) };
}

/**
 * The page behind `lines`. Lines of the last one's millisecond are asked for again and known ones
 * left out, since positions inside a millisecond may move while the store takes new lines.
 */
export async function readMore(index: string, query: Clause, lines: readonly Line[], signal?: AbortSignal): Promise<Page> {
    const last = lines[lines.length - 1]!;
    const known = new Set(lines.map((line) => line.key));
    const at = Number(last.sort[0]);
    const again = [at > 1e15 ? at + 1000 : at + 1, 0];
    const page = await readPage(index, query, Number.isFinite(at) ? again : last.sort, signal);
    const fresh = page.lines.filter((line) => !known.has(line.key));
    if (fresh.length > 0 || !page.more) return { ...page, lines: fresh };
    const beyond = await readPage(index, query, last.sort, signal);
    return { ...beyond, lines: beyond.lines.filter((line) => !known.has(line.key)) };
}

export interface Tail { lines: Line[]; missed: boolean }

/** Lines newer than the newest known, and late ones of the last seconds; newest first. */
export async function readTail(index: string, makeQuery: (from: number) => Clause, lines: readonly Line[], signal?: AbortSignal): Promise<Tail> {
    const newest = lines[0]?.at ?? Date.now() - 15 * MINUTE;
    const query = makeQuery(newest - TAIL_OVERLAP_MS);
    const known = new Set(lines.slice(0, 5000).map((line) => line.key));
    const fresh: Line[] = [];
    let after: unknown[] | null = null;
    for (let turn = 0; turn < TAIL_PAGES_MAX; turn++) {
        const page: Page = await readPage(index, query, after, signal);
        const here = page.lines.filter((line) => !known.has(line.key));
        for (const line of here) known.add(line.key);
        fresh.push(...here);
        if (!page.more || here.length === 0) return { lines: fresh, missed: false };
        after = page.lines[page.lines.length - 1]!.sort;
    }
    return { lines: fresh, missed: true };
}

/** Both newest first; equal times keep the order they came in, the fresh ones above. */
export function mergeLines(fresh: readonly Line[], old: readonly Line[], max: number): Line[] {
    const merged: Line[] = [];
    let i = 0;
    let j = 0;
    while (merged.length < max && (i < fresh.length || j < old.length)) {
        if (j >= old.length || (i < fresh.length && fresh[i]!.at >= old[j]!.at)) merged.push(fresh[i++]!);
        else merged.push(old[j++]!);
    }
    return merged;
}

/** The newest line of all times, to lead out of an empty range. */
export async function readNewest(index: string, query: Clause | null, signal?: AbortSignal): Promise<Line | null> {
    const answer = await search(index, { size: 1, sort: SORT, track_total_hits: false, query: query ?? { match_all: {} } }, signal);
    const hit = answer.hits.hits[0];
    return hit ? readHit(hit) : null;
}

/** Up to `count` lines before and behind `line` among what `query` leaves. */
export async function readAround(index: string, query: Clause, line: Line, count: number, signal?: AbortSignal): Promise<Line[]> {
    const ask = async (order: 'asc' | 'desc'): Promise<Line[]> => {
        const sort = [{ '@timestamp': { order, unmapped_type: 'boolean' } }, { _doc: { order } }];
        const answer = await search(index, { size: count, sort, track_total_hits: false, query, search_after: line.sort }, signal);
        return answer.hits.hits.map(readHit);
    };
    const [older, newer] = await Promise.all([ask('desc'), ask('asc')]);
    return [...newer.reverse(), line, ...older];
}

/* ---- counts over time ---- */

const STEPS = [
    10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE,
    10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY,
];

/** The step that gives at most `bars` bars. */
export function barStep(range: Range, bars: number): number {
    const raw = (range.to - range.from) / Math.max(1, bars);
    return STEPS.find((step) => step >= raw) ?? 365 * DAY;
}

export interface Bar { at: number; total: number; levels: Map<Level, number> }
export interface Counts { total: number; exact: boolean; step: number; range: Range; bars: Bar[]; words: Map<Level, string>; lack: string; tookMs: number }

export async function readCounts(index: string, query: Clause, range: Range, bars: number, levelField: string | null, signal?: AbortSignal): Promise<Counts> {
    const step = barStep(range, bars);
    const times: Clause = { date_histogram: { field: '@timestamp', fixed_interval: `${step}ms`, min_doc_count: 1 } };
    if (levelField !== null) times.aggs = { levels: { terms: { field: levelField, size: 20 } } };
    const answer = await search(index, { size: 0, track_total_hits: true, query, aggs: { times } }, signal);
    const found = answer.hits.total;
    const total = typeof found === 'object' ? found.value : found ?? 0;
    const byTime = new Map<number, Bar>();
    const words = new Map<Level, string>();
    for (const bucket of answer.aggregations?.times?.buckets ?? []) {
        const levels = new Map<Level, number>();
        let told = 0;
        for (const one of bucket.levels?.buckets ?? []) {
            const word = String(one.key_as_string ?? one.key);
            const level = readLevel(word);
            if (!words.has(level)) words.set(level, word);
            levels.set(level, (levels.get(level) ?? 0) + one.doc_count);
            told += one.doc_count;
        }
        if (told < bucket.doc_count) levels.set('', (levels.get('') ?? 0) + bucket.doc_count - told);
        byTime.set(Number(bucket.key), { at: Number(bucket.key), total: bucket.doc_count, levels });
    }
    const list: Bar[] = [];
    for (let at = Math.floor(range.from / step) * step; at <= range.to; at += step) {
        list.push(byTime.get(at) ?? { at, total: 0, levels: new Map() });
    }
    return {
        total, exact: typeof found !== 'object' || found.relation !== 'gte', step, range, bars: list, words, lack: lackOf(answer), tookMs: answer.took ?? 0,
    };
}

/* ---- fields ---- */

export interface Field { name: string; type: string; aggregatable: boolean }

interface Caps { fields: Record<string, Record<string, { type: string; aggregatable?: boolean; metadata_field?: boolean }>> }

export async function readFields(index: string, signal?: AbortSignal): Promise<Field[]> {
    const caps = await fetchJson<Caps>(address(index, '_field_caps?fields=*&ignore_unavailable=true&allow_no_indices=true'), { signal });
    const fields: Field[] = [];
    for (const [name, types] of Object.entries(caps.fields ?? {})) {
        const kinds = Object.values(types).filter((one) => !one.metadata_field && one.type !== 'object' && one.type !== 'nested' && one.type !== 'unmapped');
        if (name.startsWith('_') || kinds.length === 0) continue;
        const types_ = [...new Set(kinds.map((one) => one.type))];
        fields.push({ name, type: types_.length === 1 ? types_[0]! : 'mixed', aggregatable: kinds.every((one) => one.aggregatable !== false) });
    }
    return fields.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The field to count values of: itself, or its keyword form; null when neither can be counted. */
export function countable(name: string, fields: readonly Field[]): string | null {
    for (const one of [name, `${name}.keyword`]) {
        if (fields.some((field) => field.name === one && field.aggregatable && field.type !== 'text')) return one;
    }
    return null;
}

export const levelFieldOf = (fields: readonly Field[]): string | null => {
    for (const name of LEVEL_FIELDS) {
        const found = countable(name, fields);
        if (found !== null) return found;
    }
    return null;
};

export interface TopValue { value: string; count: number }
export interface Top { values: TopValue[]; total: number; sampled: boolean }

export async function readTop(index: string, query: Clause, field: string, signal?: AbortSignal): Promise<Top> {
    const answer = await search(index, { size: 0, track_total_hits: false, query, aggs: { top: { terms: { field, size: 10 } } } }, signal);
    const top = answer.aggregations?.top;
    const values = (top?.buckets ?? []).map((bucket) => ({ value: String(bucket.key_as_string ?? bucket.key), count: bucket.doc_count }));
    return { values, total: values.reduce((sum, one) => sum + one.count, top?.sum_other_doc_count ?? 0), sampled: false };
}

export async function readIndices(signal?: AbortSignal): Promise<string[]> {
    const rows = await fetchJson<{ index: string }[]>(`${ROOT}/_cat/indices?format=json&h=index`, { signal });
    return rows.map((row) => row.index).filter((name) => !name.startsWith('.')).sort();
}

/** A query that the store could not read, not a store that is ill. */
export const isSyntax = (failure: unknown): boolean => failure instanceof ApiError && failure.kind === 'query';
export { isAbort };
