// list.tsx - the lines: only those in sight are in the document, whatever their number.
import { useCallback, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import { Icon } from '../../shared/icons';
import { formatTime } from '../../shared/time';
import { levelName, printCount } from './histogram';
import { fieldsOf, levelOf, messageOf, pairsOf, printValue, withoutColors, type Level, type Line } from './lines';

const ROW = 24;
const OVERSCAN = 12;
const MESSAGE_SHOWN_MAX = 2000;

const LETTERS: Record<Level, string> = { fatal: 'F', error: 'E', warn: 'W', info: 'I', debug: 'D', trace: 'T', '': '·' };

/** The text with what was looked for in <mark>s; text nodes only. */
export function Marked({ text, pattern }: { text: string; pattern: RegExp | null }) {
    if (!pattern || text === '') return <>{text}</>;
    const parts = text.split(pattern);
    return <>{parts.map((part, index) => (index % 2 === 1 ? <mark key={index}>{part}</mark> : part))}</>;
}

export interface ListHandle {
    /** Moves the cursor by so many lines, or to the next one that fits. */
    move: (by: number) => void;
    find: (fits: (line: Line) => boolean, step: 1 | -1) => boolean;
    edge: (last: boolean) => void;
    toggle: () => void;
    current: () => Line | undefined;
    toTop: () => void;
}

interface ListProps {
    handle: preact.RefObject<ListHandle | null>;
    lines: readonly Line[];
    columns: readonly string[];
    pattern: RegExp | null;
    wrap: boolean;
    greyed: boolean;
    more: boolean;
    loadingMore: boolean;
    onMore: () => void;
    onMoveColumn: (name: string, by: -1 | 1) => void;
    onRemoveColumn: (name: string) => void;
    renderDetail: (line: Line) => preact.ComponentChildren;
    /** What stands below the last line. */
    end: preact.ComponentChildren;
}

function Cells({ line, columns, pattern }: { line: Line; columns: readonly string[]; pattern: RegExp | null }) {
    if (columns.length > 0) {
        const fields = fieldsOf(line.source);
        return <>{columns.map((name) => (
            <span class={name === 'message' ? 'cell wide' : 'cell'} key={name} data-column={name}><Marked text={withoutColors(printValue(fields.get(name))).slice(0, MESSAGE_SHOWN_MAX)} pattern={pattern} /></span>
        ))}</>;
    }
    const message = withoutColors(messageOf(line));
    return (
        <span class="summary" data-testid="line-message">
            {message !== '' && <span class="message"><Marked text={message.slice(0, MESSAGE_SHOWN_MAX)} pattern={pattern} />{message.length > MESSAGE_SHOWN_MAX && '…'}</span>}
            {pairsOf(line).map(([name, value]) => (
                <span class="pair" key={name}><span class="pair-name">{name}=</span><Marked text={value.slice(0, 200)} pattern={pattern} /></span>
            ))}
        </span>
    );
}

interface RowProps {
    line: Line;
    index: number;
    count: number;
    open: boolean;
    current: boolean;
    onToggle: (line: Line, index: number) => void;
    measure: ((key: string, element: HTMLElement | null) => void) | null;
}

function Row({ line, index, count, open, current, onToggle, measure, columns, pattern, renderDetail }: RowProps & Pick<ListProps, 'columns' | 'pattern' | 'renderDetail'>) {
    const level = levelOf(line);
    const word = levelName(level);
    return (
        <li class={current ? 'line current' : 'line'} data-testid="line" data-key={line.key} data-id={line.id} data-level={word} data-open={open}
            aria-posinset={index + 1} aria-setsize={count} ref={measure === null ? undefined : (element) => measure(line.key, element)}>
            <div class="line-row" onClick={(event) => { if (getSelection()?.isCollapsed !== false || (event.target as Element).closest('button')) onToggle(line, index); }}>
                <button type="button" class="line-turn" aria-expanded={open} aria-label={open ? 'Close the line' : 'Open the line'}><span class={open ? 'turn open' : 'turn'}><Icon name="right" size={12} /></span></button>
                <time class="line-time" dateTime={Number.isFinite(line.at) ? new Date(line.at).toISOString() : undefined} data-testid="line-time">{Number.isFinite(line.at) ? formatTime(line.at, 'browser', true).slice(5) : 'no time'}</time>
                <span class={`level level-${word}`} data-testid="line-level" title={level || 'no level'}><span class="letter">{LETTERS[level]}</span><span class="word">{level === '' ? '' : word}</span></span>
                <Cells line={line} columns={columns} pattern={pattern} />
            </div>
            {open && renderDetail(line)}
        </li>
    );
}

export function LineList(props: ListProps) {
    const { handle, lines, columns, pattern, wrap, more, loadingMore, onMore, renderDetail } = props;
    const box = useRef<HTMLDivElement>(null);
    const [view, setView] = useState({ top: 0, height: 600 });
    const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
    const [cursor, setCursor] = useState<string | null>(null);
    const heights = useRef(new Map<string, number>());
    const [measured, remeasure] = useReducer((count: number) => count + 1, 0);
    const anchor = useRef<{ key: string; offset: number } | null>(null);

    const offsets = useMemo(() => {
        const sums = new Float64Array(lines.length + 1);
        const known = heights.current;
        for (let i = 0; i < lines.length; i++) {
            const { key } = lines[i]!;
            sums[i + 1] = sums[i]! + (wrap || open.has(key) ? known.get(key) ?? ROW : ROW);
        }
        return sums;
    }, [lines, measured, wrap, open]);
    const indexAt = (y: number): number => {
        let low = 0;
        let high = lines.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (offsets[middle + 1]! <= y) low = middle + 1;
            else high = middle;
        }
        return low;
    };
    const first = Math.max(0, indexAt(view.top) - OVERSCAN);
    const last = Math.min(lines.length, indexAt(view.top + view.height) + OVERSCAN + 1);

    const observer = useRef<ResizeObserver | null>(null);
    const elements = useRef(new Map<string, HTMLElement>());
    if (observer.current === null && typeof ResizeObserver !== 'undefined') {
        observer.current = new ResizeObserver((entries) => {
            let changed = false;
            for (const { target } of entries) {
                const key = (target as HTMLElement).dataset.key!;
                const height = (target as HTMLElement).offsetHeight;
                if (height > 0 && heights.current.get(key) !== height) {
                    heights.current.set(key, height);
                    changed = true;
                }
            }
            if (changed) requestAnimationFrame(() => remeasure(0));
        });
    }
    const measure = useCallback((key: string, element: HTMLElement | null): void => {
        const before = elements.current.get(key);
        if (before === element || (before && !element && before.isConnected)) return;
        if (before) observer.current?.unobserve(before);
        if (element) {
            elements.current.set(key, element);
            observer.current?.observe(element);
        } else elements.current.delete(key);
    }, []);
    useEffect(() => () => observer.current?.disconnect(), []);
    useEffect(() => { heights.current.clear(); remeasure(0); }, [wrap, columns.join('\n')]);

    const look = useRef<() => void>(() => {});
    look.current = (): void => {
        const element = box.current;
        if (!element) return;
        setView((old) => (old.top === element.scrollTop && old.height === element.clientHeight ? old : { top: element.scrollTop, height: element.clientHeight }));
        const at = indexAt(element.scrollTop);
        const line = lines[at];
        anchor.current = element.scrollTop < 4 || !line ? null : { key: line.key, offset: element.scrollTop - offsets[at]! };
        if (more && !loadingMore && offsets[lines.length]! - element.scrollTop - element.clientHeight < 1200) onMore();
    };
    useLayoutEffect(() => {
        const element = box.current!;
        const resize = new ResizeObserver(() => look.current());
        resize.observe(element);
        return () => resize.disconnect();
    }, []);

    // New lines come in above: what is being read stays where it is.
    const [below, setBelow] = useState(0);
    useLayoutEffect(() => {
        const element = box.current!;
        const kept = anchor.current;
        if (kept) {
            const at = lines.findIndex((line) => line.key === kept.key);
            if (at >= 0) {
                const wanted = offsets[at]! + kept.offset;
                if (Math.abs(element.scrollTop - wanted) >= 1) element.scrollTop = wanted;
            } else {
                anchor.current = null;
                element.scrollTop = 0;
            }
        }
        look.current();
    }, [lines]);
    const topKey = useRef<string | null>(null);
    useEffect(() => {
        if (anchor.current === null) {
            topKey.current = lines[0]?.key ?? null;
            setBelow(0);
        } else setBelow(Math.max(0, lines.findIndex((line) => line.key === topKey.current)));
    }, [lines, view.top]);

    const toggle = useCallback((line: Line): void => {
        setOpen((old) => {
            const next = new Set(old);
            if (!next.delete(line.key)) next.add(line.key);
            return next;
        });
        setCursor(line.key);
    }, []);
    const show = (index: number): void => {
        const line = lines[index];
        const element = box.current;
        if (!line || !element) return;
        setCursor(line.key);
        const top = offsets[index]!;
        const bottom = Math.min(offsets[index + 1]!, top + element.clientHeight - ROW);
        if (top < element.scrollTop) element.scrollTop = top;
        else if (bottom > element.scrollTop + element.clientHeight - 4) element.scrollTop = bottom - element.clientHeight + 4;
        look.current();
        if (index >= lines.length - 5 && more && !loadingMore) onMore();
    };
    const at = (): number => (cursor === null ? -1 : lines.findIndex((line) => line.key === cursor));
    useImperativeHandle(handle, () => ({
        move: (by) => {
            const here = at();
            show(here < 0 ? Math.min(indexAt(view.top), lines.length - 1) : Math.max(0, Math.min(lines.length - 1, here + by)));
        },
        find: (fits, step) => {
            for (let index = at() + step; index >= 0 && index < lines.length; index += step) {
                if (fits(lines[index]!)) {
                    show(index);
                    return true;
                }
            }
            return false;
        },
        edge: (toLast) => show(toLast ? lines.length - 1 : 0),
        toggle: () => { const line = lines[at()]; if (line) toggle(line); },
        current: () => lines[at()],
        toTop: () => { anchor.current = null; if (box.current) box.current.scrollTop = 0; look.current(); },
    }));

    const style = { paddingTop: `${offsets[first]}px`, paddingBottom: `${offsets[lines.length]! - offsets[last]!}px` };
    return (
        <div class="list-frame">
            {below > 0 && <button type="button" class="button primary new-lines" data-testid="new-lines" onClick={() => { anchor.current = null; box.current!.scrollTop = 0; }}>{printCount(below)} new {below === 1 ? 'line' : 'lines'} above</button>}
            <div class={`list${wrap ? ' wrap' : ''}${props.greyed ? ' greyed' : ''}`} ref={box} tabIndex={0} aria-label="Lines, newest first" data-testid="lines" data-count={lines.length}
                onScroll={() => look.current()}>
                <div class="list-head">
                    <span class="line-turn" /><span class="line-time">Time</span><span class="level">Level</span>
                    {columns.length === 0 ? <span class="summary">Message</span> : columns.map((name, index) => (
                        <span class={name === 'message' ? 'cell wide head' : 'cell head'} key={name} data-testid="column" data-column={name}>
                            <span class="cut">{name}</span>
                            {index > 0 && <button type="button" title="Move left" aria-label={`Move ${name} left`} onClick={() => props.onMoveColumn(name, -1)}><Icon name="left" size={12} /></button>}
                            <button type="button" title="Take away" aria-label={`Take ${name} away`} onClick={() => props.onRemoveColumn(name)}><Icon name="close" size={12} /></button>
                        </span>
                    ))}
                </div>
                <ol style={style}>
                    {lines.slice(first, last).map((line, index) => (
                        <Row key={line.key} line={line} index={first + index} count={lines.length} open={open.has(line.key)} current={cursor === line.key}
                            onToggle={toggle} measure={wrap || open.has(line.key) ? measure : null} columns={columns} pattern={pattern} renderDetail={renderDetail} />
                    ))}
                </ol>
                <div class="list-end">{props.end}</div>
            </div>
        </div>
    );
}
