// model.ts - a dashboard as the page works with it, and how older ways of writing one become it.
//
// Dashboards are foreign JSON: nothing here trusts a field to be there or to have its type.

// eslint-like rule of this file: `Loose` is JSON of unknown shape, read through the helpers below.
export type Loose = Record<string, any>;

export interface GridPos { x: number; y: number; w: number; h: number }
export interface SourceRef { type?: string; uid?: string }

export interface Target extends Loose { refId: string; expr?: string; hide?: boolean; datasource?: SourceRef | string | null }

export interface Threshold { color: string; value: number | null }
export interface FieldConfig {
    unit?: string;
    decimals?: number;
    min?: number;
    max?: number;
    noValue?: string;
    displayName?: string;
    color?: { mode?: string; fixedColor?: string; seriesBy?: string };
    thresholds?: { mode?: string; steps?: Threshold[] };
    mappings?: Loose[];
    links?: Loose[];
    custom: Loose;
}
export interface Override { matcher: { id: string; options: any }; properties: { id: string; value: any }[] }

export interface Panel {
    id: number;
    /** Unique on the page, also among repeats: "12", "12-host a". */
    key: string;
    type: string;
    title: string;
    description: string;
    grid: GridPos;
    datasource: SourceRef | string | null | undefined;
    targets: Target[];
    options: Loose;
    defaults: FieldConfig;
    overrides: Override[];
    transformations: Loose[];
    interval: string;
    maxDataPoints: number | undefined;
    timeFrom: string;
    timeShift: string;
    hideTimeOverride: boolean;
    repeat: string;
    repeatDirection: 'h' | 'v';
    maxPerRow: number;
    transparent: boolean;
    links: Loose[];
    /** Values a repeat gives to variables: name to its one value. */
    scope: ReadonlyMap<string, string>;
}

export interface Section {
    /** null before the first row. */
    row: { id: number; key: string; title: string; collapsed: boolean; repeat: string } | null;
    panels: Panel[];
    scope: ReadonlyMap<string, string>;
}

export interface Dashboard {
    uid: string;
    title: string;
    tags: string[];
    sections: Section[];
    variables: Loose[];
    annotations: Loose[];
    links: Loose[];
    from: string;
    to: string;
    refresh: string;
    zone: string;
    crosshair: number;
    refreshChoices: string[] | undefined;
    inputs: Loose[];
    raw: Loose;
}

export const text = (value: unknown, other = ''): string =>
    (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : other);
export const list = (value: unknown): Loose[] => (Array.isArray(value) ? value.filter((one) => one !== null && typeof one === 'object') : []);
export const object = (value: unknown): Loose => (value !== null && typeof value === 'object' && !Array.isArray(value) ? value as Loose : {});
export function number(value: unknown): number | undefined {
    if (value === null || value === '' || value === undefined || typeof value === 'boolean') return undefined;
    const read = Number(value);
    return Number.isNaN(read) ? undefined : read;
}

/* ---- older panels ------------------------------------------------------------------------- */

const STAT_NAMES: Record<string, string> = {
    current: 'lastNotNull', avg: 'mean', total: 'sum', min: 'min', max: 'max', first: 'first', name: 'lastNotNull', delta: 'delta', range: 'range', diff: 'diff',
};
const ALIAS = (name: unknown): Loose => (/^\/.*\/[gimsuy]*$/.test(text(name)) ? { id: 'byRegexp', options: text(name) } : { id: 'byName', options: text(name) });

