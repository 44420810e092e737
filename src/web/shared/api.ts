// api.ts - asking our own server: JSON with abort, time limit, and errors that say whose fault it is.
import { signal } from '@preact/signals';
import { own } from './url';

/** Whether the last request reached the server; pages show a banner while it is false. */
export const reachable = signal(true);

/** unreachable: no answer; http: an answer that is no success; query: the server refused the question. */
export type ErrorKind = 'unreachable' | 'http' | 'query' | 'timeout' | 'answer';

export class ApiError extends Error {
    constructor(readonly kind: ErrorKind, message: string, readonly status = 0) {
        super(message);
    }
}

export interface Ask {
    signal?: AbortSignal;
    method?: 'GET' | 'POST';
    /** Form fields of a POST; or an object sent as JSON; or text sent as it is. */
    form?: URLSearchParams;
    json?: unknown;
    text?: string;
    contentType?: string;
    timeoutMs?: number;
}

const TIMEOUT_MS = 60_000;

interface Cause { reason?: unknown; caused_by?: Cause }

/** An error as Elasticsearch writes it. */
export interface SearchError extends Cause { root_cause?: Cause[]; failed_shards?: { reason?: Cause }[] }

/** The sentence of a search's error that says most: the cause names the place, the root only the query. */
export function reasonOf(error: SearchError | undefined): string | undefined {
    const reasons = [error?.failed_shards?.[0]?.reason?.caused_by, error?.root_cause?.[0]?.caused_by, error?.root_cause?.[0], error];
    return reasons.map((one) => one?.reason).find((one) => typeof one === 'string') as string | undefined;
}

function messageOf(status: number, text: string): string {
    try {
        const body = JSON.parse(text) as { error?: unknown; message?: unknown };
        if (typeof body.error === 'string') return body.error;
        if (typeof body.message === 'string') return body.message;
        const reason = reasonOf(body.error as SearchError | undefined);
        if (reason !== undefined) return reason;
    } catch { /* not JSON: its first line says more than nothing */ }
    const line = text.trim().split('\n', 1)[0]!.slice(0, 200);
    return line !== '' && !line.startsWith('<') ? line : `the server answered ${status}`;
}

function asError(failure: unknown, expired: boolean): unknown {
    if (failure instanceof ApiError) return failure;
    if (expired) return new ApiError('timeout', 'no answer in time');
    if (failure instanceof DOMException && failure.name === 'AbortError') return failure;
    if (failure instanceof SyntaxError) return new ApiError('answer', 'the answer is not JSON');
    reachable.value = false;
    return new ApiError('unreachable', 'the server is not reachable');
}

/** Fetches and reads JSON. Throws ApiError, or the AbortError of `ask.signal`. */
export async function fetchJson<T>(url: string, ask: Ask = {}): Promise<T> {
    const limit = new AbortController();
    let expired = false;
    const timer = setTimeout(() => { expired = true; limit.abort(); }, ask.timeoutMs ?? TIMEOUT_MS);
    const stop = (): void => limit.abort();
    ask.signal?.addEventListener('abort', stop);
    if (ask.signal?.aborted) limit.abort();
    try {
        const headers: Record<string, string> = { Accept: 'application/json' };
        let body: string | undefined;
        if (ask.form) {
            headers['Content-Type'] = 'application/x-www-form-urlencoded';
            body = ask.form.toString();
        } else if (ask.json !== undefined) {
            headers['Content-Type'] = 'application/json';
            body = JSON.stringify(ask.json);
        } else if (ask.text !== undefined) {
            headers['Content-Type'] = ask.contentType ?? 'application/x-ndjson';
            body = ask.text;
        }
        const method = ask.method ?? (body === undefined ? 'GET' : 'POST');
        const answer = await fetch(own(url), { method, headers, body, signal: limit.signal, credentials: 'same-origin' });
        const text = await answer.text();
        reachable.value = true;
        if (!answer.ok) {
            const kind = answer.status === 400 || answer.status === 422 ? 'query' : 'http';
            throw new ApiError(kind, messageOf(answer.status, text), answer.status);
        }
        return JSON.parse(text) as T;
    } catch (failure) {
        throw asError(failure, expired);
    } finally {
        clearTimeout(timer);
        ask.signal?.removeEventListener('abort', stop);
    }
}

export const isAbort = (failure: unknown): boolean =>
    failure instanceof DOMException && failure.name === 'AbortError';

export const errorText = (failure: unknown): string =>
    failure instanceof Error ? failure.message : String(failure);

/** Runs at most `limit` tasks at once; the rest wait in order. */
export class Gate {
    private running = 0;
    private readonly waiting: (() => void)[] = [];
    constructor(private readonly limit: number) {}

    async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
        while (this.running >= this.limit) await new Promise<void>((wake) => this.waiting.push(wake));
        if (signal?.aborted) {
            this.waiting.shift()?.();
            throw new DOMException('aborted', 'AbortError');
        }
        this.running++;
        try {
            return await task();
        } finally {
            this.running--;
            this.waiting.shift()?.();
        }
    }
}
