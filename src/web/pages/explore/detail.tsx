// detail.tsx - all of one line: its fields with filters for each value, its JSON, the lines around it.
import { useEffect, useState } from 'preact/hooks';
import { errorText, isAbort } from '../../shared/api';
import { Icon } from '../../shared/icons';
import { copyText, Dialog } from '../../shared/keys';
import { formatTime } from '../../shared/time';
import { fieldsOf, levelOf, messageOf, printValue, withoutColors, type Line } from './lines';
import { levelName } from './histogram';
import type { FieldActions } from './sidebar';

const VALUE_SHOWN_MAX = 8000;

function Value({ text }: { text: string }) {
    const [whole, setWhole] = useState(false);
    if (whole || text.length <= VALUE_SHOWN_MAX) return <>{text}</>;
    return <>{text.slice(0, VALUE_SHOWN_MAX)}… <button type="button" class="link" onClick={() => setWhole(true)}>Show all {text.length.toLocaleString('en-US')} characters</button></>;
}

interface DetailProps extends FieldActions {
    line: Line;
    columns: readonly string[];
    link: string;
    readAround: (line: Line, signal: AbortSignal) => Promise<Line[]>;
}

function FieldTable({ line, columns, addFilter, toggleColumn }: Omit<DetailProps, 'link' | 'readAround'>) {
    const rows: [string, unknown][] = [...fieldsOf(line.source)];
    rows.sort(([a], [b]) => (a < b ? -1 : 1));
    return (
        <table class="doc" data-testid="line-table">
            <tbody>
                {rows.map(([name, value]) => {
                    const text = printValue(value);
                    // A list is filtered by its first value: the store compares each of them by itself.
                    const wanted = Array.isArray(value) ? printValue(value[0]) : text;
                    const act = (not: boolean) => () => addFilter({ field: name, value: wanted, not, off: false });
                    return (
                        <tr key={name} data-testid="line-field" data-field={name}>
                            <td class="doc-acts">
                                <button type="button" title="Only lines with this value" aria-label={`Only lines where ${name} is this`} data-testid="filter-for" onClick={act(false)}><Icon name="plus" size={12} /></button>
                                <button type="button" title="Only lines without this value" aria-label={`Only lines where ${name} is not this`} data-testid="filter-out" onClick={act(true)}><Icon name="minus" size={12} /></button>
                                <button type="button" title={columns.includes(name) ? 'Take the column away' : 'Show as column'} aria-label={`Column ${name}`} aria-pressed={columns.includes(name)} data-testid="toggle-column" onClick={() => toggleColumn(name)}><Icon name="table" size={12} /></button>
                            </td>
                            <th scope="row">{name}</th>
                            <td class="doc-value"><Value text={text} /></td>
                        </tr>
                    );
                })}
            </tbody>
        </table>
    );
}

function Around({ line, readAround, onClose }: { line: Line; readAround: DetailProps['readAround']; onClose: () => void }) {
    const [lines, setLines] = useState<Line[] | null>(null);
    const [problem, setProblem] = useState('');
    useEffect(() => {
        const control = new AbortController();
        readAround(line, control.signal).then(setLines).catch((failure: unknown) => { if (!isAbort(failure)) setProblem(errorText(failure)); });
        return () => control.abort();
    }, [line]);
    return (
        <Dialog title="Lines around this one" testid="context" onClose={onClose}>
            {problem !== '' && <p class="top-note crit" role="alert">{problem}</p>}
            {problem === '' && lines === null && <p class="top-note">Reading…</p>}
            {lines && (
                <ol class="around">
                    {lines.map((one) => (
                        <li key={one.key} data-testid="context-line" data-level={levelName(levelOf(one))} aria-current={one.key === line.key ? 'true' : undefined}
                            ref={(element) => { if (element && one.key === line.key) element.scrollIntoView({ block: 'center' }); }}>
                            <time>{formatTime(one.at, 'browser', true).slice(11)}</time><span>{withoutColors(messageOf(one)) || JSON.stringify(one.source)}</span>
                        </li>
                    ))}
                </ol>
            )}
        </Dialog>
    );
}

export function Detail(props: DetailProps) {
    const { line, link, readAround } = props;
    const [tab, setTab] = useState<'table' | 'json'>('table');
    const [around, setAround] = useState(false);
    const json = tab === 'json' ? JSON.stringify({ _index: line.index, _id: line.id, _source: line.source }, null, 2) : '';
    return (
        <div class="detail" data-testid="line-detail">
            <div class="detail-head">
                <div class="tabs" role="tablist">
                    {(['table', 'json'] as const).map((one) => (
                        <button type="button" key={one} role="tab" aria-selected={tab === one} data-testid={`line-tab-${one}`} onClick={() => setTab(one)}>{one === 'table' ? 'Fields' : 'JSON'}</button>
                    ))}
                </div>
                <span class="grow" />
                <button type="button" class="button plain small" data-testid="show-context" onClick={() => setAround(true)}><Icon name="expand" size={13} />Lines around</button>
                <button type="button" class="button plain small" data-testid="copy-link" onClick={() => void copyText(link, 'Link copied')}><Icon name="share" size={13} />Copy link</button>
                <button type="button" class="button plain small" data-testid="copy-json" onClick={() => void copyText(JSON.stringify(line.source, null, 2), 'JSON copied')}><Icon name="copy" size={13} />Copy JSON</button>
            </div>
            {tab === 'table' ? <FieldTable {...props} /> : <pre class="doc-json" data-testid="line-json"><Value text={json} /></pre>}
            {around && <Around line={line} readAround={readAround} onClose={() => setAround(false)} />}
        </div>
    );
}
