// sidebar.tsx - the fields of the lines: found by name, with types, top values, filters and columns.
import { useEffect, useState } from 'preact/hooks';
import { errorText, isAbort } from '../../shared/api';
import { Icon } from '../../shared/icons';
import type { Filter } from './filters';
import { printCount } from './histogram';
import { fieldsOf, printValue, type Line } from './lines';
import { countable, type Field, type Top } from './store';

export interface FieldActions {
    addFilter: (filter: Filter) => void;
    toggleColumn: (name: string) => void;
}

interface SidebarProps extends FieldActions {
    fields: readonly Field[];
    columns: readonly string[];
    lines: readonly Line[];
    readTop: (field: string, signal: AbortSignal) => Promise<Top>;
    /** Changes when another question is asked: top values are read anew. */
    turn: string;
}

const SIGNS: Record<string, [sign: string, text: string]> = {
    date: ['D', 'date'], date_nanos: ['D', 'date'], keyword: ['K', 'keyword'], constant_keyword: ['K', 'keyword'], wildcard: ['K', 'keyword'],
    text: ['T', 'text'], match_only_text: ['T', 'text'], boolean: ['B', 'boolean'], ip: ['I', 'address'], geo_point: ['G', 'place'], mixed: ['?', 'several types'],
};
const signOf = (type: string): [string, string] => SIGNS[type] ?? (/(long|integer|short|byte|double|float|unsigned)/.test(type) ? ['#', type] : ['?', type]);

const SAMPLE_MAX = 500;

/** Counted among the lines at hand, where the store cannot count a field. */
function sampleTop(name: string, lines: readonly Line[]): Top {
    const counts = new Map<string, number>();
    let total = 0;
    for (const line of lines.slice(0, SAMPLE_MAX)) {
        const value = fieldsOf(line.source).get(name);
        if (value === undefined) continue;
        total++;
        const text = printValue(value);
        counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    const values = [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count).slice(0, 10);
    return { values, total, sampled: true };
}

function TopValues({ field, lines, fields, readTop, turn, addFilter }: { field: Field } & Pick<SidebarProps, 'lines' | 'fields' | 'readTop' | 'turn' | 'addFilter'>) {
    const [top, setTop] = useState<Top | null>(null);
    const [problem, setProblem] = useState('');
    useEffect(() => {
        const name = countable(field.name, fields);
        setProblem('');
        if (name === null) {
            setTop(sampleTop(field.name, lines));
            return undefined;
        }
        const control = new AbortController();
        readTop(name, control.signal).then(setTop).catch((failure: unknown) => { if (!isAbort(failure)) setProblem(errorText(failure)); });
        return () => control.abort();
    }, [field.name, turn]);
    if (problem !== '') return <p class="top-note crit">{problem}</p>;
    if (top === null) return <p class="top-note">Counting…</p>;
    if (top.values.length === 0) return <p class="top-note">No line here holds it.</p>;
    return (
        <div class="top" data-testid="top-values">
            {top.values.map(({ value, count }) => {
                const share = count / Math.max(1, top.total);
                return (
                    <div class="top-row" key={value} data-testid="top-value" data-value={value} data-count={count}>
                        <div class="top-text"><span class="cut" title={value}>{value === '' ? '(empty)' : value}</span><span class="share" title={`${printCount(count)} lines`}>{share >= 0.1 || share === 0 ? Math.round(share * 100) : Number((share * 100).toFixed(1))}%</span></div>
                        <div class="top-track"><div class="top-fill" style={{ width: `${Math.max(1, share * 100)}%` }} /></div>
                        <span class="top-acts">
                            <button type="button" title="Only lines with it" aria-label={`Only ${value}`} data-testid="filter-for" onClick={() => addFilter({ field: field.name, value, not: false, off: false })}><Icon name="plus" size={12} /></button>
                            <button type="button" title="Only lines without it" aria-label={`Without ${value}`} data-testid="filter-out" onClick={() => addFilter({ field: field.name, value, not: true, off: false })}><Icon name="minus" size={12} /></button>
                        </span>
                    </div>
                );
            })}
            {top.sampled && <p class="top-note">Among the newest {printCount(Math.min(SAMPLE_MAX, lines.length))} lines.</p>}
        </div>
    );
}

const SHOWN_MAX = 200;

function FieldRow({ field, open, onOpen, chosen, ...rest }: { field: Field; open: boolean; onOpen: () => void; chosen: boolean } & SidebarProps) {
    const [sign, type] = signOf(field.type);
    return (
        <li class={open ? 'field open' : 'field'} data-testid="field" data-field={field.name}>
            <div class="field-head">
                <button type="button" class="field-name" aria-expanded={open} onClick={onOpen} title={field.name}>
                    <span class={`sign sign-${sign === '#' ? 'n' : sign.toLowerCase()}`} title={type} aria-label={type}>{sign}</span><span class="cut">{field.name}</span>
                </button>
                <button type="button" class="field-add" title={chosen ? 'Take the column away' : 'Show as column'} aria-label={chosen ? `Take ${field.name} away` : `Show ${field.name} as column`}
                    aria-pressed={chosen} data-testid="toggle-column" onClick={() => rest.toggleColumn(field.name)}><Icon name={chosen ? 'close' : 'table'} size={13} /></button>
            </div>
            {open && <TopValues field={field} {...rest} />}
        </li>
    );
}

export function Sidebar(props: SidebarProps) {
    const { fields, columns } = props;
    const [filter, setFilter] = useState('');
    const [open, setOpen] = useState('');
    const needle = filter.trim().toLowerCase();
    const names = new Set(fields.map((field) => field.name));
    const isTwin = (name: string): boolean => name.endsWith('.keyword') && names.has(name.slice(0, -8));
    const found = fields.filter((field) => !isTwin(field.name) && field.name.toLowerCase().includes(needle));
    const chosen = found.filter((field) => columns.includes(field.name));
    const rest = found.filter((field) => !columns.includes(field.name));
    const row = (field: Field) => (
        <FieldRow key={field.name} field={field} open={open === field.name} chosen={columns.includes(field.name)}
            onOpen={() => setOpen(open === field.name ? '' : field.name)} {...props} />
    );
    return (
        <nav class="sidebar" aria-label="Fields" data-testid="fields">
            <div class="sidebar-search"><input class="input" placeholder="Find a field" aria-label="Find a field" data-testid="field-search" value={filter} spellcheck={false}
                onInput={(event) => setFilter(event.currentTarget.value)} /></div>
            <div class="sidebar-scroll">
                {chosen.length > 0 && <><h2>Columns</h2><ul>{chosen.map(row)}</ul></>}
                <h2>Fields <span class="dimmer">{rest.length}</span></h2>
                <ul>{rest.slice(0, SHOWN_MAX).map(row)}</ul>
                {rest.length > SHOWN_MAX && <p class="top-note">{rest.length - SHOWN_MAX} more; write a part of the name.</p>}
                {found.length === 0 && <p class="top-note">{fields.length === 0 ? 'No fields yet.' : 'No field is called so.'}</p>}
            </div>
        </nav>
    );
}
