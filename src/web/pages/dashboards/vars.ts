// vars.ts - variables: what they may be, what they are, and how they stand in text and queries.
import { fetchJson, isAbort, errorText } from '../../shared/api';
import { askProm, type Labels, type PromData } from '../../shared/prom';
import { niceStep, printDuration, readDuration, type Range } from '../../shared/time';
import { list, number, object, text, type Loose } from './model';
import { findSource, sourceUrl, type Source } from './sources';

export const ALL = '$__all';

export interface Choice { text: string; value: string }
export interface Variable {
    name: string;
    label: string;
    type: string;
    multi: boolean;
    includeAll: boolean;
    allValue: string;
    hide: number;
    choices: Choice[];
    /** Values as in the address; [ALL] for all. */
    value: string[];
    error?: string;
    definition: Loose;
}

/** Names beside variables: `$__interval` and its kin. */
export type Macros = ReadonlyMap<string, string>;
export interface Scope {
    variables: readonly Variable[];
    macros?: Macros;
    /** A repeat's values, stronger than the variable's own. */
    repeat?: ReadonlyMap<string, string>;
}

/** All single values a variable stands for. */
export function valuesOf(variable: Variable): string[] {
    if (!variable.value.includes(ALL)) return variable.value;
    return variable.choices.map((choice) => choice.value).filter((value) => value !== ALL);
}

