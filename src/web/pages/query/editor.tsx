// editor.tsx - the expression's box: a textarea, colours behind it, a list of what may come next.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { complete, type Completion } from './complete';
import { cutUp, type Piece } from './highlight';

interface EditorProps {
    value: string;
    onInput: (value: string) => void;
    onRun: (value: string) => void;
    /** Where the server stumbled. */
    errorAt: number | null;
}

/** The pieces, with what stands at `at` underlined. */
function withError(pieces: Piece[], at: number | null): (Piece & { bad?: boolean })[] {
    if (at === null) return pieces;
    const result: (Piece & { bad?: boolean })[] = [];
    let offset = 0;
    let marked = false;
    for (const piece of pieces) {
        const end = offset + piece.text.length;
        if (!marked && at >= offset && at < end) {
            const word = /^(?:[\w:.]+|\s*\S)/.exec(piece.text.slice(at - offset))?.[0].length ?? 1;
            if (at > offset) result.push({ ...piece, text: piece.text.slice(0, at - offset) });
            result.push({ ...piece, text: piece.text.slice(at - offset, at - offset + word), bad: true });
            result.push({ ...piece, text: piece.text.slice(at - offset + word) });
            marked = true;
        } else result.push(piece);
        offset = end;
    }
    if (!marked) result.push({ text: ' ', kind: '', bad: true });
    return result;
}

export function Editor({ value, onInput, onRun, errorAt }: EditorProps) {
    const area = useRef<HTMLTextAreaElement>(null);
    const behind = useRef<HTMLPreElement>(null);
    const [list, setList] = useState<Completion | null>(null);
    const [at, setAt] = useState(0);
    const turn = useRef(0);
    const popup = useRef<HTMLUListElement>(null);
    useLayoutEffect(() => {
        const element = area.current!;
        element.style.height = 'auto';
        element.style.height = `${Math.min(element.scrollHeight, 260)}px`;
    }, [value]);
    const offer = async (asked: boolean): Promise<void> => {
        const mine = ++turn.current;
        const element = area.current!;
        const found = element.selectionStart === element.selectionEnd ? await complete(element.value.slice(0, element.selectionStart), asked) : null;
        if (mine !== turn.current || document.activeElement !== element) return;
        setAt(0);
        setList(found);
    };
    const close = (): void => { turn.current++; setList(null); };
    const take = (index: number): void => {
        const element = area.current!;
        const option = list?.options[index];
        if (!list || !option) return;
        const wrap = option.kind === 'function' && element.value[element.selectionStart] !== '(';
        const text = option.kind === 'value' ? option.text.replace(/[\\"]/g, '\\$&') : option.text + (wrap ? '(' : '');
        close();
        element.setRangeText(text, list.from, element.selectionStart, 'end');
        onInput(element.value);
        element.focus();
    };
    const onKeyDown = (event: KeyboardEvent): void => {
        const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
        if (list && step !== 0) {
            event.preventDefault();
            const next = (at + step + list.options.length) % list.options.length;
            setAt(next);
            popup.current?.children[next]?.scrollIntoView({ block: 'nearest' });
        } else if (list && event.key === 'Tab') {
            event.preventDefault();
            take(at);
        } else if (event.key === 'Escape' && list) {
            event.preventDefault();
            event.stopPropagation();
            close();
        } else if (event.key === 'Escape') area.current!.blur();
        else if (event.key === 'Enter' && !event.shiftKey) {
            event.preventDefault();
            close();
            onRun(area.current!.value);
        } else if (event.key === ' ' && event.ctrlKey) {
            event.preventDefault();
            void offer(true);
        }
    };
    const [place, setPlace] = useState({ left: 0, top: 0 });
    useLayoutEffect(() => {
        if (!list || !behind.current || !area.current) return;
        const range = document.createRange();
        const walker = document.createTreeWalker(behind.current, NodeFilter.SHOW_TEXT);
        let left = list.from;
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const size = node.textContent!.length;
            if (left <= size) { range.setStart(node, left); range.setEnd(node, left); break; }
            left -= size;
        }
        const box = range.getBoundingClientRect();
        const host = behind.current.getBoundingClientRect();
        if (box.height > 0) setPlace({ left: Math.max(0, Math.min(box.left - host.left, host.width - 300)), top: box.bottom - host.top - area.current.scrollTop + 4 });
        else setPlace({ left: 10, top: 30 });
    }, [list]);
    const pieces = cutUp(value);
    return (
        <div class="editor">
            <pre class="editor-behind" ref={behind} aria-hidden="true">{withError(pieces, errorAt).map((piece, index) => (
                <span key={index} class={`${piece.kind === '' ? '' : `ql-${piece.kind}`}${piece.bad ? ' bad' : ''}`}>{piece.text}</span>))}{'\u200b'}</pre>
            <textarea class="editor-area" ref={area} rows={1} value={value} spellcheck={false} autocomplete="off" autocapitalize="off" aria-label="Expression" data-testid="expression"
                aria-controls={list ? 'completions' : undefined} aria-autocomplete="list" aria-invalid={errorAt !== null} placeholder="Expression (Enter runs it, Shift+Enter breaks the line)"
                onInput={(event) => { onInput(event.currentTarget.value); void offer(false); }} onKeyDown={onKeyDown} onClick={close} onBlur={() => setTimeout(close, 150)}
                onScroll={(event) => { behind.current!.scrollTop = event.currentTarget.scrollTop; }} />
            {list && (
                <ul class="popover menu completions" id="completions" role="listbox" aria-label="Completions" ref={popup} data-testid="completions" style={{ left: `${place.left}px`, top: `${place.top}px` }}>
                    {list.options.map((option, index) => (
                        <li class="item" role="option" key={`${option.kind} ${option.text}`} aria-selected={index === at} data-current={index === at} data-testid="completion"
                            onPointerDown={(event) => { event.preventDefault(); take(index); }}><span class="cut">{option.text}</span><span class="hint">{option.kind}</span></li>
                    ))}
                </ul>
            )}
        </div>
    );
}
