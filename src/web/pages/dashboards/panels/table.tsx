// table.tsx - rows and columns; sorted by a click on a head, drawn a window of rows at a time.
import { useMemo, useState } from 'preact/hooks';
import { asText, fade, textOn } from '../../../shared/colors';
import { theme } from '../../../shared/theme';
import { safeLink } from '../../../shared/url';
import { limitsOf, reduce, rowsOf, show, shownText, type Cell, type Field, type Frame } from '../frames';
import { list, number, object, text, type Panel } from '../model';
import type { RenderProps } from './panels';

const ROW = 29;
const SPARE = 12;

/** Series frames as one table, so that any answer can be shown as one. */
export function asTable(frames: Frame[]): Frame {
    const [first] = frames;
    if (!first) return { refId: 'A', fields: [] };
    const plain = frames.every((frame) => frame.stepMs === undefined);
    if (frames.length === 1 && (first.stepMs === undefined ? first.fields.some((one) => one.type === 'string') || !first.fields.some((one) => one.labels) : true)) return first;
    if (plain && frames.every((frame) => rowsOf(frame) <= 1)) {
        const values = frames.flatMap((frame) => frame.fields.filter((one) => one.type === 'number'));
        return { refId: first.refId, fields: [
            { ...values[0]!, name: 'Name', title: 'Name', type: 'string', values: values.map((one) => one.title), labels: undefined, config: { custom: {} } },
            { ...values[0]!, name: 'Value', title: 'Value', values: values.map((one) => one.values[0] ?? null) },
        ] };
    }
    const times = [...new Set(frames.flatMap((frame) => (frame.fields.find((one) => one.type === 'time')?.values ?? []) as number[]))].sort((a, b) => b - a);
    const place = new Map(times.map((at, row) => [at, row]));
    const time = first.fields.find((one) => one.type === 'time');
    return { refId: first.refId, fields: [
        ...(time ? [{ ...time, values: times as Cell[] }] : []),
        ...frames.flatMap((frame) => {
            const own = frame.fields.find((one) => one.type === 'time')?.values ?? [];
            return frame.fields.filter((one) => one.type !== 'time').map((one) => {
                const values: Cell[] = new Array<Cell>(times.length).fill(null);
                own.forEach((at, row) => { values[place.get(at as number)!] = one.values[row] ?? null; });
                return { ...one, values };
            });
        }),
    ] };
}

type Look = 'auto' | 'text' | 'background' | 'gauge';

function lookOf(one: Field): Look {
    const kind = text(object(one.config.custom.cellOptions).type) || text(one.config.custom.displayMode);
    if (kind.startsWith('color-background')) return 'background';
    if (kind === 'color-text') return 'text';
    return kind === 'gauge' || kind.endsWith('-gauge') || kind === 'basic' || kind === 'lcd-gauge' ? 'gauge' : 'auto';
}

function CellBox({ one, value, look, limits, zone, right, link }: { one: Field; value: Cell; look: Look; limits: { min: number; max: number }; zone: string; right: boolean; link: string | null }) {
    const shown = show(value, one, zone, limits);
    const said = shownText(shown);
    const hasSteps = list(one.config.thresholds?.steps).length > 0 || one.config.color?.mode;
    const style: Record<string, string> = {};
    if (look === 'text' && shown.color && hasSteps) style.color = asText(shown.color);
    if (look === 'background' && shown.color && hasSteps) { style.background = fade(shown.color, 0.9); style.color = textOn(shown.color); }
    if (look === 'gauge' && typeof value === 'number') {
        const share = Math.min(1, Math.max(0, (value - limits.min) / (limits.max - limits.min))) * 100;
        return (
            <td class="meter"><div class="cell-gauge"><div class="track"><div class="fill" style={{ width: `${share}%`, background: shown.color ?? 'var(--accent)' }} /></div><span>{said}</span></div></td>
        );
    }
    return <td class={right ? 'right' : undefined} style={style} title={said}>{link ? <a href={link} target="_blank" rel="noopener noreferrer">{said}</a> : said}</td>;
}

interface TableProps { frame: Frame; panel: Panel; zone: string; height: number; fillText: RenderProps['fillText'] }

