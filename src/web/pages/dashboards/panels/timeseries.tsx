// timeseries.tsx - lines, areas, bars and points over time.
import { useMemo, useState } from 'preact/hooks';
import { Chart, type ChartAxis, type ChartSeries } from '../../../shared/chart';
import { resolveColor, fade } from '../../../shared/colors';
import { Legend, type LegendColumn } from '../../../shared/legend';
import { theme } from '../../../shared/theme';
import { formatValue } from '../../../shared/units';
import { reduce, seriesColor, stepsOf, type Cell, type Field, type Frame } from '../frames';
import { CALC_TITLES, number, object, text, type Panel } from '../model';
import type { RenderProps } from './panels';

interface Drawn { series: ChartSeries; one: Field; inLegend: boolean }

/** Frames whose times differ are laid over one common column of times. */
function align(frames: Frame[]): { times: number[]; columns: { one: Field; values: (number | null)[] }[] } {
    const parts = frames.flatMap((frame) => {
        const time = frame.fields.find((one) => one.type === 'time');
        return time ? frame.fields.filter((one) => one.type === 'number').map((one) => ({ time: time.values as number[], one })) : [];
    });
    const first = parts[0]?.time ?? [];
    if (parts.every(({ time }) => time === first || (time.length === first.length && time[0] === first[0] && time[time.length - 1] === first[first.length - 1]))) {
        return { times: first, columns: parts.map(({ one }) => ({ one, values: one.values as (number | null)[] })) };
    }
    const times = [...new Set(parts.flatMap(({ time }) => time))].sort((a, b) => a - b);
    const places = new Map(times.map((at, index) => [at, index]));
    return {
        times,
        columns: parts.map(({ time, one }) => {
            // undefined: this series has no row here; null: it has one, and it is a gap.
            const values: (number | null | undefined)[] = new Array<undefined>(times.length).fill(undefined);
            time.forEach((at, row) => { values[places.get(at)!] = one.values[row] as number | null; });
            return { one, values: values as (number | null)[] };
        }),
    };
}

const asNumber = (value: Cell | undefined): number | null | undefined => (value === undefined ? undefined : typeof value === 'number' && Number.isFinite(value) ? value : null);

function drawn(one: Field, values: (number | null)[], reference: Map<string, number>): Drawn {
    const custom = one.config.custom;
    const hide = object(custom.hideFrom);
    const color = seriesColor(one);
    const negative = custom.transform === 'negative-Y';
    const dash = object(custom.lineStyle);
    const stacking = object(custom.stacking);
    const style = text(custom.drawStyle, 'line');
    const fill = (number(custom.fillOpacity) ?? 0) / 100;
    let told: (number | null)[] = values.map((value) => asNumber(value) as number | null);
    if (custom.nullAsZero === true) told = told.map((value) => value ?? 0);
    if (negative) told = told.map((value) => (value == null ? value : -value));
    if (custom.transform === 'constant') { const last = told.findLast((value) => value != null) ?? null; told = told.map(() => last); }
    const under = reference.get(text(custom.fillBelowTo));
    const mode = text(stacking.mode, 'none');
    return {
        one,
        inLegend: hide.legend !== true,
        series: {
            name: one.title, color, values: told, draw: style === 'bars' ? 'bars' : style === 'points' ? 'points' : 'line',
            curve: ({ smooth: 'smooth', stepAfter: 'stepAfter', stepBefore: 'stepBefore' } as const)[text(custom.lineInterpolation) as 'smooth'] ?? 'linear',
            width: number(custom.lineWidth) ?? 1, fill, gradient: custom.gradientMode === 'opacity' || custom.gradientMode === 'hue',
            dash: dash.fill === 'dash' && Array.isArray(dash.dash) ? dash.dash.map(Number) : dash.fill === 'dot' ? [1, 4] : undefined,
            points: custom.showPoints === 'always' ? 'always' : custom.showPoints === 'never' ? 'never' : 'auto', pointSize: number(custom.pointSize),
            spanNulls: custom.spanNulls === true ? true : number(custom.spanNulls) ?? false,
            stack: mode === 'normal' || mode === 'percent' ? `${String(stacking.group ?? 'A')}-${mode}` : undefined,
            fillBelowTo: under, axis: custom.axisPlacement === 'right' ? 'right' : 'left',
            unit: one.config.unit, decimals: one.config.decimals,
            hidden: hide.viz === true, quiet: hide.tooltip === true,
        },
    };
}

