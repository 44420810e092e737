// elastic.ts - Elasticsearch targets: date histograms, terms, simple metrics, and lists of lines.
import { fetchJson, reasonOf, type SearchError } from '../../shared/api';
import { niceStep, printDuration } from '../../shared/time';
import { field, type Cell, type Frame } from './frames';
import { list, number, object, text, type Loose, type Panel, type Target } from './model';
import type { PanelData, QueryContext } from './queries';
import { sourceUrl, type Source } from './sources';
import { autoMacros, fillIn } from './vars';

const LINES_MAX = 500;

interface MultiAnswer { responses: { aggregations?: Loose; hits?: { hits?: Loose[] }; error?: SearchError }[] }

function aggregationsOf(buckets: Loose[], metrics: Loose[], context: QueryContext, timeField: string): Loose {
    const [first, ...rest] = buckets;
    if (!first) {
        const made: Loose = {};
        for (const metric of metrics) {
            const type = text(metric.type);
            if (type === 'count') continue;
            if (type === 'percentiles') made[text(metric.id)] = { percentiles: { field: text(metric.field), percents: object(metric.settings).percents } };
            else made[text(metric.id)] = { [type]: { field: text(metric.field) } };
        }
        return made;
    }
    const settings = object(first.settings);
    const inner = aggregationsOf(rest, metrics, context, timeField);
    const below = Object.keys(inner).length > 0 ? { aggs: inner } : {};
    const id = text(first.id, '2');
    if (first.type === 'date_histogram') {
        const auto = Math.max(niceStep((context.range.to - context.range.from) / Math.max(50, context.width)), 1000);
        const interval = text(settings.interval) === 'auto' || text(settings.interval) === '' ? printDuration(auto) : text(settings.interval);
        return { [id]: {
            date_histogram: {
                field: text(first.field) || timeField, fixed_interval: interval, min_doc_count: number(settings.min_doc_count) ?? 0,
                extended_bounds: { min: context.range.from, max: context.range.to }, format: 'epoch_millis',
            }, ...below,
        } };
    }
    if (first.type === 'filters') {
        const filters = Object.fromEntries(list(settings.filters).map((one) => [text(one.label) || text(one.query), { query_string: { query: text(one.query) || '*' } }]));
        return { [id]: { filters: { filters }, ...below } };
    }
    if (first.type === 'terms') {
        const by = text(settings.orderBy, '_term');
        const order = { [by === '_term' ? '_key' : by]: text(settings.order, 'desc') };
        return { [id]: { terms: { field: text(first.field), size: number(settings.size) || 500, order, min_doc_count: number(settings.min_doc_count) ?? 1 }, ...below } };
    }
    throw new Error(`Elasticsearch aggregation ${text(first.type)} is not supported`);
}

interface Row { keys: string[]; at: number; bucket: Loose }

function walk(node: Loose, buckets: Loose[], keys: string[], at: number, rows: Row[]): void {
    const [first, ...rest] = buckets;
    if (!first) {
        rows.push({ keys, at, bucket: node });
        return;
    }
    const found = object(node[text(first.id, '2')]).buckets;
    if (Array.isArray(found)) {
        for (const bucket of list(found)) {
            if (first.type === 'date_histogram') walk(bucket, rest, keys, Number(bucket.key), rows);
            else walk(bucket, rest, [...keys, text(bucket.key_as_string) || String(bucket.key)], at, rows);
        }
    } else for (const [key, bucket] of Object.entries(object(found))) walk(object(bucket), rest, [...keys, key], at, rows);
}

function valueOf(bucket: Loose, metric: Loose): Cell {
    if (metric.type === 'count') return Number(bucket.doc_count);
    const got = object(bucket[text(metric.id)]);
    return number(got.value) ?? null;
}

function nameOf(metric: Loose): string {
    const type = text(metric.type);
    return type === 'count' ? 'Count' : `${type.charAt(0).toUpperCase()}${type.slice(1)} ${text(metric.field)}`.trim();
}

