// frames.ts - data as named columns, reducing a column to one value, and how a value is shown.
import { continuousColor, classicColor, resolveColor } from '../../shared/colors';
import type { Labels } from '../../shared/prom';
import type { Zone } from '../../shared/time';
import { formatParts } from '../../shared/units';
import { list, number, object, text, type FieldConfig, type Loose, type Override, type Panel } from './model';
import { fillIn, type Scope } from './vars';

export type Cell = number | string | boolean | null;
export interface Field {
    name: string;
    type: 'time' | 'number' | 'string';
    values: Cell[];
    labels?: Labels;
    /** The name the query gives (a legend). */
    legend?: string;
    config: FieldConfig;
    /** The name as shown; set by applyConfig. */
    title: string;
    /** Its place among number fields; picks its colour. */
    index: number;
}
export interface Frame {
    refId: string;
    name?: string;
    fields: Field[];
    /** Milliseconds between two points of a range query. */
    stepMs?: number;
}

export const NO_CONFIG: FieldConfig = { custom: {} };

export function field(name: string, type: Field['type'], values: Cell[], more: Partial<Field> = {}): Field {
    return { name, type, values, config: NO_CONFIG, title: name, index: 0, ...more };
}

export const rowsOf = (frame: Frame): number => frame.fields[0]?.values.length ?? 0;

/* ---- reducing ----------------------------------------------------------------------------- */

export function reduce(values: readonly Cell[], calc: string): Cell {
    const numbers: number[] = [];
    for (const value of values) if (typeof value === 'number' && !Number.isNaN(value)) numbers.push(value);
    const first = numbers[0] ?? null;
    const last = numbers[numbers.length - 1] ?? null;
    switch (calc) {
    case 'lastNotNull': case 'last*': return values.findLast((value) => value !== null && !Number.isNaN(value)) ?? null;
    case 'last': case 'current': return values[values.length - 1] ?? null;
    case 'firstNotNull': return values.find((value) => value !== null && !Number.isNaN(value)) ?? null;
    case 'first': return values[0] ?? null;
    case 'count': return values.length;
    case 'distinctCount': return new Set(values).size;
    case 'changeCount': return values.reduce<number>((sum, value, index) => sum + Number(index > 0 && value !== values[index - 1]), 0);
    case 'allIsZero': return numbers.length > 0 && numbers.every((value) => value === 0);
    case 'allIsNull': return numbers.length === 0;
    case 'uniqueValues': case 'allValues': return [...new Set(values)].join(', ');
    }
    if (numbers.length === 0 || first === null || last === null) return null;
    const sum = numbers.reduce((total, value) => total + value, 0);
    const mean = sum / numbers.length;
    switch (calc) {
    case 'min': return numbers.reduce((a, b) => Math.min(a, b));
    case 'max': return numbers.reduce((a, b) => Math.max(a, b));
    case 'mean': case 'avg': return mean;
    case 'sum': case 'total': return sum;
    case 'range': return numbers.reduce((a, b) => Math.max(a, b)) - numbers.reduce((a, b) => Math.min(a, b));
    case 'diff': return last - first;
    case 'diffperc': return (last - first) / first;
    case 'delta': return numbers.reduce((total, value, index) => {
        const step = index === 0 ? 0 : value - numbers[index - 1]!;
        return total + (step < 0 ? value : step); // a counter that fell began anew
    }, 0);
    case 'step': return numbers.reduce((least, value, index) => (index === 0 ? least : Math.min(least, Math.abs(value - numbers[index - 1]!))), Infinity);
    case 'variance': return numbers.reduce((total, value) => total + (value - mean) ** 2, 0) / numbers.length;
    case 'stdDev': return Math.sqrt(numbers.reduce((total, value) => total + (value - mean) ** 2, 0) / numbers.length);
    case 'logmin': { const above = numbers.filter((value) => value > 0); return above.length > 0 ? above.reduce((a, b) => Math.min(a, b)) : null; }
    case 'median': case 'p50': return quantile(numbers, 0.5);
    }
    const percentile = /^p(\d\d?)$/.exec(calc);
    return percentile ? quantile(numbers, Number(percentile[1]) / 100) : last;
}

