// chart.tsx - a time series chart over uPlot: stacking, bars, thresholds, tooltip, zoom by drag.
//
// Times are milliseconds. The caller keeps the legend and says which series are hidden. All text
// that comes from data is drawn on the canvas or set as text nodes; nothing becomes markup.
import 'uplot/dist/uPlot.min.css';
import './chart.css';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { fade } from './colors';
import { theme, token } from './theme';
import { DAY, formatTime, HOUR, MINUTE, SECOND, wallClock, type Zone } from './time';
import { formatTicks, formatValue, tickSteps } from './units';

export interface ChartSeries {
    name: string;
    color: string;
    /** One value a time; null is a gap. */
    values: (number | null)[];
    draw?: 'line' | 'bars' | 'points';
    curve?: 'linear' | 'smooth' | 'stepAfter' | 'stepBefore';
    width?: number;
    /** Opacity of the area under the line, 0-1. */
    fill?: number;
    gradient?: boolean;
    dash?: number[];
    /** auto: points only where a value stands alone or there is room. */
    points?: 'auto' | 'always' | 'never';
    pointSize?: number;
    /** Joins over gaps: always, or gaps shorter than so many milliseconds. */
    spanNulls?: boolean | number;
    /** Series of one stack name are piled up in their order. */
    stack?: string;
    /** Fills down to the series of that index. */
    fillBelowTo?: number;
    axis?: 'left' | 'right';
    unit?: string;
    decimals?: number;
    hidden?: boolean;
    /** Absent from the tooltip. */
    quiet?: boolean;
}

export interface ChartAxis {
    unit?: string;
    decimals?: number;
    label?: string;
    min?: number;
    max?: number;
    softMin?: number;
    softMax?: number;
    log?: 2 | 10;
    centeredZero?: boolean;
    hidden?: boolean;
    grid?: boolean;
    /** Least width in pixels. */
    width?: number;
}

export interface ChartThreshold { value: number; color: string }

export interface ChartProps {
    times: number[];
    series: ChartSeries[];
    from: number;
    to: number;
    left?: ChartAxis;
    right?: ChartAxis;
    zone?: Zone;
    tooltip?: 'single' | 'multi' | 'none';
    tooltipSort?: 'none' | 'asc' | 'desc';
    tooltipHideZeros?: boolean;
    thresholds?: { steps: ChartThreshold[]; line: boolean; area: boolean; dashed: boolean };
    /** Charts of one name share their crosshair. */
    sync?: string;
    /** With `sync`: the tooltip shows on all of them, not only on the one under the pointer. */
    sharedTooltip?: boolean;
    /** What a drag chose. Without it there is no drag. */
    onZoom?: (from: number, to: number) => void;
    onZoomOut?: () => void;
    /** A width of bars, as a share of the space between two times. */
    barShare?: number;
    /** What a screen reader says. */
    summary?: string;
    /** Draws no axes (a sparkline). */
    bare?: boolean;
}

const TOOLTIP_ROWS_MAX = 40;

/** Piles up what is to be stacked. Drawn values differ from told values; gaps count as nothing. */
function pile(series: ChartSeries[], length: number): { drawn: (number | null)[][]; below: Map<number, number> } {
    const sums = new Map<string, { total: number[]; seen: boolean[]; last: number }>();
    const below = new Map<number, number>();
    const drawn = series.map((one, index) => {
        if (one.stack === undefined || one.hidden) return one.values;
        // What grows downward is piled up apart from what grows upward.
        const negative = one.values.some((value) => value !== null && value < 0) && !one.values.some((value) => value !== null && value > 0);
        const key = `${one.stack} ${one.axis ?? 'left'} ${negative}`;
        const pileOf = sums.get(key) ?? { total: new Array<number>(length).fill(0), seen: new Array<boolean>(length).fill(false), last: -1 };
        sums.set(key, pileOf);
        const result = new Array<number | null>(length);
        for (let i = 0; i < length; i++) {
            const value = one.values[i];
            if (value == null || Number.isNaN(value)) {
                // Where nothing lies below there is a gap; else the pile goes on at its height.
                result[i] = one.draw === 'bars' || !pileOf.seen[i] ? null : pileOf.total[i]!;
            } else {
                pileOf.total[i]! += value;
                pileOf.seen[i] = true;
                result[i] = pileOf.total[i]!;
            }
        }
        if (pileOf.last >= 0) below.set(index, pileOf.last);
        pileOf.last = index;
        return result;
    });
    return { drawn, below };
}