export function DataTable({ frame, panel, zone, height, fillText }: TableProps) {
    const [top, setTop] = useState(0);
    const given = list(panel.options.sortBy)[0];
    const [sort, setSort] = useState<{ by: string; desc: boolean } | null>(given ? { by: text(given.displayName), desc: given.desc === true } : null);
    const [needle, setNeedle] = useState('');
    const shade = theme.value;
    const fields = frame.fields.filter((one) => one.config.custom.hidden !== true && one.config.custom.hidden !== 'true' && object(one.config.custom.hideFrom).viz !== true);
    const looks = useMemo(() => fields.map((one) => ({ look: lookOf(one), limits: limitsOf(one.config, one.values) })), [frame, panel, shade]);
    const order = useMemo(() => {
        let rows = Array.from({ length: rowsOf(frame) }, (_, row) => row);
        if (needle !== '') rows = rows.filter((row) => fields.some((one) => String(one.values[row] ?? '').toLowerCase().includes(needle.toLowerCase())));
        const key = fields.find((one) => one.title === sort?.by);
        if (key && sort) {
            const compare = (a: Cell, b: Cell): number => {
                if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
                const less = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
                return sort.desc ? -less : less;
            };
            rows.sort((a, b) => compare(key.values[a] ?? null, key.values[b] ?? null) || a - b);
        }
        return rows;
    }, [frame, sort, needle]);
    const from = Math.max(0, Math.floor(top / ROW) - SPARE);
    const until = Math.min(order.length, from + Math.ceil(height / ROW) + 2 * SPARE);
    const header = panel.options.showHeader !== false;
    const footer = object(panel.options.footer);
    const align = (one: Field): boolean => {
        const said = text(one.config.custom.align);
        return said === 'right' || (said !== 'left' && said !== 'center' && one.type === 'number');
    };
    const linkOf = (one: Field, row: number): string | null => {
        const link = list(one.config.links)[0];
        if (!link || text(link.url) === '') return null;
        const said = fillText(text(link.url), 'link', (name, path) => {
            if (name === '__value') return path === '.raw' || path === '.text' || path === '' ? encodeURIComponent(String(one.values[row] ?? '')) : '';
            if (name === '__data') {
                const key = /^\.fields(?:\.([^.[\]]+)|\["([^"]+)"\])/.exec(path);
                const other = frame.fields.find((each) => each.title === (key?.[1] ?? key?.[2]) || each.name === (key?.[1] ?? key?.[2]));
                return encodeURIComponent(String(other?.values[row] ?? ''));
            }
            return undefined;
        });
        return safeLink(said);
    };
    return (
        <div class="table-box">
            {footer.showSearch === true && <input class="input" placeholder="Filter" aria-label="Filter rows" onInput={(event) => setNeedle(event.currentTarget.value)} />}
            <div class="table-scroll" tabIndex={0} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
                <table class="data-table" aria-rowcount={order.length} data-testid="table">
                    <colgroup>{fields.map((one) => { const wide = number(one.config.custom.width); return <col key={one.title} style={wide ? { width: `${wide}px` } : { minWidth: `${number(one.config.custom.minWidth) ?? 60}px` }} />; })}</colgroup>
                    {header && (
                        <thead><tr>{fields.map((one) => {
                            const sorted = sort?.by === one.title ? sort : null;
                            return (
                                <th key={one.title} class={align(one) ? 'right' : undefined} aria-sort={sorted ? (sorted.desc ? 'descending' : 'ascending') : undefined}>
                                    <button type="button" onClick={() => setSort(!sorted ? { by: one.title, desc: false } : sorted.desc ? null : { by: one.title, desc: true })}>
                                        {one.title}{sorted && (sorted.desc ? ' ↓' : ' ↑')}
                                    </button>
                                </th>
                            );
                        })}</tr></thead>
                    )}
                    <tbody>
                        {from > 0 && <tr class="gap" style={{ height: `${from * ROW}px` }}><td colSpan={fields.length} /></tr>}
                        {order.slice(from, until).map((row) => (
                            <tr key={row}>{fields.map((one, column) => (
                                <CellBox key={column} one={one} value={one.values[row] ?? null} look={looks[column]!.look} limits={looks[column]!.limits} zone={zone} right={align(one)} link={linkOf(one, row)} />
                            ))}</tr>
                        ))}
                        {until < order.length && <tr class="gap" style={{ height: `${(order.length - until) * ROW}px` }}><td colSpan={fields.length} /></tr>}
                    </tbody>
                    {footer.show === true && (
                        <tfoot><tr>{fields.map((one, column) => {
                            const calc = Array.isArray(footer.reducer) ? text(footer.reducer[0], 'sum') : 'sum';
                            const value = one.type === 'number' ? reduce(one.values, calc) : null;
                            return <td key={column} class={align(one) ? 'right' : undefined}>{value !== null ? shownText(show(value, one, zone)) : column === 0 ? 'Total' : ''}</td>;
                        })}</tr></tfoot>
                    )}
                </table>
            </div>
        </div>
    );
}

export function Table({ panel, frames, zone, height, fillText }: RenderProps) {
    const [chosen, setChosen] = useState(0);
    const wide = frames.filter((frame) => frame.stepMs === undefined);
    const several = wide.length > 1 && wide.length === frames.length && wide.some((frame) => rowsOf(frame) > 1 || frame.fields.length > 2);
    const frame = several ? wide[Math.min(chosen, wide.length - 1)]! : asTable(frames);
    return (
        <div class="table-panel">
            <DataTable frame={frame} panel={panel} zone={zone} height={height - (several ? 36 : 0)} fillText={fillText} />
            {several && (
                <select class="select" aria-label="Table" value={chosen} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
                    {wide.map((one, index) => <option key={index} value={index}>{one.name ?? one.refId}</option>)}
                </select>
            )}
        </div>
    );
}
