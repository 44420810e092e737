// filters.ts - pills above the lines: what a field must or must not hold; in the address and as a query.

export interface Filter {
    field: string;
    /** undefined: the field must be there at all. */
    value?: string;
    not: boolean;
    off: boolean;
}

/** "is:service.name:shop", "not:…", "has:field", "hasnt:field"; "off." in front when switched off. */
export function printFilter({ field, value, not, off }: Filter): string {
    const verb = value === undefined ? (not ? 'hasnt' : 'has') : not ? 'not' : 'is';
    return `${off ? 'off.' : ''}${verb}:${field}${value === undefined ? '' : `:${value}`}`;
}

export function readFilter(text: string): Filter | null {
    const m = /^(off\.)?(is|not|has|hasnt):([^:]+)(?::([\s\S]*))?$/.exec(text);
    if (m === null) return null;
    const needsValue = m[2] === 'is' || m[2] === 'not';
    if (needsValue && m[4] === undefined) return null;
    return {
        field: m[3]!, value: needsValue ? m[4] : undefined, not: m[2] === 'not' || m[2] === 'hasnt', off: m[1] !== undefined,
    };
}

export const readFilters = (texts: readonly string[]): Filter[] =>
    texts.map(readFilter).filter((filter): filter is Filter => filter !== null);

const sameField = (a: Filter, b: Filter): boolean => a.field === b.field && a.value === b.value;

/** With the filter put in, in place of its contrary. */
export function withFilter(filters: readonly Filter[], added: Filter): Filter[] {
    const at = filters.findIndex((one) => sameField(one, added));
    return at < 0 ? [...filters, added] : filters.map((one, index) => (index === at ? added : one));
}

export type Clause = Record<string, unknown>;

/** What a query is written in: Kibana's language, or that of query_string. */
export type Language = 'kql' | 'lucene';

/** The language of an address: without one it is Lucene, as links were before there was a choice. */
export const readLanguage = (text: string | null, otherwise: Language): Language => (text === 'kql' || text === 'lucene' ? text : otherwise);

/** The text as one phrase, in either language; null when it is one already, or nothing. */
export function asPhrase(text: string): string | null {
    const words = text.trim();
    if (words === '' || /^"(?:[^"\\]|\\.)*"$/.test(words)) return null;
    return `"${words.replace(/(["\\])/g, '\\$1')}"`;
}

/** The question as Elasticsearch's bool query. */
export function boolQuery(text: string, language: Language, filters: readonly Filter[], from: number, to: number): Clause {
    const filter: Clause[] = [{ range: { '@timestamp': { gte: from, lte: to, format: 'epoch_millis' } } }];
    const mustNot: Clause[] = [];
    if (text.trim() !== '') filter.push(language === 'kql' ? { kql: { query: text } } : { query_string: { query: text, analyze_wildcard: true } });
    for (const one of filters) {
        if (one.off) continue;
        const clause = one.value === undefined ? { exists: { field: one.field } } : { match_phrase: { [one.field]: one.value } };
        (one.not ? mustNot : filter).push(clause);
    }
    return { bool: mustNot.length === 0 ? { filter } : { filter, must_not: mustNot } };
}
