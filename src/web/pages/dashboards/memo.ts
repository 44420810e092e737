// memo.ts - a component that draws again only when a property of it changed.
import { Component, createElement, type ComponentType } from 'preact';

export function memo<P extends object>(Inner: ComponentType<P>): ComponentType<P> {
    return class Memo extends Component<P> {
        override shouldComponentUpdate(next: P): boolean {
            const before = this.props as Record<string, unknown>;
            const after = next as Record<string, unknown>;
            for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
                if (key === 'style') {
                    if (JSON.stringify(before[key]) !== JSON.stringify(after[key])) return true;
                } else if (before[key] !== after[key]) return true;
            }
            return false;
        }
        render() { return createElement(Inner as ComponentType<object>, this.props as object); }
    } as unknown as ComponentType<P>;
}
