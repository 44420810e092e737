// queries.ts - asks what a panel's targets want and makes frames of the answers.
import { signal } from '@preact/signals';
import { ApiError, errorText, Gate, isAbort } from '../../shared/api';
import { askProm, printMetric, readNumber, type Labels, type PromData } from '../../shared/prom';
import { niceStep, printDuration, readDuration, readInstant, zoneOffset, type Range, type Zone } from '../../shared/time';
import { askLogs } from './elastic';
import { field, type Cell, type Frame } from './frames';
import { text, type Loose, type Panel, type Target } from './model';
import { findSource, sourceUrl, type Source } from './sources';
import { autoMacros, fillIn, type Scope, type Variable } from './vars';

export interface QueryContext {
    range: Range;
    width: number;
    variables: readonly Variable[];
    sources: readonly Source[];
    inputs: Loose[];
    zone: Zone;
    signal: AbortSignal;
}

export interface PanelData {
    frames: Frame[];
    range: Range;
    errors: { refId: string; message: string; silent: boolean }[];
    warnings: string[];
    /** The queries as sent, for people to copy. */
    sent: { refId: string; query: string; step: string }[];
    stepMs: number;
}

/** Names of data sources that did not answer last time; the page says so once, above all panels. */
export const silentSources = signal<ReadonlySet<string>>(new Set());

function noteAnswer(source: Source, answered: boolean): void {
    if (silentSources.peek().has(source.name) !== answered) return;
    const next = new Set(silentSources.peek());
    if (answered) next.delete(source.name);
    else next.add(source.name);
    silentSources.value = next;
}

const POINTS_MAX = 11_000;
const WIDTH_UNKNOWN = 500;
const gate = new Gate(12);

/** A duration as Go prints it and Grafana sends it: "1m0s". */
function goDuration(ms: number): string {
    if (ms < 1000) return `${ms}ms`;
    const seconds = Math.floor(ms / 1000);
    const h = Math.floor(seconds / 3600);
    const m = Math.floor(seconds / 60) % 60;
    return h > 0 ? `${h}h${m}m${seconds % 60}s` : m > 0 ? `${m}m${seconds % 60}s` : `${seconds}s`;
}

export interface Steps { intervalMs: number; stepMs: number; rateMs: number }

/** The step of a target's range query and the value of the interval macros. */
export function stepsFor(range: Range, points: number, panelInterval: string, target: { interval?: string; intervalFactor?: number }, source: { intervalMs: number }): Steps {
    const width = range.to - range.from;
    const least = readDuration(panelInterval.replace(/^[<>=]+/, '').trim()) ?? source.intervalMs;
    const intervalMs = Math.max(niceStep(width / points), least);
    const said = text(target.interval).replace(/^[<>=]+/, '').trim();
    const wanted = /^\$|^\$\{/.test(said) ? null : readDuration(said);
    const minStep = wanted ?? intervalMs;
    const raw = width / points;
    const calculated = raw < minStep ? minStep : niceStep(raw);
    const safe = niceStep(width / POINTS_MAX);
    const factor = Number(target.intervalFactor) > 1 ? Number(target.intervalFactor) : 1;
    let stepMs = Math.max(calculated, safe) * factor;
    const scrape = wanted ?? source.intervalMs;
    const rateMs = Math.max(stepMs + scrape, 4 * scrape);
    if (said === '$__rate_interval' || said === '${__rate_interval}') stepMs = rateMs;
    return { intervalMs, stepMs, rateMs };
}

/** The panel's own range: its relative time and shift applied. */
export function panelRange(range: Range, panel: Panel, scope: Scope, zone: Zone): Range {
    let { from, to } = range;
    const relative = fillIn(panel.timeFrom, scope, 'raw');
    if (relative !== '') {
        const begin = readInstant(relative.startsWith('now') ? relative : `now-${relative}`, to, false, zone);
        if (begin !== null) from = begin;
    }
    const shift = readDuration(fillIn(panel.timeShift, scope, 'raw'));
    if (shift !== null && panel.timeShift !== '') { from -= shift; to -= shift; }
    return { from, to };
}

function legendOf(format: string, labels: Labels, expr: string, scope: Scope, all: Labels[]): string {
    if (format === '__auto' || format === '') {
        const name = printMetric(labels);
        if (format === '__auto') {
            const keys = new Set(all.flatMap((one) => Object.keys(one)).filter((key) => key !== '__name__'));
            const [only] = [...keys];
            if (keys.size === 1 && only !== undefined && labels[only] !== undefined) return labels[only];
            if (name !== '{}' && keys.size > 0) return printMetric({ ...labels, __name__: '' });
        }
        return name === '{}' ? expr : name;
    }
    const filled = fillIn(format, scope, 'text');
    return filled.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label: string) => (Object.hasOwn(labels, label) ? labels[label]! : ''));
}