function seriesOverride(old: Loose): Override {
    const properties: { id: string; value: any }[] = [];
    const add = (id: string, value: any): void => { properties.push({ id, value }); };
    if (old.color !== undefined) add('color', { mode: 'fixed', fixedColor: text(old.color) });
    if (old.fill !== undefined) add('custom.fillOpacity', Number(old.fill) * 10);
    if (old.linewidth !== undefined) add('custom.lineWidth', old.linewidth);
    if (old.lines === false) add('custom.lineWidth', 0);
    if (old.bars === true) add('custom.drawStyle', 'bars');
    if (old.points === true) add('custom.showPoints', 'always');
    if (old.transform === 'negative-Y') add('custom.transform', 'negative-Y');
    if (old.transform === 'constant') add('custom.transform', 'constant');
    if (old.yaxis === 2) add('custom.axisPlacement', 'right');
    if (old.dashes === true) add('custom.lineStyle', { fill: 'dash', dash: [Number(old.dashLength) || 10, Number(old.spaceLength) || 10] });
    if (old.stack !== undefined) add('custom.stacking', old.stack === false ? { mode: 'none' } : { mode: 'normal', group: text(old.stack, 'A') });
    if (old.legend === false) add('custom.hideFrom', { legend: true, tooltip: false, viz: false });
    if (old.hiddenSeries === true) add('custom.hideFrom', { legend: false, tooltip: true, viz: true });
    if (old.steppedLine === true) add('custom.lineInterpolation', 'stepAfter');
    if (old.fillBelowTo !== undefined) add('custom.fillBelowTo', old.fillBelowTo);
    return { matcher: ALIAS(old.alias) as Override['matcher'], properties };
}

function graphThresholds(old: Loose[]): { steps: Threshold[]; style: string } {
    const steps: Threshold[] = [{ color: 'transparent', value: null }];
    const colors: Record<string, string> = { critical: 'red', warning: 'orange', ok: 'green' };
    for (const one of old) {
        const color = colors[text(one.colorMode)] ?? (text(one.lineColor) || text(one.fillColor) || 'red');
        const value = number(one.value);
        if (value === undefined) continue;
        if (one.op === 'lt') { steps[0] = { color, value: null }; steps.push({ color: 'transparent', value }); } else steps.push({ color, value });
    }
    steps.sort((a, b) => (a.value ?? -Infinity) - (b.value ?? -Infinity));
    const area = old.some((one) => one.fill !== false);
    const line = old.some((one) => one.line !== false);
    return { steps, style: old.length === 0 ? 'off' : area && line ? 'line+area' : area ? 'area' : 'line' };
}

function fromGraph(old: Loose): Loose {
    const axes = list(old.yaxes);
    const left = object(axes[0]);
    const right = object(axes[1]);
    const legend = object(old.legend);
    const { steps, style } = graphThresholds(list(old.thresholds));
    const base = number(left.logBase) ?? 1;
    const overrides = [
        ...Object.entries(object(old.aliasColors)).map(([alias, color]) => ({
            matcher: { id: 'byName', options: alias }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: text(color) } }],
        })),
        ...list(old.seriesOverrides).map((one) => {
            const made = seriesOverride(one);
            if (one.yaxis === 2) {
                if (right.format) made.properties.push({ id: 'unit', value: right.format });
                if (number(right.min) !== undefined) made.properties.push({ id: 'min', value: number(right.min) });
                if (number(right.max) !== undefined) made.properties.push({ id: 'max', value: number(right.max) });
            }
            return made;
        }),
        ...list(object(old.fieldConfig).overrides),
    ];
    const calcs = (['min', 'max', 'avg', 'current', 'total'] as const).filter((name) => legend.values && legend[name]).map((name) => STAT_NAMES[name]!);
    const stacked = old.stack === true ? (old.percentage === true ? 'percent' : 'normal') : 'none';
    return {
        ...old,
        type: 'timeseries',
        fieldConfig: {
            defaults: {
                color: { mode: 'palette-classic' },
                unit: left.format, decimals: old.decimals, min: number(left.min), max: number(left.max),
                thresholds: { mode: 'absolute', steps },
                custom: {
                    drawStyle: old.bars === true ? 'bars' : old.lines === false && old.points === true ? 'points' : 'line',
                    lineWidth: old.linewidth ?? 1, fillOpacity: old.bars === true && !old.fill ? 100 : Number(old.fill ?? 1) * 10,
                    gradientMode: number(old.fillGradient) ? 'opacity' : 'none', pointSize: (number(old.pointradius) ?? 2) * 2,
                    showPoints: old.points === true ? 'always' : 'never',
                    lineInterpolation: old.steppedLine === true ? 'stepAfter' : 'linear',
                    spanNulls: old.nullPointMode === 'connected', nullAsZero: old.nullPointMode === 'null as zero',
                    lineStyle: old.dashes === true ? { fill: 'dash', dash: [old.dashLength ?? 10, old.spaceLength ?? 10] } : undefined,
                    stacking: { mode: stacked, group: 'A' }, axisLabel: text(left.label), axisPlacement: left.show === false ? 'hidden' : 'auto',
                    scaleDistribution: base > 1 ? { type: 'log', log: base } : { type: 'linear' }, thresholdsStyle: { mode: style },
                    hideEmpty: legend.hideEmpty, hideZero: legend.hideZero,
                },
            },
            overrides,
        },
        options: {
            legend: {
                showLegend: legend.show !== false, displayMode: legend.alignAsTable ? 'table' : 'list', placement: legend.rightSide ? 'right' : 'bottom',
                calcs, width: legend.sideWidth,
                sortBy: legend.sort ? CALC_TITLES[STAT_NAMES[text(legend.sort)] ?? ''] : undefined, sortDesc: legend.sortDesc,
            },
            tooltip: { mode: object(old.tooltip).shared === false ? 'single' : 'multi', sort: ['none', 'asc', 'desc'][Number(object(old.tooltip).sort)] ?? 'none' },
        },
    };
}