/** What is piled up in percent becomes shares of the sum at each time. */
function inPercent(all: Drawn[]): void {
    const groups = new Map<string, Drawn[]>();
    for (const one of all) {
        const { stack, hidden } = one.series;
        if (stack?.endsWith('-percent') && !hidden) groups.set(stack, [...(groups.get(stack) ?? []), one]);
    }
    for (const group of groups.values()) {
        const length = group[0]!.series.values.length;
        const sums = new Array<number>(length).fill(0);
        for (const { series } of group) series.values.forEach((value, index) => { sums[index]! += Math.abs(value ?? 0); });
        const whole = group[0]!.one.config.unit === 'percent' ? 100 : 1;
        for (const { series } of group) {
            series.values = series.values.map((value, index) => (value == null ? value : sums[index] === 0 ? 0 : (value / sums[index]!) * whole));
            if (series.unit !== 'percent') series.unit = 'percentunit';
        }
    }
}

function axisOf(fields: Field[], panel: Panel, percent: boolean): ChartAxis {
    const config = fields[0]?.config ?? panel.defaults;
    const custom = config.custom;
    const scale = object(custom.scaleDistribution);
    const pick = (name: string): number | undefined => { const found = fields.map((one) => number(one.config.custom[name])).find((value) => value !== undefined); return found; };
    const limit = (name: 'min' | 'max'): number | undefined => fields.map((one) => one.config[name]).find((value) => value !== undefined);
    const unit = percent && config.unit !== 'percent' ? 'percentunit' : config.unit;
    return {
        unit, decimals: config.decimals, label: text(custom.axisLabel) || undefined, min: limit('min'), max: percent ? (unit === 'percent' ? 100 : 1) : limit('max'),
        softMin: pick('axisSoftMin'), softMax: pick('axisSoftMax'), log: scale.type === 'log' ? (number(scale.log) === 10 ? 10 : 2) : undefined,
        centeredZero: custom.axisCenteredZero === true, hidden: custom.axisPlacement === 'hidden', grid: custom.axisGridShow !== false, width: number(custom.axisWidth),
    };
}

