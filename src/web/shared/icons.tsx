// icons.tsx - the few signs the pages use, drawn as 16-unit strokes.
const SIGNS = {
    clock: 'M8 4.500V8l2.500 1.500M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
    down: 'm4.500 6.500 3.500 3.500 3.500-3.500',
    right: 'm6.500 4.500 3.500 3.500-3.500 3.500',
    left: 'M9.500 4.500 6 8l3.500 3.500',
    refresh: 'M13 8a5 5 0 1 1-1.500-3.600M13 2.500v2.700h-2.700',
    zoomOut: 'M12 12l2.500 2.500M5 7.200h4.500M12.500 7.200a5.300 5.300 0 1 1-10.600 0 5.300 5.300 0 0 1 10.600 0Z',
    search: 'M11.200 11.200 14 14M12.500 7.200a5.300 5.300 0 1 1-10.600 0 5.300 5.300 0 0 1 10.600 0Z',
    sun: 'M8 5.200a2.800 2.800 0 1 1 0 5.600 2.800 2.800 0 0 1 0-5.600ZM8 1.500v1.300M8 13.200v1.300M1.500 8h1.300M13.200 8h1.300M3.400 3.400l.9.9M11.700 11.700l.9.9M12.600 3.400l-.9.9M4.300 11.700l-.9.9',
    moon: 'M13.500 9.600A5.800 5.800 0 0 1 6.400 2.500a5.800 5.800 0 1 0 7.100 7.100Z',
    help: 'M6.300 6.300a1.800 1.800 0 1 1 2.500 1.700c-.6.3-.8.6-.8 1.200M8 11.300v.1M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
    info: 'M8 7.300v3.500M8 5v.1M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
    warn: 'M8 6v3.200M8 11.400v.1M7 2.700 1.700 12a1.100 1.100 0 0 0 1 1.700h10.600a1.100 1.100 0 0 0 1-1.700L9 2.700a1.150 1.150 0 0 0-2 0Z',
    more: 'M8 3.600v.1M8 8v.1M8 12.400v.1',
    share: 'M6.500 9.500l3-3M7.300 4.600l1.400-1.400a2.900 2.900 0 0 1 4.100 4.100l-1.400 1.400M8.700 11.400l-1.400 1.400a2.900 2.900 0 0 1-4.100-4.100l1.400-1.400',
    close: 'm4 4 8 8M12 4l-8 8',
    check: 'm3.500 8.500 3 3 6-7',
    dashboard: 'M2.500 2.500h4.300v5H2.500zM9.200 2.500h4.300v3H9.200zM9.200 8.500h4.300v5H9.200zM2.500 10.500h4.300v3H2.500z',
    link: 'M9.500 2.500h4v4M13.500 2.500 7.800 8.200M11.500 9v3.500a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1H7',
    expand: 'M9.500 2.500h4v4M6.500 13.500h-4v-4M13.500 2.500l-4.300 4.300M2.500 13.500l4.300-4.300',
    copy: 'M5.500 5.500v-3h8v8h-3M2.500 5.500h8v8h-8z',
    plus: 'M8 3v10M3 8h10',
    minus: 'M3 8h10',
    play: 'M5 3.500v9l7-4.500z',
    pause: 'M5.500 3.500v9M10.500 3.500v9',
    table: 'M2.500 3h11v10h-11zM2.500 6.500h11M2.500 9.800h11M6.500 6.500V13',
    fold: 'm4 6 4 4 4-4',
    filter: 'M2 3.500h12L9.500 8.800v4.400l-3-1.500V8.800z',
} as const;

export type IconName = keyof typeof SIGNS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
    const heavy = name === 'more';
    return (
        <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" aria-hidden="true"
            stroke-width={heavy ? 2.2 : 1.4} stroke-linecap="round" stroke-linejoin="round">
            <path d={SIGNS[name]} />
        </svg>
    );
}

export function Logo({ size = 22 }: { size?: number }) {
    return (
        <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true" stroke-linecap="round" stroke-linejoin="round">
            <path d="M3 20c3.500 0 4-11 7.500-11s3.500 7.500 6.500 7.500S20.500 5 24 5s3 9 5 9" stroke="var(--accent)" stroke-width="3" />
            <path d="M3 27h26" stroke="currentColor" opacity=".45" stroke-width="2" />
        </svg>
    );
}