const toNumber = (value: string): Cell => readNumber(value);

function wideTable(data: PromData, target: Target, several: boolean): Frame[] {
    const rows: { labels: Labels; at: number; value: string }[] = [];
    if (data.resultType === 'vector') for (const one of data.result) if (one.value) rows.push({ labels: one.metric, at: one.value[0], value: one.value[1] });
    if (data.resultType === 'matrix') for (const one of data.result) for (const [at, value] of one.values ?? []) rows.push({ labels: one.metric, at, value });
    if (data.resultType === 'scalar' || data.resultType === 'string') rows.push({ labels: {}, at: data.result[0], value: data.result[1] });
    const names = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))].sort();
    if (rows.length === 0) return [];
    return [{
        refId: target.refId,
        fields: [
            field('Time', 'time', rows.map((row) => Math.round(row.at * 1000))),
            ...names.map((name) => field(name, 'string', rows.map((row) => row.labels[name] ?? ''))),
            field(several ? `Value #${target.refId}` : 'Value', 'number', rows.map((row) => toNumber(row.value))),
        ],
    }];
}

function seriesFrames(data: PromData, target: Target, expr: string, scope: Scope, stepMs: number, range: Range | null): Frame[] {
    const format = text(target.legendFormat);
    if (data.resultType !== 'matrix' && data.resultType !== 'vector') {
        const [at, value] = data.result;
        return [{ refId: target.refId, fields: [field('Time', 'time', [Math.round(at * 1000)]), field('Value', 'number', [toNumber(value)], { legend: legendOf(format, {}, expr, scope, [{}]), labels: {} })] }];
    }
    const all = data.result.map((one) => one.metric);
    // One shared column of times for a range query: the grid its step makes.
    const grid: number[] = [];
    if (data.resultType === 'matrix' && range) for (let at = range.from; at <= range.to; at += stepMs) grid.push(at);
    const results: { metric: Labels; value?: [number, string]; values?: [number, string][] }[] = data.result;
    return results.map((one) => {
        const legend = legendOf(format, one.metric, expr, scope, all);
        const shared = { labels: one.metric, legend };
        const name = one.metric.__name__ ?? 'Value';
        if (one.values) {
            const values: Cell[] = new Array<Cell>(grid.length).fill(null);
            for (const [at, value] of one.values) {
                const index = Math.round((at * 1000 - grid[0]!) / stepMs);
                const read = readNumber(value);
                if (index >= 0 && index < values.length) values[index] = Number.isNaN(read) ? null : read;
            }
            return { refId: target.refId, name: legend, stepMs, fields: [field('Time', 'time', grid), field(name, 'number', values, shared)] };
        }
        const [at, value] = one.value ?? [0, 'NaN'];
        return { refId: target.refId, name: legend, fields: [field('Time', 'time', [Math.round(at * 1000)]), field(name, 'number', [toNumber(value)], shared)] };
    });
}

/** Buckets by their upper edge, each less what the next lower holds. */
function bucketsApart(frames: Frame[]): Frame[] {
    const edge = (frame: Frame): number => readNumber(frame.fields[1]?.labels?.le ?? '+Inf');
    const sorted = [...frames].sort((a, b) => edge(a) - edge(b));
    return sorted.map((frame, index) => {
        const below = index > 0 ? sorted[index - 1]!.fields[1]!.values : null;
        const own = frame.fields[1]!;
        const values = own.values.map((value, at) => (typeof value === 'number' && typeof below?.[at] === 'number' ? Math.max(0, value - (below[at] as number)) : value));
        return { ...frame, fields: [frame.fields[0]!, { ...own, values, legend: own.labels?.le ?? own.legend }] };
    });
}