function timeLabels(splits: number[], step: number, zone: Zone): string[] {
    const two = (value: number): string => String(value).padStart(2, '0');
    return splits.map((at) => {
        const d = wallClock(at, zone);
        const date = `${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
        if (step >= 300 * DAY) return String(d.getUTCFullYear());
        if (step >= 27 * DAY) return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}`;
        if (step >= DAY) return date;
        const clock = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
        if (step >= HOUR && clock === '00:00') return date;
        if (step >= MINUTE) return clock;
        const seconds = `${clock}:${two(d.getUTCSeconds())}`;
        return step >= SECOND ? seconds : `${seconds}.${String(d.getUTCMilliseconds()).padStart(3, '0')}`;
    });
}

function rangeOf(axis: ChartAxis, low: number | null, high: number | null): [number, number] {
    let min = low ?? Infinity;
    let max = high ?? -Infinity;
    if (axis.softMin !== undefined) min = Math.min(min, axis.softMin);
    if (axis.softMax !== undefined) max = Math.max(max, axis.softMax);
    if (!Number.isFinite(min) || !Number.isFinite(max)) {
        min = Number.isFinite(min) ? min : 0;
        max = Number.isFinite(max) ? max : min + (axis.unit === 'percentunit' ? 1 : 100);
    }
    if (axis.centeredZero) {
        const reach = Math.max(Math.abs(min), Math.abs(max));
        [min, max] = [-reach, reach];
    }
    if (min === max) {
        const room = Math.abs(min) * 0.5 || 1;
        [min, max] = min === 0 ? [0, 1] : [min - room, max + room];
    }
    const room = (max - min) * 0.08;
    // Zero stays an edge: no room beyond it, and what is near it starts from it.
    const bottom = axis.softMin === min ? min : min >= 0 && (min - room <= 0 || min < (max - min) * 0.6) ? 0 : min - room;
    const top = axis.softMax === max ? max : max <= 0 && max + room >= 0 ? 0 : max + room;
    return [axis.min ?? bottom, axis.max ?? (top <= (axis.min ?? bottom) ? (axis.min ?? bottom) + 1 : top)];
}

const font = (): string => `11px ${token('--font')}`;

function valueAxis(scale: 'y' | 'y2', axis: ChartAxis, side: 1 | 3): uPlot.Axis {
    return {
        scale,
        side,
        show: !axis.hidden,
        stroke: () => token('--text-3'),
        font: font(),
        gap: 6,
        space: (_u, _axis, _min, _max, room) => Math.max(30, room / 9),
        label: axis.label || undefined,
        labelFont: font(),
        labelSize: 16,
        labelGap: 2,
        grid: { show: axis.grid !== false && (side === 3), stroke: () => token('--grid'), width: 1 },
        ticks: { show: false, size: 0 },
        incrs: axis.log ? undefined : tickSteps(axis.unit),
        values: (_u, splits) => {
            const texts = formatTicks(splits.map((value) => value ?? 0), axis.unit, axis.decimals);
            return splits.map((value, index) => (value == null ? '' : texts[index]!));
        },
        size: (u, values) => {
            if (!values) return 40;
            u.ctx.save();
            u.ctx.font = `${11 * devicePixelRatio}px ${token('--font')}`;
            const widest = Math.max(...values.map((text) => u.ctx.measureText(text ?? '').width)) / devicePixelRatio;
            u.ctx.restore();
            return Math.ceil(Math.max(widest + 12, axis.width ?? 0, 26));
        },
    };
}