function framesOf(target: Target, answer: Loose, buckets: Loose[], metrics: Loose[]): Frame[] {
    const rows: Row[] = [];
    walk(answer, buckets, [], 0, rows);
    const groups = buckets.filter((bucket) => bucket.type !== 'date_histogram');
    const dated = buckets.some((bucket) => bucket.type === 'date_histogram');
    if (!dated) {
        return [{ refId: target.refId, fields: [
            ...groups.map((bucket, index) => field(text(bucket.field) || 'filter', 'string', rows.map((row) => row.keys[index] ?? ''))),
            ...metrics.map((metric) => field(nameOf(metric), 'number', rows.map((row) => valueOf(row.bucket, metric)))),
        ] }];
    }
    const frames: Frame[] = [];
    const byKeys = new Map<string, Row[]>();
    for (const row of rows) byKeys.set(JSON.stringify(row.keys), [...(byKeys.get(JSON.stringify(row.keys)) ?? []), row]);
    for (const [keys, series] of byKeys) {
        const names = JSON.parse(keys) as string[];
        for (const metric of metrics) {
            if (metric.hide === true) continue;
            const labels = Object.fromEntries(groups.map((bucket, index) => [text(bucket.field) || 'filter', names[index] ?? '']));
            const alias = text(target.alias);
            const plain = names.length > 0 ? names.join(' ') + (metrics.length > 1 ? ` ${nameOf(metric)}` : '') : nameOf(metric);
            const legend = alias === '' ? plain : alias.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name: string) => {
                if (name === 'metric') return nameOf(metric);
                if (name === 'field') return text(metric.field);
                return labels[name.replace(/^term /, '')] ?? '';
            });
            series.sort((a, b) => a.at - b.at);
            frames.push({ refId: target.refId, name: legend, fields: [
                field('Time', 'time', series.map((row) => row.at)),
                field('Value', 'number', series.map((row) => valueOf(row.bucket, metric)), { legend, labels }),
            ] });
        }
    }
    return frames;
}

function flatten(value: Loose, prefix: string, into: Map<string, Cell>): void {
    for (const [key, one] of Object.entries(value)) {
        if (one !== null && typeof one === 'object' && !Array.isArray(one)) flatten(one, `${prefix}${key}.`, into);
        else into.set(prefix + key, Array.isArray(one) ? JSON.stringify(one) : one as Cell);
    }
}

function lines(target: Target, hits: Loose[], timeField: string): Frame[] {
    const rows = hits.map((hit) => {
        const row = new Map<string, Cell>();
        flatten(object(hit._source), '', row);
        return row;
    });
    const names = [...new Set(rows.flatMap((row) => [...row.keys()]))].filter((name) => name !== timeField && name !== 'message').sort();
    const cell = (row: Map<string, Cell>, name: string): Cell => row.get(name) ?? null;
    return [{ refId: target.refId, fields: [
        field(timeField, 'time', rows.map((row) => { const at = Date.parse(String(row.get(timeField))); return Number.isNaN(at) ? null : at; })),
        field('message', 'string', rows.map((row) => cell(row, 'message'))),
        ...names.map((name) => field(name, rows.every((row) => row.get(name) === undefined || typeof row.get(name) === 'number') ? 'number' : 'string', rows.map((row) => cell(row, name)))),
    ] }];
}

/** Asks one Elasticsearch target through _msearch. */
export async function askLogs(target: Target, panel: Panel, source: Source, context: QueryContext, data: PanelData): Promise<Frame[]> {
    const scope = { variables: context.variables, macros: autoMacros(context.variables, context.range), repeat: panel.scope };
    const query = fillIn(text(target.query), scope, 'lucene') || '*';
    const timeField = text(target.timeField) || source.timeField;
    const metrics = list(target.metrics).length > 0 ? list(target.metrics) : [{ id: '1', type: 'count' }];
    const raw = ['logs', 'raw_data', 'raw_document'].includes(text(metrics[0]!.type));
    const buckets = raw ? [] : list(target.bucketAggs);
    const body: Loose = {
        size: raw ? Math.min(LINES_MAX, Number(object(metrics[0]!.settings).limit ?? object(metrics[0]!.settings).size) || LINES_MAX) : 0,
        query: { bool: { filter: [
            { range: { [timeField]: { gte: context.range.from, lte: context.range.to, format: 'epoch_millis' } } },
            { query_string: { analyze_wildcard: true, query } },
        ] } },
    };
    if (raw) body.sort = [{ [timeField]: { order: 'desc', unmapped_type: 'boolean' } }];
    else body.aggs = aggregationsOf(buckets, metrics, context, timeField);
    data.sent.push({ refId: target.refId, query, step: raw ? 'lines' : 'aggregation' });
    const head = { search_type: 'query_then_fetch', ignore_unavailable: true, index: source.index || '*' };
    const answer = await fetchJson<MultiAnswer>(`${sourceUrl(source)}/_msearch`, { text: `${JSON.stringify(head)}\n${JSON.stringify(body)}\n`, signal: context.signal });
    const one = answer.responses[0];
    if (!one) return [];
    if (one.error) throw new Error(reasonOf(one.error) ?? 'the search failed');
    if (raw) return lines(target, list(one.hits?.hits), timeField);
    return framesOf(target, object(one.aggregations), buckets, metrics);
}
