// search.ts - the page's questions to the store and what came of them, as one object of signals.
import { signal } from '@preact/signals';
import { errorText } from '../../shared/api';
import type { Range } from '../../shared/time';
import { boolQuery, type Filter, type Language } from './filters';
import { fieldsOf, type Line } from './lines';
import {
    isAbort, isSyntax, levelFieldOf, mergeLines, readAround, readCounts, readFields, readMore, readNewest, readPage, readTail, readTop,
    type Counts, type Field, type Top,
} from './store';

export const LINES_MAX = 20_000;

export type State = 'loading' | 'refreshing' | 'ok' | 'empty' | 'partial' | 'error';

export interface Question { index: string; text: string; language: Language; filters: Filter[]; range: Range; bars: number }

export class Search {
    readonly state = signal<State>('loading');
    readonly lines = signal<Line[]>([]);
    readonly counts = signal<Counts | null>(null);
    readonly fields = signal<Field[]>([]);
    /** The store did not take the query: shown beside it. */
    readonly syntax = signal('');
    readonly problem = signal('');
    readonly lack = signal('');
    readonly more = signal(false);
    readonly loadingMore = signal(false);
    readonly missed = signal(false);
    /** The newest line of all times, asked for when the range holds none; undefined: not known yet. */
    readonly newest = signal<Line | null | undefined>(undefined);
    readonly tookMs = signal(0);
    private control = new AbortController();
    private question: Question | null = null;
    private known: string | null = null;

    private clause(question: Question, from = question.range.from, to = question.range.to) {
        return boolQuery(question.text, question.language, question.filters, from, to);
    }

    private async learnFields(index: string): Promise<void> {
        if (this.known === index && this.fields.peek().length > 0) return;
        this.fields.value = await readFields(index);
        this.known = index;
    }

    private async count(question: Question, control: AbortController): Promise<void> {
        await this.learnFields(question.index);
        if (control.signal.aborted) return;
        const counts = await readCounts(question.index, this.clause(question), question.range, question.bars, levelFieldOf(this.fields.peek()), control.signal);
        if (this.control !== control) return;
        this.counts.value = counts;
        if (counts.lack !== '') this.lack.value = counts.lack;
    }

    /** Asks anew. What is on the page stays until the answer has come. */
    async run(question: Question): Promise<void> {
        this.control.abort();
        const control = new AbortController();
        this.control = control;
        this.question = question;
        this.loadingMore.value = false;
        this.state.value = this.lines.peek().length > 0 ? 'refreshing' : 'loading';
        const begun = performance.now();
        const counted = this.count(question, control).then(() => null, (failure: unknown) => failure);
        try {
            const page = await readPage(question.index, this.clause(question), null, control.signal);
            if (this.control !== control) return;
            this.lines.value = page.lines;
            this.more.value = page.more;
            this.lack.value = page.lack;
            this.syntax.value = '';
            this.problem.value = '';
            this.missed.value = false;
            this.newest.value = undefined;
            this.tookMs.value = performance.now() - begun;
            if (page.lines.length > 0) this.state.value = page.lack === '' ? 'ok' : 'partial';
            else this.settleEmpty(question, control);
        } catch (failure) {
            if (isAbort(failure) || this.control !== control) return;
            this.syntax.value = isSyntax(failure) ? errorText(failure) : '';
            this.problem.value = isSyntax(failure) ? '' : errorText(failure);
            this.state.value = 'error';
            return;
        }
        const failure = await counted;
        if (this.control !== control) return;
        if (failure !== null && !isAbort(failure)) {
            this.lack.value = `The counts over time failed: ${errorText(failure)}`;
            this.counts.value = null;
        }
        if (this.lack.peek() !== '' && this.state.peek() === 'ok') this.state.value = 'partial';
    }

    private settleEmpty(question: Question, control: AbortController): void {
        this.state.value = this.lack.peek() === '' ? 'empty' : 'partial';
        const anyTime = this.clause(question, 0, Date.now() + 365 * 86_400_000);
        readNewest(question.index, anyTime, control.signal)
            .then((line) => { if (this.control === control) this.newest.value = line; })
            .catch(() => { /* it was only a hint */ });
    }

    /** Reads on below the last line. */
    async readOn(): Promise<void> {
        const { question, control } = this;
        const lines = this.lines.peek();
        if (!question || this.loadingMore.peek() || lines.length === 0 || lines.length >= LINES_MAX) return;
        this.loadingMore.value = true;
        try {
            const page = await readMore(question.index, this.clause(question), lines, control.signal);
            if (this.control !== control) return;
            this.lines.value = [...this.lines.peek(), ...page.lines];
            this.more.value = page.more && this.lines.peek().length < LINES_MAX;
        } catch (failure) {
            if (isAbort(failure) || this.control !== control) return;
            this.lack.value = `Older lines could not be read: ${errorText(failure)}`;
            this.more.value = false;
            this.state.value = 'partial';
        } finally {
            if (this.control === control) this.loadingMore.value = false;
        }
    }

    /** Takes in what is new since, without touching what is there. False: the store did not answer. */
    async tail(range: Range, withCounts: boolean): Promise<boolean> {
        const { question, control } = this;
        if (!question || ['loading', 'refreshing'].includes(this.state.peek())) return true;
        const now = { ...question, range };
        try {
            const fresh = await readTail(now.index, (from) => this.clause(now, Math.max(from, range.from)), this.lines.peek(), control.signal);
            if (this.control !== control) return true;
            this.question = now;
            if (fresh.lines.length > 0) this.lines.value = mergeLines(fresh.lines, this.lines.peek(), LINES_MAX);
            if (fresh.missed) this.missed.value = true;
            this.problem.value = '';
            this.state.value = this.lines.peek().length === 0 ? 'empty' : 'ok';
            if (withCounts) await this.count(now, control);
            return true;
        } catch (failure) {
            if (isAbort(failure) || this.control !== control) return true;
            this.problem.value = errorText(failure);
            this.state.value = 'error';
            return false;
        }
    }

    around(line: Line, abort: AbortSignal): Promise<Line[]> {
        const names = ['host.name', 'host.hostname', 'log.file.path', 'container.id', 'service.name'];
        const fields = fieldsOf(line.source);
        const filter = names.filter((name) => typeof fields.get(name) === 'string').map((name) => ({ match_phrase: { [name]: fields.get(name) } }));
        const day = 86_400_000;
        const near = { range: { '@timestamp': { gte: line.at - day, lte: line.at + day, format: 'epoch_millis' } } };
        return readAround(this.question?.index ?? '', { bool: { filter: [near, ...filter] } }, line, 50, abort);
    }

    top(field: string, abort: AbortSignal): Promise<Top> {
        const question = this.question!;
        return readTop(question.index, this.clause(question), field, abort);
    }
}
