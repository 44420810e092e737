// sources.ts - the provisioned data sources and which one a panel or variable means.
import { fillIn, type Scope } from './vars';
import { object, text, type Loose, type SourceRef } from './model';
import { readDuration } from '../../shared/time';

export interface Source {
    uid: string;
    name: string;
    type: string;
    isDefault: boolean;
    /** The scrape interval, in milliseconds. */
    intervalMs: number;
    timeField: string;
    index: string;
}

export function readSources(raw: Loose[]): Source[] {
    return raw.map((one) => {
        const more = object(one.jsonData);
        return {
            uid: text(one.uid), name: text(one.name), type: text(one.type), isDefault: one.isDefault === true,
            intervalMs: readDuration(text(more.timeInterval)) ?? 15_000, timeField: text(more.timeField) || '@timestamp',
            index: text(more.index) || text(one.database) || '',
        };
    });
}

/** Our own server passes requests on; the page speaks to no other. */
export const sourceUrl = (source: Source): string => `/api/datasources/proxy/uid/${encodeURIComponent(source.uid)}`;

/** The data source by uid, name, variable, import placeholder or type; kinder than Grafana when none fits. */
export function findSource(given: SourceRef | string | null | undefined, sources: readonly Source[], scope: Scope, inputs: Loose[]): Source | undefined {
    const type = given !== null && typeof given === 'object' ? text(given.type) : '';
    const asked = given !== null && typeof given === 'object' ? text(given.uid) : text(given);
    const main = (kind: string): Source | undefined =>
        sources.find((one) => one.isDefault && (kind === '' || one.type === kind)) ?? sources.find((one) => kind === '' || one.type === kind);
    if (asked === '' || asked === 'default' || asked === '-- Mixed --') return main(type) ?? main('');
    const name = fillIn(asked, scope, 'raw');
    const exact = sources.find((one) => one.uid === name) ?? sources.find((one) => one.name === name);
    if (exact) return exact;
    const placeholder = /^\$\{(\w+)\}$/.exec(asked)?.[1];
    const input = inputs.find((one) => one.name === placeholder);
    return main(type || text(input?.pluginId) || 'prometheus') ?? main(type ? 'none' : '');
}
