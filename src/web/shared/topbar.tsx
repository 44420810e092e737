// topbar.tsx - the one row at the top of every page.
import type { ComponentChildren } from 'preact';
import { reachable } from './api';
import { Icon, Logo } from './icons';
import { helpOpen, KeyHelp, Toast } from './keys';
import { theme, toggleTheme } from './theme';
import { own } from './url';

interface TopBarProps {
    /** Where the brand leads: the page's own start. */
    home?: string;
    onHome?: (event: MouseEvent) => void;
    children?: ComponentChildren;
}

export function TopBar({ home = '/', onHome, children }: TopBarProps) {
    return (
        <>
            <header class="bar" data-testid="top-bar">
                <a class="brand" href={own(home)} aria-label="Barograph, start" onClick={onHome}><Logo /></a>
                {children}
                <button type="button" class="button plain icon" title={theme.value === 'dark' ? 'Light theme' : 'Dark theme'} aria-label="Change theme"
                    data-testid="theme" onClick={toggleTheme}><Icon name={theme.value === 'dark' ? 'sun' : 'moon'} /></button>
                <button type="button" class="button plain icon" title="Keys (?)" aria-label="Keys" data-testid="help"
                    onClick={() => { helpOpen.value = true; }}><Icon name="help" /></button>
            </header>
            {!reachable.value && <div class="banner" role="alert" data-testid="offline">The server is not reachable. What you see may be old; trying again.</div>}
            <KeyHelp />
            <Toast />
        </>
    );
}