/** What a calculation is called at the head of a legend's column. */
export const CALC_TITLES: Record<string, string> = {
    lastNotNull: 'Last *', last: 'Last', firstNotNull: 'First *', first: 'First', min: 'Min', max: 'Max', mean: 'Mean', sum: 'Total', count: 'Count',
    range: 'Range', delta: 'Delta', diff: 'Difference', step: 'Step', changeCount: 'Change count', distinctCount: 'Distinct count', variance: 'Variance', stdDev: 'StdDev', median: 'Median',
};

function oldMappings(old: Loose): Loose[] {
    const made: Loose[] = [];
    const word = (value: unknown, result: Loose): Loose => (value === 'null'
        ? { type: 'special', options: { match: 'null', result } }
        : { type: 'value', options: Object.fromEntries([[text(value), result]]) });
    for (const one of list(old.valueMaps)) made.push(word(one.value, { text: text(one.text) }));
    for (const one of list(old.rangeMaps)) {
        made.push(one.from === 'null' ? word('null', { text: text(one.text) })
            : { type: 'range', options: { from: number(one.from), to: number(one.to), result: { text: text(one.text) } } });
    }
    return made;
}

function fromSinglestat(old: Loose): Loose {
    const colors = Array.isArray(old.colors) ? old.colors.map((color: unknown) => text(color)) : [];
    const values = text(old.thresholds).split(',').filter((part) => part.trim() !== '').map(Number);
    const steps = colors.slice(0, values.length + 1).map((color, index) => ({ color, value: index === 0 ? null : values[index - 1]! }));
    const gauge = object(old.gauge);
    const calc = STAT_NAMES[text(old.valueName)] ?? 'mean';
    return {
        ...old,
        type: gauge.show === true ? 'gauge' : 'stat',
        fieldConfig: {
            defaults: {
                unit: old.format, decimals: old.decimals, mappings: oldMappings(old), noValue: text(old.nullText) || undefined,
                thresholds: { mode: 'absolute', steps: steps.length > 0 ? steps : [{ color: 'green', value: null }] }, color: { mode: 'thresholds' },
                min: gauge.show === true ? gauge.minValue : undefined, max: gauge.show === true ? gauge.maxValue : undefined,
                custom: { prefix: text(old.prefix), postfix: text(old.postfix) },
            },
            overrides: [],
        },
        options: {
            reduceOptions: { calcs: [calc], fields: old.tableColumn ? `/^${text(old.tableColumn)}$/` : '', values: false },
            colorMode: old.colorBackground === true ? 'background' : old.colorValue === true ? 'value' : 'none',
            graphMode: object(old.sparkline).show === true ? 'area' : 'none', textMode: old.valueName === 'name' ? 'name' : 'auto',
            justifyMode: 'auto', orientation: 'horizontal', showThresholdMarkers: gauge.thresholdMarkers !== false,
        },
    };
}