const escapeRegex = (value: string): string => value.replace(/[\\^$*+?.()|[\]{}]/g, '\\$&').replace(/\//g, '\\/');
/** Escaped as a regular expression inside a PromQL string. */
const escapePromRegex = (value: string): string => value.replace(/\\/g, '\\\\\\\\').replace(/[$^*{}[\]'+?.()|]/g, '\\\\$&');
const escapePromText = (value: string): string => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"');
const escapeLucene = (value: string): string => value.replace(/([+\-!(){}[\]^"~*?:\\/]|&&|\|\|)/g, '\\$1');

/** text: for people; raw: values as they are; the others escape for what they are put into. */
export type Format = 'text' | 'raw' | 'prom' | 'lucene' | 'link';

function formatAs(format: string, values: string[], variable: { name: string; texts: string[]; all: boolean }): string {
    const [kind, argument = ''] = format.split(/:(.*)/s, 2) as [string, string?];
    const single = values.length === 1;
    switch (kind) {
    case 'csv': return values.join(',');
    case 'pipe': return values.join('|');
    case 'regex': return single ? escapeRegex(values[0]!) : `(${values.map(escapeRegex).join('|')})`;
    case 'glob': return single ? values[0]! : `{${values.join(',')}}`;
    case 'distributed': return values.map((value, index) => (index === 0 ? value : `${variable.name}=${value}`)).join(',');
    case 'lucene': return single ? escapeLucene(values[0]!) : `(${values.map((value) => `"${escapeLucene(value)}"`).join(' OR ')})`;
    case 'json': return JSON.stringify(single ? values[0] : values);
    case 'percentencode': return encodeURIComponent(single ? values[0]! : `{${values.join(',')}}`);
    case 'uriencode': return encodeURI(single ? values[0]! : `{${values.join(',')}}`);
    case 'singlequote': return values.map((value) => `'${value.replace(/'/g, "\\'")}'`).join(',');
    case 'doublequote': return values.map((value) => `"${value.replace(/"/g, '\\"')}"`).join(',');
    case 'sqlstring': return values.map((value) => `'${value.replace(/'/g, "''")}'`).join(',');
    case 'join': return values.join(argument || ',');
    case 'text': return variable.texts.join(' + ');
    case 'queryparam': return (variable.all ? [ALL] : values).map((value) => `var-${encodeURIComponent(variable.name)}=${encodeURIComponent(value)}`).join('&');
    case 'date': {
        const at = Number(values[0]);
        if (argument === 'seconds') return String(Math.floor(at / 1000));
        if (argument === '' || argument === 'iso') return new Date(at).toISOString();
        return String(at);
    }
    default: return single ? values[0]! : `{${values.join(',')}}`;
    }
}

function forFormat(variable: Variable, values: string[], format: Format): string {
    if (format === 'raw') return values.join(',');
    if (format === 'link') return values.map(encodeURIComponent).join(',');
    if (format === 'lucene') return formatAs('lucene', values, { name: variable.name, texts: values, all: false });
    if (variable.type === 'textbox' || variable.type === 'constant' || variable.type === 'interval') return values[0] ?? '';
    if (!variable.multi && !variable.includeAll) return escapePromText(values[0] ?? '');
    const escaped = values.map(escapePromRegex);
    return escaped.length === 1 ? escaped[0]! : `(${escaped.join('|')})`;
}

function printVariable(variable: Variable, scope: Scope, format: Format, asked: string | undefined): string {
    const repeated = scope.repeat?.get(variable.name);
    const all = repeated === undefined && variable.value.includes(ALL);
    if (all && asked === undefined && format !== 'text' && variable.allValue !== '') return variable.allValue;
    const values = repeated !== undefined ? [repeated] : valuesOf(variable);
    const texts = values.map((value) => variable.choices.find((choice) => choice.value === value)?.text ?? value);
    if (asked !== undefined) {
        if (all && variable.allValue !== '' && asked !== 'text' && asked !== 'queryparam') return variable.allValue;
        return formatAs(asked, values, { name: variable.name, texts: all ? ['All'] : texts, all });
    }
    if (format === 'text') return all ? 'All' : texts.join(' + ');
    return forFormat(variable, values, format);
}

const TOKEN = /\$(\w+)|\$\{(\w+)((?:\.[^:}]+|\["[^"]+"\])?)(?::([^}]+))?\}|\[\[(\w+)(?::(\w+))?\]\]/g;

/** Puts values into `$name`, `${name:format}` and `[[name]]`. Unknown names stay as they are. */
export function fillIn(given: string, scope: Scope, format: Format = 'text', extra?: (name: string, path: string) => string | undefined): string {
    if (!given.includes('$') && !given.includes('[[')) return given;
    return given.replace(TOKEN, (whole, bare?: string, braced?: string, path?: string, asked?: string, old?: string, oldFormat?: string) => {
        const name = bare ?? braced ?? old ?? '';
        const own = extra?.(name, path ?? '');
        if (own !== undefined) return own;
        const macro = scope.macros?.get(name);
        if (macro !== undefined) return asked === undefined ? macro : formatAs(asked, [macro], { name, texts: [macro], all: false });
        const variable = scope.variables.find((one) => one.name === name);
        return variable ? printVariable(variable, scope, format, asked ?? oldFormat) : whole;
    });
}

/** Whether the text names the variable. */
export function names(given: string, name: string): boolean {
    for (const match of given.matchAll(TOKEN)) if ((match[1] ?? match[2] ?? match[5]) === name) return true;
    return false;
}

/* ---- reading definitions ------------------------------------------------------------------ */

const strings = (value: unknown): string[] =>
    (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]).map((one) => text(one, String(one)));

function readCustom(query: string): Choice[] {
    return (query.match(/(?:\\,|[^,])+/g) ?? []).map((part) => {
        const item = part.replace(/\\,/g, ',').trim();
        const named = /^(.+?)\s:\s(.+)$/.exec(item);
        return named ? { text: named[1]!.trim(), value: named[2]!.trim() } : { text: item, value: item };
    });
}

const queryOf = (definition: Loose): string =>
    (typeof definition.query === 'string' ? definition.query : text(object(definition.query).query) || text(definition.definition));

export function readVariables(definitions: Loose[], search: URLSearchParams): Variable[] {
    return definitions.filter((one) => text(one.name) !== '' && one.type !== 'adhoc').map((definition) => {
        const name = text(definition.name);
        const type = text(definition.type);
        const current = strings(object(definition.current).value);
        const given = search.getAll(`var-${name}`).map((value) => (value === 'All' || value === ALL ? ALL : value));
        const variable: Variable = {
            name, type, label: text(definition.label) || name, multi: definition.multi === true, includeAll: definition.includeAll === true,
            allValue: text(definition.allValue), hide: number(definition.hide) ?? 0, choices: [], value: given.length > 0 ? given : current, definition,
        };
        if (type === 'constant') { variable.value = [queryOf(definition) || current[0] || '']; variable.hide = 2; }
        if (type === 'textbox' && given.length === 0) variable.value = [current[0] ?? queryOf(definition)];
        return variable;
    });
}

/* ---- choices ------------------------------------------------------------------------------ */

/** Cuts a variable's choices with its regex: the first group, or the groups "text" and "value". */
function cutByRegex(choices: Choice[], pattern: string): Choice[] {
    if (pattern === '') return choices;
    const parts = /^\/(.*)\/([a-z]*)$/s.exec(pattern);
    let regex: RegExp;
    try {
        regex = new RegExp(parts ? parts[1]! : pattern, parts ? parts[2] : '');
    } catch {
        throw new Error(`the regex ${pattern} cannot be read`);
    }
    const made: Choice[] = [];
    for (const choice of choices) {
        const hits = regex.global ? [...choice.value.matchAll(regex)] : [regex.exec(choice.value)];
        for (const hit of hits) {
            if (!hit) continue;
            const value = hit.groups?.value ?? hit.groups?.text ?? hit[1] ?? (hit.length > 1 ? undefined : choice.value);
            if (value === undefined) continue;
            made.push({ value, text: hit.groups?.text ?? hit.groups?.value ?? hit[1] ?? choice.text });
        }
    }
    return made;
}

function sortChoices(choices: Choice[], order: number): Choice[] {
    const kind = Math.ceil(order / 2);
    if (kind < 1 || kind > 4) return choices;
    const numeric = (choice: Choice): number => Number(/.*?(\d+).*/.exec(choice.text)?.[1] ?? -1);
    const sorted = [...choices].sort((a, b) => {
        if (kind === 1) return a.text < b.text ? -1 : Number(a.text > b.text);
        if (kind === 2) return numeric(a) - numeric(b);
        if (kind === 3) return a.text.toLowerCase() < b.text.toLowerCase() ? -1 : 1;
        return a.text.localeCompare(b.text, undefined, { numeric: true });
    });
    return order % 2 === 0 ? sorted.reverse() : sorted;
}

const asChoices = (values: string[]): Choice[] => values.map((value) => ({ text: value, value }));

export interface VariableContext { range: Range; sources: readonly Source[]; inputs: Loose[]; signal: AbortSignal }

function printRow(metric: Labels, value: string, at: number): string {
    const { __name__: name = '', ...labels } = metric;
    const inside = Object.entries(labels).map(([key, one]) => `${key}="${one}"`).join(',');
    return `${name}{${inside}} ${value} ${Math.round(at * 1000)}`;
}

async function askPrometheus(query: string, url: string, context: VariableContext): Promise<Choice[]> {
    const range = { start: String(Math.floor(context.range.from / 1000)), end: String(Math.ceil(context.range.to / 1000)) };
    const ask = { signal: context.signal, get: true };
    const labelValues = /^\s*label_values\(\s*(?:(.+)\s*,\s*)?([a-zA-Z_$][\w$]*|"[^"]+")\s*\)\s*$/s.exec(query);
    if (labelValues) {
        const [, selector, label = ''] = labelValues;
        const fields: Record<string, string> = { ...range };
        if (selector !== undefined) fields['match[]'] = selector.trim();
        const { data } = await askProm<string[]>(url, `label/${encodeURIComponent(label.replace(/"/g, ''))}/values`, fields, ask);
        return asChoices(data);
    }
    const labelNames = /^\s*label_names\((.*)\)\s*$/s.exec(query);
    if (labelNames) {
        const fields: Record<string, string> = { ...range };
        if (labelNames[1]!.trim() !== '') fields['match[]'] = labelNames[1]!.trim();
        return asChoices((await askProm<string[]>(url, 'labels', fields, ask)).data);
    }
    const metrics = /^\s*metrics\((.*)\)\s*$/s.exec(query);
    if (metrics) {
        const regex = new RegExp(metrics[1]!.trim());
        return asChoices((await askProm<string[]>(url, 'label/__name__/values', range, ask)).data.filter((name) => regex.test(name)));
    }
    const result = /^\s*query_result\((.*)\)\s*$/s.exec(query);
    if (result) {
        const { data } = await askProm<PromData>(url, 'query', { query: result[1]!, time: range.end }, ask);
        if (data.resultType === 'vector') return asChoices(data.result.map(({ metric, value }) => printRow(metric, value?.[1] ?? '', value?.[0] ?? 0)));
        if (data.resultType === 'scalar' || data.resultType === 'string') return asChoices([data.result[1]]);
        return [];
    }
    const { data } = await askProm<Labels[]>(url, 'series', { ...range, 'match[]': query }, ask);
    return asChoices(data.map((labels) => {
        const { __name__: name = '', ...rest } = labels;
        return `${name}{${Object.entries(rest).map(([key, value]) => `${key}="${value}"`).join(',')}}`;
    }));
}

async function askElasticsearch(query: string, url: string, context: VariableContext): Promise<Choice[]> {
    const asked = object(JSON.parse(query));
    if (asked.find !== 'terms') throw new Error('of Elasticsearch variables only {"find": "terms"} is supported');
    const body = {
        size: 0, query: { query_string: { query: text(asked.query) || '*' } },
        aggs: { 1: { terms: { field: text(asked.field), size: number(asked.size) ?? 500, order: { _key: 'asc' } } } },
    };
    const answer = await fetchJson<Loose>(`${url}/_search`, { json: body, signal: context.signal });
    return list(object(object(answer.aggregations)['1']).buckets).map((bucket) => {
        const key = text(bucket.key_as_string) || text(bucket.key, String(bucket.key));
        return { text: key, value: key };
    });
}

function intervalChoices(variable: Variable, range: Range): { choices: Choice[] } {
    const choices = readCustom(queryOf(variable.definition));
    if (variable.definition.auto === true) choices.unshift({ text: 'auto', value: `$__auto_interval_${variable.name}` });
    void range;
    return { choices };
}

/** What an interval variable's "auto" is in that range. */
function autoInterval(definition: Loose, range: Range): string {
    const least = readDuration(text(definition.auto_min)) ?? 10_000;
    return printDuration(Math.max(least, niceStep((range.to - range.from) / (number(definition.auto_count) ?? 30))));
}

async function choicesOf(variable: Variable, before: Variable[], context: VariableContext): Promise<Choice[]> {
    const { definition, type } = variable;
    if (type === 'custom') return readCustom(queryOf(definition));
    if (type === 'interval') return intervalChoices(variable, context.range).choices;
    if (type === 'datasource') {
        const kind = queryOf(definition);
        const found = context.sources.filter((source) => source.type === kind).map((source) => ({ text: source.name, value: source.uid }));
        const pattern = text(definition.regex);
        if (pattern === '') return found;
        const kept = new Set(cutByRegex(found.map((one) => ({ text: one.text, value: one.text })), pattern).map((one) => one.value));
        return found.filter((one) => kept.has(one.text));
    }
    if (type !== 'query') return asChoices(variable.value);
    const scope: Scope = { variables: before, macros: rangeMacros(context.range) };
    const source = findSource(definition.datasource as never, context.sources, scope, context.inputs);
    if (!source) throw new Error('there is no such data source');
    const query = fillIn(queryOf(definition), scope, source.type === 'elasticsearch' ? 'lucene' : 'prom');
    if (query.trim() === '') return [];
    const found = source.type === 'elasticsearch' ? await askElasticsearch(query, sourceUrl(source), context)
        : await askPrometheus(query, sourceUrl(source), context);
    const cut = cutByRegex(found, fillIn(text(definition.regex), scope, 'raw'));
    const unique = [...new Map(cut.map((choice) => [choice.value, choice])).values()];
    return sortChoices(unique, number(definition.sort) ?? 0);
}

export function rangeMacros(range: Range): Map<string, string> {
    const seconds = Math.round((range.to - range.from) / 1000);
    return new Map([['__from', String(range.from)], ['__to', String(range.to)], ['__range', `${seconds}s`], ['__range_s', String(seconds)], ['__range_ms', String(seconds * 1000)]]);
}

function settle(variable: Variable): void {
    const { choices } = variable;
    if (variable.type === 'textbox' || variable.type === 'constant') return;
    const known = new Set(choices.map((choice) => choice.value));
    const byText = new Map(choices.map((choice) => [choice.text, choice.value]));
    const kept = variable.value.map((value) => (known.has(value) ? value : byText.get(value) ?? value)).filter((value) => known.has(value) || (value === ALL && variable.includeAll));
    if (kept.length > 0) variable.value = variable.multi ? kept : kept.slice(0, 1);
    else if (variable.includeAll) variable.value = [ALL];
    else variable.value = choices.length > 0 ? [choices[0]!.value] : [];
}

/** Finds choices and values in the order in which the variables depend on one another. */
export async function resolveVariables(variables: Variable[], context: VariableContext): Promise<Variable[]> {
    const done: Variable[] = [];
    let left: Variable[] = variables.map((variable) => ({ ...variable, error: undefined }));
    while (left.length > 0) {
        const needs = (one: Variable): boolean => {
            const said = `${queryOf(one.definition)} ${text(one.definition.regex)} ${JSON.stringify(one.definition.datasource ?? '')}`;
            return left.some((other) => other !== one && names(said, other.name));
        };
        let turn = left.filter((one) => !needs(one));
        if (turn.length === 0) turn = [left[0]!]; // a circle: break it at the first
        await Promise.all(turn.map(async (variable) => {
            try {
                variable.choices = await choicesOf(variable, done, context);
            } catch (failure) {
                if (isAbort(failure)) throw failure;
                variable.error = errorText(failure);
            }
            if (variable.error === undefined) settle(variable);
        }));
        done.push(...turn);
        left = left.filter((one) => !turn.includes(one));
    }
    return variables.map(({ name }) => done.find((one) => one.name === name)!);
}

/** Macros for queries: interval variables on "auto" included. */
export function autoMacros(variables: readonly Variable[], range: Range): Map<string, string> {
    const macros = rangeMacros(range);
    for (const { type, name, definition, value } of variables) {
        if (type !== 'interval') continue;
        const auto = autoInterval(definition, range);
        macros.set(`__auto_interval_${name}`, auto);
        if (value[0] === `$__auto_interval_${name}` || value[0] === '$__auto') macros.set(name, auto);
    }
    return macros;
}
