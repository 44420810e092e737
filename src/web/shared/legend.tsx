// legend.tsx - the names of a chart's series as a list or a table with calculations.
// A click isolates a series (again: all), ctrl-click toggles one.
import { useState } from 'preact/hooks';
import type { ChartSeries } from './chart';
import { formatValue } from './units';

export interface LegendColumn { title: string; values: (number | null)[] }

interface LegendProps {
    series: ChartSeries[];
    /** Names hidden by the reader. */
    hidden: ReadonlySet<string>;
    onHide: (hidden: Set<string>) => void;
    table?: boolean;
    side?: boolean;
    columns?: LegendColumn[];
    sortBy?: string;
    sortDesc?: boolean;
    /** Series that stay out of the legend. */
    skip?: (index: number) => boolean;
}

function Entry({ one, off, onPick, calc }: { one: ChartSeries; off: boolean; onPick: (toggle: boolean) => void; calc?: string }) {
    return (
        <button type="button" class="entry" aria-pressed={!off} data-testid="legend-entry" title={one.name}
            onClick={(event) => onPick(event.ctrlKey || event.metaKey || event.shiftKey)}>
            <span class="swatch" style={{ background: one.color }} />
            <span class="name">{one.name}</span>
            {calc && <span class="calc">{calc}</span>}
        </button>
    );
}

export function Legend({ series, hidden, onHide, table, side, columns = [], sortBy, sortDesc, skip }: LegendProps) {
    const [sort, setSort] = useState({ by: sortBy ?? '', desc: sortDesc ?? true });
    const shown = series.map((one, index) => ({ one, index })).filter(({ index }) => !skip?.(index));
    const pick = (name: string, toggle: boolean): void => {
        const names = shown.map(({ one }) => one.name);
        let next: Set<string>;
        if (toggle) {
            next = new Set(hidden);
            if (!next.delete(name)) next.add(name);
        } else {
            const alone = !hidden.has(name) && names.every((other) => other === name || hidden.has(other));
            next = new Set(alone ? [] : names.filter((other) => other !== name));
        }
        onHide(names.every((other) => next.has(other)) ? new Set() : next);
    };
    const text = (column: LegendColumn, index: number): string => formatValue(column.values[index], series[index]!.unit, series[index]!.decimals);
    if (!table) {
        return (
            <div class={side ? 'legend list side' : 'legend list'} data-testid="legend">
                {shown.map(({ one, index }) => (
                    <Entry key={index} one={one} off={hidden.has(one.name)} onPick={(toggle) => pick(one.name, toggle)}
                        calc={columns.map((column) => `${column.title}: ${text(column, index)}`).join('  ')} />
                ))}
            </div>
        );
    }
    const key = columns.find((column) => column.title === sort.by);
    if (key) {
        const value = (index: number): number => key.values[index] ?? -Infinity;
        shown.sort((a, b) => (sort.desc ? value(b.index) - value(a.index) : value(a.index) - value(b.index)));
    } else if (sort.by === 'Name') {
        shown.sort((a, b) => (sort.desc ? -1 : 1) * a.one.name.localeCompare(b.one.name));
    }
    const sorter = (title: string) => (
        <th key={title} aria-sort={sort.by !== title ? undefined : sort.desc ? 'descending' : 'ascending'}>
            <button type="button" onClick={() => setSort(sort.by !== title ? { by: title, desc: true } : { by: title, desc: !sort.desc })}>
                {title}{sort.by === title && (sort.desc ? ' ↓' : ' ↑')}
            </button>
        </th>
    );
    return (
        <div class="legend" data-testid="legend">
            <table>
                <thead><tr>{sorter('Name')}{columns.map((column) => sorter(column.title))}</tr></thead>
                <tbody>
                    {shown.map(({ one, index }) => (
                        <tr key={index} data-off={hidden.has(one.name)}>
                            <td><Entry one={one} off={hidden.has(one.name)} onPick={(toggle) => pick(one.name, toggle)} /></td>
                            {columns.map((column) => <td key={column.title}>{text(column, index)}</td>)}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