function quantile(numbers: number[], share: number): number {
    const sorted = [...numbers].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/* ---- names and overrides ------------------------------------------------------------------ */

function matches(override: Override, one: Field, frame: Frame): boolean {
    const { id, options } = override.matcher;
    switch (id) {
    case 'byName': return one.title === options || one.name === options;
    case 'byRegexp': case 'byRegex': {
        const parts = /^\/(.*)\/([a-z]*)$/s.exec(text(options));
        try {
            return new RegExp(parts ? parts[1]! : text(options), parts ? parts[2] : '').test(one.title);
        } catch {
            return false;
        }
    }
    case 'byType': return one.type === options;
    case 'byFrameRefID': return frame.refId === options;
    case 'byNames': {
        const given = object(options);
        const named = Array.isArray(given.names) && given.names.includes(one.title);
        return given.mode === 'exclude' ? !named && one.type !== 'time' : named;
    }
    case 'byValue': {
        const given = object(options);
        const value = reduce(one.values, text(given.reducer, 'last'));
        if (typeof value === 'boolean') return given.op === '=' || given.op === undefined ? value === (given.value ?? true) : value;
        const right = number(given.value) ?? 0;
        if (typeof value !== 'number') return false;
        const tests: Record<string, boolean> = { '>': value > right, '>=': value >= right, '<': value < right, '<=': value <= right, '=': value === right, '==': value === right, '!=': value !== right };
        return one.type === 'number' && (tests[text(given.op)] ?? false);
    }
    default: return false;
    }
}

function withProperty(config: FieldConfig, id: string, value: any): FieldConfig {
    if (id.startsWith('custom.')) return { ...config, custom: { ...config.custom, [id.slice(7)]: value } };
    if (['unit', 'displayName', 'noValue'].includes(id)) return { ...config, [id]: text(value) || undefined };
    if (['decimals', 'min', 'max'].includes(id)) return { ...config, [id]: number(value) };
    if (['color', 'thresholds', 'mappings', 'links'].includes(id)) return { ...config, [id]: value };
    return config;
}

function namedBy(template: string, one: Field, frame: Frame, scope: Scope): string {
    return fillIn(template, scope, 'text', (name, path) => {
        if (name === '__field' || name === '__series') {
            const label = /^\.labels(?:\.(\w+)|\["?([^"\]]+)"?\])/.exec(path);
            if (label) return one.labels?.[label[1] ?? label[2]!] ?? '';
            if (path === '.labels') return Object.entries(one.labels ?? {}).map(([key, value]) => `${key}="${value}"`).join(', ');
            return path === '.name' || path === '.displayName' ? one.legend ?? one.name : '';
        }
        return name === '__frame' ? frame.name ?? frame.refId : undefined;
    });
}

/** Gives every field its shown name and its configuration: defaults, then what overrides say. */
export function applyConfig(frames: Frame[], panel: Panel, scope: Scope): Frame[] {
    let index = 0;
    return frames.map((frame) => ({
        ...frame,
        fields: frame.fields.map((given) => {
            const one: Field = { ...given, config: panel.defaults, title: given.legend ?? given.name };
            if (one.type === 'number') one.index = index++;
            if (one.type !== 'time' && panel.defaults.displayName) one.title = namedBy(panel.defaults.displayName, one, frame, scope);
            for (const override of panel.overrides) {
                if (!matches(override, one, frame)) continue;
                for (const property of override.properties) one.config = withProperty(one.config, property.id, property.value);
            }
            const { displayName } = one.config;
            if (displayName && displayName !== panel.defaults.displayName) one.title = namedBy(displayName, one, frame, scope);
            return one;
        }),
    }));
}

/* ---- values as shown ---------------------------------------------------------------------- */

export interface Shown { prefix: string; text: string; suffix: string; color: string | undefined; value: Cell; isEmpty: boolean }

export const shownText = (shown: Shown): string => shown.prefix + shown.text + shown.suffix;