function logSplits(base: number) {
    return (_u: uPlot, _axis: number, min: number, max: number): number[] => {
        const splits: number[] = [];
        const low = Math.floor(Math.log(Math.max(min, 1e-12)) / Math.log(base));
        const high = Math.ceil(Math.log(max) / Math.log(base));
        const every = Math.max(1, Math.ceil((high - low) / 8));
        for (let power = low; power <= high; power += every) splits.push(base ** power);
        return splits;
    };
}

function paint(color: string, alpha: number, gradient: boolean): string | ((u: uPlot) => string | CanvasGradient) {
    if (!gradient) return fade(color, alpha);
    return (u) => {
        const { top, height } = u.bbox;
        if (!height) return fade(color, alpha);
        const ramp = u.ctx.createLinearGradient(0, top, 0, top + height);
        ramp.addColorStop(0, fade(color, alpha));
        ramp.addColorStop(1, fade(color, alpha * 0.08));
        return ramp;
    };
}

function seriesOptions(one: ChartSeries, barShare: number, dense: boolean): uPlot.Series {
    const scale = one.axis === 'right' ? 'y2' : 'y';
    const { spline, stepped, bars } = uPlot.paths;
    const base: uPlot.Series = {
        scale, label: one.name, stroke: one.color, width: one.width ?? 1.5, show: !one.hidden,
        dash: one.dash, spanGaps: one.spanNulls === true, cap: one.dash ? 'butt' : 'round',
        fill: one.fill ? paint(one.color, one.fill, !!one.gradient) : undefined,
    };
    if (one.draw === 'points') {
        return { ...base, paths: () => null, points: { show: true, size: one.pointSize ?? 5, fill: one.color, width: 0 } };
    }
    if (one.draw === 'bars') {
        return { ...base, width: one.width ?? 0, paths: bars!({ size: [barShare, 60, 1], align: 0, radius: 0 }), points: { show: false } };
    }
    const paths = one.curve === 'smooth' ? spline!() : one.curve === 'stepAfter' ? stepped!({ align: 1 })
        : one.curve === 'stepBefore' ? stepped!({ align: -1 }) : undefined;
    const size = one.pointSize ?? Math.max(4, (one.width ?? 1.5) * 2.5);
    const lonely = (u: uPlot, index: number): number[] => {
        const values = u.data[index]!;
        const [low, high] = u.series[0]!.idxs ?? [0, values.length - 1];
        const alone: number[] = [];
        for (let i = low; i <= high; i++) if (values[i] != null && values[i - 1] == null && values[i + 1] == null) alone.push(i);
        return alone;
    };
    const always = one.points === 'always' || (one.points === 'auto' && !dense);
    return {
        ...base, ...(paths ? { paths } : {}),
        points: { show: true, size, fill: one.color, width: 0, filter: always ? undefined : lonely as uPlot.Series.Points.Filter },
    };
}

/** Breaks longer than the limit become gaps, shorter ones are joined. */
function joinShortGaps(series: ChartSeries, drawn: (number | null)[], times: number[]): (number | null | undefined)[] {
    if (typeof series.spanNulls !== 'number') return drawn;
    const result: (number | null | undefined)[] = [...drawn];
    let last = -1;
    for (let i = 0; i < drawn.length; i++) {
        if (drawn[i] == null) continue;
        if (last >= 0 && i - last > 1 && times[i]! - times[last]! < series.spanNulls) for (let j = last + 1; j < i; j++) result[j] = undefined;
        last = i;
    }
    return result;
}

