// heatmap.tsx - how often values fell into which bucket, over time, as shades.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { theme, token } from '../../../shared/theme';
import { formatTime } from '../../../shared/time';
import { readNumber } from '../../../shared/prom';
import { formatTicks, formatValue } from '../../../shared/units';
import { type Frame } from '../frames';
import { number, object, text, type Panel } from '../model';
import type { RenderProps } from './panels';
import { timeTicks } from './timeline';

// Light to dark in a few stops, after ColorBrewer and matplotlib.
const SCHEMES: Record<string, readonly string[]> = {
    Oranges: ['#fff5eb', '#fdd0a2', '#fd8d3c', '#d94801', '#7f2704'], Reds: ['#fff5f0', '#fcbba1', '#fb6a4a', '#cb181d', '#67000d'],
    Blues: ['#f7fbff', '#c6dbef', '#6baed6', '#2171b5', '#08306b'], Greens: ['#f7fcf5', '#c7e9c0', '#74c476', '#238b45', '#00441b'],
    Purples: ['#fcfbfd', '#dadaeb', '#9e9ac8', '#6a51a3', '#3f007d'], Greys: ['#ffffff', '#d9d9d9', '#969696', '#525252', '#000000'],
    Viridis: ['#440154', '#3b528b', '#21918c', '#5ec962', '#fde725'], Magma: ['#000004', '#51127c', '#b73779', '#fc8961', '#fcfdbf'],
    Plasma: ['#0d0887', '#7e03a8', '#cc4778', '#f89540', '#f0f921'], Inferno: ['#000004', '#57106e', '#bc3754', '#f98e09', '#fcffa4'],
    Turbo: ['#30123b', '#28bbec', '#a2fc3c', '#fb8022', '#7a0403'], Spectral: ['#5e4fa2', '#66c2a5', '#ffffbf', '#f46d43', '#9e0142'],
    RdYlBu: ['#313695', '#74add1', '#ffffbf', '#f46d43', '#a50026'], RdYlGn: ['#006837', '#66bd63', '#ffffbf', '#f46d43', '#a50026'],
};
const SEQUENTIAL = new Set(['Oranges', 'Reds', 'Blues', 'Greens', 'Purples', 'Greys']);
const LEFT = 54;
const BOTTOM = 20;
const CALCULATED_ROWS = 24;

interface Cells { times: number[]; step: number; names: string[]; edges: (number | null)[]; counts: (number | null)[][]; max: number }

function counted(frames: Frame[]): Cells {
    const rows = frames.flatMap((frame) => frame.fields.filter((one) => one.type === 'number').map((one) => ({ one, frame })));
    const times = (frames[0]?.fields.find((one) => one.type === 'time')?.values ?? []) as number[];
    const counts = rows.map(({ one }) => one.values as (number | null)[]);
    return { times, step: frames[0]?.stepMs ?? 15000, names: rows.map(({ one }) => one.title), edges: rows.map(({ one }) => { const edge = readNumber(one.labels?.le ?? one.title); return Number.isNaN(edge) ? null : edge; }), counts, max: 0 };
}

/** Values sorted into rows of equal height. */
function calculated(frames: Frame[]): Cells {
    const times = (frames[0]?.fields.find((one) => one.type === 'time')?.values ?? []) as number[];
    const series = frames.flatMap((frame) => frame.fields.filter((one) => one.type === 'number').map((one) => one.values as (number | null)[]));
    let low = Infinity;
    let high = -Infinity;
    for (const values of series) for (const value of values) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
    const size = (high - low || 1) / CALCULATED_ROWS;
    const counts = Array.from({ length: CALCULATED_ROWS }, () => new Array<number | null>(times.length).fill(null));
    for (const values of series) values.forEach((value, at) => {
        if (value === null || at >= times.length) return;
        const row = Math.min(CALCULATED_ROWS - 1, Math.floor((value - low) / size));
        counts[row]![at] = (counts[row]![at] ?? 0) + 1;
    });
    const edges = counts.map((_, row) => low + size * (row + 1));
    return { times, step: frames[0]?.stepMs ?? 15000, names: edges.map(String), edges, counts, max: 0 };
}

function readCells(frames: Frame[], panel: Panel): Cells {
    const cells = panel.options.calculate === true ? calculated(frames) : counted(frames);
    const least = number(object(panel.options.filterValues).le) ?? 1e-9;
    for (const row of cells.counts) row.forEach((value, at) => {
        if (value === null || Number.isNaN(value) || value <= least) row[at] = null;
        else cells.max = Math.max(cells.max, value);
    });
    return cells;
}

