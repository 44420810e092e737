// histogram.tsx - how many lines over time, by level; a drag chooses a range.
//
// Own SVG, not the chart library: a hundred bars, and the page stays small.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { DAY, formatTime, MINUTE, printDuration, wallClock, type Range } from '../../shared/time';
import { LEVELS, type Level } from './lines';
import type { Bar, Counts } from './store';

export const levelName = (level: Level): string => level || 'other';
export const printCount = (count: number): string => count.toLocaleString('en-US');

const LEFT = 44;
const BOTTOM = 18;
const TOP = 6;
const BAR_MIN = 9;

/** How many bars fit; the caller asks for so many. */
export const barsFor = (width: number): number => Math.max(10, Math.min(100, Math.floor((width - LEFT) / BAR_MIN)));

function niceTop(max: number): number {
    if (max <= 4) return 4;
    const power = 10 ** Math.floor(Math.log10(max));
    return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((times) => times * power).find((top) => top >= max)!;
}

const short = (value: number): string =>
    value >= 1e6 ? `${Number((value / 1e6).toFixed(1))}M` : value >= 1e3 ? `${Number((value / 1e3).toFixed(1))}k` : String(value);

const TICK_STEPS = [1000, 2000, 5000, 10_000, 15_000, 30_000, ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((m) => m * MINUTE), DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY];

function ticksOf(range: Range, width: number): { at: number; text: string }[] {
    const wide = (range.to - range.from) / Math.max(1, width / 110);
    const step = TICK_STEPS.find((one) => one >= wide) ?? 365 * DAY;
    const zone = wallClock(range.from).getTime() - range.from;
    const ticks = [];
    for (let wall = Math.ceil((range.from + zone) / step) * step; wall - zone <= range.to; wall += step) {
        const text = formatTime(wall, 'utc');
        const midnight = text.endsWith('00:00:00');
        ticks.push({ at: wall - zone, text: midnight || step >= DAY ? text.slice(5, 10) : step >= MINUTE ? text.slice(11, 16) : text.slice(11) });
    }
    return ticks;
}

interface HistogramProps {
    counts: Counts;
    onZoom: (from: number, to: number) => void;
    onZoomOut: () => void;
}

function Tip({ bar, step, x, width }: { bar: Bar; step: number; x: number; width: number }) {
    const right = x > width / 2;
    return (
        <div class="hist-tip" data-testid="histogram-tooltip" role="tooltip" style={right ? { right: `${width - x + 10}px` } : { left: `${x + 10}px` }}>
            <div class="when">{formatTime(bar.at, 'browser', step < 1000)} <span class="dimmer">+{printDuration(step)}</span></div>
            {LEVELS.filter((level) => bar.levels.has(level)).map((level) => (
                <div class="row" key={level}><span class={`dot level-${levelName(level)}`} /><span class="name">{levelName(level)}</span><span class="value">{printCount(bar.levels.get(level)!)}</span></div>
            ))}
            {bar.levels.size !== 1 && <div class="row"><span class="dot" /><span class="name">all</span><span class="value">{printCount(bar.total)}</span></div>}
        </div>
    );
}