function mapped(value: Cell, mappings: readonly Loose[]): Loose | null {
    for (const type of ['value', 'range', 'regex', 'special']) {
        for (const one of mappings) {
            if (one.type !== type) continue;
            const options = object(one.options);
            if (type === 'value') {
                const key = String(value);
                if (value !== null && Object.hasOwn(options, key)) return object(options[key]);
            } else if (type === 'range' && typeof value === 'number') {
                if (value >= (number(options.from) ?? -Infinity) && value <= (number(options.to) ?? Infinity)) return object(options.result);
            } else if (type === 'regex' && typeof value === 'string') {
                const parts = /^\/(.*)\/([a-z]*)$/s.exec(text(options.pattern));
                try {
                    const hit = new RegExp(parts ? parts[1]! : text(options.pattern), parts ? parts[2] : '').exec(value);
                    if (hit) {
                        const result = object(options.result);
                        return result.text === undefined ? result : { ...result, text: text(result.text).replace(/\$(\d)/g, (_, at: string) => hit[Number(at)] ?? '') };
                    }
                } catch { /* an unreadable pattern matches nothing */ }
            } else if (type === 'special') {
                const isNull = value === null;
                const isNan = typeof value === 'number' && Number.isNaN(value);
                const hit = { null: isNull, nan: isNan, 'null+nan': isNull || isNan, empty: value === '', true: value === true || value === 'true', false: value === false || value === 'false' }[text(options.match)];
                if (hit) return object(options.result);
            }
        }
    }
    return null;
}

export interface Step { color: string; value: number }

/** Thresholds as absolute values in rising order; the first is -Infinity. */
export function stepsOf(config: FieldConfig, min: number, max: number): Step[] {
    const given = list(config.thresholds?.steps);
    const percent = config.thresholds?.mode === 'percentage';
    return given.map((step, index) => {
        const value = index === 0 && number(step.value) === undefined ? -Infinity : number(step.value) ?? -Infinity;
        return { color: text(step.color), value: percent && Number.isFinite(value) ? min + ((max - min) * value) / 100 : value };
    }).sort((a, b) => a.value - b.value);
}

/** Limits for percentages: configured, else those of the data. */
export function limitsOf(config: FieldConfig, values: readonly Cell[]): { min: number; max: number } {
    const min = config.min ?? (typeof reduce(values, 'min') === 'number' ? reduce(values, 'min') as number : 0);
    const max = config.max ?? (typeof reduce(values, 'max') === 'number' ? reduce(values, 'max') as number : 100);
    return { min, max: max > min ? max : min + 1 };
}

/** The colour of a value by its field's colour mode. */
export function colorOf(value: Cell, config: FieldConfig, index: number, limits: { min: number; max: number }): string {
    const mode = config.color?.mode ?? 'thresholds';
    if (mode === 'fixed') return resolveColor(config.color?.fixedColor ?? 'green');
    if (mode.startsWith('palette')) return classicColor(index);
    if (mode === 'shades') return resolveColor(config.color?.fixedColor ?? 'green');
    if (mode.startsWith('continuous')) {
        const share = typeof value === 'number' ? (value - limits.min) / (limits.max - limits.min) : 0;
        return continuousColor(mode, share) ?? classicColor(index);
    }
    const steps = stepsOf(config, limits.min, limits.max);
    const hit = typeof value === 'number' ? steps.findLast((step) => value >= step.value) : steps[0];
    return resolveColor((hit ?? steps[0])?.color ?? 'green');
}

/** A series' own colour: fixed, of the palette, or that of its last value. */
export function seriesColor(one: Field): string {
    const mode = one.config.color?.mode ?? 'palette-classic';
    if (mode.startsWith('palette')) return classicColor(one.index);
    const by = text(one.config.color?.seriesBy, 'last');
    const value = reduce(one.values, by === 'last' ? 'lastNotNull' : by);
    return colorOf(value, one.config, one.index, limitsOf(one.config, one.values));
}

