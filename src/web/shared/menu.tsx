// menu.tsx - popovers, menus and the list that chooses among many, with type-ahead.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon, type IconName } from './icons';

interface PopoverProps {
    /** What stands in the button. */
    label: ComponentChildren;
    title?: string;
    buttonClass?: string;
    testid?: string;
    right?: boolean;
    haspopup?: 'listbox' | 'menu' | 'dialog';
    children: (close: () => void) => ComponentChildren;
}

/** A button and what it opens; Escape, a click elsewhere or leaving by Tab close it. */
export function Popover({ label, title, buttonClass = 'button', testid, right, haspopup = 'dialog', children }: PopoverProps) {
    const [open, setOpen] = useState(false);
    const root = useRef<HTMLDivElement>(null);
    const box = useRef<HTMLDivElement>(null);
    const close = (): void => {
        setOpen(false);
        root.current?.querySelector('button')?.focus({ preventScroll: true });
    };
    useEffect(() => {
        if (!open) return undefined;
        const away = (event: Event): void => {
            if (!root.current?.contains(event.target as Node)) setOpen(false);
        };
        addEventListener('pointerdown', away, true);
        addEventListener('focusin', away);
        return () => {
            removeEventListener('pointerdown', away, true);
            removeEventListener('focusin', away);
        };
    }, [open]);
    useLayoutEffect(() => {
        if (!open || !box.current) return;
        const { left, right: end } = box.current.getBoundingClientRect();
        if (end > innerWidth - 4) box.current.style.transform = `translateX(${Math.max(innerWidth - 8 - end, 8 - left)}px)`;
        else if (left < 4) box.current.style.transform = `translateX(${8 - left}px)`;
        box.current.querySelector<HTMLElement>('[autofocus], input, [aria-selected="true"], .item')?.focus({ preventScroll: true });
    }, [open]);
    const onKeyDown = (event: KeyboardEvent): void => {
        if (event.key === 'Escape' && open) {
            event.stopPropagation();
            event.preventDefault();
            close();
        }
    };
    return (
        <div class="anchor" ref={root} onKeyDown={onKeyDown}>
            <button type="button" class={buttonClass} title={title} aria-label={title} aria-haspopup={haspopup} aria-expanded={open}
                data-testid={testid} onClick={() => setOpen(!open)}>{label}</button>
            {open && <div class={right ? 'popover right' : 'popover'} ref={box}>{children(close)}</div>}
        </div>
    );
}

export interface MenuItem {
    text: string;
    hint?: string;
    icon?: IconName;
    checked?: boolean;
    href?: string;
    testid?: string;
    run?: () => void;
}

function moveFocus(event: KeyboardEvent): void {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const items = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('.item')];
    const at = items.indexOf(document.activeElement as HTMLElement);
    items[(at + step + items.length) % items.length]?.focus();
}

/** A column of actions; 'rule' draws a line. */
export function Menu({ items, close }: { items: (MenuItem | 'rule')[]; close: () => void }) {
    return (
        <ul class="menu" role="menu" onKeyDown={moveFocus}>
            {items.map((item, index) => {
                if (item === 'rule') return <li class="rule" role="separator" key={index} />;
                const inside = <>
                    {item.icon && <Icon name={item.icon} size={14} />}{item.text}
                    {item.hint && <span class="hint">{item.hint}</span>}
                </>;
                const act = (): void => { close(); item.run?.(); };
                return (
                    <li role="none" key={index}>
                        {item.href
                            ? <a class="item" role="menuitem" href={item.href} data-testid={item.testid} onClick={act}>{inside}</a>
                            : <button type="button" class="item" role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
                                aria-checked={item.checked} data-testid={item.testid} onClick={act}>{inside}</button>}
                    </li>
                );
            })}
        </ul>
    );
}

export interface Choice { text: string; value: string }

interface SelectProps {
    choices: Choice[];
    chosen: string[];
    multi?: boolean;
    onChoose: (values: string[]) => void;
    label: string;
    testid?: string;
    loading?: boolean;
    /** Choosing this one takes all others away (the "All" of a variable). */
    lone?: string;
}

const SHOWN_MAX = 400;

function SelectList({ choices, chosen, multi, onChoose, label, lone, close }: SelectProps & { close: () => void }) {
    const [filter, setFilter] = useState('');
    const [at, setAt] = useState(0);
    const [picked, setPicked] = useState(chosen);
    const list = useRef<HTMLUListElement>(null);
    const id = useId();
    const needle = filter.toLowerCase();
    const found = choices.filter((choice) => choice.text.toLowerCase().includes(needle));
    const shown = found.slice(0, SHOWN_MAX);
    const take = (value: string): void => {
        if (!multi) {
            onChoose([value]);
            close();
            return;
        }
        let next = picked.includes(value) ? picked.filter((one) => one !== value) : [...picked, value];
        if (lone !== undefined) next = value === lone ? [lone] : next.filter((one) => one !== lone);
        setPicked(next);
        onChoose(next.length > 0 ? next : lone !== undefined ? [lone] : [value]);
    };
    const onKeyDown = (event: KeyboardEvent): void => {
        const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
        if (step !== 0 && shown.length > 0) {
            event.preventDefault();
            const next = (at + step + shown.length) % shown.length;
            setAt(next);
            list.current?.children[next]?.scrollIntoView({ block: 'nearest' });
        } else if (event.key === 'Enter' && shown[at]) {
            event.preventDefault();
            take(shown[at].value);
        }
    };
    return (
        <>
            <div class="search">
                <input class="input" autofocus role="combobox" aria-expanded="true" aria-controls={id} aria-label={`Filter ${label}`}
                    aria-activedescendant={shown[at] ? `${id}-${at}` : undefined} placeholder="Filter" value={filter}
                    onInput={(event) => { setFilter(event.currentTarget.value); setAt(0); }} onKeyDown={onKeyDown} />
            </div>
            <ul class="menu" role="listbox" id={id} aria-label={label} aria-multiselectable={multi} ref={list}>
                {shown.map((choice, index) => (
                    <li class="item" role="option" id={`${id}-${index}`} key={choice.value} aria-selected={picked.includes(choice.value)}
                        data-current={index === at} data-testid="variable-option"
                        onClick={() => take(choice.value)}>
                        {multi && <span class={picked.includes(choice.value) ? 'tick on' : 'tick'}>{picked.includes(choice.value) && <Icon name="check" size={12} />}</span>}
                        <span class="cut">{choice.text}</span>
                    </li>
                ))}
                {shown.length === 0 && <li class="none">{choices.length === 0 ? 'Nothing to choose from' : 'Nothing matches'}</li>}
                {found.length > shown.length && <li class="none">{found.length - shown.length} more; filter to see them</li>}
            </ul>
        </>
    );
}

/** Chooses one or several of many. */
export function Select(props: SelectProps) {
    const { choices, chosen, label, loading, testid } = props;
    const texts = chosen.map((value) => choices.find((choice) => choice.value === value)?.text ?? value);
    const shown = texts.length > 2 ? `${texts.slice(0, 2).join(', ')} +${texts.length - 2}` : texts.join(', ');
    return (
        <Popover testid={testid} haspopup="listbox" buttonClass="button select-button" title={label}
            label={<><span class="cut" title={texts.join(', ')}>{shown || <span class="dimmer">{loading ? 'Loading' : 'None'}</span>}</span><Icon name="down" size={14} /></>}>
            {(close) => <SelectList {...props} close={close} />}
        </Popover>
    );
}