function fromOldTable(old: Loose): Loose {
    const overrides = list(old.styles).filter((style) => style.pattern !== undefined).map((style) => {
        const properties: { id: string; value: any }[] = [];
        if (style.alias) properties.push({ id: 'displayName', value: style.alias });
        if (style.unit) properties.push({ id: 'unit', value: style.unit });
        if (style.decimals !== undefined) properties.push({ id: 'decimals', value: style.decimals });
        if (style.type === 'hidden') properties.push({ id: 'custom.hidden', value: true });
        if (style.type === 'date') properties.push({ id: 'unit', value: 'dateTimeAsIso' });
        return { matcher: ALIAS(style.pattern), properties };
    });
    const join = old.transform === 'table' || list(old.targets).length > 1;
    return {
        ...old, type: 'table',
        fieldConfig: { defaults: { custom: {} }, overrides: [...overrides, ...list(object(old.fieldConfig).overrides)] },
        transformations: old.transformations ?? (join ? [{ id: 'merge', options: {} }] : []),
        options: { showHeader: true },
    };
}

function modern(panel: Loose): Loose {
    const type = text(panel.type);
    if (type === 'graph') return fromGraph(panel);
    if (type === 'singlestat' || type === 'grafana-singlestat-panel') return fromSinglestat(panel);
    if (type === 'table-old' || (type === 'table' && panel.styles !== undefined && panel.options === undefined)) return fromOldTable(panel);
    if (type === 'text' && panel.options === undefined) return { ...panel, options: { mode: panel.mode ?? 'markdown', content: panel.content } };
    return panel;
}

/* ---- reading ------------------------------------------------------------------------------ */

function readConfig(raw: Loose): FieldConfig {
    return {
        ...raw,
        unit: text(raw.unit) || undefined, decimals: number(raw.decimals), min: number(raw.min), max: number(raw.max),
        noValue: text(raw.noValue) || undefined, displayName: text(raw.displayName) || undefined,
        color: object(raw.color), thresholds: object(raw.thresholds), mappings: readMappings(raw.mappings), links: list(raw.links), custom: object(raw.custom),
    };
}

/** Mappings, also those whose type is a number (1: value, 2: range). */
export function readMappings(raw: unknown): Loose[] {
    return list(raw).map((one) => {
        if (one.type === 1) return one.value === 'null' ? { type: 'special', options: { match: 'null', result: { text: one.text } } }
            : { type: 'value', options: Object.fromEntries([[text(one.value), { text: one.text }]]) };
        if (one.type === 2) return { type: 'range', options: { from: number(one.from), to: number(one.to), result: { text: one.text } } };
        return one;
    });
}

let nextId = 100000;

function letters(index: number): string {
    return index < 26 ? String.fromCharCode(65 + index) : letters(Math.floor(index / 26) - 1) + letters(index % 26);
}

function readPanel(given: Loose): Panel {
    const raw = modern(given);
    const grid = object(raw.gridPos);
    const config = object(raw.fieldConfig);
    const targets = list(raw.targets).map((target, index) => ({ ...target, refId: text(target.refId) || letters(index) }) as Target);
    const defaults = readConfig(object(config.defaults));
    // What Grafana takes when a panel's colour mode is not written down.
    if (!defaults.color?.mode && ['timeseries', 'piechart', 'barchart', 'histogram'].includes(text(raw.type))) defaults.color = { ...defaults.color, mode: 'palette-classic' };
    const id = number(raw.id) ?? nextId++;
    const width = Math.min(24, Math.max(1, Math.round(number(grid.w) ?? 12)));
    return {
        id, key: String(id), type: text(raw.type, 'unknown'), title: text(raw.title), description: text(raw.description),
        grid: { x: Math.min(24 - width, Math.max(0, Math.round(number(grid.x) ?? 0))), y: Math.max(0, number(grid.y) ?? 0), w: width, h: Math.max(1, Math.round(number(grid.h) ?? 8)) },
        datasource: raw.datasource as Panel['datasource'], targets, options: object(raw.options), defaults,
        overrides: list(config.overrides).filter((one) => one.matcher).map((one) => ({ matcher: one.matcher, properties: list(one.properties) })) as Override[],
        transformations: list(raw.transformations), interval: text(raw.interval), maxDataPoints: number(raw.maxDataPoints),
        timeFrom: text(raw.timeFrom), timeShift: text(raw.timeShift), hideTimeOverride: raw.hideTimeOverride === true,
        repeat: text(raw.repeat), repeatDirection: raw.repeatDirection === 'v' ? 'v' : 'h', maxPerRow: number(raw.maxPerRow) ?? 4,
        transparent: raw.transparent === true, links: list(raw.links), scope: new Map(),
    };
}