export function Histogram({ counts, onZoom, onZoomOut }: HistogramProps) {
    const host = useRef<HTMLDivElement>(null);
    const [size, setSize] = useState({ width: 0, height: 0 });
    const [hover, setHover] = useState<number | null>(null);
    const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
    useLayoutEffect(() => {
        const element = host.current!;
        const measure = (): void => setSize({ width: element.clientWidth, height: element.clientHeight });
        const observer = new ResizeObserver(() => requestAnimationFrame(measure));
        observer.observe(element);
        measure();
        return () => observer.disconnect();
    }, []);
    const { range, step, bars } = counts;
    const { width, height } = size;
    const plot = { left: LEFT, width: Math.max(1, width - LEFT - 4), top: TOP, height: Math.max(1, height - TOP - BOTTOM) };
    const xOf = (at: number): number => plot.left + ((at - range.from) / (range.to - range.from)) * plot.width;
    const atOf = (x: number): number => range.from + (Math.min(Math.max(x - plot.left, 0), plot.width) / plot.width) * (range.to - range.from);
    const top = niceTop(Math.max(...bars.map((bar) => bar.total), 1));
    const yOf = (value: number): number => plot.top + plot.height * (1 - value / top);
    const place = (event: PointerEvent): number => event.clientX - host.current!.getBoundingClientRect().left;
    const barAt = (x: number): number | null => {
        const index = bars.findIndex((bar) => atOf(x) >= bar.at && atOf(x) < bar.at + step);
        return x >= plot.left && index >= 0 ? index : null;
    };
    const done = (): void => {
        if (drag && Math.abs(drag.to - drag.from) > 4) {
            const [low, high] = drag.from < drag.to ? [drag.from, drag.to] : [drag.to, drag.from];
            onZoom(Math.round(atOf(low)), Math.round(atOf(high)));
        }
        setDrag(null);
    };
    const shown = hover === null ? undefined : bars[hover];
    return (
        <div class="histogram" ref={host} data-testid="histogram" data-from={range.from} data-to={range.to} data-step={step} data-total={counts.total}
            data-sum={bars.reduce((sum, bar) => sum + bar.total, 0)}>
            {width > 40 && (
                <svg width={width} height={height} role="img" aria-label={`${printCount(counts.total)} lines over time, a bar each ${printDuration(step)}`}
                    onPointerDown={(event) => { if (event.button === 0) { event.currentTarget.setPointerCapture(event.pointerId); setDrag({ from: place(event), to: place(event) }); } }}
                    onPointerMove={(event) => { const x = place(event); setHover(barAt(x)); if (drag) setDrag({ from: drag.from, to: x }); }}
                    onPointerUp={done} onPointerCancel={() => setDrag(null)} onPointerLeave={() => setHover(null)} onDblClick={onZoomOut}>
                    {[0, top / 2, top].filter(Number.isInteger).map((value) => (
                        <g key={value}>
                            <line class="grid-line" x1={plot.left} x2={plot.left + plot.width} y1={Math.round(yOf(value)) + 0.5} y2={Math.round(yOf(value)) + 0.5} />
                            <text class="tick-text" x={plot.left - 6} y={yOf(value) + 4} text-anchor="end">{short(value)}</text>
                        </g>
                    ))}
                    {ticksOf(range, plot.width).map(({ at, text }) => (
                        <text class="tick-text" key={at} x={xOf(at)} y={height - 4} text-anchor={xOf(at) > width - 24 ? 'end' : xOf(at) < plot.left + 16 ? 'start' : 'middle'}>{text}</text>
                    ))}
                    {bars.map((bar, index) => {
                        if (bar.total === 0) return null;
                        const x0 = Math.max(xOf(bar.at), plot.left);
                        const x1 = Math.min(xOf(bar.at + step), plot.left + plot.width);
                        let below = 0;
                        return (
                            <g key={bar.at} class={index === hover ? 'hist-bar near' : 'hist-bar'}>
                                {[...LEVELS].reverse().filter((level) => bar.levels.has(level)).map((level) => {
                                    const y0 = yOf(below);
                                    below += bar.levels.get(level)!;
                                    const y1 = below === bar.total ? Math.min(yOf(below), plot.top + plot.height - 1.5) : yOf(below);
                                    return <rect key={level} class={`level-${levelName(level)}`} x={x0 + 0.5} width={Math.max(1, x1 - x0 - 1)} y={y1} height={Math.max(0, y0 - y1)} />;
                                })}
                            </g>
                        );
                    })}
                    {drag && Math.abs(drag.to - drag.from) > 4 && (
                        <rect class="hist-select" x={Math.max(Math.min(drag.from, drag.to), plot.left)} width={Math.abs(drag.to - drag.from)} y={plot.top} height={plot.height} />
                    )}
                </svg>
            )}
            {shown && !drag && <Tip bar={shown} step={step} x={xOf(shown.at + step / 2)} width={width} />}
        </div>
    );
}