function drawThresholds(u: uPlot, props: ChartProps): void {
    const given = props.thresholds;
    if (!given || given.steps.length === 0) return;
    const { ctx, bbox } = u;
    const scale = u.scales.y!;
    if (scale.min == null || scale.max == null) return;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    given.steps.forEach((step, index) => {
        const top = given.steps[index + 1]?.value ?? Infinity;
        const yLow = u.valToPos(Math.max(step.value, scale.min!), 'y', true);
        const yHigh = u.valToPos(Math.min(top, scale.max!), 'y', true);
        if (given.area && yLow > yHigh) {
            ctx.fillStyle = fade(step.color, 0.1);
            ctx.fillRect(bbox.left, yHigh, bbox.width, yLow - yHigh);
        }
        if (given.line && Number.isFinite(step.value) && step.value >= scale.min! && step.value <= scale.max!) {
            ctx.strokeStyle = fade(step.color, 0.8);
            ctx.lineWidth = devicePixelRatio;
            ctx.setLineDash(given.dashed ? [8 * devicePixelRatio, 6 * devicePixelRatio] : []);
            ctx.beginPath();
            ctx.moveTo(bbox.left, Math.round(yLow) + 0.5);
            ctx.lineTo(bbox.left + bbox.width, Math.round(yLow) + 0.5);
            ctx.stroke();
        }
    });
    ctx.restore();
}

interface Hover { index: number; left: number; top: number; focus: number }

/** Everything but data: when it changes the chart is built anew. */
function shapeOf(props: ChartProps): string {
    return JSON.stringify([
        props.series.map((one) => [one.name, one.color, one.draw, one.curve, one.width, one.fill, one.gradient, one.dash, one.points,
            one.pointSize, one.spanNulls, one.stack, one.fillBelowTo, one.axis, one.hidden]),
        props.left, props.right, props.zone, props.sync, props.bare, props.barShare, !!props.onZoom, theme.value,
    ]);
}