function ramp(options: Record<string, any>): (share: number) => string {
    const color = object(options.color);
    const scheme = text(color.scheme, 'Oranges');
    let stops = [...(SCHEMES[scheme] ?? SCHEMES.Oranges!)];
    // On dark ground little is dark, on light ground light.
    const turned = SEQUENTIAL.has(scheme) && theme.value === 'dark';
    if (turned !== (color.reverse === true)) stops = stops.reverse();
    const exponent = color.scale === 'linear' ? 1 : number(color.exponent) ?? 0.5;
    const parts = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
    return (share) => {
        const at = Math.min(0.9999, Math.max(0, share) ** exponent) * (parts.length - 1);
        const low = Math.floor(at);
        const mixed = [0, 1, 2].map((part) => Math.round(parts[low]![part]! + (parts[low + 1]![part]! - parts[low]![part]!) * (at - low)));
        return `rgb(${mixed.join(',')})`;
    };
}

export default function Heatmap({ panel, frames, range, zone, width, height, onZoomOut }: RenderProps) {
    const canvas = useRef<HTMLCanvasElement>(null);
    const shade = theme.value;
    const [hover, setHover] = useState<{ x: number; y: number; row: number; at: number } | null>(null);
    const cells = useMemo(() => readCells(frames.map((frame) => ({ ...frame, fields: frame.fields.map((one) => ({ ...one, values: [...one.values] })) })), panel), [frames, panel]);
    const axis = object(panel.options.yAxis);
    const unit = text(axis.unit) || panel.defaults.unit || 'short';
    const color = useMemo(() => ramp(panel.options), [panel, shade]);
    const rows = Math.max(1, cells.counts.length);
    const plot = { width: Math.max(10, width - LEFT - 8), height: Math.max(10, height - BOTTOM - 4) };
    const nameOf = (row: number): string => { const edge = cells.edges[row]; return edge === null || edge === undefined || !Number.isFinite(edge) ? cells.names[row] ?? '' : formatTicks([edge], unit, number(axis.decimals), zone)[0]!; };
    const place = (at: number): number => LEFT + ((at - range.from) / (range.to - range.from)) * plot.width;
    useEffect(() => {
        const element = canvas.current!;
        const scale = devicePixelRatio;
        element.width = width * scale;
        element.height = height * scale;
        const ctx = element.getContext('2d')!;
        ctx.scale(scale, scale);
        const tall = plot.height / rows;
        const wide = Math.max(1, (cells.step / (range.to - range.from)) * plot.width);
        cells.counts.forEach((row, index) => row.forEach((value, at) => {
            if (value === null) return;
            ctx.fillStyle = color(value / cells.max);
            const x = place(cells.times[at]!) - wide;
            ctx.fillRect(Math.max(LEFT, x), 4 + plot.height - (index + 1) * tall, Math.min(wide, x + wide - LEFT) - (wide > 9 ? 1 : 0), tall - (tall > 6 ? 1 : 0));
        }));
        ctx.font = `11px ${token('--font')}`;
        ctx.fillStyle = token('--text-3');
        ctx.textAlign = 'right';
        ctx.textBaseline = 'middle';
        const every = Math.max(1, Math.ceil(18 / tall));
        for (let row = every - 1; row < rows; row += every) ctx.fillText(nameOf(row), LEFT - 6, 4 + plot.height - (row + 0.5) * tall);
        ctx.textAlign = 'center';
        for (const { at, said } of timeTicks(range.from, range.to, plot.width, zone)) ctx.fillText(said, place(at), height - 8);
    }, [cells, range, width, height, color, unit, zone]);
    const onMove = (event: PointerEvent): void => {
        const box = canvas.current!.getBoundingClientRect();
        const x = event.clientX - box.left;
        const y = event.clientY - box.top;
        const row = Math.floor(((4 + plot.height - y) / plot.height) * rows);
        const when = range.from + ((x - LEFT) / plot.width) * (range.to - range.from);
        const at = cells.times.findIndex((time) => time >= when);
        setHover(row < 0 || row >= rows || at < 0 || x < LEFT || cells.counts[row]![at] == null ? null : { x, y, row, at });
    };
    return (
        <div class="heatmap" onPointerMove={onMove} onPointerLeave={() => setHover(null)} onDblClick={onZoomOut}>
            <canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} role="img" aria-label={`${panel.title}: ${rows} buckets over time`} />
            {hover && (
                <div class="chart-tooltip" style={{ visibility: 'visible', transform: `translate(${hover.x > width / 2 ? hover.x - 190 : hover.x + 14}px, ${Math.min(hover.y + 12, height - 60)}px)` }} role="tooltip">
                    <div class="when">{formatTime(cells.times[hover.at]!, zone)}</div>
                    <div class="row"><span class="swatch" style={{ background: color(cells.counts[hover.row]![hover.at]! / cells.max) }} /><span class="name">{hover.row > 0 ? `${nameOf(hover.row - 1)} to ` : 'up to '}{nameOf(hover.row)}</span>
                        <span class="value">{formatValue(cells.counts[hover.row]![hover.at], 'short')}</span></div>
                </div>
            )}
        </div>
    );
}