export function Timeseries({ panel, frames, range, zone, width, height, onZoom, onZoomOut, sync, sharedTooltip }: RenderProps) {
    const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
    const legend = object(panel.options.legend);
    const tooltip = object(panel.options.tooltip);
    const shade = theme.value;
    const { times, all, thresholds, left, right } = useMemo(() => {
        const aligned = align(frames);
        const reference = new Map(aligned.columns.map(({ one }, index) => [one.title, index]));
        let made = aligned.columns.map(({ one, values }) => drawn(one, values, reference));
        if (panel.defaults.custom.hideEmpty === true) made = made.filter(({ series }) => series.values.some((value) => value != null));
        if (panel.defaults.custom.hideZero === true) made = made.filter(({ series }) => series.values.some((value) => value != null && value !== 0));
        for (const one of made) if (hidden.has(one.series.name)) one.series.hidden = true;
        inPercent(made);
        const lefts = made.filter(({ series }) => series.axis !== 'right');
        const main = (lefts[0] ?? made[0])?.one.config ?? panel.defaults;
        const style = text(object(main.custom.thresholdsStyle).mode, 'off');
        const steps = stepsOf(main, main.min ?? 0, main.max ?? 100).map((step) => ({ value: step.value, color: resolveColor(step.color) }));
        return {
            times: aligned.times, all: made,
            thresholds: style === 'off' ? undefined : { steps, line: style.includes('line') || style.includes('dashed'), area: style.includes('area'), dashed: style.includes('dashed') },
            left: axisOf((lefts.length > 0 ? lefts : made).map(({ one }) => one), panel, lefts.some(({ series }) => !!series.stack?.endsWith('-percent'))),
            right: axisOf(made.filter(({ series }) => series.axis === 'right').map(({ one }) => one), panel, false),
        };
    }, [frames, panel, hidden, shade]);

    const series = useMemo(() => all.map((one) => one.series), [all]);
    const shows = legend.showLegend !== false && legend.displayMode !== 'hidden' && all.some((one) => one.inLegend);
    const side = shows && legend.placement === 'right' && width > 360;
    const table = legend.displayMode === 'table';
    const columns = useMemo<LegendColumn[]>(() => {
        const calcs: string[] = Array.isArray(legend.calcs) ? legend.calcs.map((calc: unknown) => text(calc)) : [];
        return calcs.map((calc) => ({ title: CALC_TITLES[calc] ?? calc, values: all.map(({ series: one }) => { const value = reduce(one.values, calc); return typeof value === 'number' ? value : null; }) }));
    }, [all, legend.calcs]);

    const lines = table ? all.length + 1 : Math.ceil(all.reduce((sum, { one }) => sum + 34 + one.title.length * 6.3, 0) / Math.max(120, width - 16));
    // As high as all lines need, but no more than its share of the panel, and no line cut in two.
    const [lineHeight, extra] = table ? [21, 24 - 21] : [20, 8];
    const most = Math.max(1, Math.floor((height * (table ? 0.45 : 0.34) - extra) / lineHeight));
    const legendHeight = Math.min(lines, most) * lineHeight + extra;
    const legendWidth = Math.min(number(legend.width) ?? (table ? 130 + columns.length * 72 : 200), Math.round(width * 0.45));
    const lastValues = all.slice(0, 5).map(({ one }) => { const last = reduce(one.values, 'lastNotNull'); return `${one.title} ${typeof last === 'number' ? formatValue(last, one.config.unit, one.config.decimals, zone) : 'no value'}`; });
    return (
        <div class={side ? 'ts side' : 'ts'}>
            <div class="ts-plot">
                <Chart times={times} series={series} from={range.from} to={range.to} zone={zone} left={left} right={right} thresholds={thresholds}
                    tooltip={tooltip.mode === 'none' || tooltip.mode === 'hidden' ? 'none' : tooltip.mode === 'single' ? 'single' : 'multi'}
                    tooltipSort={text(tooltip.sort, 'none') as 'none'} tooltipHideZeros={tooltip.hideZeros === true} sync={sync} sharedTooltip={sharedTooltip}
                    barShare={number(panel.defaults.custom.barWidthFactor) ?? 0.6} onZoom={onZoom} onZoomOut={onZoomOut}
                    summary={`${panel.title || 'Chart'}: ${all.length} series. ${lastValues.join('; ')}`} />
            </div>
            {shows && (
                <div class="ts-legend" style={side ? { width: `${legendWidth}px` } : { height: `${legendHeight}px` }}>
                    <Legend series={series} hidden={hidden} onHide={setHidden} table={table} side={side} columns={columns}
                        sortBy={text(legend.sortBy) || undefined} sortDesc={legend.sortDesc !== false} skip={(index) => !all[index]!.inLegend} />
                </div>
            )}
        </div>
    );
}

/** A small area chart without axes. */
export function Sparkline({ times, values, color, min, max }: { times: Cell[]; values: Cell[]; color: string; min?: number; max?: number }) {
    const points = values.map((value, index) => ({ at: Number(times[index]), value: typeof value === 'number' ? value : null })).filter((point) => Number.isFinite(point.at));
    const known = points.filter((point): point is { at: number; value: number } => point.value !== null && Number.isFinite(point.value));
    if (known.length < 2) return null;
    const first = points[0]!.at;
    const span = points[points.length - 1]!.at - first || 1;
    let low = min ?? Infinity;
    let high = max ?? -Infinity;
    for (const { value } of known) { low = Math.min(low, value); high = Math.max(high, value); }
    const flat = high === low;
    const place = (point: { at: number; value: number }): string => `${(((point.at - first) / span) * 1000).toFixed(1)},${(flat ? 50 : 100 - ((point.value - low) / (high - low)) * 94).toFixed(1)}`;
    const line = known.map(place).join('L');
    const start = (((known[0]!.at - first) / span) * 1000).toFixed(1);
    const end = (((known[known.length - 1]!.at - first) / span) * 1000).toFixed(1);
    return (
        <svg class="spark" viewBox="0 0 1000 103" preserveAspectRatio="none" aria-hidden="true">
            <path d={`M${line}L${end},103L${start},103Z`} fill={fade(color, 0.16)} />
            <path d={`M${line}`} fill="none" stroke={color} stroke-width="1.5" stroke-linejoin="round" vector-effect="non-scaling-stroke" />
        </svg>
    );
}