function buildOptions(live: { current: ChartProps }, width: number, height: number, setHover: (hover: Hover | null) => void): uPlot.Options {
    const props = live.current;
    const left = props.left ?? {};
    const right = props.right ?? {};
    const zone = props.zone ?? 'browser';
    const usesRight = props.series.some((one) => one.axis === 'right');
    const dense = props.times.length * 6 > width;
    const { below } = pile(props.series, props.times.length);
    const bands: uPlot.Band[] = [];
    props.series.forEach((one, index) => {
        const under = below.get(index) ?? one.fillBelowTo;
        if (under !== undefined && one.fill && one.draw !== 'bars' && one.draw !== 'points') {
            bands.push({ series: [index + 1, under + 1], fill: paint(one.color, one.fill, false) as string });
        }
    });
    const scaleOf = (axis: ChartAxis): uPlot.Scale => (axis.log
        ? { distr: 3, log: axis.log, range: (_u, min, max) => [Math.max(axis.min ?? (min > 0 ? min : 0.1), 1e-12), axis.max ?? Math.max(max, (min > 0 ? min : 0.1) * 10)] }
        : { range: (_u, min, max) => rangeOf(axis, min, max) });
    const leftAxis = valueAxis('y', left, 3);
    if (left.log) leftAxis.splits = logSplits(left.log);
    let raf = 0;
    return {
        width, height, ms: 1,
        tzDate: (at) => { const d = wallClock(at, zone); return new Date(d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds()); },
        padding: props.bare ? [2, 0, 2, 0] : [8, usesRight ? 0 : 16, 0, 0],
        legend: { show: false },
        focus: { alpha: 1 },
        cursor: {
            show: !props.bare,
            x: true, y: false,
            points: { size: 7, width: 1.5, fill: (u, i) => String((u.series[i] as { stroke?: unknown }).stroke && props.series[i - 1]?.color), stroke: () => token('--panel') },
            drag: { x: !!props.onZoom, y: false, setScale: false, dist: 4 },
            focus: { prox: 40 },
            sync: props.sync ? { key: props.sync, scales: ['x', null] } : undefined,
            bind: { dblclick: () => () => { live.current.onZoomOut?.(); return null; } },
        },
        scales: {
            x: { time: true, range: () => [live.current.from, live.current.to] },
            y: scaleOf(left),
            ...(usesRight ? { y2: scaleOf(right) } : {}),
        },
        axes: props.bare ? [{ show: false }, { show: false }] : [
            {
                stroke: () => token('--text-3'), font: font(), gap: 4, size: 22, space: 64,
                grid: { stroke: () => token('--grid'), width: 1 }, ticks: { show: false, size: 0 },
                values: (_u, splits, _axis, _space, step) => timeLabels(splits, step, zone),
            },
            leftAxis,
            ...(usesRight ? [valueAxis('y2', right, 1)] : []),
        ],
        series: [{}, ...props.series.map((one) => seriesOptions(one, props.barShare ?? 0.8, dense))],
        bands,
        hooks: {
            drawClear: [(u) => drawThresholds(u, live.current)],
            setCursor: [(u) => {
                cancelAnimationFrame(raf);
                raf = requestAnimationFrame(() => {
                    const { idx, left: x, top: y } = u.cursor;
                    const active = live.current.sharedTooltip || u.over.matches(':hover') || u.root.parentElement?.matches(':focus-visible');
                    if (!active || idx == null || x == null || x < 0) setHover(null);
                    else {
                        let focus = -1;
                        let nearest = Infinity;
                        for (let i = 1; i < u.series.length; i++) {
                            const value = u.data[i]![idx];
                            if (!u.series[i]!.show || value == null) continue;
                            const distance = Math.abs(u.valToPos(value, u.series[i]!.scale!) - (y ?? 0));
                            if (distance < nearest) { nearest = distance; focus = i - 1; }
                        }
                        setHover({ index: idx, left: x + u.over.offsetLeft, top: (y ?? 0) + u.over.offsetTop, focus });
                    }
                });
            }],
            setSelect: [(u) => {
                const { left: x, width: w } = u.select;
                if (w < 4) return;
                const from = u.posToVal(x, 'x');
                const to = u.posToVal(x + w, 'x');
                u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
                live.current.onZoom?.(Math.round(from), Math.round(to));
            }],
        },
    };
}

function Tooltip({ props, hover, size }: { props: ChartProps; hover: Hover; size: { width: number; height: number } }) {
    const box = useRef<HTMLDivElement>(null);
    useLayoutEffect(() => {
        if (!box.current) return;
        const { width, height } = box.current.getBoundingClientRect();
        const host = box.current.parentElement!.getBoundingClientRect();
        let x = hover.left + 14;
        if (host.left + x + width > innerWidth - 6) x = hover.left - width - 14;
        let y = hover.top + 12;
        if (host.top + y + height > innerHeight - 6) y = Math.max(6 - host.top, innerHeight - 6 - host.top - height);
        box.current.style.transform = `translate(${Math.max(x, 6 - host.left)}px,${y}px)`;
        box.current.style.visibility = 'visible';
    }, [hover, size]);
    const zone = props.zone ?? 'browser';
    const at = props.times[hover.index];
    if (at === undefined) return null;
    let rows = props.series
        .map((one, index) => ({ one, index, value: one.values[hover.index] ?? null }))
        .filter(({ one, value }) => !one.hidden && !one.quiet && value !== null && !(props.tooltipHideZeros && value === 0));
    if (props.tooltip === 'single') rows = rows.filter(({ index }) => index === hover.focus);
    else if (props.tooltipSort === 'asc') rows.sort((a, b) => a.value! - b.value!);
    else if (props.tooltipSort === 'desc') rows.sort((a, b) => b.value! - a.value!);
    if (rows.length === 0) return null;
    const cut = rows.length - TOOLTIP_ROWS_MAX;
    if (cut > 0) rows = rows.slice(0, TOOLTIP_ROWS_MAX);
    return (
        <div class="chart-tooltip" ref={box} data-testid="chart-tooltip" role="tooltip" aria-live="polite">
            <div class="when">{formatTime(at, zone, at % 1000 !== 0)}</div>
            {rows.map(({ one, index, value }) => (
                <div class={index === hover.focus && rows.length > 1 ? 'row near' : 'row'} key={index}>
                    <span class="swatch" style={{ background: one.color }} />
                    <span class="name">{one.name}</span>
                    <span class="value">{formatValue(value, one.unit, one.decimals, zone)}</span>
                </div>
            ))}
            {cut > 0 && <div class="more">and {cut} more</div>}
        </div>
    );
}