/** A value as it is shown: mapped, in its unit, with its colour. */
export function show(value: Cell, one: Pick<Field, 'config' | 'index' | 'type'>, zone: Zone, limits?: { min: number; max: number }): Shown {
    const { config } = one;
    const edge = limits ?? { min: config.min ?? 0, max: config.max ?? 100 };
    const base = value === true ? resolveColor('green') : value === false ? resolveColor('red') : colorOf(value, config, one.index, edge);
    const hit = config.mappings && config.mappings.length > 0 ? mapped(value, config.mappings) : null;
    const color = hit?.color ? resolveColor(text(hit.color)) : base;
    if (hit && text(hit.text) !== '') return { prefix: '', text: text(hit.text), suffix: '', color, value, isEmpty: false };
    if (value === null || value === '') return { prefix: '', text: config.noValue ?? '', suffix: '', color, value, isEmpty: true };
    if (typeof value === 'number') {
        const unit = one.type === 'time' ? config.unit && config.unit.startsWith('time') ? config.unit : 'dateTimeAsIso' : config.unit ?? 'none';
        return { ...formatParts(value, unit, config.decimals, zone), color, value, isEmpty: false };
    }
    const asNumber = typeof value === 'string' && config.unit && config.unit !== 'string' && value.trim() !== '' ? Number(value) : NaN;
    if (one.type === 'number' && !Number.isNaN(asNumber)) return { ...formatParts(asNumber, config.unit, config.decimals, zone), color, value, isEmpty: false };
    return { prefix: '', text: String(value), suffix: '', color, value, isEmpty: false };
}

/* ---- one value a thing: what stat, gauge and bar gauge show ------------------------------- */

export interface Reduced { title: string; shown: Shown; field: Field; limits: { min: number; max: number }; calc: string; series: Cell[]; times: Cell[] }

const THINGS_MAX = 300;

/** The values that `options.reduceOptions` asks for. */
export function reduced(frames: Frame[], panel: Panel, zone: Zone): Reduced[] {
    const options = object(panel.options.reduceOptions ?? panel.options.fieldOptions);
    const calcs: string[] = Array.isArray(options.calcs) && options.calcs.length > 0 ? options.calcs.map((calc: unknown) => text(calc)) : ['lastNotNull'];
    const pattern = text(options.fields);
    const wanted = (one: Field): boolean => {
        if (pattern === '') return one.type === 'number';
        if (pattern === '/.*/') return one.type !== 'time';
        const parts = /^\/(.*)\/([a-z]*)$/s.exec(pattern);
        try {
            return parts ? new RegExp(parts[1]!, parts[2]).test(one.title) : one.title === pattern || one.name === pattern;
        } catch {
            return false;
        }
    };
    const made: Reduced[] = [];
    const all = frames.flatMap((frame) => frame.fields.filter(wanted));
    const common = { min: Infinity, max: -Infinity };
    for (const one of all) {
        const low = reduce(one.values, 'min');
        const high = reduce(one.values, 'max');
        if (typeof low === 'number') common.min = Math.min(common.min, low);
        if (typeof high === 'number') common.max = Math.max(common.max, high);
    }
    for (const frame of frames) {
        const times = frame.fields.find((one) => one.type === 'time')?.values ?? [];
        const strings = frame.fields.filter((one) => one.type === 'string' && !wanted(one));
        for (const one of frame.fields.filter(wanted)) {
            const min = one.config.min ?? (Number.isFinite(common.min) ? Math.min(0, common.min) : 0);
            const max = one.config.max ?? (Number.isFinite(common.max) ? common.max : 100);
            const limits = { min, max: max > min ? max : min + 1 };
            if (options.values === true) {
                one.values.slice(0, number(options.limit) ?? 25).forEach((value, row) => {
                    const title = strings.map((other) => String(other.values[row] ?? '')).join(' ') || one.title;
                    made.push({ title, shown: show(value, one, zone, limits), field: one, limits, calc: 'value', series: [], times: [] });
                });
                continue;
            }
            for (const calc of calcs) {
                const value = reduce(one.values, calc);
                const title = calcs.length > 1 ? `${one.title} (${calc})` : one.title;
                made.push({ title, shown: show(value, one, zone, limits), field: one, limits, calc, series: one.values, times });
            }
        }
    }
    return made.slice(0, THINGS_MAX);
}
