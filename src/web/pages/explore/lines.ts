// lines.ts - a document of the store as a line of a log: its time, level, text and fields.

export type Source = Record<string, unknown>;

export interface Line {
    /** Index and id, the same whenever the document is read. */
    key: string;
    index: string;
    id: string;
    at: number;
    /** What the store sorted it by; passed back to read on from here. */
    sort: unknown[];
    source: Source;
}

export interface Hit { _index: string; _id: string; _source?: Source; sort?: unknown[] }

const isObject = (value: unknown): value is Source => typeof value === 'object' && value !== null && !Array.isArray(value);

const flat = new WeakMap<Source, Map<string, unknown>>();

/** Fields by their dotted names, in order; objects inside lists stay what they are. */
export function fieldsOf(source: Source): Map<string, unknown> {
    const known = flat.get(source);
    if (known) return known;
    const fields = new Map<string, unknown>();
    const visit = (object: Source, before: string): void => {
        for (const [key, value] of Object.entries(object)) {
            if (isObject(value)) visit(value, `${before}${key}.`);
            else if (value !== null && value !== undefined) fields.set(before + key, value);
        }
    };
    visit(source, '');
    flat.set(source, fields);
    return fields;
}

/** A value as one reads it; lists joined by commas, objects as JSON. */
export function printValue(value: unknown): string {
    if (value === undefined || value === null) return '';
    if (Array.isArray(value)) return value.map(printValue).join(', ');
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const fieldText = (line: Line, name: string): string => printValue(fieldsOf(line.source).get(name));

const first = (line: Line, names: readonly string[]): string => {
    for (const name of names) {
        const text = fieldText(line, name);
        if (text !== '') return text;
    }
    return '';
};

/** fatal, error, warn, info, debug, trace; "" for none and unknown words. */
export type Level = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | '';
export const LEVELS: readonly Level[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', ''];
export const LEVEL_FIELDS = ['log.level', 'level', 'severity', 'loglevel', 'log.syslog.severity.name'] as const;

const WORDS: readonly (readonly [RegExp, Level])[] = [
    [/^(f|fatal|crit|critical|emerg|emergency|alert|panic)$/, 'fatal'], [/^(e|err|error|eror|severe)$/, 'error'],
    [/^(w|warn|warning)$/, 'warn'], [/^(i|info|information|informational|notice)$/, 'info'],
    [/^(d|debug|dbug|fine)$/, 'debug'], [/^(t|trace|verbose|finest)$/, 'trace'],
];

export function readLevel(word: string): Level {
    const lower = word.trim().toLowerCase();
    for (const [pattern, level] of WORDS) if (pattern.test(lower)) return level;
    return '';
}

export const levelOf = (line: Line): Level => readLevel(first(line, LEVEL_FIELDS));

const MESSAGE_FIELDS = ['message', 'msg', 'event.original', 'log.original', 'log'];

export const messageOf = (line: Line): string => first(line, MESSAGE_FIELDS);

// What stands in nearly every line and says little about this one.
const QUIET = /^(@|agent\.|ecs\.|host\.|input\.|log\.|data_stream\.|event\.(ingested|original|created|dataset|module)|fileset\.|stream$|level$|severity$|msg$|message$|tags$|cloud\.|container\.(id|image|labels))/;
const PAIRS_MAX = 12;

/** Fields worth a glance, beside the message. */
export function pairsOf(line: Line): [name: string, value: string][] {
    const pairs: [string, string][] = [];
    for (const [name, value] of fieldsOf(line.source)) {
        if (QUIET.test(name)) continue;
        pairs.push([name, printValue(value)]);
        if (pairs.length === PAIRS_MAX) break;
    }
    return pairs;
}

export function readHit(hit: Hit): Line {
    const source = hit._source ?? {};
    const stamp = source['@timestamp'];
    const sorted = Number(hit.sort?.[0]);
    const told = typeof stamp === 'number' ? stamp : Date.parse(String(stamp));
    const at = Number.isFinite(told) ? told : sorted > 1e15 ? sorted / 1e6 : sorted;
    return { key: `${hit._index}/${hit._id}`, index: hit._index, id: hit._id, at, sort: hit.sort ?? [], source };
}

const HIGHLIGHTS_MAX = 24;

/** What a query looks for in any field, as one pattern to mark it by; null when it names nothing. */
export function markPattern(query: string, isKql = false): RegExp | null {
    const parts: string[] = [];
    /* A phrase comes first: what looks like a negation inside of it is none. */
    const negation = isKql ? /"(?:[^"\\]|\\.)*"|(?:^|[\s(:])not\s+(?:[\w.@*-]+:)?(?:"(?:[^"\\]|\\.)*"|\S+)/gi
        : /"(?:[^"\\]|\\.)*"|(?:^|[\s(])(?:-|NOT\s+|!)(?:[\w.@*-]+:)?(?:"(?:[^"\\]|\\.)*"|\S+)/g;
    const plain = query.replace(negation, (found) => (found.startsWith('"') ? found : ' '));
    const operator = isKql ? /^(and|or|not)$/i : /^(AND|OR|NOT|&&|\|\||TO)$/;
    for (const [, field, phrase, word] of plain.matchAll(/(?:([\w.@*-]+):)?(?:"((?:[^"\\]|\\.)*)"|([^\s()"[\]{}]+))/g)) {
        if (field !== undefined && !MESSAGE_FIELDS.includes(field) && !field.includes('*')) continue;
        const text = (phrase ?? word ?? '').replace(/\\(.)/g, '$1');
        if (phrase === undefined && (operator.test(text) || /^[<>/~^+]/.test(text))) continue;
        const bare = phrase === undefined ? text.replace(/[~^][\d.]*$/, '') : text;
        if (bare.replace(/[*?]/g, '').length < 2) continue;
        const escaped = bare.replace(/[.+^${}()|[\]\\]/g, '\\$&');
        parts.push(phrase === undefined ? escaped.replace(/\*/g, '\\S*').replace(/\?/g, '\\S') : escaped.replace(/[*?]/g, '\\$&'));
        if (parts.length === HIGHLIGHTS_MAX) break;
    }
    if (parts.length === 0) return null;
    return new RegExp(`(${parts.sort((a, b) => b.length - a.length).join('|')})`, 'gi');
}

const ESCAPES = new RegExp('\\u001b\\[[0-9;?]*[A-Za-z]', 'g');

/** Text without the colour codes of terminals. */
export const withoutColors = (text: string): string => (text.includes('\u001b') ? text.replace(ESCAPES, '') : text);