export function Chart(props: ChartProps) {
    const host = useRef<HTMLDivElement>(null);
    const live = useRef(props);
    live.current = props;
    const chart = useRef<uPlot | null>(null);
    const [size, setSize] = useState({ width: 0, height: 0 });
    const [hover, setHover] = useState<Hover | null>(null);

    useLayoutEffect(() => {
        const element = host.current!;
        const measure = (): void => {
            const width = Math.floor(element.clientWidth);
            const height = Math.floor(element.clientHeight);
            setSize((old) => (old.width === width && old.height === height ? old : { width, height }));
        };
        const observer = new ResizeObserver(() => requestAnimationFrame(measure));
        observer.observe(element);
        measure();
        return () => observer.disconnect();
    }, []);

    const shape = shapeOf(props);
    const ready = size.width > 10 && size.height > 10;
    const data = (): uPlot.AlignedData => {
        const { drawn } = pile(live.current.series, live.current.times.length);
        return [live.current.times, ...drawn.map((values, index) => joinShortGaps(live.current.series[index]!, values, live.current.times))] as uPlot.AlignedData;
    };

    useLayoutEffect(() => {
        if (!ready) return undefined;
        const built = new uPlot(buildOptions(live, size.width, size.height, setHover), data(), host.current!);
        chart.current = built;
        const leave = (): void => setHover(null);
        built.over.addEventListener('mouseleave', leave);
        return () => {
            chart.current = null;
            built.destroy();
            setHover(null);
        };
    }, [shape, ready]);

    useLayoutEffect(() => {
        const built = chart.current;
        if (built && (built.width !== size.width || built.height !== size.height) && ready) built.setSize(size);
    }, [size]);

    const drawn = useRef<unknown[]>([]);
    useEffect(() => {
        const now = [props.times, props.series, props.from, props.to, props.thresholds];
        const same = drawn.current.length === now.length && drawn.current.every((one, index) => one === now[index]);
        drawn.current = now;
        if (!same) chart.current?.setData(data());
    });

    // With the keyboard: arrows walk from point to point, ten with Shift.
    const onKeyDown = (event: KeyboardEvent): void => {
        const built = chart.current;
        const count = props.times.length;
        if (!built || count === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
        const pace = event.shiftKey ? 10 : 1;
        const at = hover?.index ?? count;
        const next = { ArrowLeft: at - pace, ArrowRight: (hover ? at : -1) + pace, Home: 0, End: count - 1 }[event.key];
        if (event.key === 'Escape' && hover) setHover(null);
        else if (next === undefined) return;
        else {
            const index = Math.max(0, Math.min(count - 1, next));
            built.setCursor({ left: built.valToPos(props.times[index]!, 'x'), top: built.over.clientHeight / 2 });
        }
        event.preventDefault();
        event.stopPropagation();
    };
    return (
        <div class="chart" ref={host} role="img" aria-label={props.summary} data-testid="chart" data-from={props.from} data-to={props.to}
            tabIndex={props.bare ? undefined : 0} onKeyDown={onKeyDown} onBlur={() => setHover(null)}>
            {hover && props.tooltip !== 'none' && !props.bare && <Tooltip props={props} hover={hover} size={size} />}
        </div>
    );
}