/** rows[].panels with span (of 12) and height, as written before panels had a grid. */
function fromRows(rows: Loose[]): Loose[] {
    const panels: Loose[] = [];
    const titled = rows.some((row) => row.showTitle === true || row.collapse === true || text(row.repeat) !== '');
    let y = 0;
    for (const row of rows) {
        const pixels = number(String(row.height ?? 250).replace('px', '')) ?? 250;
        const height = Math.max(1, Math.round(pixels / 38));
        const inside: Loose[] = [];
        if (titled) panels.push({ type: 'row', title: row.title, collapsed: row.collapse === true, repeat: row.repeat, gridPos: { x: 0, y: y++, w: 24, h: 1 }, panels: inside });
        let x = 0;
        let tallest = 0;
        for (const panel of list(row.panels)) {
            const w = Math.min(24, Math.max(1, Math.floor((number(panel.span) ?? 4) * 2)));
            const own = panel.height !== undefined ? Math.max(1, Math.round(Number(String(panel.height).replace('px', '')) / 38)) || height : height;
            if (x + w > 24) { x = 0; y += tallest; tallest = 0; }
            const placed = { ...panel, gridPos: { x, y, w, h: own } };
            (titled && row.collapse === true ? inside : panels).push(placed);
            x += w;
            tallest = Math.max(tallest, own);
        }
        y += tallest;
    }
    return panels;
}

function readSections(panels: Loose[]): Section[] {
    const sorted = panels.map((panel, index) => ({ panel, index, grid: object(panel.gridPos) }))
        .sort((a, b) => (number(a.grid.y) ?? 0) - (number(b.grid.y) ?? 0) || (number(a.grid.x) ?? 0) - (number(b.grid.x) ?? 0) || a.index - b.index)
        .map(({ panel }) => panel);
    const sections: Section[] = [{ row: null, panels: [], scope: new Map() }];
    for (const panel of sorted) {
        if (panel.type === 'row') {
            const id = number(panel.id) ?? nextId++;
            sections.push({
                row: { id, key: String(id), title: text(panel.title), collapsed: panel.collapsed === true, repeat: text(panel.repeat) },
                panels: list(panel.panels).map(readPanel), scope: new Map(),
            });
        } else sections[sections.length - 1]!.panels.push(readPanel(panel));
    }
    return sections.filter((section) => section.row !== null || section.panels.length > 0);
}

export class FormatError extends Error {}

/** Reads a dashboard's JSON, classic in all its ages or in the v1 wrapper. Throws FormatError. */
export function readDashboard(given: Loose): Dashboard {
    let raw = object(given);
    if (typeof raw.apiVersion === 'string' && raw.spec !== undefined) {
        if (raw.apiVersion.includes('/v2')) throw new FormatError('This dashboard is written in schema v2, which is not supported; export it as classic JSON');
        raw = { ...object(raw.spec), uid: object(raw.metadata).name };
    }
    if (object(raw).elements !== undefined) throw new FormatError('This dashboard is written in schema v2, which is not supported; export it as classic JSON');
    const rows = list(raw.rows);
    const time = object(raw.time);
    const picker = object(raw.timepicker);
    return {
        uid: text(raw.uid), title: text(raw.title, 'Untitled'), tags: (Array.isArray(raw.tags) ? raw.tags : []).filter((tag: unknown) => typeof tag === 'string'),
        sections: readSections(rows.length > 0 && list(raw.panels).length === 0 ? fromRows(rows) : list(raw.panels)),
        variables: list(object(raw.templating).list), annotations: list(object(raw.annotations).list), links: list(raw.links),
        from: text(time.from) || 'now-6h', to: text(time.to) || 'now', refresh: typeof raw.refresh === 'string' ? raw.refresh : '',
        zone: raw.timezone === 'utc' || raw.timezone === 'UTC' ? 'utc' : text(raw.timezone) || 'browser', crosshair: number(raw.graphTooltip) ?? 0,
        refreshChoices: Array.isArray(picker.refresh_intervals) ? picker.refresh_intervals.filter((one: unknown) => typeof one === 'string') : undefined,
        inputs: list(raw.__inputs), raw: given,
    };
}