async function askTarget(target: Target, panel: Panel, source: Source, context: QueryContext, range: Range, several: boolean, data: PanelData): Promise<Frame[]> {
    const points = panel.maxDataPoints && panel.maxDataPoints > 0 ? panel.maxDataPoints : Math.max(50, Math.round(context.width)) || WIDTH_UNKNOWN;
    const macros = autoMacros(context.variables, range);
    const plain: Scope = { variables: context.variables, macros, repeat: panel.scope };
    const steps = stepsFor(range, points, fillIn(panel.interval, plain, 'raw'), { interval: fillIn(text(target.interval), plain, 'raw'), intervalFactor: target.intervalFactor }, source);
    macros.set('__interval', printDuration(steps.stepMs)).set('__interval_ms', String(steps.stepMs)).set('__rate_interval', goDuration(steps.rateMs)).set('__rate_interval_ms', String(steps.rateMs));
    const scope: Scope = { ...plain, macros };
    const query = fillIn(text(target.expr), scope, 'prom').trim();
    if (query === '') return [];
    const { stepMs } = steps;
    const shift = zoneOffset(range.to, context.zone);
    const floor = (at: number): number => Math.floor((at + shift) / stepMs) * stepMs - shift;
    const aligned = { from: floor(range.from), to: floor(range.to) };
    const instant = target.instant === true;
    const wantsRange = target.range === true || !instant;
    const url = sourceUrl(source);
    const ask = { signal: context.signal, get: query.length < 1500 };
    data.sent.push({ refId: target.refId, query, step: wantsRange ? printDuration(stepMs) : 'instant' });
    data.stepMs = Math.max(data.stepMs, stepMs);
    const frames: Frame[] = [];
    const take = (answer: { data: PromData; warnings: string[] }, isRange: boolean): void => {
        data.warnings.push(...answer.warnings);
        if (target.format === 'table') frames.push(...wideTable(answer.data, target, several));
        else {
            const made = seriesFrames(answer.data, target, query, scope, stepMs, isRange ? aligned : null);
            frames.push(...(target.format === 'heatmap' ? bucketsApart(made) : made));
        }
    };
    if (wantsRange) {
        take(await gate.run(() => askProm<PromData>(url, 'query_range', { query, start: aligned.from / 1000, end: aligned.to / 1000, step: stepMs / 1000 }, ask), context.signal), true);
    }
    if (instant) take(await gate.run(() => askProm<PromData>(url, 'query', { query, time: Math.floor(range.to / 1000) }, ask), context.signal), false);
    return frames;
}

/** Asks all of a panel's targets. Failures of single targets stand in `errors`; abort throws. */
export async function runPanel(panel: Panel, context: QueryContext): Promise<PanelData> {
    const scope: Scope = { variables: context.variables, macros: autoMacros(context.variables, context.range), repeat: panel.scope };
    const range = panelRange(context.range, panel, scope, context.zone);
    const data: PanelData = { frames: [], range, errors: [], warnings: [], sent: [], stepMs: 0 };
    const targets = panel.targets.filter((target) => target.hide !== true);
    const several = targets.filter((target) => target.format === 'table').length > 1;
    const mixed = (given: Panel['datasource']): boolean => (typeof given === 'string' ? given : given?.uid) === '-- Mixed --';
    const parts = await Promise.all(targets.map(async (target) => {
        const said = target.datasource && !mixed(target.datasource) ? target.datasource : panel.datasource;
        const source = findSource(mixed(said) ? null : said, context.sources, scope, context.inputs);
        try {
            if (!source) throw new ApiError('query', 'there is no such data source');
            if (source.type !== 'prometheus' && source.type !== 'elasticsearch') throw new ApiError('query', `data sources of type ${source.type} are not supported`);
            const frames = source.type === 'prometheus' ? await askTarget(target, panel, source, context, range, several, data)
                : await askLogs(target, panel, source, { ...context, range }, data);
            noteAnswer(source, true);
            return frames;
        } catch (failure) {
            if (isAbort(failure)) throw failure;
            const silent = failure instanceof ApiError && failure.status >= 502 && failure.status <= 504;
            if (source && failure instanceof ApiError && failure.kind !== 'unreachable') noteAnswer(source, !silent);
            data.errors.push({ refId: target.refId, message: errorText(failure), silent });
            return [];
        }
    }));
    data.frames = parts.flat();
    return data;
}
