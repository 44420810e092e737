// keys.tsx - keyboard: pages register chords ("d r", "mod+k", "?"); "?" shows them all.
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from './icons';

export interface KeyBinding {
    /** Keys in order: "v", "d r", "mod+k", "ctrl+z", "d shift+e", "t left". */
    keys: string | string[];
    text: string;
    group: string;
    run: (event: KeyboardEvent) => void;
}

const bound: KeyBinding[] = [];
const PAUSE_MS = 1200;
let typed: string[] = [];
let typedAt = 0;

export const helpOpen = signal(false);

/** Adds bindings; returns what takes them away again. */
export function bindKeys(bindings: KeyBinding[]): () => void {
    bound.push(...bindings);
    return () => {
        for (const binding of bindings) bound.splice(bound.indexOf(binding), 1);
    };
}

const NAMES: Record<string, string> = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down', Escape: 'esc', ' ': 'space', Enter: 'enter' };

function nameOf(event: KeyboardEvent): string {
    const key = NAMES[event.key] ?? event.key.toLowerCase();
    const letter = /^[a-z]$/.test(key) || key.length > 1;
    return (event.ctrlKey || event.metaKey ? 'mod+' : '') + (event.altKey ? 'alt+' : '')
        + (event.shiftKey && letter ? 'shift+' : '') + key;
}

/** Whether the key goes to a field in which one types. */
export function isTyping(event: KeyboardEvent): boolean {
    const target = event.target as HTMLElement | null;
    return !!target?.closest?.('input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]');
}

addEventListener('keydown', (event) => {
    if (event.defaultPrevented || ['Shift', 'Control', 'Alt', 'Meta'].includes(event.key)) return;
    const name = nameOf(event);
    if (isTyping(event) && !name.startsWith('mod+')) return;
    // Enter and space are the focused button's own.
    if ((name === 'enter' || name === 'space') && (event.target as Element | null)?.closest?.('button, a[href], summary')) return;
    if (document.querySelector('dialog[open]')) return;
    if (event.timeStamp - typedAt > PAUSE_MS) typed = [];
    typedAt = event.timeStamp;
    typed = [...typed, name].slice(-2);
    for (const chord of [typed.join(' '), name]) {
        const hit = bound.findLast(({ keys }) => [keys].flat().some((key) => key.replace('ctrl+', 'mod+') === chord));
        if (!hit) continue;
        if (isTyping(event) && hit.group === 'Chart') return;
        event.preventDefault();
        typed = [];
        hit.run(event);
        return;
    }
});

bindKeys([{ keys: ['?', 'h'], text: 'Show keys', group: 'General', run: () => { helpOpen.value = true; } }]);

const SHOWN: Record<string, string> = { left: '←', right: '→', up: '↑', down: '↓', mod: 'Ctrl', ctrl: 'Ctrl', shift: 'Shift', esc: 'Esc', enter: 'Enter', space: 'Space' };

function Chord({ keys }: { keys: string }) {
    return <>{keys.split(' ').map((key, index) => (
        <>{index > 0 && ' '}<kbd>{key.split('+').filter(Boolean).map((part) => SHOWN[part] ?? part).join(' ') || '+'}</kbd></>
    ))}</>;
}

/** A modal dialog; Escape and the backdrop close it. */
export function Dialog({ title, onClose, children, testid }: { title: string; onClose: () => void; children: preact.ComponentChildren; testid?: string }) {
    const dialog = useRef<HTMLDialogElement>(null);
    useEffect(() => { dialog.current?.showModal(); }, []);
    return (
        <dialog ref={dialog} aria-label={title} data-testid={testid} onClose={onClose}
            onClick={(event) => { if (event.target === dialog.current) dialog.current?.close(); }}>
            <header>
                <h2>{title}</h2>
                <button type="button" class="button plain icon" aria-label="Close" onClick={() => dialog.current?.close()}><Icon name="close" /></button>
            </header>
            <div class="body">{children}</div>
        </dialog>
    );
}

/** The list of keys; put it once into each page. */
export function KeyHelp() {
    if (!helpOpen.value) return null;
    const groups = new Map<string, KeyBinding[]>();
    for (const binding of bound) groups.set(binding.group, [...(groups.get(binding.group) ?? []), binding]);
    return (
        <Dialog title="Keys" testid="key-help" onClose={() => { helpOpen.value = false; }}>
            <div class="keys">
                {[...groups].map(([group, bindings]) => (
                    <section key={group}>
                        <h3>{group}</h3>
                        {bindings.map(({ keys, text }) => (
                            <div key={text}><span>{text}</span><span><Chord keys={[keys].flat()[0]!} /></span></div>
                        ))}
                    </section>
                ))}
            </div>
        </Dialog>
    );
}

const toastText = signal('');
let toastTimer = 0;

/** Says something briefly at the bottom of the page. */
export function toast(text: string): void {
    toastText.value = text;
    clearTimeout(toastTimer);
    toastTimer = window.setTimeout(() => { toastText.value = ''; }, 2200);
}

export function Toast() {
    return <div aria-live="polite" role="status">{toastText.value && <div class="toast" data-testid="toast">{toastText.value}</div>}</div>;
}

export async function copyText(text: string, said = 'Copied'): Promise<void> {
    try {
        await navigator.clipboard.writeText(text);
        toast(said);
    } catch {
        toast('The browser did not allow copying');
    }
}
