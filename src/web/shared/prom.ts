// prom.ts - Prometheus' HTTP interface: its answers' shapes and how to ask.
import { ApiError, fetchJson, type Ask } from './api';

export type Labels = Record<string, string>;
/** Seconds since the epoch and the value as text ("NaN" and "+Inf" are not JSON numbers). */
export type PromPair = [number, string];

export type PromData =
    | { resultType: 'vector'; result: { metric: Labels; value?: PromPair; histogram?: unknown }[] }
    | { resultType: 'matrix'; result: { metric: Labels; values?: PromPair[]; histograms?: unknown[] }[] }
    | { resultType: 'scalar' | 'string'; result: PromPair };

interface Envelope<T> { status: 'success' | 'error'; data: T; error?: string; errorType?: string; warnings?: string[]; infos?: string[] }
export interface PromAnswer<T> { data: T; warnings: string[]; infos: string[] }

/** Asks `base`/api/v1/`path` with form fields by POST (GET when `get`), and unwraps the envelope. */
export async function askProm<T>(
    base: string, path: string, fields: Record<string, string | number | string[]>, ask: Ask & { get?: boolean } = {},
): Promise<PromAnswer<T>> {
    const form = new URLSearchParams();
    for (const [key, value] of Object.entries(fields)) {
        for (const one of Array.isArray(value) ? value : [value]) form.append(key, String(one));
    }
    const url = `${base}/api/v1/${path}`;
    const { get, ...rest } = ask;
    const text = form.toString();
    const body = get
        ? await fetchJson<Envelope<T>>(text === '' ? url : `${url}?${text}`, rest)
        : await fetchJson<Envelope<T>>(url, { ...rest, method: 'POST', form });
    if (body.status !== 'success') throw new ApiError('query', body.error ?? 'the query failed');
    return { data: body.data, warnings: body.warnings ?? [], infos: body.infos ?? [] };
}

/** "NaN", "+Inf" and numbers as the interface writes them. */
export function readNumber(text: string): number {
    if (text === '+Inf' || text === 'Inf') return Infinity;
    if (text === '-Inf') return -Infinity;
    return Number(text);
}

const PLAIN = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** name{a="b", c="d"}, labels sorted; names that are not plain are quoted. */
export function printMetric(labels: Labels): string {
    const name = labels.__name__ ?? '';
    const rest = Object.keys(labels).filter((key) => key !== '__name__').sort()
        .map((key) => `${PLAIN.test(key) ? key : JSON.stringify(key)}=${JSON.stringify(labels[key])}`);
    if (name !== '' && !PLAIN.test(name)) return `{${[JSON.stringify(name), ...rest].join(', ')}}`;
    return rest.length === 0 ? name || '{}' : `${name}{${rest.join(', ')}}`;
}
